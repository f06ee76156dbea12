"""Is what an attacker finds on the test images more than luck, and more than the kept labels tell anyway?

Classes count alike in every figure, and so do categories within 'other' (`Task.category_weights`): images are
a sample drawn within each category, and what varies is what varies within them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtri, stdtr, stdtrit

from scotoma.data.tasks import Task
from scotoma.verification.statistics import bits

LEVEL = 0.025  # one-sided
POWER = 0.8
Z = float(ndtri(1 - LEVEL))
# Degrees of freedom of Student's t with which it is the normal distribution.
LARGE = 1e9
FEWEST_NEGATIVES = 1000

Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Units = Sequence[str] | npt.NDArray[np.str_]


@dataclass(frozen=True)
class Excess:
    """By how much one attacker is better than another, in balanced accuracy, on the same images.

    `low` is the lower bound of the one-sided 97.5 % interval, `p` the probability of such an excess or a
    larger one where there is none, `error` the standard error. `smallest_leak` is the excess that images of
    that number and kind would show (`low` above 0) in four cases of five.
    """

    estimate: float
    low: float
    p: float
    smallest_leak: float
    error: float


def paired_excess(
    right: Bools, known_right: Bools, labels: Labels, task: Task, units: Units | None = None
) -> Excess:
    """The one-sided paired comparison of an attacker with the one who knows the kept labels only.

    estimate = sum over categories of w[c] mean[c](right - known_right),   error**2 = sum of w[c]**2 v[c]

    v[c] is the sample variance of the differences over the number of images, or what follows from exact
    bounds, if that is more: the error that puts the bound where Clopper and Pearson (1934) put it, of the
    attacker's accuracy where the other is right and where it is wrong, each. So the level holds where a rare
    class has few images, or where they are all right and nothing varies. The weighted sum is taken as by Zou
    and Donner (2008).

    With `units` all counts are divided by the design effect (Rao and Scott, 1992), by how much images that
    belong together vary more than as many single ones, and Student's t with as many degrees of freedom as
    there are other units takes the place of the normal distribution. The error is never smaller than without.

    Args:
        right: (images,), which the attacker got right.
        known_right: (images,), which the one who knows the kept labels only got right.
        labels: (images,), the category of each, known.
        task: whose weights the categories have.
        units: (images,), which images belong together, equal texts do; None: each stands for itself.

    Raises:
        ValueError: there is no image.
    """
    strata = _Strata.of(labels, task)
    gains = right.astype(np.float64) - known_right
    effect, freedom = (1.0, LARGE) if units is None else _design_effect(gains, strata, units)
    spread = strata.variances(gains) * effect / strata.numbers
    variances = np.maximum(spread, _exact_variances(right, known_right, strata, effect))
    estimate = strata.mean(gains)
    error = max(strata.error(variances), effect / (len(labels) + 2))
    bound = float(stdtrit(freedom, 1 - LEVEL))
    return Excess(
        estimate=estimate,
        low=max(estimate - bound * error, -1.0),
        p=float(stdtr(freedom, -estimate / error)),
        smallest_leak=min((bound + float(stdtrit(freedom, POWER))) * error, 1.0),
        error=error,
    )


def _exact_variances(right: Bools, known_right: Bools, strata: "_Strata", effect: float) -> Floats:
    """For each category the variance of the mean difference that exact lower bounds stand for."""
    total = np.zeros(len(strata.numbers))
    means = []
    for known in (True, False):
        here = known_right == known
        of_known = np.bincount(strata.index[here], minlength=len(total)) / effect
        hits = np.bincount(strata.index[here & right], minlength=len(total)) / effect
        accuracy = hits / np.maximum(of_known, 1e-9)
        low = np.where(hits > 0, betaincinv(np.maximum(hits, 1e-9), of_known - hits + 1, LEVEL), 0.0)
        share = of_known * effect / strata.numbers
        total += (share * (accuracy - low) / Z) ** 2
        means.append((share, accuracy - known))
    (share, one), (_, other) = means
    # The share of images where the other attacker is right varies, too.
    return total + share * (1 - share) * (one - other) ** 2 * effect / strata.numbers


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Each p-value corrected for all of them (Holm, 1979): rejecting those below a level keeps the chance of
    any wrong rejection below it, however the tests depend on each other.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min((len(p_values) - rank) * p_values[place], 1.0))
        adjusted[place] = largest
    return tuple(adjusted)


def true_positives_at(scores: Floats, positive: Bools, false_alarms: float = 0.01) -> float | None:
    """Share of the positives above a threshold that at most a share `false_alarms` of the negatives exceeds.

    Among equal scores all or none are above: rather fewer false alarms than asked for. (Carlini et al.,
    2022.)

    Args:
        scores: (images,), higher for what looks positive.
        positive: (images,), what is.
        false_alarms: share of the negatives.

    Returns:
        None with fewer than 1,000 negatives, where too few are false alarms to set a threshold, or with no
        positives.
    """
    negatives = np.sort(scores[~positive])[::-1]
    if len(negatives) < FEWEST_NEGATIVES or not positive.any():
        return None
    # .01 times 5,700 is a little less than 57.
    allowed = math.floor(false_alarms * len(negatives) + 1e-9)
    if allowed >= len(negatives):
        return 1.0
    return float((scores[positive] > negatives[allowed]).mean())


def bits_with_limit(
    losses: Floats, labels: Labels, task: Task, units: Units | None = None
) -> tuple[float, float]:
    """H(U) - cross-entropy, in bits, for the balanced prior, and its lower one-sided 97.5 % limit.

    The cross-entropy is the mean loss with the categories' weights w[c], its error**2 = sum of w[c]**2
    s[c]**2 / n[c] with the variance s[c]**2 within a category; `units` as in `paired_excess`.
    A category with one image lends its variance from all images. Few losses are large, so that with 50 images
    of a class the limit lies above the truth in up to 5 % of cases, with 500 in 3 %.

    Args:
        losses: (images,), -log of the probability that the calibrated attacker gives the true class, in nats.
        labels: (images,), the category of each, known.
        task: whose weights the categories have.
        units: (images,), which images belong together.

    Raises:
        ValueError: there is no image.
    """
    strata = _Strata.of(labels, task)
    effect, freedom = (1.0, LARGE) if units is None else _design_effect(losses, strata, units)
    error = strata.error(strata.variances(losses) * effect / strata.numbers)
    found = bits(strata.mean(losses), task.classes)
    return found, found - float(stdtrit(freedom, 1 - LEVEL)) * error / math.log(2)


def guessing_error(labels: Labels, task: Task) -> float:
    """Standard error of the balanced accuracy of guessing on images of these categories (images,)."""
    strata = _Strata.of(labels, task)
    chance = 1 / task.classes
    return math.sqrt(float((strata.weights**2 / strata.numbers).sum()) * chance * (1 - chance))


@dataclass(frozen=True, eq=False)
class _Strata:
    """Categories that have images: index (images,) of each image's, numbers of images and weights, which sum
    to 1, (categories,).
    """

    index: Labels
    numbers: Floats
    weights: Floats

    @staticmethod
    def of(labels: Labels, task: Task) -> "_Strata":
        if not len(labels):
            raise ValueError("there is no image to compare on")
        present, index, numbers = np.unique(labels, return_inverse=True, return_counts=True)
        weights = task.category_weights()[present]
        return _Strata(index, numbers.astype(np.float64), weights / weights.sum())

    def mean(self, values: Floats) -> float:
        """Of values (images,): within each category, then with the categories' weights."""
        return float(self.weights @ (np.bincount(self.index, values) / self.numbers))

    def variances(self, values: Floats) -> Floats:
        """Of values (images,) within each category; a single image lends it from all images."""
        means = np.bincount(self.index, values) / self.numbers
        squares = np.bincount(self.index, (values - means[self.index]) ** 2)
        return np.where(self.numbers > 1, squares / np.maximum(self.numbers - 1, 1), values.var())

    def error(self, variances: Floats) -> float:
        """Standard error of a weighted mean, from the variances of the means of categories."""
        return math.sqrt(float(self.weights**2 @ variances))


