import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from scotoma.cli import main
from scotoma.runs.results import Results
from scotoma.runs.whole_files import read_checked_json, write_checked_json
from scotoma.verification.cells import CELL_FORMAT, CELL_VERSION, cell_file
from tests.reports import audit_examples as audits
from tests.reports import examples

IMAGES = 1000


def said(accuracy: float, task: str, seed: int = 0, images: range = range(IMAGES)) -> dict[str, Any]:
    """What an attacker says that is right in so many cases; every second image is of the task's category."""
    random = np.random.default_rng(seed)
    classes = [image % 2 for image in images]
    rights = random.random(len(classes)) < accuracy
    probabilities = [
        [0.9 if right == (label == 1) else 0.1] for right, label in zip(rights, classes, strict=True)
    ]
    return {
        "key": [f"{image:032x}" for image in images],
        "category": [task if label else "other" for label in classes],
        "class": classes,
        "probability": probabilities,
    }


def audited(folder: Path, **told: dict[str, Any]) -> Path:
    """The folder of a suite on `Male` (hidden) and `Smiling` (kept), with the answers of some winners."""
    verdict = audits.leaks()
    audits.write_audit(folder, verdict)
    (folder / "winners").mkdir()
    for task in verdict.tasks:
        if task.task in told and task.winner is not None:
            heading = {"format": "scotoma-answers", "version": 1}
            named = {"task": task.task, "attacker": task.winner.attacker}
            path = folder / "winners" / f"{quote(task.task, safe='')}.json"
            write_checked_json(path, heading | named | told[task.task])
    return folder


def verified(folder: Path, **told: dict[str, Any]) -> Path:
    """The folder of the paper's attackers on an encoder, with what they say."""
    results = examples.results()
    cells = []
    for task, predictions in told.items():
        cell = replace(examples.cell("encoder", "shirt"), task=task)
        cells.append(cell)
        (folder / "cells").mkdir(parents=True, exist_ok=True)
        content = {"format": CELL_FORMAT, "version": CELL_VERSION, "cell": asdict(cell)}
        write_checked_json(
            cell_file(folder / "cells", "encoder", task), content | {"predictions": predictions}
        )
    made = Results(results.run, ("Male",), ("Smiling",), results.encoders, tuple(cells))
    made.write(folder / "results.json")
    return folder


def both(folder: Path) -> tuple[Path, Path]:
    """Two suites: the second encoder tells less of what is hidden, and the same of what is kept."""
    first = audited(folder / "a", Male=said(0.8, "Male"), Smiling=said(0.9, "Smiling", 1))
    second = audited(folder / "b", Male=said(0.6, "Male", 2), Smiling=said(0.9, "Smiling", 3))
    return first, second


