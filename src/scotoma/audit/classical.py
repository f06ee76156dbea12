"""Which attackers that are no networks read codes? A linear rule, a kernel machine, trees and neighbours."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from scotoma.audit.examples import Examples, Floats, Learn, Learned, Logits, Occasion
from scotoma.audit.logistic import calibrated_cross_entropy, choose_logistic
from scotoma.audit.representations import Represent, raw, standardised, whitened

KERNEL_IMAGES = 6000  # a kernel machine takes time and memory with the square of their number
PENALTIES = (0.3, 3.0)
NEIGHBOURS = (1, 5, 25, 101)
TREES = 300
BINS = 63  # of a feature: a quarter of the usual number, and of the time
SOME = 1000  # images of which the distances to all others are held at a time


def logistic(represent: Represent) -> Learn:
    """Logistic regression; the penalty is chosen on the stopping half."""

    def learn(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
        features = represent(training.codes.flat())
        read, prior, _ = choose_logistic(
            features(training.codes.flat()),
            features(stopping.codes.flat()),
            training,
            stopping,
            occasion.task.classes,
        )
        return Learned(lambda codes: read(features(codes.flat())), details={"prior": prior})

    return learn


logistic_raw = logistic(raw)
logistic_standardised = logistic(standardised)
logistic_whitened = logistic(whitened)


def kernel_machine(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
    """A support vector machine with a Gaussian kernel on standardised codes, whose width is the square root
    of the number of features; of many images on some of each class, drawn at random.
    """
    from sklearn.svm import SVC

    features = standardised(training.codes.flat())
    rows = balanced_rows(training, KERNEL_IMAGES, occasion.seed)
    learned_from, stopped_by = features(training.codes.flat()[rows]), features(stopping.codes.flat())
    weights = training.weights[rows] * len(rows) / training.weights[rows].sum()
    best: tuple[float, float, Callable[[Floats], Logits]] | None = None
    for penalty in PENALTIES:
        _go_on(occasion)
        machine = SVC(C=penalty, gamma=1 / learned_from.shape[1], cache_size=500)
        machine.fit(learned_from, training.classes[rows], weights)

        def read(some: Floats, machine: SVC = machine) -> Logits:
            return _of_all_classes(machine.decision_function(some), machine.classes_, occasion.task.classes)

        found = calibrated_cross_entropy(read(stopped_by), stopping)
        if best is None or found < best[0]:
            best = (found, penalty, read)
    assert best is not None
    _, penalty, chosen = best
    return Learned(lambda codes: chosen(features(codes.flat())), details={"C": penalty, "images": len(rows)})


def boosted_trees(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
    """Gradient-boosted trees on standardised codes, as many as the stopping half asks for."""
    features = standardised(training.codes.flat())
    read, count = fit_trees(
        features(training.codes.flat()), features(stopping.codes.flat()), training, stopping, occasion
    )
    return Learned(lambda codes: read(features(codes.flat())), details={"trees": count})


def fit_trees(
    learned_from: Floats, stopped_by: Floats, training: Examples, stopping: Examples, occasion: Occasion
) -> tuple[Callable[[Floats], Logits], int]:
    """Boosted trees on features of the training images: features to logits, and how many trees."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    _go_on(occasion)
    trees = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=TREES,
        max_leaf_nodes=15,
        max_bins=BINS,
        min_samples_leaf=min(20, max(len(training) // 20, 1)),
        l2_regularization=1.0,
        early_stopping=True,
        n_iter_no_change=15,
        random_state=occasion.seed % 2**32,
    )
    trees.fit(
        learned_from,
        training.classes,
        training.weights * len(training) / training.weights.sum(),
        X_val=stopped_by,
        y_val=stopping.classes,
        sample_weight_val=stopping.weights * len(stopping) / stopping.weights.sum(),
    )

    def read(some: Floats) -> Logits:
        return _of_all_classes(trees.decision_function(some), trees.classes_, occasion.task.classes)

    return read, int(trees.n_iter_)


def neighbours(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
    """The nearest training images by Euclidean distance of standardised codes: the log of the weight that
    each class has among them, one image's worth of doubt added; how many are asked is chosen on the
    stopping half.
    """
    features = standardised(training.codes.flat())
    learned_from = features(training.codes.flat())
    classes = occasion.task.classes
    share = training.weights * len(training) / training.weights.sum()
    votes = np.eye(classes)[training.classes] * share[:, None]
    counts = [count for count in NEIGHBOURS if count <= len(training)]

    def read(some: Floats, count: int) -> Logits:
        found = []
        for start in range(0, len(some), SOME):
            _go_on(occasion)
            nearest = _nearest(some[start : start + SOME], learned_from, count)
            found.append(np.log(votes[nearest].sum(axis=1) + 1 / classes))
        logits: Logits = np.concatenate(found)
        return logits

    stopped_by = features(stopping.codes.flat())
    scored = [(calibrated_cross_entropy(read(stopped_by, count), stopping), count) for count in counts]
    _, chosen = min(scored)
    return Learned(lambda codes: read(features(codes.flat()), chosen), details={"neighbours": chosen})


def balanced_rows(examples: Examples, most: int, seed: int) -> npt.NDArray[np.int64]:
    """At most so many rows, in order: of each class as many as there are or as fit."""
    random = np.random.default_rng(seed)
    kinds = np.unique(examples.classes)
    left, chosen = most, []
    of_class = sorted((np.flatnonzero(examples.classes == kind) for kind in kinds), key=len)
    for index, rows in enumerate(of_class):
        count = min(len(rows), left // (len(of_class) - index))
        chosen.append(random.permutation(rows)[:count])
        left -= count
    return np.sort(np.concatenate(chosen))


def _nearest(some: Floats, others: Floats, count: int) -> npt.NDArray[np.int64]:
    squares = np.square(others).sum(axis=1) - 2 * (some @ others.T)
    nearest: npt.NDArray[np.int64] = np.argpartition(squares, count - 1, axis=1)[:, :count]
    return nearest


def _of_all_classes(values: npt.NDArray[np.float64], there: npt.NDArray[np.int64], classes: int) -> Logits:
    """Decision values as logits (images, classes): of two classes there is one value an image."""
    if values.ndim == 1:
        values = np.stack([-values / 2, values / 2], axis=1)
    logits = np.full((len(values), classes), values.min(initial=0.0) - 10)
    logits[:, there] = values
    return logits - logsumexp(logits, axis=1, keepdims=True)


def _go_on(occasion: Occasion) -> None:
    if occasion.stop.is_set():
        raise KeyboardInterrupt
