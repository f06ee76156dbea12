"""What do the cells of a run say: which number stands for an encoder and a task, and does it leak?

Every figure, table and sentence of a report asks here, so that they cannot contradict each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from scotoma.runs.leaks import LEVEL, MOST_MISSED, hidden_below_floor, holm
from scotoma.runs.results import Cell, EncoderSummary, Results, Role

REFERENCES = ("identity", "blur")
CHANCE = 0.5

Outcome = Literal["leaks", "no leak", "inconclusive", "failed", "missing"]
# Why it is open whether a task leaks, though every attack ended with figures.
Doubt = Literal["still rising", "too few test images", "below the floor", "nothing in the originals"]
Overall = Literal["leaks", "no leak", "inconclusive", "nothing hidden"]


@dataclass(frozen=True)
class Finding:
    """What the attacks on one task of one encoder found, and the cell that shows it (None: no attack);
    `doubt` where that is why it is inconclusive.
    """

    task: str
    outcome: Outcome
    cell: Cell | None
    doubt: Doubt | None = None


@dataclass(frozen=True)
class Figures:
    """What a cell measured: accuracies, and the ends of the test accuracy's interval."""

    validation: float
    test: float
    low: float
    high: float


def figures(cell: Cell | None) -> Figures | None:
    """The figures of a cell; None where there is no cell, or its attack failed."""
    if cell is None or cell.state == "failed":
        return None
    found = (cell.val_accuracy, cell.test_accuracy, cell.test_low, cell.test_high)
    known = [each for each in found if each is not None]
    return Figures(*known) if len(known) == len(found) else None


def tasks(results: Results) -> tuple[str, ...]:
    """All tasks: hidden ones first, then kept ones, then the others as attacked."""
    named = [
        task for each in results.encoders for role in ("hide", "keep") for task in _named(each, role) or ()
    ]
    attacked = [cell.task for cell in results.cells]
    return tuple(dict.fromkeys([*results.hide, *results.keep, *named, *attacked]))


def judged(results: Results) -> tuple[EncoderSummary, ...]:
    """The encoders that a verdict is about; identity and blur are references."""
    return tuple(each for each in results.encoders if each.kind not in REFERENCES)


def role(results: Results, encoder: EncoderSummary, task: str) -> Role:
    """What the encoder was to do with a task: its cell says so, else its training, else the run."""
    for cell in results.cells:
        if (cell.encoder, cell.task) == (encoder.name, task):
            return cell.role
    if task in (results.hide if (named := _named(encoder, "hide")) is None else named):
        return "hide"
    return (
        "keep" if task in (results.keep if (named := _named(encoder, "keep")) is None else named) else "other"
    )


def shared_role(results: Results, task: str) -> Role | None:
    """The role of a task when it is the same for every judged encoder, else None."""
    roles = {role(results, each, task) for each in judged(results)}
    if not roles:
        return "hide" if task in results.hide else "keep" if task in results.keep else "other"
    return roles.pop() if len(roles) == 1 else None


def with_role(results: Results, encoder: EncoderSummary, wanted: Role) -> tuple[str, ...]:
    """The tasks that have a role for an encoder."""
    return tuple(task for task in tasks(results) if role(results, encoder, task) == wanted)


def headline(results: Results, encoder: str, task: str) -> Cell | None:
    """The cell that stands for an encoder and a task: the attacker that is strongest on *validation* images.

    A failed attacker stands only where there is no other; None when nothing attacked.
    """
    cells = _cells(results, encoder, task)
    return _strongest([cell for cell in cells if figures(cell)] or cells)


def reference(results: Results, task: str) -> Cell | None:
    """The attack on the original images, unless it failed or was not made."""
    for encoder in results.encoders:
        if encoder.kind == "identity":
            cell = headline(results, encoder.name, task)
            return cell if figures(cell) else None
    return None


def p_value(results: Results, cell: Cell) -> float | None:
    """How likely an attacker finds so much more than the kept labels tell by luck: of a hidden task corrected
    for all that are hidden from the same encoder. None where it is not recorded.
    """
    if cell.excess is None:
        return None
    others = [
        stands.excess.p
        for task in tasks(results)
        if task != cell.task
        and (stands := headline(results, cell.encoder, task)) is not None
        and stands.role == cell.role == "hide"
        and stands.excess is not None
    ]
    return holm([cell.excess.p, *others])[0]


