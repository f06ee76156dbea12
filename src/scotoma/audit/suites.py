"""Which attackers make a suite? They are data: a new one is one more line, and its name stands in tables."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from scotoma.audit.examples import Learn

SuiteName = Literal["standard", "exhaustive"]
SEEDS = 3


@dataclass(frozen=True, eq=False)
class Attacker:
    """One attacker: its name, how it learns, whether chance decides what comes out (then it gets several
    seeds), and to which codes it can be applied. `more_than` names a smaller one of its kind, which it should
    not fall behind.
    """

    name: str
    learn: Learn
    by_chance: bool = False
    applies: Callable[[tuple[int, ...]], bool] = lambda shape: True
    more_than: str | None = None

    def __repr__(self) -> str:
        return self.name
