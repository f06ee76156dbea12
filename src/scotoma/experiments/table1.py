"""Does an encoder that wins within training still hide once it is fixed? (Table 1 of the paper)

Two categories are hidden and kept by turns, with each of the objectives. The adversary of training is
compared with a fresh attacker on the fixed encoder, and, as the paper explains the failure of GAN updates by
an adversary whose outputs are merely reversed, with the adversary of training taken the other way round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from scotoma.data.tasks import Task
from scotoma.encoder_file import Card, load_encoder
from scotoma.experiments.artefact import Artefact, beside, percent, points, table
from scotoma.experiments.cells import AttackCell, Cell, EncoderCell, attack_cell, encoder_cell, read_results
from scotoma.experiments.paper import TABLE1
from scotoma.experiments.scales import Scale
from scotoma.experiments.statistics import bounds, mean, seeds_there, t_interval
from scotoma.objectives import ObjectiveName
from scotoma.reports.findings import figures, headline
from scotoma.runs.words import counted
from scotoma.training.figures import opposite_accuracy
from scotoma.verification.statistics import Interval

OBJECTIVES: tuple[ObjectiveName, ...] = get_args(ObjectiveName)
DIRECTIONS = ("-a +b", "-b +a")
BASELINES = ("identity", "blur")


@dataclass(frozen=True)
class SeedFigures:
    """One encoder and its fresh attackers; accuracies as fractions, None where a run is missing.

    `within` is the validation accuracy of the adversary of training on the hidden task, `reversed` that of
    its opposite answers; both recognise images set apart. `state` is that of the attack on the hidden task.
    """

    seed: int
    within: float | None = None
    reversed: float | None = None
    validation: float | None = None
    test: float | None = None
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    kept_test: float | None = None
    state: str = "missing"


@dataclass(frozen=True)
class Row:
    """One objective in one direction. `to_gan` is the hidden task's test accuracy less that of GAN, seed by
    seed, with a 95 % interval over seeds.
    """

    direction: str
    hide: str
    keep: str
    objective: str
    seeds: tuple[SeedFigures, ...]
    within: float | None
    reversed: float | None
    validation: float | None
    test: float | None
    kept_test: float | None
    floor: float | None
    to_gan: Interval | None = None


@dataclass(frozen=True)
class Table1:
    """All rows, and the test accuracies on original and blurred images by task."""

    rows: tuple[Row, ...]
    baselines: dict[str, dict[str, float | None]]


def pair_of(scale: Scale, direction: str) -> tuple[str, str]:
    """What is hidden and what is kept in a direction."""
    first, second = scale.table1.pair
    return (first, second) if direction == DIRECTIONS[0] else (second, first)


def encoder_of(scale: Scale, direction: str, objective: str, seed: int) -> EncoderCell:
    """The encoder of one entry."""
    hide, keep = pair_of(scale, direction)
    over = {"training": {"objective": objective}}
    return encoder_cell(scale, "table1", scale.table1.group, (hide,), (keep,), seed, over, objective)


def attack_of(scale: Scale, direction: str, objective: str, seed: int, first: int) -> AttackCell:
    """The attacks on it; the baselines stand beside the very first encoder, that of the seed `first`."""
    is_first = (direction, objective, seed) == (DIRECTIONS[0], OBJECTIVES[0], first)
    encoder = encoder_of(scale, direction, objective, seed)
    return attack_cell(encoder, pair_of(scale, direction), BASELINES if is_first else ())


def cells(scale: Scale, seeds: Sequence[int]) -> tuple[Cell, ...]:
    """Every encoder and the attacks on it, seed by seed."""
    found: list[Cell] = []
    for seed in seeds:
        for objective in OBJECTIVES:
            for direction in DIRECTIONS:
                attack = attack_of(scale, direction, objective, seed, seeds[0])
                found += [attack.encoder, attack]
    return tuple(found)


def collect(scale: Scale, seeds: Sequence[int], out: Path) -> Table1:
    """Read what the cells left."""
    rows = []
    for direction in DIRECTIONS:
        by_objective = {
            objective: tuple(
                seed_figures(attack_of(scale, direction, objective, seed, seeds[0]), out) for seed in seeds
            )
            for objective in OBJECTIVES
        }
        hide, keep = pair_of(scale, direction)
        rows += [
            _row(direction, hide, keep, objective, found, by_objective["gan"])
            for objective, found in by_objective.items()
        ]
    return Table1(
        tuple(rows), _baselines(attack_of(scale, DIRECTIONS[0], OBJECTIVES[0], seeds[0], seeds[0]), out)
    )


def markdown(found: Table1) -> str:
    """The table: means over seeds in percent, the paper's figures in brackets."""
    heads = ["encoder", "objective", "within training", "reversed", "fresh, validation", "fresh, test [95 %]"]
    heads += ["minus GAN [95 %]", "floor", "kept, test"]
    gan = {row.direction: row.seeds for row in found.rows if row.objective == "gan"}
    rows = [_line(row, gan[row.direction]) for row in found.rows]
    seeds = counted(len(found.rows[0].seeds), "seed")
    lines = [
        "# Table 1: the hidden category within training and after it",
        "",
        f"Balanced accuracy in %, mean over {seeds}; 50 is guessing; in round "
        "brackets the paper's. The interval of a mean is over seeds, that of a single seed over test images.",
        "",
        table(heads, rows),
        "Original and blurred images, test: "
        + "; ".join(
            f"{name} " + ", ".join(f"{task} {percent(value)}" for task, value in tasks.items())
            for name, tasks in found.baselines.items()
        )
        + ".",
        "",
    ]
    return "\n".join(lines)


