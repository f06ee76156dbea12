"""When does an attacker find more than luck, and more than the kept labels tell anyway?

One test for every attack on a hidden task, whoever attacks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.025  # one-sided
# What an attack has to find, in balanced accuracy, in what share of cases, for "no leak" to mean anything.
MOST_MISSED = 0.10
POWER = 0.8


@dataclass(frozen=True)
class Excess:
    """By how much one attacker is better than another, in balanced accuracy, on the same images.

    `low` is the lower bound of the one-sided 97.5 % interval, `p` the probability of such an excess or a
    larger one where there is none, `error` the standard error. Of few groups `low` can be below -1.
    `smallest_leak` is the excess that images of that number and kind would show in four cases of five.
    """

    estimate: float
    low: float
    p: float
    smallest_leak: float
    error: float

    @property
    def high(self) -> float:
        """The upper bound of the one-sided 97.5 % interval."""
        return upper_bound(self.estimate, self.low)


def upper_bound(estimate: float, low: float) -> float:
    """The upper end of an interval that is as wide above its estimate as below."""
    return 2 * estimate - low


def hidden_below_floor(excess: float, smallest_leak: float) -> float:
    """How large a leak may go unseen where the excess is negative: before it shows it has to make up, too,
    for what the attacker lacks of the kept labels.
    """
    return smallest_leak - min(excess, 0.0)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Each p-value corrected for all of them (Holm, 1979): rejecting those below a level keeps the chance of
    any wrong rejection below it, however the tests depend on each other.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min((len(p_values) - rank) * p_values[place], 1.0))
        adjusted[place] = largest
    return tuple(adjusted)
