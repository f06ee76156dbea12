"""What the tests of verbs share: tiny settings, an encoder made of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scotoma.cli import main
from tests.tiny import ATTACKS, NETWORKS, TRAINING, toml, write_photos


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images in four categories: see `write_photos`. Not to be changed."""
    return write_photos(tmp_path_factory.mktemp("data") / "places")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Settings for a training of a second."""
    path = tmp_path / "tiny.toml"
    path.write_text(toml(NETWORKS | {"training": TRAINING}))
    return path


@pytest.fixture
def attacks(tmp_path: Path) -> Path:
    """Settings for attacks of a second."""
    path = tmp_path / "attacks.toml"
    path.write_text(toml({"verification": ATTACKS}))
    return path


@pytest.fixture(scope="session")
def trained(places: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The run folder of a finished training on `places`: hides airport_terminal, keeps office."""
    folder = tmp_path_factory.mktemp("session")
    (folder / "tiny.toml").write_text(toml(NETWORKS | {"training": TRAINING}))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        monkeypatch.setenv("SCOTOMA_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        names = ["--hide", "airport_terminal", "--keep", "office"]
        out = ["--config", str(folder / "tiny.toml"), "--out", str(folder / "run")]
        assert main(["train", str(places), *names, "--preset", "demo", *out]) == 0
    yield folder / "run"
