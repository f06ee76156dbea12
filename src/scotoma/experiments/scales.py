"""On which images, and how large, are the paper's experiments repeated? A scale, as TOML in
`settings/scales/`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from scotoma.errors import InputError
from scotoma.runs.settings import build, merge, nearest

TABLES = ("encoder", "images", "classifier", "training", "verification", "split")
LETTERS = "abcdefgh"
# The encoders of the paper's Table 2: what is hidden and what is kept, as letters of its columns.
PAPER_ROWS = ("-a", "-b", "-c", "-d", "-b +a", "-a +b", "-a +b,e", "-a +b,c,e", "-a +d")


@dataclass(frozen=True)
class Group:
    """Categories that are told from each other; those of `other_data` lie in a second folder of images."""

    categories: tuple[str, ...]
    other_data: bool = False


@dataclass(frozen=True)
class PairSettings:
    """Table 1: the two categories (a, b) of a group that are hidden and kept by turns."""

    group: str
    pair: tuple[str, str]


@dataclass(frozen=True)
class GridSettings:
    """Table 2: columns a to h in the paper's order, attacked in `group` or, where that lacks them, in
    `unseen`; rows are encoders, as in "-a +b,e".
    """

    group: str
    unseen: str
    columns: tuple[str, ...]
    rows: tuple[str, ...] = PAPER_ROWS

    def __post_init__(self) -> None:
        if len(self.columns) != len(LETTERS):
            raise InputError(f"'columns' names {len(self.columns)} categories: {len(LETTERS)} are needed")
        for row in self.rows:
            self.tasks(row)

    def tasks(self, row: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What the encoder of a row hides and keeps, by name.

        Raises:
            InputError: the row does not read as "-a" or "-a +b,c".
        """
        groups: dict[str, tuple[str, ...]] = {"-": (), "+": ()}
        for word in row.split():
            letters = word[1:].split(",")
            if word[0] not in groups or groups[word[0]] or not set(letters) <= set(LETTERS):
                raise InputError(f"the row {row!r} is not understood: write it as in '-a +b,c'")
            groups[word[0]] = tuple(self.columns[LETTERS.index(letter)] for letter in letters)
        if not groups["-"]:
            raise InputError(f"the row {row!r} hides nothing: write it as in '-a +b,c'")
        return groups["-"], groups["+"]


@dataclass(frozen=True)
class Scale:
    """Images, settings and names for every artefact.

    The tables lie over the preset's; those of `overrides`, by artefact, over both. `may_show` says whether
    the licence of the images lets pictures of them be published.
    """

    preset: str
    groups: Mapping[str, Group]
    table1: PairSettings
    table2: GridSettings
    data: str = ""
    other_data: str = ""
    seeds: tuple[int, ...] = (0,)
    may_show: bool = False
    encoder: Mapping[str, Any] = field(default_factory=dict)
    images: Mapping[str, Any] = field(default_factory=dict)
    classifier: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    verification: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    name: str = field(default="", init=False)

    def __post_init__(self) -> None:
        problems = [f"there is no group {name!r}" for name in self._named() if name not in self.groups]
        if not problems:
            problems = self._lacking()
        if problems:
            raise InputError("; ".join(problems))

    def changes(self, artefact: str, over: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The tables that lie over the preset for an artefact, with those of one of its cells over them."""
        tables = {name: table for name in TABLES if (table := getattr(self, name))}
        return merge(merge(tables, self.overrides.get(artefact, {})), over or {})

    def _named(self) -> tuple[str, ...]:
        return self.table1.group, self.table2.group, self.table2.unseen

    def _lacking(self) -> list[str]:
        pair, grid = self.groups[self.table1.group], self.table2
        both = (*self.groups[grid.group].categories, *self.groups[grid.unseen].categories)
        lacking = [name for name in self.table1.pair if name not in pair.categories]
        lacking += [name for name in grid.columns if name not in both]
        return [f"{name!r} is in no group" for name in lacking]


def scale_names() -> list[str]:
    """The scales that are shipped."""
    return sorted(
        path.name.removesuffix(".toml") for path in _folder().iterdir() if path.name.endswith(".toml")
    )


def load_scale(name: str) -> Scale:
    """A shipped scale.

    Raises:
        InputError: there is no such scale, or it holds an unknown setting.
    """
    if name not in scale_names():
        raise InputError(f"There is no scale {name!r}: {nearest(name, scale_names())}.")
    table = tomllib.loads((_folder() / f"{name}.toml").read_text(encoding="utf-8"))
    scale = build(Scale, table, f"scale {name}")
    object.__setattr__(scale, "name", name)  # not a key of the file: its name says it
    return scale


def _folder() -> Any:
    return files("scotoma") / "settings" / "scales"
