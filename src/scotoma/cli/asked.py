"""What was asked of a run folder, and is it the same now? `settings.json`, written before a run starts."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from scotoma.errors import InputError
from scotoma.runs.whole_files import read_checked_json, write_checked_json

SETTINGS = "settings.json"
FORMAT = "scotoma-settings"
VERSION = 2


def asked_before(folder: Path) -> dict[str, Any] | None:
    """What `settings.json` of a run folder says; None where no run has begun.

    Raises:
        InputError: the file is broken, changed since it was written, or of another version.
    """
    path = folder / SETTINGS
    return read_checked_json(path, FORMAT, VERSION) if path.exists() else None


def write_asked(folder: Path, asked: Mapping[str, Any], free: Collection[str]) -> None:
    """Write what is asked of a run, once it is known to continue what was begun there.

    Args:
        folder: the run folder, held by the caller.
        asked: plain values and tables of them.
        free: names (those in tables with a dot) that may differ from before.

    Raises:
        InputError: the folder was begun with other settings; names each with both values.
    """
    content = {"format": FORMAT, "version": VERSION, **asked}
    before = asked_before(folder)
    if before is not None:
        then, now = _flat(before), _flat(content)
        lines = [
            f"  {name}: {_shown(then, name)} there, {_shown(now, name)} now"
            for name in dict.fromkeys([*then, *now])
            if name not in free and then.get(name) != now.get(name)
        ]
        if lines:
            advice = "Give the same command again, choose another --out, or give --overwrite to start anew."
            head = f"{folder} holds a run that was begun with other settings:"
            raise InputError("\n".join([head, *lines, advice]))
    write_checked_json(folder / SETTINGS, content)


def _flat(table: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        full = f"{above}{name}"
        found |= _flat(value, f"{full}.") if isinstance(value, Mapping) else {full: value}
    return found


def _shown(table: Mapping[str, Any], name: str) -> str:
    value = table.get(name)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "not set" if value is None else str(value)
