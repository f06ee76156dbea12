"""Of which runs does a table or a figure consist? Of cells: a run folder each, and its command."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scotoma.encoder_file import encoder_digest
from scotoma.experiments.scales import Group, Scale
from scotoma.runs.commands import command_line
from scotoma.runs.results import Results
from scotoma.runs.whole_files import read_json, write_bytes

ENCODER = "encoder.safetensors"
RESULTS = "results.json"
SETTINGS = "settings.json"
# What a dry run ends with.
NO_RUN_BEGUN = "No run was begun: the settings files that these commands name are written when one is."
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
        return "begun" if (self.folder(out) / SETTINGS).is_file() else "to do"


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

    @property
    def attacks(self) -> int:
        """How many attacks it is made of."""
        return (len(self.baselines) + 1) * len(self.tasks)

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

    def is_of(self, digest: str | None, out: Path) -> bool:
        """Whether this digest is that of the encoder, as far as one is there."""
        path = self.encoder.file(out)
        return digest is None or not path.is_file() or digest == encoder_digest(path)

    def is_stale(self, out: Path) -> bool:
        """Whether its run folder was begun with another encoder than lies there now."""
        return not self.is_of(begun_with(self, out).get("digest"), out)

    def state(self, out: Path) -> State:
        """Whether there is something to run: all attacks there on the encoder of now, none of them failed."""
        wanted = {(name, task) for name in (*self.baselines, "encoder") for task in self.tasks}
        if (results := read_results(self, out)) is not None:
            there = {(each.encoder, each.task) for each in results.cells if each.state != "failed"}
            if wanted <= there:
                return "done"
        return "begun" if (self.folder(out) / SETTINGS).is_file() else "to do"


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


def settings_path(cell: Cell, out: Path) -> Path:
    """Where the TOML file of a cell's settings lies, if anything differs from the preset."""
    kind = "encoder" if isinstance(cell, EncoderCell) else "attack"
    return out / "settings" / f"{kind}-{cell.name}.toml"


def settings_file(cell: Cell, out: Path) -> Path | None:
    """The TOML file of a cell's settings; None where nothing differs from the preset."""
    return settings_path(cell, out) if cell.settings() else None


def write_settings(cells: Sequence[Cell], out: Path) -> None:
    """Write the TOML files that the commands of cells name, and remove those of cells that need none."""
    (out / "settings").mkdir(exist_ok=True)
    for cell in cells:
        if (path := settings_file(cell, out)) is not None:
            write_bytes(path, toml(cell.settings()).encode())
        else:
            settings_path(cell, out).unlink(missing_ok=True)


def begun_with(cell: Cell, out: Path) -> dict[str, Any]:
    """What the command of a cell wrote down as it began: "data", "images" (a digest), of an attack the
    encoder's "digest" and more. Empty where it has not begun.

    Raises:
        InputError: the file is broken.
    """
    path = cell.folder(out) / SETTINGS
    return read_json(path) if path.is_file() else {}


def read_results(cell: AttackCell, out: Path) -> Results | None:
    """What the attacks of a cell found; None where they have not ended yet, or were on another encoder than
    lies there now.

    Raises:
        InputError: the file is broken or of another version.
    """
    path = cell.folder(out) / RESULTS
    if not path.is_file():
        return None
    results = Results.read(path)
    attacked = next((each.digest for each in results.encoders if each.name == "encoder"), None)
    return results if cell.is_of(attacked, out) else None


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
