import shutil
from pathlib import Path

import pytest

import scotoma
from scotoma.cli import main
from scotoma.runs.results import Results
from tests.tiny import shrink_embedded_set, shrink_presets


@pytest.fixture(autouse=True)
def shrunk(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_presets(tmp_path_factory.mktemp("presets"), monkeypatch)
    shrink_embedded_set(monkeypatch)


def test_the_whole_job_is_done_shown_and_not_done_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out)]) == 0
    encoder = scotoma.load_encoder(out / "training" / "encoder.safetensors")
    assert (encoder.card.hide, encoder.card.keep) == (("shirt",), ("bag",))
    assert (encoder.card.training["preset"], encoder.card.training["seed"]) == ("demo", 0)
    results = Results.read(out / "attacks" / "results.json")
    assert {(cell.encoder, cell.task) for cell in results.cells} == {
        (name, task) for name in ("identity", "blur", "encoder") for task in ("shirt", "bag")
    }
    page = (out / "report.html").read_text(encoding="utf-8")
    assert f"{100 * (results.cells[-1].test_accuracy or 0):.1f}" in page
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    path = out / "training" / "encoder.safetensors"
    assert [line for line in lines if line.startswith("$ ")] == [
        f"$ scotoma train fashion-mnist --hide shirt --keep bag --preset demo --seed 0 --out {out}/training",
        f"$ scotoma verify {path} --data fashion-mnist --tasks shirt,bag --baselines identity,blur "
        f"--preset demo --seed 0 --out {out}/attacks",
        f"$ scotoma report {out}/attacks --out {out}/report.html",
    ]
    assert "-shirt" in shown
    assert "`bag`" in shown
    assert lines[-2] == f"Report: {out}/report.html"
    assert lines[-1].startswith("Time: ")
    assert lines[-1].endswith(" s. To begin anew give --overwrite.")

    kept = {each: each.read_bytes() for each in (path, out / "attacks" / "results.json")}
    assert main(["demo", "--out", str(out)]) == 0
    again = capsys.readouterr()
    assert f"{out}/training holds this run, finished. To train anew give --overwrite." in again.out
    assert f"{out}/attacks holds these attacks, finished. To attack anew give --overwrite." in again.out
    assert (
        again.out[again.out.index("Fresh attackers") :].split("Time:")[0]
        == (shown[shown.index("Fresh attackers") :].split("Time:")[0])
    )
    assert "training: " not in again.err
    assert {each: each.read_bytes() for each in kept} == kept


def test_the_printed_commands_do_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out)]) == 0
    commands = [line[2:].split()[1:] for line in capsys.readouterr().out.splitlines() if line[:2] == "$ "]
    moved = tmp_path / "by-demo"
    shutil.move(out, moved)
    for command in commands:
        assert main(command) == 0
    cells = [Results.read(each / "attacks" / "results.json").cells for each in (out, moved)]
    assert [cell.curve for cell in cells[0]] == [cell.curve for cell in cells[1]]
    assert (out / "report.html").is_file()


def test_a_stopped_demo_goes_on_and_overwrite_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("scotoma.verification.run.verify", stopped)
        assert main(["demo", "--out", str(out)]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        "Stopped. The same command goes on where this one stopped."
    )
    path = out / "training" / "encoder.safetensors"
    before = path.stat().st_mtime_ns
    assert main(["demo", "--out", str(out)]) == 0
    assert path.stat().st_mtime_ns == before
    assert main(["demo", "--out", str(out), "--overwrite"]) == 0
    assert path.stat().st_mtime_ns > before


def test_a_folder_that_is_not_the_demos_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("x")
    assert main(["demo", "--out", str(tmp_path), "--overwrite"]) == 2
    assert capsys.readouterr() == (
        "",
        f"{tmp_path} is not empty and no run folder of Scotoma, it is left alone: choose another --out.\n",
    )
    assert (tmp_path / "mine.txt").read_text() == "x"
