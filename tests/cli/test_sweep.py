import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from scotoma.cli import main
from scotoma.cli.sweep import SweepOptions
from scotoma.experiments import runner
from scotoma.experiments.cells import Cell
from scotoma.runs.results import Results
from scotoma.runs.settings import read_toml
from tests.tiny import ATTACKS, NETWORKS, TRAINING, toml

NAMES = ("--hide", "airport_terminal", "--keep", "office", "--preset", "demo")


@pytest.fixture
def cheap(tmp_path: Path) -> Path:
    """Settings for trainings and attacks of a second."""
    path = tmp_path / "cheap.toml"
    tables = NETWORKS | {"training": TRAINING | {"iterations": 3, "alpha": 9.0}, "verification": ATTACKS}
    path.write_text(toml(tables))
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What stands on the screen after a user's mistake."""
    assert main(["sweep", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err.rstrip("\n")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("x,0,1,1.0,nan", "'x' is no number; 'nan' is no number; 0 is not above 0; 1 stands twice"),
        ("1,,2", "'' is no number"),
        ("x", "'x' is no number"),
        ("0.5,-1", "-1 is not above 0"),
        (" ", "no number is named"),
    ],
)
def test_wrong_alphas_are_told_all_at_once(
    text: str, wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert said(capsys, "photos", *NAMES, f"--alpha={text}", "--out", str(out)) == (
        f"--alpha {text!r}: {wrong}. Write numbers above 0 with commas, as in 0.01,0.0625,0.25,1."
    )
    assert not out.exists()


def test_what_is_missing_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys) == (
        "the command line: 5 problems.\n"
        "  - data: missing, it must be a text\n"
        "  - hide: missing, it must be a list, each a text\n"
        "  - keep: missing, it must be a list, each a text\n"
        "  - alpha: missing, it must be a list, each a number\n"
        "  - out: missing, it must be a path"
    )


def test_the_file_is_checked_as_flags_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "my.toml"
    config.write_text(
        'data = "d"\nhide = ["a"]\nkeep = []\nalpha = [0, 1, 1.0, inf]\nseeds = [1, 1]\nout = "o"\n'
    )
    assert said(capsys, "--config", str(config)) == (
        f"{config} with the command line over it: 1 problem.\n"
        "  - alpha: 0 is not above 0, inf is infinite, 1 stands twice; "
        "keep: nothing is named, but alpha is the weight of what is kept; "
        "seeds: [1, 1] are not different whole numbers from 0 on"
    )
    config.write_text("alpha = []\n")
    assert said(capsys, "d", *NAMES, "--out", "o", "--config", str(config)).endswith(
        "  - alpha: no number is named"
    )


