"""Of which runs does a table or a figure consist? Of cells: a run folder each, and its command."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scotoma.errors import InputError
from scotoma.experiments.scales import Group, Scale
from scotoma.runs.commands import command_line
from scotoma.runs.results import Results
from scotoma.runs.run_folder import write_bytes

ENCODER = "encoder.safetensors"
RESULTS = "results.json"
State = Literal["done", "begun", "to do"]


@dataclass(frozen=True)
class Places:
    """Where run folders go, and where images lie, if that was named."""

    out: Path
    data: str | None = None
    other_data: str | None = None

    def named(self, group: Group) -> str:
        """The images of a group, or the word that stands for them in commands."""
        return self.other_data or "OTHER-DATA" if group.other_data else self.data or "DATA"


@dataclass(frozen=True)
class EncoderCell:
    """The training of one encoder; `changes` are the tables that lie over the preset."""

    name: str
    hide: tuple[str, ...]
    keep: tuple[str, ...]
    group: Group
    preset: str
    seed: int
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What the cell is called on the screen; also where it lies below the folder of the reproduction."""
        return f"encoders/{self.name}"

    def folder(self, out: Path) -> Path:
        """Its run folder."""
        return out / self.label

    def file(self, out: Path) -> Path:
        """The encoder file that it ends in."""
        return self.folder(out) / ENCODER

    def settings(self) -> dict[str, Any]:
        """The tables of the TOML file that its command names."""
        return {name: table for name, table in self.changes.items() if name != "verification" and table}

    def command(self, places: Places) -> str:
        """The command that makes it."""
        flags = {
            "hide": self.hide,
            "keep": self.keep,
            "categories": self.group.categories,
            "preset": self.preset,
            "seed": self.seed,
            "config": settings_file(self, places.out),
            "out": self.folder(places.out),
        }
        return command_line("train", [places.named(self.group)], flags)

    def state(self, out: Path) -> State:
        """Whether there is something to run."""
        if self.file(out).is_file():
            return "done"
        return "begun" if (self.folder(out) / "settings.json").is_file() else "to do"


@dataclass(frozen=True)
class AttackCell:
    """Attacks on one encoder, in the group that it was trained in or in another one; `baselines` are attacked
    beside it.
    """

    name: str
    encoder: EncoderCell
    tasks: tuple[str, ...]
    group: Group
    baselines: tuple[str, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What the cell is called on the screen; also where it lies below the folder of the reproduction."""
        return f"attacks/{self.name}"

    def folder(self, out: Path) -> Path:
        """Its run folder."""
        return out / self.label

    def settings(self) -> dict[str, Any]:
        """The table of the TOML file that its command names."""
        named = ("verification", "labels")
        return {name: table for name, table in self.changes.items() if name in named and table}

    def command(self, places: Places) -> str:
        """The command that makes it."""
        flags = {
            "data": places.named(self.group),
            "tasks": self.tasks,
            "baselines": self.baselines or "none",
            "categories": self.group.categories,
            "preset": self.encoder.preset,
            "seed": self.encoder.seed,
            "config": settings_file(self, places.out),
            "out": self.folder(places.out),
        }
        return command_line("verify", [self.encoder.file(places.out)], flags)

    def state(self, out: Path) -> State:
        """Whether there is something to run: all attacks there, none of them failed."""
        wanted = {(name, task) for name in (*self.baselines, "encoder") for task in self.tasks}
        if (results := read_results(self, out)) is not None:
            there = {(each.encoder, each.task) for each in results.cells if each.state != "failed"}
            if wanted <= there:
                return "done"
        return "begun" if (self.folder(out) / "settings.json").is_file() else "to do"


Cell = EncoderCell | AttackCell


def encoder_cell(
    scale: Scale,
    artefact: str,
    group: str,
    hide: tuple[str, ...],
    keep: tuple[str, ...],
    seed: int,
    over: Mapping[str, Any] | None = None,
    variant: str = "",
) -> EncoderCell:
    """An encoder of a scale. Artefacts without overrides share encoders of equal group, names and variant."""
    words = [artefact] if scale.overrides.get(artefact) else []
    words += [group, "hide", *hide, *(["keep", *keep] if keep else []), *([variant] if variant else [])]
    name = "-".join([*(word.replace("/", "_") for word in words), f"seed{seed}"])
    return EncoderCell(
        name, hide, keep, scale.groups[group], scale.preset, seed, scale.changes(artefact, over)
    )


def attack_cell(
    encoder: EncoderCell,
    tasks: Sequence[str],
    baselines: Sequence[str] = (),
    *,
    group: Group | None = None,
    over: Mapping[str, Any] | None = None,
    variant: str = "",
) -> AttackCell:
    """Attacks on an encoder with the settings of its scale; a variant gets a folder of its own."""
    name = f"{encoder.name}-{variant}" if variant else encoder.name
    verification = {**encoder.changes.get("verification", {}), **(over or {})}
    changes = {"verification": verification} if verification else {}
    return AttackCell(name, encoder, tuple(tasks), group or encoder.group, tuple(baselines), changes)


def settings_file(cell: Cell, out: Path) -> Path | None:
    """The TOML file of a cell's settings; None where nothing differs from the preset."""
    kind = "encoder" if isinstance(cell, EncoderCell) else "attack"
    return out / "settings" / f"{kind}-{cell.name}.toml" if cell.settings() else None


def require_same_settings(cells: Sequence[Cell], out: Path) -> None:
    """Check that what is there was made with the settings that the cells have now.

    Raises:
        InputError: names every run folder that was made with others.
    """
    other = [
        cell.label
        for cell in cells
        if cell.state(out) != "to do" and _text(settings_file(cell, out)) != toml(cell.settings())
    ]
    if other:
        raise InputError(
            f"{out} holds runs that were made with other settings than now: {', '.join(other)}. "
            "Choose another --out, or remove these folders."
        )


def write_settings(cells: Sequence[Cell], out: Path) -> None:
    """Write the TOML files that the commands of cells name."""
    (out / "settings").mkdir(exist_ok=True)
    for cell in cells:
        if (path := settings_file(cell, out)) is not None:
            write_bytes(path, toml(cell.settings()).encode())


def read_results(cell: AttackCell, out: Path) -> Results | None:
    """What the attacks of a cell found; None where they have not ended yet.

    Raises:
        InputError: the file is broken or of another version.
    """
    path = cell.folder(out) / RESULTS
    return Results.read(path) if path.is_file() else None


def described(cell: Cell, places: Places) -> str:
    """State and name of a cell, and below them its command."""
    return f"{cell.state(places.out):6} {cell.label}\n       $ {cell.command(places)}"


def arguments(command: str) -> list[str]:
    """What stands behind the word scotoma in a command."""
    return shlex.split(command)[1:]


def toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Tables of numbers, texts, switches, lists and tables of these as TOML."""
    lines = []
    for name, table in sorted(tables.items()):
        lines += [f"[{name}]", *(f"{key} = {_toml_value(value)}" for key, value in table.items()), ""]
    return "\n".join(lines)


def _toml_value(value: Any) -> str:
    """JSON writes numbers, texts, switches and lists alike."""
    if isinstance(value, Mapping):
        pairs = (f"{_toml_value(key)} = {_toml_value(each)}" for key, each in value.items())
        return f"{{ {', '.join(pairs)} }}"
    # JSON escapes what is beyond 16 bits as two halves, which are no characters to TOML.
    return json.dumps(value, ensure_ascii=False)


def _text(path: Path | None) -> str:
    return path.read_text(encoding="utf-8") if path is not None and path.is_file() else ""
