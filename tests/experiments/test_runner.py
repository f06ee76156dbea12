"""One real, tiny reproduction from the command line, and what becomes of cells that fail."""

import json
from pathlib import Path

import pytest

from scotoma.cli import main
from scotoma.runs.results import Results
from tests.tiny import write_photos


def test_cells_are_run_collected_and_not_run_twice(
    tmp_path: Path, tiny_scale: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = write_photos(tmp_path / "photos"), tmp_path / "out"
    only = ["--seeds", "0", "--only", "hide-airport_terminal-keep-office-label-flip"]
    command = ["reproduce", "table1", "--scale", tiny_scale, "--data", str(data), "--out", str(out), *only]
    assert main(command) == 0
    shown = capsys.readouterr().out
    name = "one-hide-airport_terminal-keep-office-label-flip-seed0"
    results = Results.read(out / "attacks" / name / "results.json")
    assert {(cell.encoder, cell.task) for cell in results.cells} == {
        (encoder, task)
        for encoder in ("identity", "blur", "encoder")
        for task in ("airport_terminal", "office")
    }
    written = json.loads((out / "table1.json").read_text())
    first, other = written["result"]["rows"][:2]
    hidden = next(each for each in results.cells if each.encoder == "encoder" and each.role == "hide")
    assert first["seeds"][0]["test"] == first["test"] == hidden.test_accuracy
    assert first["within"] == pytest.approx(1 - first["reversed"])
    assert (other["test"], other["seeds"][0]["state"]) == (None, "missing")
    assert (out / "table1.md").read_text() in shown
    states = {cell["name"]: cell["state"] for cell in written["cells"]}
    assert [each for each, state in states.items() if state == "done"] == [
        f"encoders/{name}",
        f"attacks/{name}",
    ]

    before = (out / "encoders" / name / "encoder.safetensors").stat().st_mtime_ns
    assert main(command) == 0
    assert (out / "encoders" / name / "encoder.safetensors").stat().st_mtime_ns == before
    recorded = next(cell["command"] for cell in written["cells"] if cell["name"] == f"attacks/{name}")
    capsys.readouterr()
    assert main(recorded.split()[1:]) == 0
    assert "holds these attacks, finished" in capsys.readouterr().out