def seed_figures(attack: AttackCell, out: Path) -> SeedFigures:
    """What is there of one encoder and the attacks on its hidden and its kept task."""
    hide, keep = attack.tasks
    encoder = attack.encoder
    within = reverse = None
    if encoder.file(out).is_file():
        card = load_encoder(encoder.file(out)).card
        within = float(card.training["hidden"][hide])
        reverse = opposite_accuracy(within, _task_of_training(card, hide))
    results = read_results(attack, out)
    if results is None:
        return SeedFigures(encoder.seed, within, reverse)
    hidden, kept = (headline(results, "encoder", task) for task in (hide, keep))
    found, kept_found = figures(hidden), figures(kept)
    kept_test = kept_found.test if kept_found else None
    if hidden is None or found is None:
        return SeedFigures(encoder.seed, within, reverse, kept_test=kept_test)
    return SeedFigures(
        encoder.seed,
        within,
        reverse,
        found.validation,
        found.test,
        found.low,
        found.high,
        hidden.floor,
        kept_test,
        hidden.state,
    )


def _task_of_training(card: Card, hide: str) -> Task:
    """The task of the hidden head, from which kept categories may have been set apart."""
    is_apart = card.training["settings"].get("negatives") == "not-kept"  # old files lack it and mean "all"
    return Task((hide,), card.categories or (), (card.keep or ()) if is_apart else ())


def _row(
    direction: str,
    hide: str,
    keep: str,
    objective: str,
    found: tuple[SeedFigures, ...],
    gan: tuple[SeedFigures, ...],
) -> Row:
    pairs = [(each.test, other.test) for each, other in zip(found, gan, strict=True)]
    differences = [ours - theirs for ours, theirs in pairs if ours is not None and theirs is not None]
    return Row(
        direction,
        hide,
        keep,
        objective,
        found,
        within=mean([each.within for each in found]),
        reversed=mean([each.reversed for each in found]),
        validation=mean([each.validation for each in found]),
        test=mean([each.test for each in found]),
        kept_test=mean([each.kept_test for each in found]),
        floor=mean([each.floor for each in found]),
        to_gan=None if objective == "gan" else t_interval(differences),
    )


def interval_said(seeds: Sequence[SeedFigures]) -> str:
    """What follows a mean of fresh test accuracies: its interval, and whether an attacker still rose."""
    if all(each.test is None for each in seeds):
        return ""
    low, high = bounds([(each.test, each.low, each.high) for each in seeds])
    rising = ", still rising" if any(each.state == "inconclusive" for each in seeds) else ""
    return f" [{percent(low)}, {percent(high)}]{seeds_there([each.test for each in seeds])}{rising}"


def _baselines(attack: AttackCell, out: Path) -> dict[str, dict[str, float | None]]:
    results = read_results(attack, out)
    table: dict[str, dict[str, float | None]] = {}
    for name in BASELINES:
        found = {task: figures(headline(results, name, task)) if results else None for task in attack.tasks}
        table[name] = {task: each.test if each else None for task, each in found.items()}
    return table


def _line(row: Row, gan: Sequence[SeedFigures]) -> list[str]:
    paper = TABLE1.get(row.objective, {}).get(row.direction)
    return [
        f"-{row.hide} +{row.keep}",
        row.objective,
        beside(row.within, paper.within if paper else None)
        + seeds_there([each.within for each in row.seeds]),
        percent(row.reversed) + seeds_there([each.reversed for each in row.seeds]),
        beside(row.validation, paper.validation if paper else None)
        + seeds_there([each.validation for each in row.seeds]),
        beside(row.test, paper.test if paper else None) + interval_said(row.seeds),
        _difference(row, gan),
        percent(row.floor),
        percent(row.kept_test) + seeds_there([each.kept_test for each in row.seeds]),
    ]


def _difference(row: Row, gan: Sequence[SeedFigures]) -> str:
    if row.objective == "gan":
        return ""
    if row.to_gan is None:
        return "one seed" if len(row.seeds) == 1 else "missing"
    pairs = zip(row.seeds, gan, strict=True)
    both = [None if other.test is None else each.test for each, other in pairs]
    return points(row.to_gan) + seeds_there(both)


TABLE1_ARTEFACT = Artefact("table1", cells, collect, markdown)
