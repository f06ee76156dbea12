"""What may be said of an attacker after one look at the test images? Figures, intervals and the floor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta
from sklearn.metrics import roc_auc_score

from scotoma.data.tasks import Task

CONFIDENCE = 0.95
DRAWS = 1 << 18  # groups that are drawn at a time
FEW = 4  # drawing a multinomial count of one kind takes as long as drawing about so many groups

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with the bounds of its confidence interval."""

    estimate: float
    low: float
    high: float


def clopper_pearson(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact two-sided interval of a binomial proportion (Clopper and Pearson, 1934)."""
    if trials == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = beta.ppf(tail, successes, trials - successes + 1) if successes else 0.0
    high = beta.ppf(1 - tail, successes + 1, trials - successes) if successes < trials else 1.0
    return float(low), float(high)


def balanced_accuracy_interval(
    correct: npt.NDArray[np.bool_], labels: Labels, task: Task, confidence: float = CONFIDENCE
) -> Interval:
    """Balanced accuracy with an interval from exact per-category intervals.

    The accuracy is sum over categories of w[c] p[c], every p[c] a binomial proportion with its
    Clopper-Pearson interval (l[c], u[c]). They are combined by the method of variance estimates recovery (Zou
    and Donner, 2008):

        low = estimate - sqrt(sum of (w[c] (p[c] - l[c]))**2),   high = estimate + sqrt(sum of (w[c] (u[c] -
        p[c]))**2)

    `correct` (images,) says which predictions were right, `labels` (images,) are the categories.
    """
    weights = task.category_weights()
    present = np.unique(labels)
    scale = weights[present].sum()
    estimate = below = above = 0.0
    for category in present:
        of_category = correct[labels == category]
        weight = weights[category] / scale
        share = float(of_category.mean())
        low, high = clopper_pearson(int(of_category.sum()), len(of_category), confidence)
        estimate += weight * share
        below += (weight * (share - low)) ** 2
        above += (weight * (high - share)) ** 2
    # The weights' sum is 1 but for rounding: all right can be a little more than 1.
    values = (estimate, estimate - math.sqrt(below), estimate + math.sqrt(above))
    return Interval(*(min(max(value, 0.0), 1.0) for value in values))


def grouped_interval(
    correct: npt.NDArray[np.bool_],
    labels: Labels,
    task: Task,
    groups: Sequence[str] | npt.NDArray[np.str_],
    seed: int,
    confidence: float = CONFIDENCE,
    resamples: int = 2000,
) -> Interval:
    """Balanced accuracy with an interval for images that come in groups: a cluster bootstrap.

    As many groups as there are are drawn with replacement, each with all its images, and the balanced
    accuracy is computed anew; categories without a drawn image are left out and the weights of the others
    scaled to sum to 1. The bounds are percentiles of the resamples (Davison and Hinkley, 1997, sections 3.8
    and 5.3).

    Few groups make it too narrow (with ten, 95 % intervals hold the truth in about 90 % of cases), and where
    nothing varies, all right or all wrong, it has no width. With one group nothing is known of how groups
    differ: the bounds are 0 and 1.

    Args:
        correct: (images,), which predictions were right.
        labels: (images,), the categories; images of which it is not known, -1, are left out.
        task: whose weights the categories have.
        groups: (images,), which images belong together, as `scotoma.data.units.units` names them; equal texts
            are one group, blank ones too.
        seed: same seed, same interval.
        confidence: share of the resamples between the bounds.
        resamples: how many are drawn.

    Raises:
        ValueError: no image has a known category.
    """
    known = labels >= 0
    if not known.any():
        raise ValueError("no image has a known category")
    _, group = np.unique(np.asarray(groups)[known], return_inverse=True)
    right, number = _by_group(group, labels[known], correct[known], len(task.categories))
    weights = task.category_weights()
    estimate = float(_balanced(right.sum(axis=0), number.sum(axis=0), weights))
    groups_in_all = len(number)
    if groups_in_all == 1:
        return Interval(estimate, 0.0, 1.0)
    # Groups with the same counts are one kind, so that images that are groups of their own cost little.
    kinds, kind = np.unique(np.concatenate([right, number], axis=1), axis=0, return_inverse=True)
    right, number = np.split(kinds, 2, axis=1)
    random = np.random.default_rng(seed)
    drawn: list[float] = []
    while len(drawn) < resamples:
        rows = min(max(1, DRAWS // groups_in_all), resamples - len(drawn))
        times = _times_drawn(random, kind.ravel(), len(kinds), rows)
        drawn += _balanced(times @ right, times @ number, weights).tolist()
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(estimate, float(low), float(high))


def accuracy_interval(
    correct: npt.NDArray[np.bool_],
    labels: Labels,
    task: Task,
    groups: npt.NDArray[np.str_] | None,
    seed: int,
) -> Interval:
    """Balanced accuracy with its interval on images that come in groups, if `groups` (images,) are given,
    which do not count each for itself: the wider of both ends of the two intervals above. Of few groups a
    bootstrap is too narrow, and of none that differ it has no width.
    """
    alone = balanced_accuracy_interval(correct, labels, task)
    if groups is None:
        return alone
    grouped = grouped_interval(correct, labels, task, groups, seed)
    return Interval(alone.estimate, min(alone.low, grouped.low), max(alone.high, grouped.high))


def _by_group(
    group: Labels, labels: Labels, correct: npt.NDArray[np.bool_], categories: int
) -> tuple[Floats, Floats]:
    """Right images and images, of each group and category: (groups, categories) both."""
    shape = (int(group.max()) + 1, categories)
    cell = group * categories + labels
    right, number = (
        np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
        for cells in (cell[correct], cell)
    )
    return right, number


def _times_drawn(random: np.random.Generator, kind: Labels, kinds: int, resamples: int) -> Floats:
    """How often each kind comes when as many groups as there are are drawn: (resamples, kinds), multinomial.

    `kind` (groups,) is the kind of each group.
    """
    groups = len(kind)
    if FEW * kinds < groups:
        shares = np.bincount(kind, minlength=kinds) / groups
        return random.multinomial(groups, shares, size=resamples).astype(np.float64)
    cells = kind[random.integers(groups, size=(resamples, groups))] + kinds * np.arange(resamples)[:, None]
    times = np.bincount(cells.ravel(), minlength=resamples * kinds)
    return times.reshape(resamples, kinds).astype(np.float64)


def _balanced(right: Floats, number: Floats, weights: Floats) -> Floats:
    """Balanced accuracy (...) of counts (..., categories), over the categories that have images."""
    there = np.where(number > 0, weights, 0.0)
    shares: Floats = (there * right / np.maximum(number, 1)).sum(axis=-1) / there.sum(axis=-1)
    return shares.clip(0, 1)


def auc(probabilities: Floats, classes: Labels, weights: Floats) -> float:
    """Area under the receiver operating characteristic, weighted as the accuracy is: of class 1 in a binary
    task, else the mean over classes, each against all others. Probabilities (images, classes).
    """
    if probabilities.shape[1] == 2:
        return float(roc_auc_score(classes, probabilities[:, 1], sample_weight=weights))
    areas = [
        roc_auc_score(classes == index, column, sample_weight=weights)
        for index, column in enumerate(probabilities.T)
    ]
    return float(np.mean(areas))


def bits(cross_entropy: float, classes: int) -> float:
    """H(U) - cross-entropy, in bits, for the balanced prior; cross-entropy in nats. Section 3.1, equation
    (2).

    In expectation a lower bound of the mutual information between code and attribute; negative for an
    attacker that is worse than guessing.
    """
    return math.log2(classes) - cross_entropy / math.log(2)