def is_above_floor(results: Results, cell: Cell) -> bool:
    """Whether an attacker found more than the kept labels tell. Where no comparison with them is recorded its
    interval has to lie above the floor.
    """
    if (p := p_value(results, cell)) is not None:
        return p <= LEVEL
    found = figures(cell)
    return found is not None and found.low > cell.floor


def is_too_open(cell: Cell) -> bool:
    """Whether there are too few test images to say that nothing was found: a leak of `MOST_MISSED` might not
    have shown. Where that is not recorded: it lies in the interval.
    """
    if cell.excess is not None:
        return cell.excess.smallest_leak > MOST_MISSED
    found = figures(cell)
    return found is not None and found.high - cell.floor > MOST_MISSED


def is_below_floor(cell: Cell) -> bool:
    """Whether an attacker is clearly worse than the kept labels alone, and by so much that a leak of
    `MOST_MISSED` may be hidden below the floor. Where no comparison is recorded: its interval lies below, and
    reaches so far.
    """
    if (excess := cell.excess) is not None:
        missed = hidden_below_floor(excess.estimate, excess.smallest_leak)
        return excess.high < 0 and missed > MOST_MISSED
    found = figures(cell)
    return found is not None and found.high < cell.floor and cell.floor - found.low > MOST_MISSED


def examine(results: Results, encoder: str, task: str) -> Finding:
    """Does a task leak from an encoder?

    The attacker that is strongest on validation images decides: it *leaks* if that one is above the floor, be
    it still rising or not. *No leak* needs every attacker to be done, that one not to be below the floor,
    enough test images, and the attack on the original images, where it was made, to be above the floor: one
    that finds nothing there could not have found a leak.
    """
    cells = _cells(results, encoder, task)
    strongest = headline(results, encoder, task)
    if strongest is None:
        return Finding(task, "missing", None)
    if is_above_floor(results, strongest):
        return Finding(task, "leaks", strongest)
    if rising := _strongest([cell for cell in cells if cell.state == "inconclusive"]):
        return Finding(task, "inconclusive", rising, "still rising")
    if failed := [cell for cell in cells if figures(cell) is None]:
        return Finding(task, "failed", failed[0])
    doubt = _doubt(results, strongest)
    return Finding(task, "inconclusive" if doubt else "no leak", strongest, doubt)


def _doubt(results: Results, cell: Cell) -> Doubt | None:
    if is_too_open(cell):
        return "too few test images"
    if is_below_floor(cell):
        return "below the floor"
    original = reference(results, cell.task)
    if original is not None and not is_above_floor(results, original):
        return "nothing in the originals"
    return None


def overall(results: Results, encoder: EncoderSummary) -> Overall:
    """The verdict on an encoder in one word: the worst of its hidden tasks."""
    outcomes = {examine(results, encoder.name, task).outcome for task in with_role(results, encoder, "hide")}
    if not outcomes:
        return "nothing hidden"
    if "leaks" in outcomes:
        return "leaks"
    return "no leak" if outcomes == {"no leak"} else "inconclusive"


def in_training_accuracy(results: Results, encoder: EncoderSummary, task: str) -> float | None:
    """Validation accuracy of the adversary of the encoder's own training, where it is recorded."""
    hidden: Any = encoder.training.get("hidden")
    if not isinstance(hidden, Mapping):
        return None
    # An anonymous encoder names no task: where it hid one, it is this one.
    is_only = with_role(results, encoder, "hide") == (task,) and len(hidden) == 1
    value = next(iter(hidden.values())) if is_only else hidden.get(task)
    return float(value) if isinstance(value, int | float) else None


def _named(encoder: EncoderSummary, meant: Literal["hide", "keep"]) -> tuple[str, ...] | None:
    """What an encoder's training was to hide or to keep; None when that is not recorded."""
    named: Any = encoder.training.get(meant)
    return tuple(str(task) for task in named) if isinstance(named, list | tuple) else None


def _cells(results: Results, encoder: str, task: str) -> list[Cell]:
    return [cell for cell in results.cells if (cell.encoder, cell.task) == (encoder, task)]


def _strongest(cells: list[Cell]) -> Cell | None:
    return max(cells, key=_on_validation) if cells else None


def _on_validation(cell: Cell) -> float:
    found = figures(cell)
    return found.validation if found else 0.0
