"""The verb `info`: what is this file or folder, and what would Scotoma run on here?"""

import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scotoma.allocation import SWITCH, tune_allocator
from scotoma.errors import InputError
from scotoma.runs.json_text import JsonError, parse_json, shown

Facts = dict[str, str]


@dataclass(frozen=True)
class _Tensors:
    """A safetensors file: what it says of itself, and how many tensors and numbers it holds."""

    metadata: Mapping[str, str]
    tensors: int
    numbers: int


def info(path: Path | None = None) -> None:
    """Say what an encoder file or a run folder holds; without one, what Scotoma runs on here.

    Args:
        path: an encoder file (.safetensors) or a folder that train or verify wrote.
    """
    if path is None:
        groups = {"": _machine()}
    elif path.is_dir():
        groups = {"": _run_folder(path)}
    elif path.is_file():
        groups = _tensor_file(path)
    else:
        raise InputError(f"There is no file or folder {path}.")
    width = max(len(name) for facts in groups.values() for name in facts)
    for title, facts in groups.items():
        if title:
            print(f"\n{title}")
        for name, value in facts.items():
            print(f"{'  ' if title else ''}{name:<{width}}  {value}")


def _machine() -> Facts:
    import torch

    return {
        "scotoma": version("scotoma"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": "CPU (GPUs are not used)",
        "threads": f"{torch.get_num_threads()} of {os.cpu_count()} cores",
        "allocator": "tuned" if tune_allocator() else f"the system's ({SWITCH}=0, or not Linux with glibc)",
    }


def _run_folder(folder: Path) -> Facts:
    from scotoma.cli.asked import asked_before
    from scotoma.runs.results import Results
    from scotoma.runs.run_folder import FORMAT, MARKER, VERSION
    from scotoma.runs.whole_files import read_json

    if not (folder / MARKER).is_file():
        raise InputError(f"{folder} is no run folder of Scotoma: it has no {MARKER}.")
    facts = {"run": str(read_json(folder / MARKER, FORMAT, VERSION).get("kind"))}
    facts["files"] = ", ".join(
        sorted(each.name for each in folder.iterdir() if not each.name.startswith("."))
    )
    asked = asked_before(folder)
    if asked is not None:
        facts["command"] = str(asked.get("command"))
        facts["state"] = _state(folder)
    if (folder / "results.json").is_file():
        results = Results.read(folder / "results.json")
        facts["hides"] = ", ".join(results.hide) or "nothing"
        facts["keeps"] = ", ".join(results.keep) or "nothing"
        for cell in results.cells:
            accuracy = "" if cell.test_accuracy is None else f"{100 * cell.test_accuracy:.1f} % "
            why = f": {cell.note}" if cell.state == "failed" else ""
            facts[f"{cell.encoder}, {cell.task}"] = f"{accuracy}({cell.state}, {cell.attacker}){why}"
    if (folder / "verdict.json").is_file():
        facts |= _verdict(folder / "verdict.json")
    return facts


def _verdict(path: Path) -> Facts:
    from scotoma.reports.audit_words import can_be_read
    from scotoma.reports.table import SIGNS
    from scotoma.runs.verdict import Verdict

    verdict = Verdict.read(path)
    facts = {
        "suite": verdict.suite,
        "encoder": f"{verdict.target.name} ({verdict.target.kind}), digest {verdict.target.digest}",
        "hides": ", ".join(verdict.hide) or "nothing",
        "keeps": ", ".join(verdict.keep) or "nothing",
    }
    for task in verdict.tasks:
        won = task.winner
        accuracy = f"{100 * won.accuracy:.1f} % by {won.attacker}, " if won else ""
        read = "can be read" if can_be_read(task) else "was not read"
        said = task.outcome if task.role == "hide" else read
        facts[f"{SIGNS[task.role]}{task.task}"] = f"{accuracy}floor {100 * task.floor:.1f} %: {said}"
    if verdict.flags:
        facts["flags"] = ", ".join(dict.fromkeys(each.code for each in verdict.flags))
    return facts


def _state(folder: Path) -> str:
    from scotoma.experiments.sweep_shown import FORMAT as SWEEP
    from scotoma.experiments.sweep_shown import VERSION as SWEEP_VERSION
    from scotoma.runs.more import More
    from scotoma.runs.whole_files import read_checked_json
    from scotoma.training.state import last_iteration, place

    if any((folder / name).exists() for name in ("encoder.safetensors", "results.json", "verdict.json")):
        missing = More.read(folder / "more.json").missing if (folder / "more.json").exists() else ()
        return f"finished but for {', '.join(missing)}" if missing else "finished"
    if (folder / "sweep.json").exists():
        sweep = read_checked_json(folder / "sweep.json", SWEEP, SWEEP_VERSION)
        states = [each["state"] for each in sweep["cells"]]
        attacked = sum(state in ("done", "inconclusive") for state in states)
        return f"{attacked} of {len(states)} encoders attacked"
    reached = last_iteration(folder)
    return "not finished" if reached is None else f"not finished, checkpoint {place(reached)}"


def _tensor_file(path: Path) -> dict[str, Facts]:
    from scotoma.encoder_file import FORMAT, load_encoder
    from scotoma.runs.settings import to_dict
    from scotoma.runs.tensor_file import read_tensors
    from scotoma.training.state import FORMAT as CHECKPOINT
    from scotoma.training.state import VERSION as CHECKPOINT_VERSION

    found = _read_tensors(path)
    facts = {
        "file": f"{path.stat().st_size:,} bytes",
        "numbers": f"{found.numbers:,} in {found.tensors} tensors",
    }
    card = _parsed(found.metadata.get("scotoma", ""))
    if not (isinstance(card, dict) and card.get("format") == FORMAT):
        if isinstance(card, dict) and card.get("format") == CHECKPOINT:
            read_tensors(path, path.read_bytes(), "checkpoint", CHECKPOINT, CHECKPOINT_VERSION)
        for name in sorted(found.metadata):
            facts |= _flat(name, _parsed(found.metadata[name]))
        return {"": facts}
    encoder = load_encoder(path)
    facts |= {"digest": encoder.digest} | _what_for(to_dict(encoder.card))
    tables = {name: dict(each) for name, each in to_dict(encoder.card).items() if isinstance(each, Mapping)}
    nested = tables["training"].pop("settings", {})
    groups = {"": facts} | {name: _flat("", table) for name, table in tables.items()}
    return groups | ({"training settings": _flat("", nested)} if nested else {})


def _what_for(card: Mapping[str, Any]) -> Facts:
    """The plain entries of a card: what is hidden and kept, among what."""
    unnamed = "not named (anonymous)"
    facts = {
        title: unnamed if card[name] is None else ", ".join(card[name]) or none
        for title, name, none in (
            ("hides", "hide", "nothing"),
            ("keeps", "keep", "nothing"),
            ("categories", "categories", "none, attributes of a table"),
        )
    }
    return facts | {"images": f"digest {card['data_digest']}"}


def _read_tensors(path: Path) -> _Tensors:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            sizes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{path} is no encoder file: it is not safetensors ({shown(str(error))}).") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    return _Tensors(metadata, len(sizes), sum(math.prod(shape) for shape in sizes))


def _parsed(text: str) -> object:
    try:
        return parse_json(text)
    except JsonError:
        return text


def _flat(name: str, value: object) -> Facts:
    if isinstance(value, Mapping) and value:
        above = f"{name}." if name else ""
        return {key: text for each in value for key, text in _flat(f"{above}{each}", value[each]).items()}
    if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        return {name: f"{len(value):,} entries"}
    if isinstance(value, list):
        return {name: ", ".join(str(each) for each in value) or "none"}
    if value is None or isinstance(value, bool):
        return {name: "none" if value is None else "yes" if value else "no"}
    return {name: f"{value:.6g}" if isinstance(value, float) else str(value)}
