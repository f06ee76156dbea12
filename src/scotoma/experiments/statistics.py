"""How far may a difference be trusted? Means over seeds, with intervals."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Literal

from scipy.stats import t

from scotoma.verification.statistics import CONFIDENCE, Interval

Verdict = Literal["holds", "does not hold", "not decided", "missing"]
# Accuracy of one seed and its interval over test images; None where it is missing.
Bounded = tuple[float | None, float | None, float | None]


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of what is there; None where nothing is."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def seeds_there(values: Sequence[float | None]) -> str:
    """What follows a mean that lacks some seeds, " (2 of 3 seeds)"; nothing where all or none are there."""
    there = sum(value is not None for value in values)
    return "" if there in (0, len(values)) else f" ({there} of {len(values)} seeds)"


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """The mean of some values with Student's interval: mean +- t(n - 1) s / sqrt(n).

    None for fewer than two values: one seed says nothing of how seeds differ.
    """
    if len(values) < 2:
        return None
    half = float(t.ppf((1 + confidence) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return Interval(fmean(values), fmean(values) - half, fmean(values) + half)


def mean_of_tasks(tasks: Sequence[Interval]) -> Interval:
    """The mean of several tasks' accuracies, their errors combined as if they were independent.

    The distance of its end l from the mean m is sqrt(sum of (m_i - l_i)**2) / n, likewise at the other end:
    the method of variance estimates recovery (Zou and Donner, 2008).
    """
    estimate = fmean(each.estimate for each in tasks)
    below = math.hypot(*(each.estimate - each.low for each in tasks)) / len(tasks)
    above = math.hypot(*(each.high - each.estimate for each in tasks)) / len(tasks)
    return Interval(estimate, estimate - below, estimate + above)


def with_shared(over_seeds: Interval, shared: Interval) -> Interval:
    """The mean over seeds of m - x, m one figure that all seeds share: its error is missing in the interval
    over seeds, as it is the same in each.

    Low is the mean less sqrt((mean - low)**2 + (m - its low)**2), high likewise: the method of variance
    estimates recovery again.
    """
    below = math.hypot(over_seeds.estimate - over_seeds.low, shared.estimate - shared.low)
    above = math.hypot(over_seeds.high - over_seeds.estimate, shared.high - shared.estimate)
    return Interval(over_seeds.estimate, over_seeds.estimate - below, over_seeds.estimate + above)


def bounds(seeds: Sequence[Bounded]) -> tuple[float | None, float | None]:
    """What bounds the mean of the seeds' accuracies: Student's interval over seeds, cut at 0 and 1, which it
    passes where few seeds differ much; or, of the only seed that is there, the interval over test images.
    """
    there = [(accuracy, low, high) for accuracy, low, high in seeds if accuracy is not None]
    if (over := t_interval([accuracy for accuracy, _, _ in there])) is not None:
        return max(over.low, 0.0), min(over.high, 1.0)
    return there[0][1:] if there else (None, None)


def is_above_zero(difference: Interval | None) -> Verdict:
    """Whether a difference is above zero: not decided where its interval covers zero."""
    if difference is None:
        return "missing"
    if difference.low > 0:
        return "holds"
    return "does not hold" if difference.high < 0 else "not decided"
