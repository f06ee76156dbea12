"""What does somebody find out who knows the kept labels of an image, and nothing of the image itself?

That attacker follows one of several rules, learned from all images that attackers may learn from: one class
for all images, the most likely class for each combination of kept labels, logistic regression on them,
without or with their pairs, or boosted trees. Where much is kept most combinations are rare, and a list of
them learns by heart what the others learn as a rule; a floor by the list alone would be too low, and whoever
reads nothing but kept labels would seem to read more. The rule that is best in cross-validation is taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from scotoma.data.splits import Split
from scotoma.data.table import CATEGORY, MISSING, ImageTable
from scotoma.data.tasks import Task, kept_tasks
from scotoma.metrics import image_weights

FOLDS = 5
ROUNDING = 1e-9  # of sums of weights

SMALLEST = 1e-300

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def floor_of(task: Task, labels: Labels, right: Bools) -> float:
    """The accuracy on a task's test images that the kept labels alone give, and at least guessing: from the
    images' categories, and what `label_only_right` says of them, (images,) each.
    """
    guessing = 1.0 / task.classes
    found = _balanced(task, labels, right)
    # Who is right less often than by guessing is so by chance.
    return found if found > guessing + ROUNDING else guessing


def label_only_right(task: Task, keep: Sequence[str], table: ImageTable, parts: Split) -> Bools:
    """Which test images an attacker gets right who is told the kept labels of an image and nothing else:
    (test images whose label in the task is known,).

    The kept label (which of the kept categories, or 'other') must remain readable, so what it says about the
    task no encoder can hide: .5 + N/18 for N kept of ten equally frequent categories. Where the kept labels
    tell nothing (nothing is kept, or the task itself is), one class is named for all: that is as good as
    guessing.

    Args:
        task: the attacked task.
        keep: names of what is kept: categories or attributes.
        table: the images.
        parts: how they are divided.
    """
    return right_by_label(task, *_known_parts(task, _telling(task, keep, table), table, parts))


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of some images: their category in an attacked task (images,), and their class in each of
    the kept tasks (images, kept tasks), below 0 where it is missing. Equal `units` (images,) belong together;
    without, each image is its own.
    """

    labels: Labels
    kept: Labels
    units: Labels | npt.NDArray[np.str_] | None = None


def right_by_label(task: Task, training: Known, test: Known) -> Bools:
    """Which test images that attacker gets right, (images,)."""
    kept = np.concatenate([training.kept, test.kept])
    combinations, number = np.unique(kept, axis=0, return_inverse=True)
    of_training, of_test = np.split(number.reshape(-1), [len(training.kept)])
    classes = task.classes_of(training.labels)

    def learned(rule: Rule, rows: Bools) -> Labels:
        """The class of each combination, by a rule that is learned from some of the training images."""
        votes = np.zeros((len(combinations), task.classes))
        weights = image_weights(task, training.labels[rows])
        weights *= len(weights) / max(weights.sum(), SMALLEST)
        np.add.at(votes, (of_training[rows], classes[rows]), weights)
        return rule(combinations, votes)

    def accuracy(rule: Rule) -> float:
        """In cross-validation."""
        said = np.empty_like(classes)
        for fold in folds:
            said[fold] = learned(rule, ~fold)[of_training[fold]]
        return _balanced(task, training.labels, said == classes)

    folds = _folds(training)
    rules: tuple[Rule, ...] = (_one_class, _most_likely)
    # Of one kept task the most likely class is all that there is to know.
    if training.kept.shape[1] > 1:
        rules += (partial(_logistic, degree=1), partial(_logistic, degree=2))
    # What depends on three labels at once is no sum over pairs.
    if training.kept.shape[1] > 2:
        rules += (_trees,)
    # Every class is to be learned from in every fold. Of equally good rules the first is taken.
    compare = all(len(np.unique(classes[~fold])) == task.classes for fold in folds)
    best = max(rules, key=accuracy) if compare else _most_likely
    said = learned(best, np.ones(len(classes), bool))[of_test]
    asked = task.classes_of(test.labels)
    right: Bools = said == asked
    # Where the test images are unlike the others a rule may be worse than guessing: then one guesses.
    return right if _balanced(task, test.labels, right) >= 1.0 / task.classes - ROUNDING else asked == 0


# The class of each combination of kept labels, from these (combinations, kept tasks) and the weights of their
# images of each class (combinations, classes), which sum to the number of images.
Rule = Callable[[Labels, Floats], Labels]


def _one_class(combinations: Labels, votes: Floats) -> Labels:
    """The first class for all images: guessing."""
    return np.zeros(len(combinations), np.int64)


def _most_likely(combinations: Labels, votes: Floats) -> Labels:
    """The first class where a combination has no image."""
    likely: Labels = votes.argmax(axis=1)
    return likely


def _logistic(combinations: Labels, votes: Floats, *, degree: int) -> Labels:
    """Logistic regression on kept labels, and on their pairs if the degree is 2."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures

    learner = make_pipeline(
        OneHotEncoder(handle_unknown="ignore"),
        PolynomialFeatures(degree, interaction_only=True, include_bias=False),
        LogisticRegression(max_iter=2000),
    )
    # Each combination once a class, as heavy as all its images.
    of, classes = np.nonzero(votes)
    learner.fit(combinations[of], classes, logisticregression__sample_weight=votes[of, classes])
    found: Labels = learner.predict(combinations)
    return found


def _trees(combinations: Labels, votes: Floats) -> Labels:
    """Gradient-boosted trees on kept labels."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    learner = HistGradientBoostingClassifier(
        max_iter=50,
        learning_rate=0.2,
        max_leaf_nodes=15,
        min_samples_leaf=10,
        early_stopping=False,
        random_state=0,
    )
    of, classes = np.nonzero(votes)
    learner.fit(combinations[of], classes, sample_weight=votes[of, classes])
    found: Labels = learner.predict(combinations)
    return found


def _folds(training: Known) -> list[Bools]:
    """Which images each fold holds; units stay whole."""
    number = np.arange(len(training.labels))
    if training.units is not None:
        _, number = np.unique(training.units, return_inverse=True)
    return [number % FOLDS == fold for fold in range(FOLDS)]


def _balanced(task: Task, labels: Labels, right: Bools) -> float:
    weights = image_weights(task, labels)
    return float(weights[right].sum() / weights.sum())


def _telling(task: Task, keep: Sequence[str], table: ImageTable) -> list[str]:
    """What of the kept may tell something of the task: nothing where the task is kept itself."""
    attributes = table.attributes
    # Images of another group may show none of a kept category: then its label never comes.
    there = attributes[CATEGORY].values if CATEGORY in attributes else attributes
    return [] if str(task) in keep else [name for name in keep if name in there]


def _known_parts(task: Task, telling: Sequence[str], table: ImageTable, parts: Split) -> tuple[Known, Known]:
    """The images to learn from, the encoder's and the reserve, and those of the test, of which the label in
    the task is known.
    """
    labels = task.labels_in(table)
    tasks = kept_tasks(telling, table.attributes)
    # Where nothing is kept all images have the same, empty label.
    kept = np.stack([each.classes_of(each.labels_in(table)) for each in tasks] or [0 * labels], axis=1)
    learned_from = np.concatenate([parts.training, parts.reserve])
    training, test = (part[labels[part] != MISSING] for part in (learned_from, parts.test))
    known = Known(labels[training], kept[training], table.units_of(training))
    return known, Known(labels[test], kept[test])
