"""Do hostile inputs still get what docs/results/hostile.md says?"""

from pathlib import Path

import pytest

from tests.benchmarks.scripts import load_script

ROOT = Path(__file__).parents[2]


def test_every_hostile_input_gets_what_the_document_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = load_script("hostile", ROOT / "experiments")
    monkeypatch.setenv("SCOTOMA_CACHE", "")  # the script sets it; it is put back afterwards
    hostile.main(tmp_path / "hostile.md")
    expected = (ROOT / "docs" / "results" / "hostile.md").read_text(encoding="utf-8")
    assert (tmp_path / "hostile.md").read_text(encoding="utf-8") == expected
