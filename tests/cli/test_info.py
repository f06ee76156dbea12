import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from scotoma.audit import suites
from scotoma.cli import main
from scotoma.encoder_file import load_encoder
from scotoma.runs.results import Cell, Counts, EncoderSummary, Point, Results
from scotoma.runs.run_folder import claim
from scotoma.runs.verdict import Verdict
from scotoma.runs.whole_files import write_json
from tests.audit.subjects import QUICK


def facts(out: str) -> dict[str, str]:
    """The two columns that `info` prints."""
    return {name: value for name, value in (line.split("  ", 1) for line in out.splitlines())}


def test_the_machine_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    shown = {name.strip(): value.strip() for name, value in facts(capsys.readouterr().out).items()}
    assert list(shown) == ["scotoma", "python", "torch", "device", "threads", "allocator"]
    assert shown["torch"] == torch.__version__
    assert shown["threads"].startswith(f"{torch.get_num_threads()} of ")


def test_a_tensor_file_is_described_with_its_metadata(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "encoder.safetensors"
    metadata = {"format": "f", "settings": json.dumps({"size": 32, "widths": [8, 16], "inner": {"kept": []}})}
    save_file({"a": np.zeros((2, 3), np.float32), "b": np.zeros(1000, np.float32)}, path, metadata)
    assert main(["info", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"file                 {path.stat().st_size:,} bytes",
        "numbers              1,006 in 2 tensors",
        "format               f",
        "settings.size        32",
        "settings.widths      8, 16",
        "settings.inner.kept  none",
    ]


def test_an_encoder_file_is_described_by_its_card(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = trained / "encoder.safetensors"
    card = load_encoder(path).card
    assert main(["info", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    titles = [after for line, after in pairwise(lines) if not line]
    assert titles == ["encoder", "preprocessing", "classifier", "split", "training", "training settings"]
    shown = dict(line.split(maxsplit=1) for line in lines if line and line not in titles)
    assert shown["hides"] == "airport_terminal"
    assert shown["keeps"] == "office"
    assert shown["categories"] == "airport_terminal, bar, office, runway"
    assert shown["images"] == f"digest {card.data_digest}"
    assert shown["convolutions"] == "1"  # the classifier's, the last one shown
    assert shown["hidden.airport_terminal"] == f"{card.training['hidden']['airport_terminal']:.6g}"
    assert shown["preset"] == "demo"
    assert shown["classifier_rate"] == f"{card.training['settings']['classifier_rate']:.6g}"


def test_a_training_folder_says_whether_it_is_finished(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = tmp_path / "stopped"
    shutil.copytree(trained, stopped)
    (stopped / "encoder.safetensors").unlink()
    for folder, state in ((trained, "finished"), (stopped, "not finished, checkpoint at iteration 12")):
        assert main(["info", str(folder)]) == 0
        shown = facts(capsys.readouterr().out)
        assert shown["state  "[:5]].strip() == state
        assert shown["command"].startswith("scotoma train ")


def test_failed_attacks_have_no_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim(tmp_path, "verification")
    done = Cell(
        "encoder", "bag", ("other", "bag"), "keep", "paper", 0, "done", 0.9, 0.912, 0.9, 0.93, 0.5, 0.95, 0.3,
        0.5, 40, 1.0,
        Counts((9, 9), (9, 9), (9, 9)), (Point(20, 1e-3, 0.5, 0.5, 0.9),), {},
    )  # fmt: skip
    none = dict.fromkeys(
        ["val_accuracy", "test_accuracy", "test_low", "test_high", "auc", "cross_entropy", "bits"]
    )
    failed = replace(done, task="shirt", role="hide", state="failed", note="unstable", curve=(), **none)  # type: ignore[arg-type]
    summary = EncoderSummary("encoder", "trained", "0" * 32, (3, 7, 7))
    Results({}, ("shirt",), ("bag",), (summary,), (failed, done)).write(tmp_path / "results.json")
    assert main(["info", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "hides           shirt",
        "keeps           bag",
        "encoder, shirt  (failed, paper): unstable",
        "encoder, bag    91.2 % (done, paper)",
    ]


def test_a_run_folder_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim(tmp_path, "training")
    write_json(tmp_path / "history.json", [])
    assert main(["info", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "run    training",
        "files  history.json, scotoma-run.json",
    ]


def test_what_is_no_file_of_ours_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"{tmp_path} is no run folder of Scotoma: it has no scotoma-run.json.\n"
    path = tmp_path / "a.safetensors"
    assert main(["info", str(path)]) == 2
    assert capsys.readouterr().err == f"There is no file or folder {path}.\n"
    path.write_bytes(b"not tensors")
    assert main(["info", str(path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{path} is no encoder file: it is not safetensors (")
    assert told.count("\n") == 1


def test_the_folder_of_a_suite_is_described(
    places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(suites.SUITES, "standard", suites.Suite(QUICK))
    out = tmp_path / "audit"
    command = ["verify", "blur=3", "--suite", "standard", "--data", str(places), "--out", str(out)]
    names = ["--hide", "bar", "--keep", "office", "--baselines", "none"]
    assert main([*command, "--size", "8", "--channels", "3", *names]) == 0
    verdict = Verdict.read(out / "verdict.json")
    bar = verdict.tasks[0]
    assert bar.winner is not None
    capsys.readouterr()
    assert main(["info", str(out)]) == 0
    found = {name: value.strip() for name, value in facts(capsys.readouterr().out).items()}
    assert (found["run"], found["state"], found["suite"]) == ("suite", "finished", "standard")
    assert (found["hides"], found["keeps"]) == ("bar", "office")
    assert found["encoder"] == f"blur 3 (blur), digest {verdict.target.digest}"
    assert "read" in found["+office"] and "leaks" not in found["+office"]
    assert found["-bar"] == (
        f"{100 * bar.winner.accuracy:.1f} % by {bar.winner.attacker}, floor {100 * bar.floor:.1f} %: leaks"
    )
    assert set(found["flags"].split(", ")) == {each.code for each in verdict.flags}
