"""What may be said of an attacker after one look at the test images? Figures, intervals and the floor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta
from sklearn.metrics import roc_auc_score

from scotoma.data.tasks import Task
from scotoma.metrics import image_weights

CONFIDENCE = 0.95

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of some images, (images,) each: their category in an attacked task, and a number for
    their kept labels.
    """

    labels: Labels
    kept: Labels


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


def label_only_floor(task: Task, training: Known, test: Known) -> float:
    """Accuracy on the test images of an attacker who is told the kept labels of an image and nothing else.

    The kept label (which of the kept categories, or 'other') must remain readable, so what it says about the
    task no encoder can hide: .5 + N/18 for N kept of ten equally frequent categories. The rule 'kept label ->
    most likely class' is taken from the training images.
    """
    kept, number = np.unique(np.concatenate([training.kept, test.kept]), return_inverse=True)
    votes = np.zeros((len(kept), task.classes))
    weights = image_weights(task, training.labels)
    of_training, of_test = number[: len(training.kept)], number[len(training.kept) :]
    np.add.at(votes, (of_training, task.classes_of(training.labels)), weights)
    predicted = votes.argmax(axis=1)[of_test]
    test_weights = image_weights(task, test.labels)
    return float(test_weights[predicted == task.classes_of(test.labels)].sum() / test_weights.sum())


def joint_label(classes: Sequence[Labels]) -> Labels:
    """A number for each combination of classes of several tasks, (images,); a missing class is one, too."""
    joint = np.zeros(len(classes[0]), np.int64)
    for each in classes:
        joint = joint * (int(each.max(initial=0)) + 2) + each + 1
    return joint
