"""What is lost and what is left, task by task, under each encoder? (Table 2 of the paper, and section 4.3)"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scotoma.experiments.artefact import MISSING, Artefact, beside, percent, points, table
from scotoma.experiments.cells import Cell
from scotoma.experiments.grid import attacks_of, read_grid, rows_of
from scotoma.experiments.paper import TABLE2
from scotoma.experiments.scales import LETTERS, Scale
from scotoma.experiments.statements import Statement, every_statement
from scotoma.experiments.statistics import bounds, mean, seeds_there

Role = Literal["hide", "keep", "other"]
_MARKS: dict[Role, str] = {"hide": "-", "keep": "+", "other": ""}


@dataclass(frozen=True)
class SeedEntry:
    """One attack: test accuracy with its interval over test images, None where it is missing."""

    seed: int
    test: float | None = None
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    state: str = MISSING


@dataclass(frozen=True)
class Entry:
    """A cell of the table. `low` and `high` bound the mean over seeds, or the only seed's accuracy."""

    letter: str
    task: str
    role: Role
    test: float | None
    low: float | None
    high: float | None
    floor: float | None
    paper: float | None
    seeds: tuple[SeedEntry, ...]


@dataclass(frozen=True)
class Row:
    """One encoder: "identity", "blur", or what it hides and keeps as letters."""

    name: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Table2:
    """All rows, and the paper's statements on them."""

    columns: tuple[str, ...]
    unseen: tuple[str, ...]
    rows: tuple[Row, ...]
    statements: tuple[Statement, ...]


def cells(scale: Scale, seeds: Sequence[int]) -> tuple[Cell, ...]:
    """Every encoder and the attacks on it, seed by seed."""
    found: list[Cell] = []
    for seed in seeds:
        for row in scale.table2.rows:
            attacks = attacks_of(scale, row, seed, seeds[0])
            found += [attacks[0].encoder, *attacks]
    return tuple(found)


def collect(scale: Scale, seeds: Sequence[int], out: Path) -> Table2:
    """Read what the cells left."""
    grids = [read_grid(scale, seed, seeds, out) for seed in seeds]
    own = scale.groups[scale.table2.group].categories
    rows = []
    for row in rows_of(scale):
        # The baselines are attacked once.
        counted = list(zip(seeds, grids, strict=True))[: 1 if row not in scale.table2.rows else None]
        entries = []
        for letter, task in zip(LETTERS, scale.table2.columns, strict=True):
            of_seeds = []
            for seed, grid in counted:
                cell = grid.get((row, letter))
                of_seeds.append(
                    SeedEntry(seed, cell.test, cell.low, cell.high, cell.floor, cell.state)
                    if cell
                    else SeedEntry(seed)
                )
            entries.append(_entry(scale, row, letter, task, tuple(of_seeds)))
        rows.append(Row(row, tuple(entries)))
    unseen = tuple(task for task in scale.table2.columns if task not in own)
    statements = every_statement(scale.table2.rows, grids)
    return Table2(scale.table2.columns, unseen, tuple(rows), statements)


def markdown(found: Table2) -> str:
    """The table in percent, the paper's figures in brackets, and the statements."""
    heads = ["encoder"]
    for letter, task in zip(LETTERS, found.columns, strict=True):
        heads.append(f"{letter}: {task}{' (unseen group)' if task in found.unseen else ''}")
    lines = [
        "# Table 2: fresh attackers on every task",
        "",
        "Balanced accuracy on test images in % [95 % interval], floor: what kept labels alone give; in round "
        "brackets the paper's, whose categories are others. `-` hidden, `+` kept.",
        "",
        table(heads, [_line(row) for row in found.rows]),
        "## The paper's statements",
        "",
        table(["statement", "difference [95 %]", "verdict", "compared"], list(map(_said, found.statements))),
    ]
    return "\n".join(lines)


def _entry(scale: Scale, row: str, letter: str, task: str, seeds: tuple[SeedEntry, ...]) -> Entry:
    role: Role = "other"
    if row in scale.table2.rows:
        hide, keep = scale.table2.tasks(row)
        role = "hide" if task in hide else "keep" if task in keep else "other"
    low, high = bounds([(each.test, each.low, each.high) for each in seeds])
    paper = TABLE2.get(row)
    return Entry(
        letter,
        task,
        role,
        mean([each.test for each in seeds]),
        low,
        high,
        mean([each.floor for each in seeds]),
        paper[LETTERS.index(letter)] if paper else None,
        seeds,
    )


def _line(row: Row) -> list[str]:
    line = [row.name]
    for entry in row.entries:
        shown = f"{_MARKS[entry.role]}{beside(entry.test, entry.paper)}"
        if entry.test is not None:
            shown += f" [{percent(entry.low)}, {percent(entry.high)}]"
            shown += f"{seeds_there([each.test for each in entry.seeds])}, floor {percent(entry.floor)}"
        if any(each.state == "inconclusive" for each in entry.seeds):
            shown += ", still rising"
        line.append(shown)
    return line


def _said(statement: Statement) -> list[str]:
    difference = MISSING if statement.difference is None else points(statement.difference)
    compared = [
        f"{name} {value:.2f}" if name == "rank correlation" else f"{name} {percent(value)}"
        for name, value in statement.numbers.items()
    ]
    return [statement.said, difference, statement.verdict, ", ".join(compared)]


TABLE2_ARTEFACT = Artefact("table2", cells, collect, markdown)
