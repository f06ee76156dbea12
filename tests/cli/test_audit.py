"""`scotoma verify --suite standard`, as a user types it; attackers are quick ones."""

import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import scotoma
from scotoma.audit import suites
from scotoma.audit.examples import Learned
from scotoma.cli import main
from scotoma.data.images import open_images
from scotoma.errors import InputError
from scotoma.runs.verdict import Verdict
from tests.audit.subjects import QUICK
from tests.tiny import write_photos


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(suites.SUITES, "standard", suites.Suite(QUICK))


def verify(target: str, data: Path, out: Path, *more: str) -> int:
    return main(["verify", target, "--suite", "standard", "--data", str(data), "--out", str(out), *more])


SHAPE = ("--size", "8", "--channels", "3")
NAMES = ("--hide", "airport_terminal", "--keep", "office", "--baselines", "none")


def test_an_encoder_of_ours_is_attacked_with_what_its_file_says(
    places: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "audit"
    assert verify(str(trained / "encoder.safetensors"), places, out, "--baselines", "none") == 0
    verdict = Verdict.read(out / "verdict.json")
    assert (verdict.hide, verdict.keep, verdict.suite) == (("airport_terminal",), ("office",), "standard")
    assert verdict.target.kind == "trained"
    # Twelve images are in the reserve: too few of each category to learn from.
    assert {each.sees for each in verdict.tasks[0].attempts} == {"same"}
    printed = capsys.readouterr().out
    assert (
        printed.count("An empirical lower bound on leakage, no guarantee: other attackers may find more.")
        == 1
    )
    assert f"Write the report: scotoma report {out}" in printed


def test_blurred_images_give_away_what_they_show(places: Path, tmp_path: Path) -> None:
    out = tmp_path / "audit"
    assert verify("blur=3", places, out, *SHAPE, *NAMES) == 0
    verdict = Verdict.read(out / "verdict.json")
    assert (verdict.target.name, verdict.overall) == ("blur 3", "leaks")
    assert json.loads((out / "settings.json").read_text())["command"].startswith("scotoma verify blur=3 ")


def test_a_function_that_a_user_wrote_is_attacked(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_encoder.py").write_text(
        "def encode(images):\n    return images.mean(axis=(2, 3), dtype='float32')\n"
    )
    assert verify("my_encoder:encode", places, tmp_path / "a", *SHAPE, *NAMES) == 0
    sys.modules.pop("my_encoder", None)
    function = Verdict.read(tmp_path / "a" / "verdict.json")
    assert (function.target.kind, function.overall) == ("function", "leaks")


def test_codes_and_a_table_of_labels_are_enough(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    sex, smile = random.integers(2, size=(2, 600))
    codes = random.normal(size=(600, 5)).astype(np.float32)
    codes[:, 2] += 3 * sex
    np.save(tmp_path / "codes.npy", codes)
    rows = [f"{a},{b}" for a, b in zip(sex, smile, strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(["Male,Smiling", *rows]) + "\n")
    out = tmp_path / "audit"
    names = ("--hide", "Male,Smiling")
    assert verify(str(tmp_path / "codes.npy"), tmp_path / "labels.csv", out, *names) == 0
    verdict = Verdict.read(out / "verdict.json")
    assert {each.task: each.outcome == "leaks" for each in verdict.tasks} == {"Male": True, "Smiling": False}
    notes = {each.name: each.note for each in verdict.tasks[0].references}
    assert notes["original images"] == "not available: there are only codes, not what makes them"


class Quarters(torch.nn.Module):
    """A few lines of somebody else's: the means of quarters of an image."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3, 8, 8) from 0 to 1, codes (batch, 3, 2, 2)."""
        return torch.nn.functional.avg_pool2d(images, 4)


def test_onnx_a_function_and_computed_codes_get_the_same_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    places = write_photos(tmp_path / "many places", each=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        batch = {"images": {0: torch.export.Dim("batch")}}
        torch.onnx.export(
            Quarters(),
            (torch.zeros(2, 3, 8, 8),),
            "theirs.onnx",
            dynamo=True,
            dynamic_shapes=batch,
            verbose=False,
        )
    text = "import torch\n\n\ndef encode(images):\n"
    text += "    return torch.nn.functional.avg_pool2d(torch.from_numpy(images).float() / 255, 4)\n"
    Path("their_encoder.py").write_text(text)
    images = open_images(str(places), 9, 3)
    pixels = torch.from_numpy(images.pixels[:, :8, :8].transpose(0, 3, 1, 2).copy()).float() / 255
    np.save("codes.npy", Quarters()(pixels).numpy())
    rows = [images.categories[label] for label in images.labels]
    Path("places.csv").write_text("\n".join(["place", *rows]) + "\n")

    assert verify("theirs.onnx", places, tmp_path / "a", "--scaling", "unit", *NAMES) == 0
    assert verify("their_encoder:encode", places, tmp_path / "b", *SHAPE, *NAMES) == 0
    names = ("--hide", "place=airport_terminal", "--keep", "place=office", "--baselines", "none")
    assert verify("codes.npy", Path("places.csv"), tmp_path / "c", *names) == 0
    sys.modules.pop("their_encoder", None)
    onnx, function, codes = (Verdict.read(tmp_path / name / "verdict.json") for name in "abc")
    for one, other, third in zip(onnx.tasks, function.tasks, codes.tasks, strict=True):
        assert one.winner == other.winner
        assert [one.outcome, other.outcome, third.outcome] == ["leaks"] * 3
        assert third.winner is not None and third.winner.accuracy > 0.95


def test_what_is_both_hidden_and_kept_is_refused(
    places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("--hide", "bar,office", "--keep", "office")
    assert verify("blur=3", places, tmp_path / "out", *SHAPE, *names) == 2
    assert capsys.readouterr().err.endswith(
        "both hidden and kept: office; a category can be only one of them\n"
    )


def test_attempts_that_failed_are_told_and_tried_again(
    places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Learned:
        raise MemoryError

    name = QUICK[1].name
    with monkeypatch.context() as once:
        broken = (QUICK[0], replace(QUICK[1], learn=fails))
        once.setitem(suites.SUITES, "standard", suites.Suite(broken))
        assert verify("blur=3", places, tmp_path / "out", *SHAPE, *NAMES) == 1
    said = capsys.readouterr()
    assert said.err.endswith("attempts failed; the same command tries them again.\n")
    assert f"Attackers that failed: {name}" in " ".join(said.out.split())
    assert verify("blur=3", places, tmp_path / "out", *SHAPE, *NAMES) == 0


def test_what_cannot_be_attacked_empties_no_folder(
    places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert verify("blur=3", places, out, *SHAPE, *NAMES) == 0
    before = (out / "verdict.json").read_bytes()
    assert verify("blur=3", places, out, *SHAPE, "--hide", "runwayy", "--overwrite") == 2
    assert "'runwayy' is no category of these images" in capsys.readouterr().err
    assert (out / "verdict.json").read_bytes() == before


def test_the_same_command_again_makes_nothing_anew_and_one_with_more_tasks_adds_them(
    places: Path, tmp_path: Path
) -> None:
    out = tmp_path / "audit"
    assert verify("blur=3", places, out, *SHAPE, *NAMES) == 0
    first = Verdict.read(out / "verdict.json")
    cells = {path: path.stat().st_mtime_ns for path in (out / "cells").iterdir()}
    assert verify("blur=3", places, out, *SHAPE, *NAMES, "--tasks", "bar") == 0
    second = Verdict.read(out / "verdict.json")
    assert [each.task for each in second.tasks] == ["airport_terminal", "office", "bar"]
    assert second.tasks[:2] == first.tasks
    assert all(path.stat().st_mtime_ns == cells[path] for path in cells)


@pytest.mark.parametrize(
    ("target", "more", "message"),
    [
        (
            "blur=3",
            (*SHAPE, *NAMES, "--preset", "demo", "--set", "verification.views=1"),
            "--suite standard has no knobs, so that everybody's verdict means the same: leave --preset and "
            "--set and [verification] out, or take --suite paper.\n",
        ),
        (
            "blur=3",
            (*SHAPE, *NAMES, "--set", "classifier.hidden=512"),
            "--suite standard has no knobs, so that everybody's verdict means the same: leave --set and "
            "[classifier] out, or take --suite paper.\n",
        ),
        (
            "blur=3",
            SHAPE,
            "Nothing says what blur=3 is to hide: name it with --hide (and --keep), or name what to attack "
            "with --tasks.\n",
        ),
        (
            "blur=3",
            NAMES,
            "blur=3 takes images of any size: give --size and --channels (--size: pixels a side; --channels: "
            "1 for gray, 3 for RGB).\n",
        ),
        (
            "blur=3",
            ("--size", "0", "--channels", "3", *NAMES),
            "Images need at least 1 pixel a side, not 0.\n",
        ),
        (
            "blur=3",
            ("--size", "100000", "--channels", "3", *NAMES),
            "--size 100000: images can have at most 4,096 pixels a side.\n",
        ),
        (
            "blur=3",
            (*SHAPE, *NAMES, "--utility", "blur=3"),
            "--utility takes an encoder file (.safetensors), not blur=3.\n",
        ),
        (
            "blurr=3",
            (*SHAPE, *NAMES),
            "There is nothing to attack that is named 'blurr=3'. Did you mean blur=8? Allowed: "
            "FILE.safetensors, FILE.onnx, module:function, identity, blur=8, pixelate=8, downsample=8, "
            "noise=0.5, jpeg=10.\n",
        ),
    ],
)
def test_what_cannot_be_asked_is_told(
    target: str,
    more: tuple[str, ...],
    message: str,
    places: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert verify(target, places, tmp_path / "audit", *more) == 2
    assert capsys.readouterr().err == message
    assert not (tmp_path / "audit").exists()


def test_other_encoders_need_a_suite(
    places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "audit")
    assert main(["verify", "blur=3", "--data", str(places), "--out", out]) == 2
    assert capsys.readouterr().err == (
        "blur=3 is no encoder file. Other encoders are attacked with --suite standard.\n"
    )


def test_a_folder_of_another_suite_is_left_alone(
    places: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = str(trained / "encoder.safetensors")
    assert verify(encoder, places, tmp_path / "audit", "--baselines", "none") == 0
    capsys.readouterr()
    out = str(tmp_path / "audit")
    assert main(["verify", encoder, "--data", str(places), "--out", out]) == 2
    assert "holds a suite run, not a verification run" in capsys.readouterr().err


def test_from_python_the_file_of_an_encoder_says_what_it_hides(
    trained: Path, places: Path, tmp_path: Path
) -> None:
    encoder = scotoma.load_encoder(trained / "encoder.safetensors")
    images = scotoma.open_images(places, encoder, categories=encoder.card.categories)
    verdict = scotoma.verify_by_suite(encoder, images, tmp_path / "audit", baselines=[])
    assert (verdict.hide, verdict.keep) == (("airport_terminal",), ("office",))
    assert verdict.target.kind == "trained"
    with pytest.raises(InputError) as caught:
        scotoma.verify_by_suite(encoder, images, tmp_path / "other", hide=["bar"])
    assert str(caught.value) == (
        "--hide bar contradicts the encoder file, which says airport_terminal; leave --hide out."
    )