def test_two_suites_are_compared_task_by_task(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    first, second = both(tmp_path)
    out = tmp_path / "new" / "compared.json"
    assert main(["compare", str(first), str(second), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    rows = [[each.strip() for each in line.split("│")[1:-1]] for line in shown.splitlines() if "│" in line]
    right = [np.array(said(accuracy, "Male", seed)["probability"]) for accuracy, seed in ((0.8, 0), (0.6, 2))]
    truth = np.array([[0.9 if image % 2 else 0.1] for image in range(IMAGES)])
    accuracies = [float((each == truth).mean()) for each in right]
    differing = int((right[0] != right[1]).sum())
    assert rows[0][:4] == [
        "-Male",
        "1,000",
        f"{100 * accuracies[0]:.1f}",
        f"{100 * accuracies[1]:.1f}",
    ]
    assert rows[0][4].startswith(f"{100 * (accuracies[1] - accuracies[0]):+.1f} [-")
    assert rows[0][5:] == [str(differing), "less"]
    assert (rows[1][0], rows[1][6]) == ("+Smiling", "not told apart")
    assert shown.splitlines()[-1] == f"Written: {out}"
    content = read_checked_json(out, "scotoma-comparison", 1)
    assert [each["task"] for each in content["tasks"]] == ["Male", "Smiling"]
    assert content["tasks"][0]["accuracies"] == pytest.approx(accuracies)
    assert content["tasks"][0]["differing"] == differing


def test_the_other_way_round_the_second_tells_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    first, second = both(tmp_path)
    assert main(["compare", str(second), str(first)]) == 0
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "-Male" in line)
    assert row.split("│")[-2].strip() == "more"


def test_the_papers_attackers_are_compared_with_a_suite_and_that_is_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = verified(tmp_path / "a", Male=said(0.8, "Male"))
    second = audited(tmp_path / "b", Male=said(0.6, "Male", 2), Smiling=said(0.9, "Smiling"))
    assert main(["compare", str(first), str(second)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Note: A was attacked by the suite paper, B by standard: attackers of different strength" in shown
    assert "Smiling" not in shown
    assert main(["compare", str(first), str(verified(tmp_path / "c", Male=said(0.6, "Male", 2)))]) == 0
    assert "Note:" not in capsys.readouterr().out


def test_what_is_missing_of_either_is_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = audited(tmp_path / "a", Male=said(0.8, "Male"))
    assert main(["compare", str(first), str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"There is no file {first / 'winners' / 'Smiling.json'}: it holds what the attacker says of every "
        "test image. Put it back, or give the `scotoma verify` command of that folder again.\n"
        f"{tmp_path} holds neither results.json nor verdict.json: give a folder that `scotoma verify` wrote "
        "(its --out).\n"
    )


def test_a_folder_is_not_compared_with_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = audited(tmp_path / "a", Male=said(0.8, "Male"), Smiling=said(0.9, "Smiling"))
    assert main(["compare", str(one), str(one / ".." / "a")]) == 2
    assert capsys.readouterr().err == f"{one} is compared with itself: give two folders.\n"


def test_a_missing_cell_and_references_only_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = verified(tmp_path / "a", Male=said(0.8, "Male"))
    path = first / "cells" / "encoder--Male.json"
    path.unlink()
    second = examples.write_run(tmp_path / "b", examples.without(examples.results(), "encoder"))
    assert main(["compare", str(first), str(second)]) == 2
    assert capsys.readouterr().err == (
        f"There is no file {path}: it holds what the attacker says of every test image. Put it back, or give "
        "the `scotoma verify` command of that folder again.\n"
        f"{second / 'results.json'} tells of no attack on an encoder, only of references.\n"
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"version": 2}, "has version 2 of scotoma-answers, this Scotoma reads version 1."),
        (
            {"attacker": "MLP"},
            "holds the answers of MLP on Male, verdict.json tells of paper CNN, votes on Male.",
        ),
        ({"class": [0]}, "does not hold the answers of an attacker"),
    ],
    ids=["version", "attacker", "columns"],
)
def test_answers_that_do_not_fit_are_told(
    changes: dict[str, Any], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = both(tmp_path)
    path = first / "winners" / "Male.json"
    content = json.loads(path.read_text())
    del content["checksum"]
    write_checked_json(path, content | changes)
    assert main(["compare", str(first), str(second)]) == 2
    assert f"{path} {told}" in capsys.readouterr().err


def test_other_test_images_are_told_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = verified(tmp_path / "a", Male=said(0.8, "Male"))
    second = verified(tmp_path / "b", Male=said(0.8, "Male", images=range(600, 1600)))
    out = tmp_path / "compared.json"
    assert main(["compare", str(first), str(second), "--out", str(out)]) == 2
    assert capsys.readouterr().err == (
        f"{first} and {second} cannot be compared.\n"
        "  - Male: the test images differ: 400 are common, of 1,000 and 1,000, and at least 50% of the "
        "larger set is needed. Take encoders of the same data, with the same split and seed; of codes "
        "computed beforehand nobody knows the images\n"
    )
    assert not out.exists()


def test_tasks_that_nobody_could_attack_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = audits.write_audit(tmp_path / "a", audits.verdict(audits.with_failures().tasks[1]))
    second = verified(tmp_path / "b", Male=said(0.8, "Male"))
    assert main(["compare", str(first), str(second)]) == 2
    assert capsys.readouterr().err == (
        f"{first} and {second} have no task in common: none in A, Male in B. Attack both encoders on the "
        "same task (verify --tasks).\n"
    )


def test_a_file_is_replaced_only_when_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = both(tmp_path)
    out = tmp_path / "compared.json"
    out.write_text("mine")
    assert main(["compare", str(first), str(second), "--out", str(out)]) == 2
    assert capsys.readouterr().err == (
        f"{out} exists already: choose another --out, or give --overwrite to replace it.\n"
    )
    assert out.read_text() == "mine"
    assert main(["compare", str(first), str(second), "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path} is a folder: name a file for the figures, such as {tmp_path / 'compared.json'}.\n"
    )
    assert main(["compare", str(first), str(second), "--out", str(out), "--overwrite"]) == 0
    assert out.read_text() != "mine"


def test_both_folders_are_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "runs/a"]) == 2
    assert capsys.readouterr().err == "the command line: 1 problem.\n  - b: missing, it must be a path\n"
