"""What was done: with which data, settings, seeds, hardware and versions, and for how long?

A report is there to be passed on. Files that were left out are counted and not named, and of absolute paths
the last part is shown: names of files and folders can say more than figures do. The record has them all.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from scotoma.runs.results import EncoderSummary, Results
from scotoma.runs.verdict import TaskVerdict, Verdict
from scotoma.runs.words import counted

# What stands first, in this order; the rest follows as recorded.
_FIRST = ("command", "started", "seconds", "hardware", "seed")
_TITLES = {"data": "Data", "settings": "Settings", "versions": "Versions", "hardware": "Hardware"}
_PATH = re.compile(r"((?:[^=/~]*=)?)(~?/.*)", re.DOTALL)
_FOLDERS = re.compile(r"(?<![^\s'\"=,])/(?:[^'\",/]+/)+")
# Numbers that name something are no quantities: they get no thousands' commas.
_NAMING = ("seed", "digest", "version")


@dataclass(frozen=True)
class Group:
    """Terms and what they are, under one title; an important group is shown unfolded."""

    title: str
    entries: tuple[tuple[str, str], ...]
    unfolded: bool = False


def what_was_done(results: Results) -> list[Group]:
    """Everything that a run records about itself, in groups; what is not recorded is not shown."""
    groups = recorded(results.run)
    groups += [_encoder(each) for each in results.encoders]
    return [*groups, *_attackers(results)]


def what_an_audit_did(verdict: Verdict) -> list[Group]:
    """The same of a suite of attackers: the run, what was attacked, and how many images of each class."""
    about = {key: value for key, value in verdict.run.items() if key != "seconds_by_attacker"}
    target = verdict.target
    entries = [("name", target.name), ("kind", target.kind), ("digest", target.digest)]
    entries += [("code (without images)", _shape(target.code_shape))]
    entries += [_entry(name, value) for name, value in target.about.items()]
    images = [(task.task, _counts(task)) for task in verdict.tasks]
    return [*recorded(about), Group("What was attacked", tuple(entries)), Group("Images", tuple(images))]


def recorded(run: Mapping[str, Any]) -> list[Group]:
    """What stands in the record of a run: single entries first, then its tables, data first."""
    single = {key: value for key, value in run.items() if not isinstance(value, Mapping)}
    ordered = [key for key in _FIRST if key in single] + [key for key in single if key not in _FIRST]
    groups = [Group("Run", tuple(_entry(key, single[key]) for key in ordered), True)] if ordered else []
    tables = {key: value for key, value in run.items() if isinstance(value, Mapping)}
    for key in sorted(tables, key=lambda key: key != "data"):
        entries = tuple(_entry(name, value) for name, value in tables[key].items())
        groups.append(Group(_TITLES.get(key, _words(key).capitalize()), entries, key == "data"))
    return groups


def described(details: Mapping[str, Any]) -> str:
    """A small table in one line: "iterations 2,400; rate 0.002"."""
    return "; ".join(" ".join(_entry(name, value)) for name, value in details.items())


def spent(seconds: float) -> str:
    """A duration for people: "41 s", "2 min 51 s", "3 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _encoder(encoder: EncoderSummary) -> Group:
    entries = [
        ("code (channels, height, width)", _shape(encoder.code_shape)),
        ("digest", encoder.digest),
    ]
    entries += [_entry(name, value) for name, value in encoder.training.items()]
    return Group(f"Encoder {encoder.name}", tuple(entries))


def _shape(shape: tuple[int, ...]) -> str:
    return " \N{MULTIPLICATION SIGN} ".join(str(each) for each in shape)


def _counts(task: TaskVerdict) -> str:
    """Images of each class, by part."""
    classes = " / ".join(task.classes)
    parts = [f"{part} {' / '.join(f'{count:,}' for count in task.counts[part])}" for part in task.counts]
    return f"{'; '.join(parts)} ({classes})"


def _attackers(results: Results) -> list[Group]:
    """The settings of each attacker, once for all cells that share them."""
    found: dict[str, tuple[str, Mapping[str, Any], list[str]]] = {}
    for cell in results.cells:
        key = json.dumps([cell.attacker, dict(cell.settings)], sort_keys=True, default=str)
        found.setdefault(key, (cell.attacker, cell.settings, []))[2].append(f"{cell.encoder} / {cell.task}")
    groups = []
    for attacker, settings, cells in found.values():
        entries = tuple(_entry(name, value) for name, value in settings.items())
        groups.append(
            Group(f"Attacker {attacker}", (*entries, ("used on (encoder / task)", ", ".join(cells))))
        )
    return groups


def _entry(key: str, value: Any) -> tuple[str, str]:
    if key == "seconds" and isinstance(value, int | float):
        return "time", spent(value)
    return _words(key), _value(key, value)


def _value(key: str, value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if any(each in key for each in _NAMING) else f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {_value(str(name), each)}" for name, each in value.items()) or "none"
    if key == "skipped" and isinstance(value, list | tuple):
        return f"{counted(len(value), 'image')} left out, not to be read" if value else "none"
    if isinstance(value, list | tuple):
        return ", ".join(_value(key, each) for each in value) or "none"
    if key == "command":
        return shlex.join(_last_part(word) for word in _split(str(value)))
    if key == "source":
        return _last_part(str(value))
    return _FOLDERS.sub("", str(value))


def _last_part(word: str) -> str:
    """A word whose folders are left out if it is an absolute path, or a name with one (name=/path). What a
    folder is called may hold commas and quotes.
    """
    path = _PATH.fullmatch(word)
    return f"{path[1]}{PurePath(path[2]).name}" if path else word


def _split(command: str) -> list[str]:
    """Into words as a shell does; what came from Python need be no command."""
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _words(key: str) -> str:
    return key.replace("_", " ")