def test_names_seeds_and_categories_are_checked_before_anything_is_written(
    places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = (str(places), "--alpha", "1", "--preset", "demo", "--out", str(out))
    assert said(capsys, *command, "--hide", "bar", "--keep", "ofice") == (
        "keep: 'ofice' is no category of these images; the nearest is 'office'. "
        "The categories are: airport_terminal, bar, office, runway"
    )
    assert said(capsys, *command, "--hide", "bar", "--keep", "bar") == (
        "both hidden and kept: bar; a category can be only one of them"
    )
    assert said(capsys, *command, *NAMES[:4], "--categories", "bar,office").startswith(
        "hide: 'airport_terminal' is no category of these images; "
    )
    assert said(capsys, *command, *NAMES[:4], "--seeds", "0,x") == (
        "--seeds '0,x': x is no whole number from 0 on; write 0,1,2."
    )
    assert not out.exists()


def test_a_dry_run_prints_every_command_and_writes_nothing(
    places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = [
        "sweep",
        str(places),
        *NAMES,
        "--alpha",
        "0.5,2",
        "--seed",
        "3",
        "--out",
        str(out),
        "--dry-run",
    ]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    first = f"{out}/encoders/alpha-0.5-seed3"
    assert lines[:4] == [
        "to do  encoders/alpha-0.5-seed3",
        f"       $ scotoma train {places} --hide airport_terminal --keep office --preset demo --seed 3 "
        f"--config {out}/settings/encoder-alpha-0.5-seed3.toml --out {first}",
        "to do  attacks/alpha-0.5-seed3",
        f"       $ scotoma verify {first}/encoder.safetensors --data {places} "
        f"--tasks airport_terminal,office --baselines identity,blur --preset demo --seed 3 "
        f"--out {out}/attacks/alpha-0.5-seed3",
    ]
    assert "--baselines none" in lines[7]
    assert lines[8:] == [
        "No run was begun: the settings files that these commands name are written when one is."
    ]
    assert not out.exists()


def test_settings_are_set_by_flag_but_alpha(
    places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["sweep", str(places), *NAMES, "--alpha", "0.5", "--out", str(out), "--time-limit", "0.000001s"]
    assert main([*command, "--set", "training.batch=4", "--set", "verification.views=1"]) == 1
    asked = json.loads((out / "settings.json").read_text())
    assert asked["settings"]["training"]["batch"] == 4
    assert asked["settings"]["verification"]["views"] == 1
    assert "--set training.batch=4 --set verification.views=1" in asked["command"]
    capsys.readouterr()
    assert main([*command, "--set", "training.alpha=2"]) == 2
    assert capsys.readouterr().err == (
        "--set training.alpha is not for a sweep, which tries several: name them with --alpha.\n"
    )
    assert main([*command, "--set", "training.bach=2"]) == 2
    assert "did you mean 'batch'?" in capsys.readouterr().err


def test_the_command_of_the_documentation_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "sweep.md").read_text()
    (command,) = [line.split() for line in text.splitlines() if line.startswith("    scotoma sweep")]
    words = ["fashion-mnist" if word == "DATA" else word for word in command[1:]]
    assert main([*words, "--dry-run"]) == 0
    alphas = command[command.index("--alpha") + 1].split(",")
    assert len(capsys.readouterr().out.splitlines()) == 2 * 2 * len(alphas) + 1


def test_the_command_is_written_with_everything_in_it() -> None:
    options = SweepOptions("photos", ("a", "b"), ("c",), (0.01, 1.0), Path("out"), seeds=(0, 1))
    assert options.command(Path("my.toml")) == (
        "scotoma sweep photos --hide a,b --keep c --alpha 0.01,1 --preset small --seeds 0,1 "
        "--config my.toml --out out"
    )


def test_a_sweep_is_run_shown_resumed_widened_and_held_to_its_settings(
    places: Path, tmp_path: Path, cheap: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["sweep", str(places), *NAMES, "--config", str(cheap), "--out", str(out)]
    assert main([*command, "--alpha", "0.5"]) == 0
    shown = capsys.readouterr().out
    assert (out / "sweep.md").read_text() in shown
    assert shown.splitlines()[-1] == f"Written: {out}/sweep.md, .json, .png and .svg."
    assert read_toml(out / "settings" / "encoder-alpha-0.5-seed0.toml")["training"]["alpha"] == 0.5
    encoder = out / "encoders" / "alpha-0.5-seed0" / "encoder.safetensors"
    before = encoder.stat().st_mtime_ns

    assert main([*command, "--alpha", "0.5,2"]) == 0
    assert encoder.stat().st_mtime_ns == before
    written = json.loads((out / "sweep.json").read_text())
    assert (written["format"], written["version"]) == ("scotoma-sweep", 2)
    assert written["command"] == (
        f"scotoma sweep {places} --hide airport_terminal --keep office --alpha 0.5,2 --preset demo --seeds 0 "
        f"--config {cheap} --out {out}"
    )
    assert [(cell["alpha"], cell["seed"]) for cell in written["cells"]] == [(0.5, 0), (2.0, 0)]
    for cell in written["cells"]:
        name = f"alpha-{cell['alpha']:g}-seed0"
        results = Results.read(out / "attacks" / name / "results.json")
        attacks = {each.task: each for each in results.cells if each.encoder == "encoder"}
        for group, task in (("hidden", "airport_terminal"), ("kept", "office")):
            found = cell[group][task]
            ours = (found["test"], found["low"], found["high"], found["floor"], found["state"])
            attack = attacks[task]
            theirs = (attack.test_accuracy, attack.test_low, attack.test_high, attack.floor, attack.state)
            assert ours == theirs
            assert 0 <= found["in_training"] <= 1
        card = {each.name: each.training for each in results.encoders}["encoder"]
        assert cell["hidden"]["airport_terminal"]["in_training"] == card["hidden"]["airport_terminal"]
        assert ("identity" in {each.encoder for each in results.cells}) == (cell["alpha"] == 0.5)
    assert written["references"]["identity"]["office"]["test"] is not None
    assert (out / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert len(re.findall("\N{GREEK SMALL LETTER ALPHA} (?:0.5|2)<", (out / "sweep.svg").read_text())) == 2

    # What is there is shown, whichever part of it is asked for again.
    assert main([*command, "--alpha", "2"]) == 0
    again = json.loads((out / "sweep.json").read_text())
    assert (again["command"], again["cells"]) == (written["command"], written["cells"])

    capsys.readouterr()
    assert main(["info", str(out)]) == 0
    assert "state    2 of 2 encoders attacked\n" in capsys.readouterr().out
    cheap.write_text(cheap.read_text().replace("encoder_rate = 0.001", "encoder_rate = 0.002"))
    other = ["bar" if word == "office" else word for word in command]
    assert said(capsys, *other[1:], "--alpha", "0.5,2") == (
        f"{out} holds a run that was begun with other settings:\n"
        "  keep: office there, bar now\n"
        "  settings.training.encoder_rate: 0.001 there, 0.002 now\n"
        "Give the same command again, choose another --out, or give --overwrite to start anew."
    )
    assert encoder.stat().st_mtime_ns == before


def test_a_failed_cell_is_shown_with_its_last_line(
    places: Path,
    tmp_path: Path,
    cheap: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def failed(*_: object, **__: object) -> None:
        failures = {"encoders/alpha-2-seed0": "disk | full (x.log)", "attacks/alpha-2-seed0": "no encoder"}
        raise runner.CellsFailed(failures, 4)

    monkeypatch.setattr(runner, "run_cells", failed)
    out = tmp_path / "out"
    command = ["sweep", str(places), *NAMES, "--config", str(cheap), "--out", str(out)]
    assert main([*command, "--alpha", "0.5,2"]) == 1
    shown = capsys.readouterr()
    assert shown.err == (
        "2 of 4 cells failed; the same command tries them again:\n"
        "  encoders/alpha-2-seed0: disk | full (x.log)\n"
        "  attacks/alpha-2-seed0: no encoder\n"
    )
    assert "| 0.5 | 0 | missing | missing | missing | missing | missing |\n" in shown.out
    told = "failed: disk \\| full (x.log)"
    assert f"| 2 | 0 | missing | missing | missing | missing | {told} |\n" in shown.out
    assert "Not drawn: alpha 0.5 (missing), alpha 2 (failed)." in (out / "sweep.svg").read_text()
    cells = json.loads((out / "sweep.json").read_text())["cells"]
    assert [(cell["state"], cell["note"]) for cell in cells] == [
        ("missing", ""),
        ("failed", "disk | full (x.log)"),
    ]


def test_baselines_stand_beside_another_encoder_where_the_first_failed(
    places: Path,
    tmp_path: Path,
    cheap: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = runner.run_cells

    def run_all_but_the_first(cells: Sequence[Cell], *more: Any, **named: Any) -> None:
        real([cell for cell in cells if "0.5" not in cell.label], *more, **named)
        if lost := {cell.label: "collapsed" for cell in cells if "0.5" in cell.label}:
            raise runner.CellsFailed(lost, len(cells))

    monkeypatch.setattr(runner, "run_cells", run_all_but_the_first)
    out = tmp_path / "out"
    command = ["sweep", str(places), *NAMES, "--config", str(cheap), "--alpha", "0.5,2", "--out", str(out)]
    for _ in range(2):
        assert main(command) == 1
        found = json.loads((out / "sweep.json").read_text())
        assert found["references"]["identity"]["office"]["test"] is not None
        assert found["cells"][0]["state"] == "failed"
    assert "beside" not in found
    capsys.readouterr()
    monkeypatch.setattr(runner, "run_cells", real)
    assert main(command) == 0  # the first is there now, and what was found beside the other is shown still
    again = json.loads((out / "sweep.json").read_text())
    assert again["references"] == found["references"]


def test_images_are_looked_at_once_before_any_cell_is_run(
    places: Path, tmp_path: Path, cheap: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    shutil.copytree(places, photos)
    (photos / "bar" / "empty.png").touch()
    command = ["sweep", str(photos), *NAMES, "--config", str(cheap), "--out", str(out)]
    told = said(capsys, *command[1:], "--alpha", "0.5,2")
    assert "bar/empty.png: the file is empty" in told
    assert not out.exists()
    assert main([*command, "--alpha", "0.5", "--skip-unreadable"]) == 0
    line = "Images left out, as they cannot be read: 1 (bar/empty.png: the file is empty).\n"
    assert line in capsys.readouterr().out
    assert line in (out / "sweep.md").read_text()
    next(photos.glob("bar/*[0-9].*")).unlink()
    assert main([*command, "--alpha", "0.5,2", "--skip-unreadable"]) == 2
    told = capsys.readouterr().err
    assert "holds runs on images that are not the same" in told and "what is there now" in told
    assert not (out / "encoders" / "alpha-2-seed0").exists()


def test_a_sweep_stops_at_its_time_limit_and_shows_what_has_ended(
    places: Path, tmp_path: Path, cheap: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["sweep", str(places), *NAMES, "--config", str(cheap), "--alpha", "1", "--out", str(out)]
    assert main([*command, "--time-limit", "0.000001s"]) == 1
    goes_on = f"goes on; {out}/sweep.md shows what has ended.\n"
    assert capsys.readouterr().err.endswith(
        f"The time limit is reached: 0 of 2 cells have ended. The same command {goes_on}"
    )
    assert "| 1 | 0 | missing | missing | missing | missing | missing |" in (out / "sweep.md").read_text()
    assert main([*command, "--time-limit", "0.000001s", "--overwrite"]) == 1
    assert capsys.readouterr().err.endswith(f" The same command without --overwrite {goes_on}")
    assert "--time-limit" not in json.loads((out / "sweep.json").read_text())["command"]


def test_ctrl_c_leaves_a_table_of_what_has_ended(
    places: Path,
    tmp_path: Path,
    cheap: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run_cells", interrupted)
    out = tmp_path / "out"
    command = ["sweep", str(places), *NAMES, "--config", str(cheap), "--alpha", "1", "--out", str(out)]
    assert main(command) == 130
    assert (
        capsys.readouterr().err
        == f"Stopped. The same command goes on; {out}/sweep.md shows what has ended.\n"
    )
    assert "| 1 | 0 | missing | missing | missing | missing | missing |" in (out / "sweep.md").read_text()
    (out / "mine.txt").write_text("x")
    assert main([*command, "--overwrite"]) == 130
    assert capsys.readouterr().err == (
        f"Stopped. The same command without --overwrite goes on; {out}/sweep.md shows what has ended.\n"
    )
    assert not (out / "mine.txt").exists()
