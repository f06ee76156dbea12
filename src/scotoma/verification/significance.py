"""Is what an attacker finds on the test images more than luck, and more than the kept labels tell anyway?

Classes count alike in every figure, and so do categories within 'other' (`Task.category_weights`): images are
a sample drawn within each category, and what varies is what varies within them.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, ndtri, stdtr, stdtrit

from scotoma.data.tasks import Task
from scotoma.runs.leaks import LEVEL, POWER, Excess
from scotoma.verification.statistics import bits
from scotoma.verification.strata import Bools, Floats, Labels, Strata, Units

Z = float(ndtri(1 - LEVEL))
FEWEST_NEGATIVES = 1000


def paired_excess(
    right: Bools,
    known_right: Bools,
    labels: Labels,
    task: Task,
    units: Units | None = None,
    tests: int = 1,
) -> Excess:
    """The one-sided paired comparison of an attacker with the one who knows the kept labels only.

    estimate = sum over categories of w[c] mean[c](right - known_right),   error**2 = sum of w[c]**2 v[c]

    v[c] is the sample variance of the differences over the number of images, or what follows from exact
    bounds, if that is more: the error that puts the bound where Clopper and Pearson (1934) put it, of the
    attacker's accuracy where the other is right and where it is wrong, each. So the level holds where a rare
    class has few images, or where they are all right and nothing varies. The weighted sum is taken as by Zou
    and Donner (2008).

    With `units` the counts of each category are divided by its design effect, by how much images that belong
    together vary more than as many single ones, and Student's t takes the place of the normal distribution
    (`Strata`). Units that agree by luck vary little; so a bound also never lies where as many single images,
    all right, would not put it. The error is never smaller than without.

    Args:
        right: (images,), which the attacker got right.
        known_right: (images,), which the one who knows the kept labels only got right.
        labels: (images,), the category of each, known.
        task: whose weights the categories have.
        units: (images,), which images belong together, equal texts do; None: each stands for itself.
        tests: how many hidden tasks are judged together: by Holm's correction a leak of one may have to show
            at LEVEL / tests. Of what is returned `smallest_leak` alone depends on it.

    Raises:
        ValueError: there is no image.
    """
    strata = Strata.of(labels, task.category_weights(), units)
    gains = right.astype(np.float64) - known_right
    effects = strata.effects(gains)
    exact = _Exact.of(known_right, strata, effects)
    spread = strata.variances(gains) * effects / strata.numbers
    error, freedom = strata.error(np.maximum(spread, exact.variances(exact.accuracies(right))))
    error = max(error, float(strata.weights @ effects) / (len(labels) + 2))
    estimate = strata.mean(gains)
    level = LEVEL / tests
    smallest = max(_needed(error, freedom, level), _smallest_leak(exact, level))
    return Excess(
        estimate=estimate,
        low=estimate - float(stdtrit(freedom, 1 - LEVEL)) * error,
        p=float(stdtr(freedom, -estimate / error)),
        smallest_leak=smallest,
        error=error,
    )


def _needed(error: float, freedom: float, level: float) -> float:
    """The excess that is found at a one-sided level with the chance `POWER`; at most 1."""
    return min(float(stdtrit(freedom, 1 - level) + stdtrit(freedom, POWER)) * error, 1.0)


def _smallest_leak(exact: "_Exact", level: float) -> float:
    """The smallest leak that would be found of an attacker who errs on other images than the one who knows
    the kept labels. An attacker who agrees with that one, as on codes that tell nothing, varies little, and
    tells nothing of how another would vary who finds something.
    """
    strata = exact.strata
    known, leak = strata.mean(exact.known_right.astype(np.float64)), 0.0
    share = exact.images[0] / strata.numbers
    while True:
        accuracy = min(known + leak, 1.0)
        spread = accuracy * (1 - accuracy) + share * (1 - share)
        bounds = exact.variances(np.full(exact.images.shape, accuracy))
        error, freedom = strata.error(np.maximum(spread * exact.effects / strata.numbers, bounds))
        needed = _needed(error, freedom, level)
        if needed < leak + 1e-4:
            return max(needed, leak)
        leak = needed


@dataclass(frozen=True, eq=False)
class _Exact:
    """Exact bounds of an attacker's accuracies, for each category where the one who knows the kept labels is
    right, and where it is wrong: images and units (2, categories).
    """

    strata: Strata
    effects: Floats
    known_right: Bools
    images: Floats
    units: Floats

    @staticmethod
    def of(known_right: Bools, strata: Strata, effects: Floats) -> "_Exact":
        sides = (known_right, ~known_right)
        images, units = (np.array([count(side) for side in sides]) for count in (strata.sums, strata.units))
        return _Exact(strata, effects, known_right, images, units)

    def accuracies(self, right: Bools) -> Floats:
        """Of who gets these images (images,) right: (2, categories), 0 where there is no image."""
        sides = (right & self.known_right, right & ~self.known_right)
        hits = np.array([self.strata.sums(side) for side in sides])
        found: Floats = hits / np.maximum(self.images, 1)
        return found

    def variances(self, accuracies: Floats) -> Floats:
        """The variances of the mean differences (categories,) that lower bounds of accuracies (2, categories)
        stand for.
        """
        share, _ = shares = self.images / self.strata.numbers
        low = _lowest(accuracies, self.images / self.effects, self.units)
        gain, other_gain = accuracies - [[1], [0]]
        bounds = ((shares * (accuracies - low) / Z) ** 2).sum(axis=0)
        # The share of images where the other attacker is right varies, too.
        varying = share * (1 - share) * (gain - other_gain) ** 2 * self.effects / self.strata.numbers
        found: Floats = bounds + varying
        return found


def _lowest(accuracy: Floats, images: Floats, units: Floats) -> Floats:
    """Clopper and Pearson's lower bounds of accuracies on so many images (...), which may be broken numbers.

    Up to 1 - LEVEL**(1 / units) of all units may be of a kind that is not among these few: on it all may be
    wrong, however alike these are.
    """
    hits = accuracy * images
    low = np.where(hits > 0, betaincinv(np.maximum(hits, 1e-9), images - hits + 1, LEVEL), 0.0)
    return np.minimum(low, accuracy * LEVEL ** (1 / np.maximum(units, 1)))


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
    strata = Strata.of(labels, task.category_weights(), units)
    error, freedom = strata.error_of(losses)
    found = bits(strata.mean(losses), task.classes)
    return found, found - float(stdtrit(freedom, 1 - LEVEL)) * error / math.log(2)


def guessing_error(labels: Labels, task: Task) -> float:
    """Standard error of the balanced accuracy of guessing on images of these categories (images,)."""
    strata = Strata.of(labels, task.category_weights())
    chance = 1 / task.classes
    return math.sqrt(float((strata.weights**2 / strata.numbers).sum()) * chance * (1 - chance))
