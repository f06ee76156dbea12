"""What does somebody find out who knows the kept labels of an image, and nothing of the image itself?

That attacker follows one of several rules, learned from all images that attackers may learn from: one class
for all images, the most likely class for each combination of kept labels, or logistic regression on them,
without or with their pairs.
Where much is kept most combinations are rare, and the first rule learns by heart what the others learn as a
rule; a floor by it alone would be too low, and whoever reads nothing but kept labels would seem to read more.
The rule that is best in cross-validation is taken.
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

Labels = npt.NDArray[np.int64]


def floor(task: Task, keep: Sequence[str], table: ImageTable, parts: Split) -> float:
    """The accuracy on a task's test images that the kept labels alone give; for a kept task, guessing.

    Args:
        task: the attacked task.
        keep: names of what is kept: categories or attributes.
        table: the images.
        parts: how they are divided.
    """
    telling = _telling(task, keep, table)
    guessing = 1.0 / task.classes
    if not telling:
        return guessing
    found = label_only_floor(task, *_known_parts(task, telling, table, parts))
    # Who is right less often than by guessing is so by chance.
    return found if found > guessing + ROUNDING else guessing


def label_only_right(
    task: Task, keep: Sequence[str], table: ImageTable, parts: Split
) -> npt.NDArray[np.bool_]:
    """Which test images the attacker of `floor` gets right: (test images whose label in the task is known,).

    Where the kept labels tell nothing (nothing is kept, or the task itself is), it names one class for all:
    that is as good as guessing. Arguments as of `floor`.
    """
    return right_by_label(task, *_known_parts(task, _telling(task, keep, table), table, parts))


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of some images: their category in an attacked task (images,), and their class in each of
    the kept tasks (images, kept tasks), below 0 where it is missing. What belongs together has one number
    among `units` (images,); without, each image is its own.
    """

    labels: Labels
    kept: Labels
    units: Labels | None = None

    def only(self, rows: npt.NDArray[np.bool_]) -> "Known":
        """Some of the images."""
        return Known(self.labels[rows], self.kept[rows])


Rule = Callable[[Labels], Labels]  # kept labels (images, kept tasks) -> classes (images,)


def label_only_floor(task: Task, training: Known, test: Known) -> float:
    """Accuracy on the test images of an attacker who is told the kept labels of an image and nothing else.

    The kept label (which of the kept categories, or 'other') must remain readable, so what it says about the
    task no encoder can hide: .5 + N/18 for N kept of ten equally frequent categories.
    """
    return _balanced(task, test.labels, right_by_label(task, training, test))


def right_by_label(task: Task, training: Known, test: Known) -> npt.NDArray[np.bool_]:
    """Which test images that attacker gets right, (images,)."""
    return _right(task, _best(task, training)(task, training), test)


Learn = Callable[[Task, Known], Rule]


def _best(task: Task, training: Known) -> Learn:
    """How to learn the rule that is right most often on images that it was not learned from."""
    units = np.arange(len(training.labels)) if training.units is None else training.units
    folds = [units % FOLDS == fold for fold in range(FOLDS)]
    # Every class is to be learned from in every fold.
    if any(len(np.unique(task.classes_of(training.labels[~fold]))) < task.classes for fold in folds):
        return _most_likely

    def accuracy(learn: Learn) -> float:
        right = np.zeros(len(training.labels), bool)
        for fold in folds:
            right[fold] = _right(task, learn(task, training.only(~fold)), training.only(fold))
        return _balanced(task, training.labels, right)

    # Of equally good ones the first.
    ways: tuple[Learn, ...] = (_one_class, _most_likely)
    # Of one kept task the most likely class is all that there is to know.
    if training.kept.shape[1] > 1:
        ways += (partial(_logistic, degree=1), partial(_logistic, degree=2))
    return max(ways, key=accuracy)


def _right(task: Task, rule: Rule, known: Known) -> npt.NDArray[np.bool_]:
    right: npt.NDArray[np.bool_] = rule(known.kept) == task.classes_of(known.labels)
    return right


def _balanced(task: Task, labels: Labels, right: npt.NDArray[np.bool_]) -> float:
    weights = image_weights(task, labels)
    return float(weights[right].sum() / weights.sum())


def _one_class(task: Task, training: Known) -> Rule:
    """The first class for all images: guessing."""
    return lambda kept: np.zeros(len(kept), np.int64)


def _most_likely(task: Task, training: Known) -> Rule:
    """The most likely class for each combination of kept labels; the first where there is none of it."""
    combinations, votes = _votes(task, training)
    likely = {
        tuple(kept): found for kept, found in zip(combinations.tolist(), votes.argmax(axis=1), strict=True)
    }

    def rule(kept: Labels) -> Labels:
        return np.array([likely.get(tuple(each), 0) for each in kept.tolist()], np.int64)

    return rule


def _logistic(task: Task, training: Known, *, degree: int) -> Rule:
    """Logistic regression on kept labels, and on their pairs if the degree is 2."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures

    combinations, votes = _votes(task, training)
    learner = make_pipeline(
        OneHotEncoder(handle_unknown="ignore"),
        PolynomialFeatures(degree, interaction_only=True, include_bias=False),
        LogisticRegression(max_iter=2000),
    )
    # Each combination once a class, as heavy as all its images.
    of, classes = np.nonzero(votes)
    learner.fit(combinations[of], classes, logisticregression__sample_weight=votes[of, classes])

    def rule(kept: Labels) -> Labels:
        found: Labels = learner.predict(kept)
        return found

    return rule


def _votes(task: Task, training: Known) -> tuple[Labels, npt.NDArray[np.float64]]:
    """Combinations of kept labels (combinations, kept tasks), and the weights of their images of each class
    (combinations, classes), which sum to the number of images.
    """
    combinations, number = np.unique(training.kept, axis=0, return_inverse=True)
    votes = np.zeros((len(combinations), task.classes))
    weights = image_weights(task, training.labels)
    scale = len(weights) / max(weights.sum(), 1e-300)
    np.add.at(votes, (number.reshape(-1), task.classes_of(training.labels)), weights * scale)
    return combinations, votes


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
    units = None if table.units is None else np.unique(table.units, return_inverse=True)[1]
    learned_from = np.concatenate([parts.training, parts.reserve])
    training, test = (part[labels[part] != MISSING] for part in (learned_from, parts.test))
    of_training = None if units is None else units[training]
    return Known(labels[training], kept[training], of_training), Known(labels[test], kept[test])
