import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import scotoma
from scotoma.cli import main
from scotoma.encoder_file import save_encoder
from scotoma.reports.verdict import OTHER_NETWORKS
from scotoma.runs.results import Point, Results
from scotoma.verification import protocol
from tests.tiny import ATTACKS, NETWORKS, TRAINING, toml, write_photos


def verify(encoder: Path, data: Path, out: Path, config: Path, *more: str) -> int:
    known = ["--data", str(data), "--config", str(config), "--out", str(out)]
    return main(["verify", str(encoder), *known, *more])


@pytest.fixture
def encoder(trained: Path) -> Path:
    return trained / "encoder.safetensors"


def rewritten(encoder: Path, out: Path, **changes: object) -> Path:
    """The same encoder with another card."""
    read = scotoma.load_encoder(encoder)
    save_encoder(out, read.network, replace(read.card, **changes))  # type: ignore[arg-type]
    return out


def test_every_attack_is_run_recorded_and_shown(
    encoder: Path, places: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "attacked"
    assert verify(encoder, places, out, attacks) == 0
    results = Results.read(out / "results.json")
    assert [(cell.encoder, cell.task, cell.role) for cell in results.cells] == [
        (name, task, role)
        for name in ("identity", "blur", "encoder")
        for task, role in (("airport_terminal", "hide"), ("office", "keep"))
    ]
    for cell in results.cells:
        assert cell.settings["batch"] == ATTACKS["batch"]
        assert 0 < cell.iterations <= 20
        assert cell.test_low is not None and cell.test_accuracy is not None and cell.test_high is not None
        assert 0 <= cell.test_low <= cell.test_accuracy <= cell.test_high <= 1
    # A group of four: who knows that an image is no office has 1/2 + 1/6 for the hidden one.
    assert results.cells[0].floor == pytest.approx(2 / 3)
    command = (
        f"scotoma verify {encoder} --data {places} --tasks airport_terminal,office --baselines identity,blur "
        f"--seed 0 --config {attacks} --out {out}"
    )
    assert results.run["command"] == command
    assert results.run["data"]["same_as_training"] is True
    shown = capsys.readouterr().out
    for cell in results.cells:
        assert f"{100 * (cell.test_accuracy or 0):.1f} [" in shown
    assert "-airport_terminal" in shown
    assert "+office" in shown
    assert shown.splitlines()[-1] == f"Write the report: scotoma report {out}"
    asked = json.loads((out / "settings.json").read_text())
    assert asked["command"] == command
    assert asked["digest"] == scotoma.load_encoder(encoder).digest
    assert asked["preset"] == "demo"
    assert asked["settings"]["verification"]["rate"] == scotoma.load_preset("demo").verification.rate


def test_python_finds_the_same(encoder: Path, places: Path, attacks: Path, tmp_path: Path) -> None:
    out = tmp_path / "attacked"
    assert verify(encoder, places, out, attacks, "--baselines", "none") == 0
    frozen = scotoma.load_encoder(encoder)
    preset = scotoma.load_preset("demo", {"verification": ATTACKS})
    images = scotoma.open_images(places, frozen)
    results = scotoma.verify(frozen, images, preset, tmp_path / "api", baselines=())
    there = Results.read(out / "results.json")
    assert [replace(cell, seconds=0) for cell in results.cells] == [
        replace(cell, seconds=0) for cell in there.cells
    ]
    assert len(results.cells) == 2


def test_finished_attacks_stay_and_others_are_added(
    encoder: Path, places: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "attacked"
    more = ["--tasks", "office", "--baselines", "none"]
    assert verify(encoder, places, out, attacks, *more) == 0
    cell = out / "cells" / "encoder--office.json"
    first, written = cell.read_bytes(), cell.stat().st_mtime_ns
    results = (out / "results.json").read_bytes()
    capsys.readouterr()
    assert verify(encoder, places, out, attacks, *more) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[0] == (
        f"{out} holds these attacks, finished. To attack anew give --overwrite."
    )
    assert told.err == ""
    assert (out / "results.json").read_bytes() == results
    assert verify(encoder, places, out, attacks, "--tasks", "bar", "--baselines", "blur") == 0
    assert (cell.read_bytes(), cell.stat().st_mtime_ns) == (first, written)
    assert [(each.encoder, each.task) for each in Results.read(out / "results.json").cells] == [
        ("blur", "office"),
        ("blur", "bar"),
        ("encoder", "office"),
        ("encoder", "bar"),
    ]
    assert verify(encoder, places, out, attacks, *more, "--overwrite", "--seed", "1") == 0
    assert [each.seed for each in Results.read(out / "results.json").cells] == [1]


def test_results_of_another_run_are_not_taken_for_this_one_s(
    encoder: Path, places: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    more = ["--tasks", "office", "--baselines", "none"]
    assert verify(encoder, places, here, attacks, *more) == 0
    assert verify(encoder, places, there, attacks, *more, "--seed", "1") == 0
    path = here / "results.json"
    mine = path.read_bytes()
    path.write_bytes((there / "results.json").read_bytes())
    capsys.readouterr()
    assert verify(encoder, places, here, attacks, *more) == 2
    assert capsys.readouterr() == (
        "",
        f"{path} is not of this run: it tells of another encoder, other images or other settings. Put the "
        "original back, or delete it and give the same command again.\n",
    )
    path.write_bytes(mine.replace(b'"test_accuracy": 0.', b'"test_accuracy": 0.1', 1))
    assert verify(encoder, places, here, attacks, *more) == 2
    assert capsys.readouterr().err == (
        f"{path} was changed or damaged since it was written: its checksum does not fit. Put the original "
        "back, or delete the file and give the command that wrote it again.\n"
    )
    path.unlink()
    assert verify(encoder, places, here, attacks, *more) == 0
    assert Results.read(path).cells[0].seed == 0


def test_attackers_of_another_size_than_trainings_adversaries(
    encoder: Path, places: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "attacked"
    more = ["--tasks", "office", "--baselines", "none"]
    wider = ["--set", "classifier.widths=[6]", "--set", "classifier.hidden=16"]
    assert verify(encoder, places, out, attacks, *more, *wider) == 0
    results = Results.read(out / "results.json")
    assert results.run["settings"]["classifier"] == {"convolutions": [1], "widths": [6], "hidden": 16}
    assert results.run["classifier_of_training"] == {"convolutions": [1], "widths": [4], "hidden": 8}
    told = capsys.readouterr().out
    assert OTHER_NETWORKS in " ".join(told.split())
    assert verify(encoder, places, out, attacks, *more, *wider) == 0
    assert capsys.readouterr().out.startswith(f"{out} holds these attacks, finished.")
    assert verify(encoder, places, out, attacks, *more) == 2
    assert capsys.readouterr().err == (
        f"{out} holds a run that was begun with other settings:\n"
        "  settings.classifier.widths: 6 there, not set now\n"
        "  settings.classifier.hidden: 16 there, not set now\n"
        "Give the same command again, choose another --out, or give --overwrite to start anew.\n"
    )
    frozen = scotoma.load_encoder(encoder)
    preset = scotoma.load_preset("demo", {"verification": ATTACKS})
    images = scotoma.open_images(places, frozen)
    asked = {"widths": [6], "hidden": 16}
    found = scotoma.verify(
        frozen, images, preset, tmp_path / "api", tasks=["office"], baselines=(), classifier=asked
    )
    assert [each.curve for each in found.cells] == [each.curve for each in results.cells]


def test_attackers_that_cannot_be_built_are_told(
    encoder: Path, places: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ["--set", "classifier.widths=[32,64]", "--set", "classifier.units=16"]
    assert verify(encoder, places, tmp_path / "attacked", attacks, *wrong) == 2
    assert capsys.readouterr().err == (
        f"{attacks} with the command line over it: 1 problem.\n"
        "  - classifier.units: unknown key, allowed: convolutions, widths, hidden\n"
    )
    assert verify(encoder, places, tmp_path / "attacked", attacks, *wrong[:2]) == 2
    assert capsys.readouterr().err == (
        f"{attacks} with the command line over it: 1 problem.\n"
        "  - classifier: classifier settings: 'convolutions' has 1 stages and 'widths' 2: give as many of "
        "one as of the other, at least one\n"
    )
    assert not (tmp_path / "attacked").exists()


def test_settings_of_another_verb_in_their_place_are_told(
    encoder: Path, places: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "attacked"
    more = ["--tasks", "office", "--baselines", "none"]
    assert verify(encoder, places, out, attacks, *more) == 0
    (out / "settings.json").write_bytes((encoder.parent / "settings.json").read_bytes())
    capsys.readouterr()
    assert verify(encoder, places, out, attacks, *more) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"{out} holds a run that was begun with other settings:\n")
    assert "  digest: not set there, " in told.err


def test_other_settings_do_not_go_on_in_the_same_folder(
    encoder: Path, places: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "attacked"
    more = ["--tasks", "office", "--baselines", "none"]
    assert verify(encoder, places, out, attacks, *more) == 0
    before = (out / "results.json").read_bytes()
    capsys.readouterr()
    attacks.write_text(toml({"verification": ATTACKS | {"max_iterations": 10}}))
    assert verify(encoder, places, out, attacks, *more, "--seed", "1") == 2
    assert capsys.readouterr().err == (
        f"{out} holds a run that was begun with other settings:\n"
        "  seed: 0 there, 1 now\n"
        "  settings.verification.max_iterations: 20 there, 10 now\n"
        "Give the same command again, choose another --out, or give --overwrite to start anew.\n"
    )
    assert (out / "results.json").read_bytes() == before
    assert main(["train", str(places), "--hide", "bar", "--preset", "demo", "--out", str(out)]) == 2
    assert capsys.readouterr().err == (
        f"{out} holds a verification run, not a training run: choose another --out, or give --overwrite "
        "to replace it.\n"
    )


def test_an_anonymous_encoder_needs_names(
    encoder: Path,
    places: Path,
    attacks: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    anonymous = rewritten(encoder, tmp_path / "a.safetensors", hide=None, keep=None, categories=None)
    out = tmp_path / "attacked"
    assert verify(anonymous, places, out, attacks, "--baselines", "none") == 2
    assert capsys.readouterr().err == (
        "This encoder file is anonymous: it does not say what it hides. Name it with --hide (and --keep).\n"
    )
    with monkeypatch.context() as patched:  # told before any image is decoded
        patched.setattr("scotoma.data.images.decoded", lambda *_, **__: pytest.fail("decoded"))
        assert verify(anonymous, places, out, attacks, "--baselines", "none", "--hide", "bra") == 2
    assert "'bra' is no category of these images; the nearest is 'bar'." in capsys.readouterr().err
    assert not out.exists()
    assert verify(anonymous, places, out, attacks, "--baselines", "none", "--hide", "bar") == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        f"The encoder file does not name the categories of training: all of {places} are used. "
        "If it were others, name them with --categories."
    )
    results = Results.read(out / "results.json")
    assert (results.hide, results.keep) == (("bar",), ())
    assert [cell.task for cell in results.cells] == ["bar"]


def test_names_that_contradict_the_file_are_refused(
    encoder: Path, places: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(encoder, places, tmp_path / "attacked", attacks, "--hide", "bar") == 2
    assert capsys.readouterr().err == (
        "--hide bar contradicts the encoder file, which says airport_terminal; leave --hide out.\n"
    )


def test_a_file_without_a_preset_asks_for_one(
    encoder: Path, places: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = rewritten(encoder, tmp_path / "f.safetensors", training={})
    out = tmp_path / "attacked"
    more = ["--tasks", "office", "--baselines", "none"]
    assert verify(foreign, places, out, attacks, *more) == 2
    assert capsys.readouterr().err == (
        f"{foreign} does not say with which preset it was trained: name the one whose settings the attackers "
        "shall take with --preset (demo, paper, small).\n"
    )
    assert verify(foreign, places, out, attacks, *more, "--preset", "small") == 0
    rate = Results.read(out / "results.json").cells[0].settings["rate"]
    assert rate == scotoma.load_preset("small").verification.rate


def test_only_the_categories_of_training_take_part_where_all_are_there(
    places: Path, tiny: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.write_text(toml(NETWORKS | {"training": TRAINING}))
    names = ["--hide", "bar", "--categories", "bar,office,runway", "--preset", "demo"]
    run = tmp_path / "run"
    assert main(["train", str(places), *names, "--config", str(tiny), "--out", str(run)]) == 0
    encoder = run / "encoder.safetensors"
    assert verify(encoder, places, tmp_path / "same", attacks, "--baselines", "none") == 0
    about = Results.read(tmp_path / "same" / "results.json").run["data"]
    assert (about["categories"], about["same_as_training"]) == (["bar", "office", "runway"], True)
    other = write_photos(tmp_path / "other")
    (other / "runway").rename(other / "street")
    capsys.readouterr()
    assert verify(encoder, other, tmp_path / "others", attacks, "--baselines", "none") == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        f"{other} lacks runway, which took part in training: all its categories are used."
    )
    about = Results.read(tmp_path / "others" / "results.json").run["data"]
    assert about["categories"] == ["airport_terminal", "bar", "office", "street"]
    assert about["same_as_training"] is False


def test_attacks_that_fail_end_with_1_and_are_tried_again(
    encoder: Path, places: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attacks.write_text(toml({"verification": ATTACKS | {"rate": 1e38}}))
    out = tmp_path / "attacked"
    more = ["--tasks", "office", "--baselines", "none"]
    for _ in range(2):
        assert verify(encoder, places, out, attacks, *more) == 1
        told = capsys.readouterr()
        assert told.err.endswith(
            "1 of 1 attacks failed; the same command tries them again:\n"
            "  encoder, office: The attack became unstable before iteration 5: its loss is not a finite "
            "number. Lower the attackers' 'rate' ('image_rate' on original images) in [verification].\n"
        )
        assert "attacks: " in told.err
        assert "Write the report" not in told.out


@pytest.mark.parametrize("more", [[], ["--suite", "standard"]], ids=["paper", "standard"])
def test_an_encoder_is_not_emptied_with_the_folder_that_it_lies_in(
    encoder: Path,
    places: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
) -> None:
    run = tmp_path / "run"
    shutil.copytree(encoder.parent, run)
    command = ["verify", str(run / "encoder.safetensors"), "--data", str(places), "--out", str(run), *more]
    for overwrite in ([], ["--overwrite"]):
        assert main([*command, *overwrite]) == 2
        assert capsys.readouterr().err == (
            f"{run} is or holds what is to be read ({run / 'encoder.safetensors'}): choose another --out.\n"
        )
    assert (run / "encoder.safetensors").read_bytes() == encoder.read_bytes()


def test_a_folder_instead_of_an_encoder_file_is_told(
    encoder: Path, places: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(encoder.parent, places, tmp_path / "out", attacks) == 2
    assert capsys.readouterr().err == (
        f"{encoder.parent} is a folder, give the encoder file in it: {encoder}.\n"
    )


@pytest.mark.parametrize("verb", ["report", "compare"])
def test_attacks_that_have_not_ended_are_told_with_their_command(
    encoder: Path, places: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    out = tmp_path / "attacked"
    assert verify(encoder, places, out, attacks, "--baselines", "none") == 0
    (out / "results.json").unlink()
    asked = json.loads((out / "settings.json").read_text())["command"]
    capsys.readouterr()
    given = [str(out), "--out", str(tmp_path / "page.html")] if verb == "report" else [str(out), str(out)]
    assert main([verb, *given]) == 2
    assert capsys.readouterr().err == (
        f"The attacks in {out} have not ended. Go on with them first: {asked}\n"
    )


def test_ctrl_c_says_how_to_go_on(
    encoder: Path,
    places: Path,
    attacks: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    attacked = []

    def stopped(*given: object, **more: object) -> object:
        attacked.append(given)
        if len(attacked) == 2:
            raise KeyboardInterrupt
        return whole(*given, **more)  # type: ignore[arg-type]

    whole = protocol.attack
    monkeypatch.setattr("scotoma.verification.suite.attack", stopped)
    out = tmp_path / "attacked"
    assert verify(encoder, places, out, attacks, "--baselines", "none") == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        "Stopped. The same command goes on: finished attacks are kept, one that was running starts again."
    )
    assert [each.name for each in (out / "cells").iterdir()] == ["encoder--airport_terminal.json"]
    assert verify(encoder, places, out, attacks, "--baselines", "none") == 0
    assert len(attacked) == 3
    assert len(Results.read(out / "results.json").cells) == 2


def test_attacks_stop_at_the_time_limit_and_go_on(
    encoder: Path,
    places: Path,
    attacks: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def endless(*_: object, watch: Callable[[Point], None], **__: object) -> object:
        for iteration in range(6000):
            watch(Point(iteration, 0.1, 0.5, 0.5, 0.5))
            time.sleep(0.01)
        raise AssertionError("it was never told to stop")

    out = tmp_path / "attacked"
    command = ("--baselines", "none", "--time-limit")
    assert verify(encoder, places, out, attacks, *command, "1h", "--tasks", "airport_terminal") == 0
    kept = (out / "cells/encoder--airport_terminal.json").read_bytes()
    capsys.readouterr()
    with monkeypatch.context() as context:
        context.setattr("scotoma.verification.suite.attack", endless)
        assert verify(encoder, places, out, attacks, *command, "0.000001s") == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "The time limit is reached while images are encoded: codes are not kept, so it has to be longer than "
        "that takes. "
        "The same command goes on: finished attacks are kept, one that was running starts again."
    )
    assert [each.name for each in (out / "cells").iterdir()] == ["encoder--airport_terminal.json"]
    assert verify(encoder, places, out, attacks, *command, "1h") == 0
    assert (out / "cells/encoder--airport_terminal.json").read_bytes() == kept
    assert len(Results.read(out / "results.json").cells) == 2


def test_a_time_limit_is_a_duration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "e", "--data", "d", "--out", "o", "--time-limit", "8"]) == 2
    assert capsys.readouterr().err == (
        "--time-limit '8' is no duration: write a number with s, m, h or d, as in 30m.\n"
    )


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (
            [],
            "the command line: 3 problems.\n  - encoder: missing, it must be a text\n"
            "  - data: missing, it must be a text\n  - out: missing, it must be a path\n",
        ),
        (
            ["e", "--data", "d", "--out", "o", "--baselines", "bluur"],
            "the command line: 1 problem.\n  - baselines[0]: 'bluur' is not possible, did you mean "
            "'blur'? (allowed: identity, blur)\n",
        ),
        (["e", "--data", "d", "--out", "o"], "There is no encoder file e.\n"),
    ],
    ids=["missing", "baselines", "encoder"],
)
def test_a_mistake_in_what_was_typed_is_told(
    typed: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", *typed]) == 2
    assert capsys.readouterr() == ("", told)


def test_an_unknown_task_is_told_with_the_nearest(
    encoder: Path, places: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(encoder, places, tmp_path / "attacked", attacks, "--tasks", "ofice") == 2
    assert capsys.readouterr().err == (
        "tasks: 'ofice' is no category of these images; the nearest is 'office'. "
        "The categories are: airport_terminal, bar, office, runway\n"
    )
    assert not (tmp_path / "attacked").exists()
