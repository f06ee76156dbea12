from dataclasses import replace
from pathlib import Path

import pytest

from scotoma.cli import main
from scotoma.cli.verify import show_results
from scotoma.reports.verdict import OTHER_IMAGES
from scotoma.runs.results import Cell, Counts, EncoderSummary, Point, Results
from tests.reports.audit_examples import write_audit
from tests.reports.examples import results


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a finished attack on one encoder that hides shirt."""
    cell = Cell(
        encoder="encoder",
        task="shirt",
        classes=("other", "shirt"),
        role="hide",
        attacker="fresh",
        seed=0,
        state="done",
        val_accuracy=0.66,
        test_accuracy=0.651,
        test_low=0.61,
        test_high=0.69,
        floor=0.5,
        auc=0.7,
        cross_entropy=0.6,
        bits=0.1,
        iterations=20,
        seconds=1.0,
        counts=Counts((900, 100), (270, 30), (450, 50)),
        curve=(Point(10, 1e-4, 0.7, 0.7, 0.5), Point(20, 1e-4, 0.6, 0.6, 0.66)),
        settings={},
    )
    folder = tmp_path / "attacked"
    folder.mkdir()
    encoder = EncoderSummary("encoder", "trained", "0" * 32, (8, 8, 3))
    Results({"seed": 0}, ("shirt",), (), (encoder,), (cell,)).write(folder / "results.json")
    return folder


def test_the_report_is_written_and_the_table_shown(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.html"
    assert main(["report", str(run), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "65.1" in shown
    assert shown.splitlines()[-1] == f"Report: {out}"
    assert "65.1" in out.read_text(encoding="utf-8")


def test_without_a_name_it_lies_in_the_run_folder(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Report: {run / 'report.html'}"
    assert (run / "report.html").is_file()


def test_an_existing_report_is_replaced_only_when_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.html"
    out.write_text("mine")
    assert main(["report", str(run), "--out", str(out)]) == 2
    assert capsys.readouterr().err == (
        f"{out} exists already: choose another --out, or give --overwrite to replace it.\n"
    )
    assert out.read_text() == "mine"
    assert main(["report", str(run), "--out", str(out), "--overwrite"]) == 0
    assert out.read_text(encoding="utf-8") != "mine"


def test_a_folder_without_results_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        f"{tmp_path} holds neither results.json nor verdict.json, so there is nothing to report on. Give the "
        "folder that `scotoma verify` wrote (its --out).\n"
    )


def test_the_verdict_of_a_suite_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_audit(tmp_path / "audited")
    assert main(["report", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "66.0 [64.6, 67.4]" in shown
    assert "`Male` leaks" in shown
    assert shown.splitlines()[-1] == f"Report: {folder / 'report.html'}"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Beside floors and references" in page
    assert "what is added later" not in page


def test_a_verdict_that_was_changed_is_not_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_audit(tmp_path / "audited") / "verdict.json"
    path.write_text(path.read_text().replace("0.66", "0.55"))
    assert main(["report", str(path.parent)]) == 2
    assert "verdict.json was changed or damaged since it was written" in capsys.readouterr().err
    assert not (path.parent / "report.html").exists()


@pytest.mark.parametrize("same", [True, False])
def test_images_that_are_not_those_of_training_are_said_in_the_terminal(
    same: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    show_results(replace(results(), run={"data": {"same_as_training": same}}))
    assert (OTHER_IMAGES in " ".join(capsys.readouterr().out.split())) is not same
