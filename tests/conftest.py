"""What do all tests share? One thread, a cache of their own, and the way to large data."""

import os
from pathlib import Path

import pytest
import torch

# Tests are small: threads would cost more than they give, and make sums depend on the machine.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def surroundings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    # A verb that runs in a test would give torch one thread a core, for all tests that come after it.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("SCOTOMA_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def scotoma_data() -> Path:
    """The folder with large data sets that the environment variable SCOTOMA_DATA names; skips without it."""
    named = os.environ.get("SCOTOMA_DATA")
    if not named:
        pytest.skip("SCOTOMA_DATA is not set: it names the folder with large data sets (scenes, ...)")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"SCOTOMA_DATA is {named}, which is no folder")
    return folder
