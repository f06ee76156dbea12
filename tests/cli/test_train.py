import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import scotoma
from scotoma.cli import main
from scotoma.cli.outline import about
from scotoma.cli.train import TABLES
from scotoma.runs.run_folder import claim, held
from scotoma.training.state import place
from tests.tiny import NETWORKS, TRAINING

NAMES = ["--hide", "airport_terminal", "--preset", "demo"]
AGAIN = "Give the same command again, choose another --out, or give --overwrite to start anew.\n"
# A shell may have told its children to ignore Ctrl-C, as those in the background. The pauses make sure that
# there is something left to interrupt on a busy machine.
INTERRUPTIBLE = """
import signal, sys, time
from scotoma.cli import main
from scotoma.training import run

def save_and_rest(*given):
    save(*given)
    time.sleep(0.5)

save, run.save_checkpoint = run.save_checkpoint, save_and_rest
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(sys.argv[1:]))
"""

COMPILER_TOLD = """
import sys
from scotoma.cli import main

assert main(sys.argv[1:]) == 0
print("compiler loaded:", "torch._dynamo" in sys.modules)
"""


def train(places: Path, out: Path, config: Path, *more: str, keep: str = "office") -> int:
    out_of = ["--config", str(config), "--out", str(out)]
    return main(["train", str(places), *NAMES, "--keep", keep, *out_of, *more])


def same_weights(one: Path, other: Path) -> bool:
    """Whether two encoder files hold the same tensors, to the last bit."""
    first, second = load_file(one), load_file(other)
    return first.keys() == second.keys() and all(
        first[name].tobytes() == second[name].tobytes() and first[name].dtype == second[name].dtype
        for name in first
    )


