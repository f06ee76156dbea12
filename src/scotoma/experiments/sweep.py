"""How much of what is kept has to be given up to hide more? Encoders of several alphas, and what fresh
attackers find in each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from scotoma.encoder_file import load_encoder
from scotoma.errors import InputError
from scotoma.experiments.cells import AttackCell, Cell, EncoderCell, Places, read_results
from scotoma.experiments.scales import Group
from scotoma.reports.findings import figures, headline
from scotoma.reports.front import alpha_text
from scotoma.runs.results import Results
from scotoma.runs.settings import merge

BASELINES = ("identity", "blur")
State = Literal["done", "inconclusive", "failed", "missing"]
# The state of a point is the first of these that one of its tasks is in.
_WORST: tuple[State, ...] = ("failed", "missing", "inconclusive")


@dataclass(frozen=True)
class Sweep:
    """What is hidden and kept, and what differs from encoder to encoder: alpha and seed. `changes` are tables
    over the preset; no categories stand for all. The baselines, which do not know of alpha, are attacked
    `beside` one encoder, by alpha and seed; default: the first.
    """

    hide: tuple[str, ...]
    keep: tuple[str, ...]
    alphas: tuple[float, ...]
    seeds: tuple[int, ...]
    preset: str
    categories: tuple[str, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[float, int] | None = None

    def encoder(self, alpha: float, seed: int) -> EncoderCell:
        """The training of one encoder. Its name tells nothing of the others: alphas can be added."""
        name = f"alpha-{alpha_text(alpha)}-seed{seed}"
        changes = merge(self.changes, {"training": {"alpha": alpha}})
        return EncoderCell(name, self.hide, self.keep, Group(self.categories), self.preset, seed, changes)

    def attack(self, alpha: float, seed: int) -> AttackCell:
        """The attacks on it."""
        encoder = self.encoder(alpha, seed)
        baselines = BASELINES if (alpha, seed) == (self.beside or self.every()[0]) else ()
        tasks = (*self.hide, *self.keep)
        return AttackCell(encoder.name, encoder, tasks, encoder.group, baselines, self.changes)

    def every(self) -> list[tuple[float, int]]:
        """Alpha and seed of each encoder, seed by seed."""
        return [(alpha, seed) for seed in self.seeds for alpha in self.alphas]

    def beside_another(self, out: Path) -> "Sweep":
        """The same with the baselines beside the first encoder that is there, if any is."""
        there = (each for each in self.every() if self.encoder(*each).file(out).is_file())
        return replace(self, beside=next(there, None))

    def cells(self) -> tuple[Cell, ...]:
        """Every encoder and the attacks on it, seed by seed."""
        attacks = [self.attack(*each) for each in self.every()]
        return tuple(cell for attack in attacks for cell in (attack.encoder, attack))


@dataclass(frozen=True)
class TaskFigures:
    """What a fresh attacker found of one task: test accuracy and its 95 % interval over test images, as
    fractions. `in_training` is the validation accuracy of the classifier of training, where it had one for
    this task alone. `chance` is what guessing reaches. None: not there.
    """

    state: State
    test: float | None = None
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    chance: float | None = None
    in_training: float | None = None
    note: str = ""


@dataclass(frozen=True)
class SweepPoint:
    """One encoder: figures by task. `note` says why something failed."""

    alpha: float
    seed: int
    state: State
    note: str
    hidden: Mapping[str, TaskFigures]
    kept: Mapping[str, TaskFigures]
    commands: tuple[str, str]


@dataclass(frozen=True)
class SweepFound:
    """All points, and by name and task what was found on original and on blurred images."""

    points: tuple[SweepPoint, ...]
    references: Mapping[str, Mapping[str, TaskFigures]]


def collect(sweep: Sweep, places: Places, failures: Mapping[str, str]) -> SweepFound:
    """Read what the cells left.

    Args:
        sweep: what was asked.
        places: where it lies.
        failures: why cells failed, by label.
    """
    points = [_point(sweep, alpha, seed, places, failures) for alpha in sweep.alphas for seed in sweep.seeds]
    # Beside whichever encoder they were attacked.
    every = [read_results(sweep.attack(*each), places.out) for each in sweep.every()]
    beside = next((each for each in every if each and headline(each, BASELINES[0], sweep.hide[0])), None)
    tasks = (*sweep.hide, *sweep.keep)
    references = {name: {task: _figures(beside, name, task, None) for task in tasks} for name in BASELINES}
    return SweepFound(tuple(points), references)


def _point(sweep: Sweep, alpha: float, seed: int, places: Places, failures: Mapping[str, str]) -> SweepPoint:
    attack = sweep.attack(alpha, seed)
    results = read_results(attack, places.out)
    within = _in_training(attack.encoder, places.out)
    hidden, kept = (
        {task: _figures(results, "encoder", task, within.get(task)) for task in tasks}
        for tasks in (sweep.hide, sweep.keep)
    )
    tasks = {**hidden, **kept}
    told = [failures[label] for label in (attack.encoder.label, attack.label) if label in failures][:1]
    told = told or [f"{task}: {each.note}" for task, each in tasks.items() if each.note]
    return SweepPoint(
        alpha,
        seed,
        _state([each.state for each in tasks.values()], bool(told)),
        "; ".join(told),
        hidden,
        kept,
        (attack.encoder.command(places), attack.command(places)),
    )


def _state(tasks: Sequence[State], has_failed: bool) -> State:
    """The state of a whole point. What failed is not only missing; what was found before counts still."""
    found: State = next((state for state in _WORST if state in tasks), "done")
    return "failed" if found == "missing" and has_failed else found


def _in_training(cell: EncoderCell, out: Path) -> dict[str, float]:
    if not cell.file(out).is_file():
        return {}
    try:
        card = load_encoder(cell.file(out)).card
    except InputError:  # it is damaged: the attack on it says so
        return {}
    return {**card.training["hidden"], **card.training["kept"]}


def _figures(results: Results | None, encoder: str, task: str, within: float | None) -> TaskFigures:
    cell = headline(results, encoder, task) if results else None
    if cell is None:
        return TaskFigures("missing", in_training=within)
    found = figures(cell)
    if found is None:
        return TaskFigures(
            "failed",
            floor=cell.floor,
            chance=cell.chance,
            in_training=within,
            note=cell.note or "no reason given",
        )
    return TaskFigures(cell.state, found.test, found.low, found.high, cell.floor, cell.chance, within)
