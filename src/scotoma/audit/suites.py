"""Which attackers make a suite? They are data: a new one is one more line, and its name stands in tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from scotoma.audit.classical import (
    boosted_trees,
    kernel_machine,
    logistic_raw,
    logistic_standardised,
    logistic_whitened,
    neighbours,
)
from scotoma.audit.examples import Learn
from scotoma.audit.neural import (
    SETTINGS,
    half_of_batches,
    is_map,
    mlp,
    network,
    paper,
    residual,
    shifted,
    thinned,
)
from scotoma.audit.pairs import pairs
from scotoma.audit.releases import ONE_RELEASE
from scotoma.audit.representations import by_channel

SuiteName = Literal["standard", "exhaustive"]
SEEDS = 3
SHIFTED, THINNED = half_of_batches(shifted), half_of_batches(thinned)
QUICK_TO_LEARN = replace(SETTINGS, patience=6)
LONG = replace(SETTINGS, patience=40, max_iterations=20_000)


@dataclass(frozen=True, eq=False)
class Attacker:
    """One attacker: its name, how it learns, whether chance decides what comes out (then it gets several
    seeds), and to which codes it can be applied. `more_than` names a smaller one of its kind, which it should
    not fall behind. One that `needs_images` begins with what original images teach. `cost` is roughly how
    long an attempt takes beside those of others, for the time left that is shown, and for kept tasks, which
    costly ones do not learn from every source. (Those of `standard` are of a run on the demo's codes, the
    others are estimates.)
    """

    name: str
    learn: Learn
    by_chance: bool = False
    applies: Callable[[tuple[int, ...]], bool] = lambda shape: True
    more_than: str | None = None
    needs_images: bool = False
    cost: int = 1

    def __repr__(self) -> str:
        return self.name


def on_one_release(attacker: Attacker) -> Attacker:
    """The attacker under the name that it has where codes are random and it reads those of one release."""
    smaller = attacker.more_than and f"{attacker.more_than}{ONE_RELEASE}"
    return replace(attacker, name=f"{attacker.name}{ONE_RELEASE}", more_than=smaller)


@dataclass(frozen=True)
class Committee:
    """Attackers that decide together, with all their seeds: the mean of their log-probabilities. Nothing is
    learned anew. Without `members` it is all attackers of the suite.
    """

    name: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Suite:
    """Who attacks, and who decides together."""

    attackers: tuple[Attacker, ...]
    committees: tuple[Committee, ...] = ()


LOGISTIC = Attacker("logistic regression", logistic_standardised)
PAPER = Attacker(
    "paper CNN", network(paper, 2e-3, by_channel, votes=True), by_chance=True, applies=is_map, cost=16
)

# What is quick stands first: where time is short, something is found. Of the others what is slow does, so
# that no core is idle while a long attack ends.
QUICK = (
    LOGISTIC,
    Attacker("logistic regression, raw codes", logistic_raw),
    Attacker("logistic regression, whitened codes", logistic_whitened),
    Attacker("boosted trees", boosted_trees),
    Attacker("pairs of values", pairs, cost=2),
    Attacker("nearest neighbours", neighbours, cost=3),
)
SLOW = (
    Attacker(
        "residual CNN",
        network(residual(24), 2e-3, by_channel, augment=SHIFTED, settings=QUICK_TO_LEARN),
        by_chance=True,
        applies=is_map,
        more_than="paper CNN",
        cost=20,
    ),
    Attacker(
        "paper CNN, low rate", network(paper, 5e-4, by_channel), by_chance=True, applies=is_map, cost=18
    ),
    PAPER,
    Attacker("kernel machine", kernel_machine, more_than=LOGISTIC.name, cost=6),
    Attacker(
        "MLP", network(mlp(256), 2e-3, augment=THINNED), by_chance=True, more_than=LOGISTIC.name, cost=4
    ),
)
STANDARD = (*QUICK, *SLOW)
REFERENCE_ATTACKERS = (PAPER, LOGISTIC)

EXHAUSTIVE = (
    *QUICK,
    Attacker(
        "wide residual CNN",
        network(residual(64), 1e-3, by_channel, augment=SHIFTED, votes=True, settings=LONG),
        by_chance=True,
        applies=is_map,
        more_than="residual CNN",
        cost=300,
    ),
    Attacker(
        "paper CNN, high rate", network(paper, 8e-3, by_channel), by_chance=True, applies=is_map, cost=16
    ),
    Attacker(
        "paper CNN, lowest rate",
        network(paper, 1e-4, by_channel, settings=LONG),
        by_chance=True,
        applies=is_map,
        cost=60,
    ),
    Attacker(
        "paper CNN, begun on images",
        network(paper, 1e-3, by_channel, begin_on_images=True),
        by_chance=True,
        applies=is_map,
        needs_images=True,
        cost=32,
    ),
    Attacker(
        "residual CNN, begun on images",
        network(
            residual(24), 2e-3, by_channel, augment=SHIFTED, settings=QUICK_TO_LEARN, begin_on_images=True
        ),
        by_chance=True,
        applies=is_map,
        needs_images=True,
        cost=40,
    ),
    Attacker(
        "wide MLP",
        network(mlp(1024), 5e-4, augment=THINNED, settings=LONG),
        by_chance=True,
        more_than="MLP",
        cost=30,
    ),
    *SLOW,
)
NETWORKS = Committee("all networks", tuple(each.name for each in EXHAUSTIVE if each.by_chance))
SUITES: Mapping[SuiteName, Suite] = {
    "standard": Suite(STANDARD),
    "exhaustive": Suite(EXHAUSTIVE, (NETWORKS, Committee("all attackers"))),
}
