"""What did the fresh attackers find, encoder by encoder and task by task? (Table 2 as numbers)"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scotoma.experiments.cells import AttackCell, EncoderCell, attack_cell, encoder_cell, read_results
from scotoma.experiments.scales import LETTERS, Scale
from scotoma.reports.findings import figures, headline
from scotoma.runs.results import Cell
from scotoma.verification.answers import Answers, answers_of
from scotoma.verification.cells import CELLS, cell_file, read_predictions

BASELINES = ("identity", "blur")
UNSEEN = "unseen"


@dataclass(frozen=True)
class Measured:
    """One attack: accuracies as fractions, the 95 % interval over test images, and the answers, if kept."""

    test: float
    low: float
    high: float
    floor: float
    state: str
    answers: Answers | None = None


Grid = Mapping[tuple[str, str], Measured]


def encoder_of(scale: Scale, row: str, seed: int) -> EncoderCell:
    """The encoder of a row. It is the one of Table 1 where that has it too."""
    hide, keep = scale.table2.tasks(row)
    over = {"training": {"objective": "label-flip"}}
    return encoder_cell(scale, "table2", scale.table2.group, hide, keep, seed, over, "label-flip")


def attacks_of(scale: Scale, row: str, seed: int, first: int) -> tuple[AttackCell, ...]:
    """The attacks on the encoder of a row, in its own group and in the unseen one; the baselines stand beside
    those of the first row with the seed `first`.
    """
    grid = scale.table2
    encoder = encoder_of(scale, row, seed)
    own = [name for name in grid.columns if name in encoder.group.categories]
    others = [name for name in grid.columns if name not in own]
    baselines = BASELINES if (row, seed) == (grid.rows[0], first) else ()
    found = [attack_cell(encoder, own, baselines)]
    if others:
        unseen = scale.groups[grid.unseen]
        found.append(attack_cell(encoder, others, baselines, group=unseen, variant=UNSEEN))
    return tuple(found)


def rows_of(scale: Scale) -> tuple[str, ...]:
    """All rows of the table, baselines first."""
    return (*BASELINES, *scale.table2.rows)


def read_grid(scale: Scale, seed: int, seeds: Sequence[int], out: Path) -> dict[tuple[str, str], Measured]:
    """Measured cells by row and letter for one seed; what is missing is left out. The baselines are those of
    the first seed.
    """
    letters = dict(zip(scale.table2.columns, LETTERS, strict=True))
    found: dict[tuple[str, str], Measured] = {}
    for attack in attacks_of(scale, scale.table2.rows[0], seeds[0], seeds[0]):
        for name in BASELINES:
            found |= {(name, letters[task]): each for task, each in _measured(attack, name, out).items()}
    for row in scale.table2.rows:
        for attack in attacks_of(scale, row, seed, seeds[0]):
            measured = _measured(attack, "encoder", out)
            found |= {(row, letters[task]): each for task, each in measured.items()}
    return found


def _measured(attack: AttackCell, subject: str, out: Path) -> dict[str, Measured]:
    results = read_results(attack, out)
    if results is None:
        return {}
    measured = {}
    for task in attack.tasks:
        cell = headline(results, subject, task)
        found = figures(cell)
        if cell is not None and found is not None:
            answers = _answers(cell_file(attack.folder(out) / CELLS, subject, task), cell)
            measured[task] = Measured(found.test, found.low, found.high, cell.floor, cell.state, answers)
    return measured


def _answers(path: Path, cell: Cell) -> Answers | None:
    said = read_predictions(path, cell)
    return None if said is None else answers_of(said, str(path))