def _design_effect(values: Floats, strata: _Strata, units: Units) -> tuple[float, float]:
    """How many times as much a mean of values (images,) varies because images come in units, at least 1; and
    how many units there are, large ones counting more (Kish, 1965).
    """
    _, unit = np.unique(np.asarray(units), return_inverse=True)
    shares = (strata.weights / strata.numbers)[strata.index]
    of_units = np.bincount(unit, shares)
    freedom = max(1 / float((of_units**2).sum()) - 1, 1.0)
    if len(of_units) == 1:
        return float(len(values)), freedom
    single, grouped = (_jackknife(values, strata, each) for each in (np.arange(len(values)), unit))
    # Where nothing varies nothing is known of how units differ: each counts for one image.
    effect = grouped / single if single > 0 else float((of_units**2).sum() / (shares**2).sum())
    return max(effect, 1.0), freedom


def _jackknife(values: Floats, strata: _Strata, unit: Labels) -> float:
    """Variance of the weighted mean, from how it changes when one unit is left out (Wolter, 2007, chapter 4).
    A category of which no image is left is left out, too.
    """
    units, categories = int(unit.max()) + 1, len(strata.numbers)
    cells = unit * categories + strata.index
    sums, numbers = (
        np.bincount(cells, each, units * categories).reshape(units, categories)
        for each in (values, np.ones_like(values))
    )
    left = numbers.sum(axis=0) - numbers
    there = np.where(left > 0, strata.weights, 0.0)
    means = (there * (sums.sum(axis=0) - sums) / np.maximum(left, 1)).sum(axis=1) / there.sum(axis=1)
    return float((units - 1) / units * ((means - means.mean()) ** 2).sum())
