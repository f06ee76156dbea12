"""What the tests of reports share."""

from pathlib import Path

import pytest

from tests.reports.examples import write_run


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A folder as `scotoma verify` leaves it."""
    return write_run(tmp_path / "run")
