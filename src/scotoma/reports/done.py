"""What was done: with which data, settings, seeds, hardware and versions, and for how long?"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scotoma.runs.results import EncoderSummary, Results

# What stands first, in this order; the rest follows as recorded.
_FIRST = ("command", "started", "seconds", "hardware", "seed")
_TITLES = {"data": "Data", "settings": "Settings", "versions": "Versions", "hardware": "Hardware"}
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
    single = {key: value for key, value in results.run.items() if not isinstance(value, Mapping)}
    ordered = [key for key in _FIRST if key in single] + [key for key in single if key not in _FIRST]
    groups = [Group("Run", tuple(_entry(key, single[key]) for key in ordered), True)] if ordered else []
    tables = {key: value for key, value in results.run.items() if isinstance(value, Mapping)}
    for key in sorted(tables, key=lambda key: key != "data"):
        entries = tuple(_entry(name, value) for name, value in tables[key].items())
        groups.append(Group(_TITLES.get(key, _words(key).capitalize()), entries, key == "data"))
    groups += [_encoder(each) for each in results.encoders]
    return [*groups, *_attackers(results)]


def spent(seconds: float) -> str:
    """A duration for people: "41 s", "2 min 51 s", "3 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _encoder(encoder: EncoderSummary) -> Group:
    shape = " \N{MULTIPLICATION SIGN} ".join(str(each) for each in encoder.code_shape)
    entries = [("code (channels, height, width)", shape), ("digest", encoder.digest)]
    entries += [_entry(name, value) for name, value in encoder.training.items()]
    return Group(f"Encoder {encoder.name}", tuple(entries))


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
    if isinstance(value, list | tuple):
        return ", ".join(_value(key, each) for each in value) or "none"
    return str(value)


def _words(key: str) -> str:
    return key.replace("_", " ")