def test_a_run_says_what_it_does_and_leaves_an_encoder(
    places: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert train(places, out, tiny) == 0
    encoder = scotoma.load_encoder(out / "encoder.safetensors")
    images = scotoma.open_images(places, encoder)
    parts = scotoma.divide(images, encoder)
    positive = np.bincount(images.labels[parts.training])
    counts = [len(rows) for rows in (parts.training, parts.reserve, parts.validation, parts.test)]
    hidden, kept = (encoder.card.training[group] for group in ("hidden", "kept"))
    lines = capsys.readouterr().out.splitlines()
    took = lines.pop(6)
    assert lines == [
        f"images    {places}: 120 in 4 categories ({counts[0]} training, {counts[1]} reserve, "
        f"{counts[2]} validation, {counts[3]} test)",
        f"hide      airport_terminal ({positive[0]} in training)",
        f"keep      office ({positive[2]} in training)",
        "encoder   8 x 8 x 3 to 4 x 4 x 3, 216 parameters; one output sees 8 x 8 pixels",
        "against   2 classifiers, 662 + 662 parameters",
        "training  12 iterations after 2 of warm-up; 1 + 1 updates each, on 2 x 4 images; label-flip, "
        f"{encoder.card.training['settings']['precision']}, threads: 1",
        f"Encoder: {out / 'encoder.safetensors'}",
        f"Against the classifiers of training: -airport_terminal {100 * hidden['airport_terminal']:.1f} %, "
        f"+office {100 * kept['office']:.1f} %. That proves nothing yet.",
        f"Attack it: scotoma verify {out / 'encoder.safetensors'} --data {places} --out {out}-attacked",
    ]
    assert took == "This will take about 5 seconds. Ctrl-C is safe: the same command goes on."
    assert (encoder.card.hide, encoder.card.keep) == (("airport_terminal",), ("office",))
    assert (encoder.card.training["preset"], encoder.card.training["seed"]) == ("demo", 0)
    assert encoder.card.encoder.size == 8


def test_the_estimate_changes_nothing_and_python_gives_the_same_encoder(
    places: Path, trained: Path, tmp_path: Path
) -> None:
    preset = scotoma.load_preset("demo", NETWORKS | {"training": TRAINING})
    images = scotoma.open_images(places, preset)
    encoder = scotoma.train(images, preset.plan(("airport_terminal",), ("office",), 0), tmp_path / "run")
    assert same_weights(tmp_path / "run" / "encoder.safetensors", trained / "encoder.safetensors")
    there = scotoma.load_encoder(trained / "encoder.safetensors").card.training
    here = dict(encoder.card.training)
    assert here | {"seconds": 0} == dict(there) | {"seconds": 0}


def test_what_was_asked_is_written_down(places: Path, trained: Path) -> None:
    asked = json.loads((trained / "settings.json").read_text())
    config = trained.parent / "tiny.toml"
    assert asked.pop("command") == (
        f"scotoma train {places} --hide airport_terminal --keep office --preset demo --seed 0 "
        f"--config {config} --out {trained}"
    )
    settings = asked.pop("settings")
    assert tuple(settings) == TABLES
    assert settings["training"]["iterations"] == 12
    assert settings["training"]["classifier_rate"] == scotoma.load_preset("demo").training.classifier_rate
    assert settings["split"] == {"training": 0.5, "reserve": 0.1, "validation": 0.15, "test": 0.25}
    assert len(asked.pop("images")) == len(asked.pop("checksum")) == 32
    assert asked == {
        "format": "scotoma-settings",
        "version": 2,
        "data": str(places),
        "categories": ["airport_terminal", "bar", "office", "runway"],
        "sides": {
            "group_by": None,
            "near_duplicates": False,
            "column": None,
            "files": False,
        },
        "hide": ["airport_terminal"],
        "keep": ["office"],
        "seed": 0,
        "anonymous": False,
        "preset": "demo",
        "threads": 1,
    }


def test_a_finished_run_is_shown_and_left_as_it_is(
    places: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (trained / "encoder.safetensors").read_bytes()
    assert train(places, trained, trained.parent / "tiny.toml") == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"{trained} holds this run, finished. To train anew give --overwrite."
    assert (trained / "encoder.safetensors").read_bytes() == before


def test_other_settings_do_not_go_on_in_the_same_folder(
    places: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (trained / "encoder.safetensors").read_bytes()
    asked = (trained / "settings.json").read_bytes()
    more = ["--seed", "1", "--anonymous"]
    assert train(places, trained, trained.parent / "tiny.toml", *more, keep="office,bar") == 2
    assert capsys.readouterr().err == (
        f"{trained} holds a run that was begun with other settings:\n"
        "  keep: office there, office, bar now\n"
        "  seed: 0 there, 1 now\n"
        f"  anonymous: False there, True now\n{AGAIN}"
    )
    assert (trained / "encoder.safetensors").read_bytes() == before
    assert (trained / "settings.json").read_bytes() == asked


def test_another_run_s_encoder_in_the_place_of_the_finished_one_is_told(
    places: Path, tiny: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert train(places, out, tiny, "--seed", "1") == 0
    mine = (out / "encoder.safetensors").read_bytes()
    (out / "encoder.safetensors").write_bytes((trained / "encoder.safetensors").read_bytes())
    capsys.readouterr()
    assert train(places, out, tiny, "--seed", "1") == 2
    assert capsys.readouterr() == (
        "",
        f"{out / 'encoder.safetensors'} is not the encoder of this run: other settings, images or names made "
        "it, or another division of the images. Put the original back, choose another --out, or give "
        "--overwrite to train anew.\n",
    )
    (out / "encoder.safetensors").write_bytes(mine)
    assert train(places, out, tiny, "--seed", "1") == 0


@pytest.mark.parametrize("verb", ["train", "sweep"])
def test_photographs_that_lie_in_a_run_are_not_deleted_with_it(
    verb: str, places: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    shutil.copytree(places, run / "photos")
    more = ["--alpha", "0.5"] if verb == "sweep" else []
    names = ["--hide", "bar", "--keep", "office"]
    command = [verb, str(run / "photos"), *names, *more, "--out", str(run), "--overwrite"]
    assert main(command) == 2
    assert capsys.readouterr().err.endswith(
        f"{run} is or holds what is to be read ({run / 'photos'}): choose another --out.\n"
    )
    assert len(list((run / "photos").rglob("*.*"))) == len(list(places.rglob("*.*")))


def test_overwrite_trains_anew_once_the_new_run_is_known_to_be_possible(
    places: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert train(places, out, tiny) == 0
    before = (out / "encoder.safetensors").read_bytes()
    assert train(places, out, tiny, "--overwrite", keep="ofice") == 2
    assert capsys.readouterr().err.endswith(
        "keep: 'ofice' is no category of these images; the nearest is 'office'. "
        "The categories are: airport_terminal, bar, office, runway\n"
    )
    assert (out / "encoder.safetensors").read_bytes() == before
    assert train(places, out, tiny, "--overwrite", "--seed", "1") == 0
    assert scotoma.load_encoder(out / "encoder.safetensors").card.training["seed"] == 1


def test_names_that_are_not_there_are_told_before_any_image_is_decoded(
    places: Path,
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("scotoma.data.images.decoded", lambda *_, **__: pytest.fail("decoded"))
    for more in ([], ["--dry-run"]):
        assert train(places, tmp_path / "run", tiny, *more, keep="ofice") == 2
        assert "keep: 'ofice' is no category of these images" in capsys.readouterr().err
    shape = ["--size", "16", "--channels", "3", "--out", str(tmp_path / "run")]
    assert (
        main(["verify", "blur=3", "--data", str(places), "--suite", "standard", "--hide", "baar", *shape])
        == 2
    )
    assert "hide: 'baar' is no category of these images" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["train", "verify", "check"])
@pytest.mark.parametrize("said", ["-1", "1.5", "one"])
def test_a_seed_is_a_whole_number_from_0_on(
    places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str, said: str
) -> None:
    out = [] if verb == "check" else ["--out", str(tmp_path / "run")]
    assert main([verb, str(places), f"--seed={said}", *out]) == 2
    assert f"{said!r} is no whole number from 0 on" in " ".join(capsys.readouterr().err.split())
    if verb != "check":
        config = tmp_path / "seed.toml"
        config.write_text("seed = -1")
        data = ["--hide", "bar"] if verb == "train" else ["--data", str(places)]
        assert main([verb, str(places), *data, "--config", str(config), *out]) == 2
        assert "seed: -1 is no whole number from 0 on" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_command_that_attacks_an_anonymous_encoder_names_what_is_hidden(
    places: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(places, tmp_path / "run", tiny, "--anonymous") == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"Attack it: scotoma verify {tmp_path / 'run' / 'encoder.safetensors'} --data {places} "
        f"--hide airport_terminal --keep office --out {tmp_path / 'run'}-attacked"
    )


def test_the_command_that_attacks_is_one_wherever_the_run_lies(
    places: Path,
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert train(places, Path(), tiny) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"Attack it: scotoma verify encoder.safetensors --data {places} --out {tmp_path / 'here-attacked'}"
    )


def test_pictures_that_are_not_read_are_told_of(
    places: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shutil.copytree(places, tmp_path / "photos")
    for name in ("1.tif", "2.tif", "3.heic", "text.txt"):
        (data / "office" / name).write_bytes(b"x")
    assert train(data, tmp_path / "run", tiny) == 0
    said = "not used, as only .jpg, .jpeg, .png, .webp are read: 1 .heic, 2 .tif\n"
    assert f"          {said}" in capsys.readouterr().out
    encoder = str(tmp_path / "run/encoder.safetensors")
    assert main(["encode", encoder, str(data), "--out", str(tmp_path / "codes.npz")]) == 0
    assert capsys.readouterr().out.startswith(f"{data}: {said}")


def test_an_anonymous_file_names_nothing(places: Path, tiny: Path, tmp_path: Path) -> None:
    assert train(places, tmp_path / "run", tiny, "--anonymous") == 0
    content = (tmp_path / "run" / "encoder.safetensors").read_bytes()
    assert not any(name in content for name in (b"airport_terminal", b"office", b"runway"))


def test_what_is_missing_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 2
    assert capsys.readouterr() == (
        "",
        "the command line: 3 problems.\n  - data: missing, it must be a text\n"
        "  - hide: missing, it must be a list, each a text\n  - out: missing, it must be a path\n",
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[training]\niteration = 5\nbatch = "8"\n',
            "2 problems.\n  - training.iteration: unknown key, did you mean 'iterations'? "
            "(allowed: iterations, ",
        ),
        (
            "[verification]\nrate = 1e-3\n",
            "1 problem.\n  - verification: unknown key, allowed: data, hide, out, keep, categories, preset, "
            "seed, anonymous, overwrite, labels, encoder, images, classifier, training, split\n",
        ),
        (
            'alpha = 1.0\ngroup_by = "person"\n[training]\nkeep = "office"\nsize = 28\n',
            "4 problems.\n  - alpha: a setting of the table [training], write it there\n"
            "  - group_by: a setting of the table [labels], write it there\n"
            "  - training.keep: no setting of a table but an option, write it above all tables\n"
            "  - training.size: a setting of the table [encoder], write it there\n",
        ),
        ('preset = "tiny"\n', "There is no preset 'tiny'; there are demo, paper, small.\n"),
        (
            "[encoder]\nsize = 30\n",
            "1 problem.\n  - encoder: encoder settings: an image side of 30 pixels is not divisible by the "
            "encoder's stride of 4 (2 poolings): the nearest sizes are 28 and 32\n",
        ),
    ],
    ids=["key", "table", "place", "preset", "size"],
)
def test_a_mistake_in_the_file_is_told(
    text: str, told: str, places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "my.toml"
    config.write_text(text if "preset" in text else f'preset = "demo"\n{text}')
    where = "" if "preset" in text else f"{config} with the command line over it: "
    names = ["--hide", "bar", "--config", str(config), "--out", str(tmp_path / "run")]
    assert main(["train", str(places), *names]) == 2
    assert capsys.readouterr().err.startswith(f"{where}{told}")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_not_ours_is_refused_before_images_are_read(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.tex").write_text("x")
    no_images = tmp_path / "absent"
    assert train(no_images, out, tiny) == 2
    assert capsys.readouterr().err == (
        f"{out} is not empty and no run folder of Scotoma, it is left alone: choose another --out.\n"
    )
    assert [each.name for each in out.iterdir()] == ["thesis.tex"]


def test_a_folder_in_use_is_refused(
    places: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    claim(out, "training")
    with held(out):
        assert train(places, out, tiny) == 2
    assert capsys.readouterr().err.endswith(
        f"{out} is in use by process {os.getpid()}: wait until it ends, or choose another --out.\n"
    )


def test_training_that_cannot_go_on_ends_with_1(
    places: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.write_text(tiny.read_text().replace("[training]", "[training]\nclassifier_rate = 1e38"))
    assert train(places, tmp_path / "run", tiny) == 1
    assert "a loss or a weight is not a finite number" in capsys.readouterr().err
    assert not (tmp_path / "run" / "encoder.safetensors").exists()


def test_ctrl_c_before_the_first_checkpoint_says_so(
    places: Path,
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*_: object, **__: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr("scotoma.training.run.train", stopped)
    assert train(places, tmp_path / "run", tiny) == 130
    assert capsys.readouterr().err.endswith(
        "Stopped. The same command starts again: there was no checkpoint yet.\n"
    )
    assert train(places, tmp_path / "run", tiny, "--overwrite") == 130
    assert capsys.readouterr().err.endswith(
        "Stopped. The same command without --overwrite starts again: there was no checkpoint yet.\n"
    )


def test_a_run_does_without_torch_s_compiler(places: Path, tiny: Path, tmp_path: Path) -> None:
    """It takes a second or two to load, and nothing of a run is compiled."""
    options = ["--keep", "office", "--config", str(tiny), "--out", str(tmp_path / "run")]
    command = [sys.executable, "-c", COMPILER_TOLD, "train", str(places), *NAMES, *options]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "compiler loaded: False"


def test_a_run_stopped_by_ctrl_c_goes_on_to_the_same_weights(
    places: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.write_text(tiny.read_text().replace("iterations = 12", "iterations = 80"))
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    names = ["train", str(places), *NAMES, "--keep", "office", "--config", str(tiny), "--out", str(stopped)]
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *names], stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while not list(stopped.glob("checkpoint-*")) and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        told = process.stderr.read()
    assert process.returncode == 130, told
    assert not (stopped / "encoder.safetensors").exists()
    reached = int(max(stopped.glob("checkpoint-*")).stem.removeprefix("checkpoint-")) - 10**9
    assert told.splitlines()[-1] == (
        f"Stopped. The same command goes on from the checkpoint {place(reached)}."
    )
    assert reached < 80
    assert train(places, stopped, tiny) == 0
    assert f"Going on from the checkpoint {place(reached)}.\n" in capsys.readouterr().out
    assert train(places, whole, tiny) == 0
    assert same_weights(stopped / "encoder.safetensors", whole / "encoder.safetensors")
    history = [json.loads((each / "history.json").read_text()) for each in (stopped, whole)]
    assert history[0] == history[1]
    first = load_file(whole / "encoder.safetensors")
    assert all(np.isfinite(tensor).all() for tensor in first.values())


def test_a_run_stops_at_its_time_limit_and_goes_on_to_the_same_weights(
    places: Path, trained: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    # 2 iterations of warm-up come first: the limit is over after the first of them.
    assert train(places, out, tiny, "--time-limit", "0.000001s") == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "The time limit is reached in the warm-up (1 to go); the run has 12 iterations. The same command "
        "goes on from the checkpoint in the warm-up (1 to go)."
    )
    assert not (out / "encoder.safetensors").exists()
    assert train(places, out, tiny, "--time-limit", "0.000001s", "--overwrite") == 1
    assert capsys.readouterr().err.endswith(
        " The same command without --overwrite goes on from the checkpoint in the warm-up (1 to go).\n"
    )
    assert train(places, out, tiny) == 0
    assert "Going on from the checkpoint in the warm-up (1 to go).\n" in capsys.readouterr().out
    assert same_weights(out / "encoder.safetensors", trained / "encoder.safetensors")


def test_settings_by_flag_go_over_the_file_and_are_recorded(
    places: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    flags = ["--set", "training.batch=6", "--set", "training.objective=gan", "--alpha", "0.5"]
    assert train(places, out, tiny, *flags) == 0
    training = scotoma.load_encoder(out / "encoder.safetensors").card.training["settings"]
    assert (training["batch"], training["objective"], training["alpha"]) == (6, "gan", 0.5)
    assert training["iterations"] == TRAINING["iterations"]
    asked = json.loads((out / "settings.json").read_text())["command"]
    assert "--set training.batch=6 --set training.objective=gan --set training.alpha=0.5" in asked
    capsys.readouterr()
    assert main(asked.split()[1:]) == 0
    assert "holds this run, finished" in capsys.readouterr().out
    assert train(places, out, tiny, "--set", "training.bach=6") == 2
    assert "  - training.bach: unknown key, did you mean 'batch'?" in capsys.readouterr().err
    assert train(places, out, tiny, "--set", "training.alpha=1", "--alpha", "0.5") == 2
    assert capsys.readouterr().err.endswith(
        "--alpha and --set training.alpha both say what is to be kept: give one of them.\n"
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "about 5 seconds"),
        (43, "about 45 seconds"),
        (91, "about 2 minutes"),
        (1500, "about 25 minutes"),
        (5400, "about 2 hours"),
        (86_400 * 3.2, "about 3 days"),
        (86_400 * 1200, "about 1,200 days"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert about(seconds) == said


def test_a_dry_run_refuses_what_could_not_be_verified(
    places: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few"
    for folder in sorted(places.iterdir()):
        (few / folder.name).mkdir(parents=True)
        for image in sorted(folder.iterdir())[:3]:
            shutil.copy(image, few / folder.name)
    assert train(few, tmp_path / "run", tiny, "--dry-run") == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("too few images: the ")
    assert not (tmp_path / "run").exists()
