"""Runs every block of README.md as it stands, in its order and in one folder.

What differs from a reader's machine: networks and suites of attackers are tiny, runs short, `photos` is
generated, and of the embedded set every twentieth image is there. What the blocks say is not changed.
"""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scotoma
from scotoma.audit import references, suites
from scotoma.cli import main
from scotoma.runs.results import Results
from scotoma.runs.verdict import Verdict
from tests.audit.subjects import QUICK
from tests.tiny import shrink_embedded_set, shrink_presets, write_photos

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@dataclass
class Ran:
    """What was run, where, and the names that the Python blocks left."""

    folder: Path
    commands: list[str] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The folder after every block was run."""
    done = Ran(tmp_path_factory.mktemp("readme"))
    write_photos(done.folder / "photos")
    write_faces(done.folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(done.folder)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        monkeypatch.setenv("SCOTOMA_CACHE", str(done.folder / "cache"))
        shrink_presets(tmp_path_factory.mktemp("presets"), monkeypatch)
        shrink_embedded_set(monkeypatch)
        monkeypatch.setitem(suites.SUITES, "standard", suites.Suite(QUICK))
        monkeypatch.setattr(references, "REFERENCE_ATTACKERS", QUICK[1:2])
        for language, text in BLOCKS:
            run_block(language, text, done)
    return done


def write_faces(folder: Path) -> None:
    """A table with what the README names of each photograph."""
    random = np.random.default_rng(1)
    rows = ["file,Male,hair,age,person"]
    for file in sorted((folder / "photos").rglob("*.png")):
        hair, age = random.choice(["black", "blond", "brown"]), random.integers(18, 60)
        # Persons are few: enough of them fall on each side.
        rows.append(f"{file.relative_to(folder)},{random.integers(2)},{hair},{age},{random.integers(60)}")
    (folder / "faces.csv").write_text("\n".join(rows) + "\n")


def run_block(language: str, text: str, done: Ran) -> None:
    if language == "sh":
        for line in text.splitlines():
            run_command(line, done)
    elif language == "python":
        exec(compile(text, "README.md", "exec"), done.names)
    elif language == "toml":
        name = text.splitlines()[0].removeprefix("# ")
        (done.folder / name).write_text(text)
    else:
        assert language == "text", f"give a block of {language or 'no language'} a way to be run"


def run_command(line: str, done: Ran) -> None:
    program, *words = shlex.split(line)
    done.commands.append(" ".join([program, words[0]]))
    if program == "make":
        # What the targets do is what this test and the others do; that they are there is all that is left.
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program == "pip":
        # It needs the network. The Makefile installs by the same words, but in place.
        assert shlex.join(words) in (ROOT / "Makefile").read_text().replace(" -e ", " ")
    else:
        assert program == "scotoma"
        assert main(words) == 0, line


def test_every_step_of_the_job_is_shown_and_runs(ran: Ran) -> None:
    assert ran.commands == [
        "make demo",
        "make test",
        "pip install",
        "pip install",
        "scotoma check",
        "scotoma train",
        "scotoma verify",
        "scotoma report",
        "scotoma encode",
        "scotoma train",
        "scotoma info",
        "scotoma check",
        "scotoma train",
        "scotoma verify",
        "scotoma verify",
        "scotoma verify",
        "scotoma report",
    ]
    languages = ["sh", "sh", "sh", "toml", "sh", "sh", "sh", "python", "python", "text"]
    assert [language for language, _ in BLOCKS] == languages


def test_the_five_verbs_leave_what_is_promised(ran: Ran) -> None:
    encoder = scotoma.load_encoder(ran.folder / "runs" / "terminal" / "encoder.safetensors")
    assert (encoder.card.hide, encoder.card.keep) == (("airport_terminal",), ("office",))
    assert encoder.card.training["preset"] == "small"
    results = Results.read(ran.folder / "runs" / "terminal-attacked" / "results.json")
    assert {(cell.encoder, cell.task, cell.role) for cell in results.cells} == {
        (name, task, role)
        for name in ("identity", "blur", "encoder")
        for task, role in (("airport_terminal", "hide"), ("office", "keep"), ("bar", "other"))
    }
    assert "airport_terminal" in (ran.folder / "report.html").read_text(encoding="utf-8")
    with np.load(ran.folder / "codes.npz") as content:
        assert content["codes"].shape == (120, 3, 8, 8)
    assert len((ran.folder / "ids.csv").read_text().splitlines()) == 121


def test_suites_attack_encoders_of_any_kind(ran: Ran) -> None:
    ours, pixelated = (
        Verdict.read(ran.folder / "runs" / name / "verdict.json") for name in ("terminal-audit", "pixelated")
    )
    assert [each.task for each in ours.tasks] == ["airport_terminal", "office"]
    assert (pixelated.target.kind, [each.task for each in pixelated.tasks]) == ("pixelate", ["Male"])
    assert "pixelate 8" in (ran.folder / "pixelated.html").read_text(encoding="utf-8")


def test_the_settings_file_is_obeyed(ran: Ran) -> None:
    card = scotoma.load_encoder(ran.folder / "runs" / "two" / "encoder.safetensors").card
    assert (card.hide, card.keep) == (("airport_terminal", "bar"), ("office",))
    settings = card.training["settings"]
    assert (settings["alpha"], settings["objective"], card.training["seed"]) == (0.125, "gan", 1)


def test_the_python_steps_give_values(ran: Ran) -> None:
    assert len(ran.names["results"].cells) == 6
    assert ran.names["codes"].shape == (1000, 3 * 7 * 7)
    assert (ran.folder / "shirt.html").is_file()
    # One-bit codes of an encoder that has hardly learned anything, yet bags are told from the rest.
    right, bag = ran.names["right"], ran.names["bag"][ran.names["parts"].test]
    assert 0.62 < sum(float(right[bag == label].mean()) for label in (0, 1)) / 2 <= 1


def test_the_python_steps_are_as_short_as_they_should_be() -> None:
    steps, training = (text.strip().splitlines() for language, text in BLOCKS if language == "python")
    assert len([line for line in steps if line]) <= 10
    assert len([line for line in training if line]) <= 12


def test_the_floor_that_is_explained_is_the_one_that_is_computed(ran: Ran) -> None:
    floors = {cell.task: cell.floor for cell in ran.names["results"].cells}
    assert floors["shirt"] == pytest.approx(0.5 + 1 / 18)
    assert f"{100 * floors['shirt']:.1f} % for one kept category of ten" in README
