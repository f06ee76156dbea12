"""Which attackers that are no networks read codes? A linear rule, a kernel machine, trees and neighbours."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from scotoma.audit.examples import Encoded, Examples, Floats, Learn, Learned, Logits, Occasion
from scotoma.audit.logistic import calibrated_cross_entropy, choose_logistic
from scotoma.audit.representations import Represent, raw, standardised, whitened

KERNEL_IMAGES = 6000  # a kernel machine takes time and memory with the square of their number
PENALTIES = (0.1, 3.0)
NEIGHBOURS = (1, 5, 25, 101)
TREES = 300
BINS = 63  # of a feature: a quarter of the usual number, and of the time
DISTANCES = 1 << 23  # that are held at a time


Features = Callable[[Floats], Floats]


def logistic(represent: Represent) -> Learn:
    """Logistic regression; the penalty is chosen on the stopping half."""

    def learn(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
        features = represent(training.codes.flat())
        read, prior = choose_logistic(
            features(training.codes.flat()),
            features(stopping.codes.flat()),
            training,
            stopping,
            occasion,
        )
        return Learned(lambda codes: read(features(codes.flat())), details={"prior": prior})

    return learn


logistic_raw = logistic(raw)
logistic_standardised = logistic(standardised)
logistic_whitened = logistic(whitened)


def kernel_machine(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
    """A support vector machine with a Gaussian kernel as wide as codes usually differ (the square root of the
    sum of the variances of all features), on raw or standardised codes, with one of several penalties, as
    suits the stopping half; of many images it learns from some of each class, whatever the seed.
    """
    from sklearn.svm import SVC

    some = training.at_most(KERNEL_IMAGES)
    candidates: list[tuple[float, int, Learned]] = []
    for name, represent in (("raw", raw), ("standardised", standardised)):
        features = represent(training.codes.flat())
        learned_from = features(some.codes.flat())
        for penalty in PENALTIES:
            occasion.go_on()
            machine = SVC(C=penalty, gamma="scale", cache_size=500)
            machine.fit(learned_from, some.classes, some.weights)

            def read(codes: Encoded, machine: SVC = machine, features: Features = features) -> Logits:
                values = machine.decision_function(features(codes.flat()))
                return _of_all_classes(values, machine.classes_, occasion.task.classes)

            details = {"codes": name, "C": penalty, "images": len(some)}
            _add(candidates, Learned(read, details=details), stopping)
    return min(candidates, key=lambda each: each[:2])[2]


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

    occasion.go_on()
    bins = _bins(learned_from, training.weights)
    known = np.isin(stopping.classes, training.classes)  # of a class that it never saw it takes no image
    stopping_weights = stopping.weights[known]
    trees = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=TREES,
        max_leaf_nodes=15,
        max_bins=BINS,
        min_samples_leaf=min(20, max(len(training) // 20, 1)),
        l2_regularization=1.0,
        early_stopping=True,
        n_iter_no_change=15,
        tol=1e-4,  # nats: where all is told, further trees only take time
        random_state=occasion.seed % 2**32,
    )
    trees.fit(
        bins(learned_from),
        training.classes,
        training.weights * len(training) / training.weights.sum(),
        X_val=bins(stopped_by[known]),
        y_val=stopping.classes[known],
        sample_weight_val=stopping_weights / stopping_weights.mean(),
    )

    def read(some: Floats) -> Logits:
        return _of_all_classes(trees.decision_function(bins(some)), trees.classes_, occasion.task.classes)

    return read, int(trees.n_iter_)


def _bins(features: Floats, weights: npt.NDArray[np.float64]) -> Features:
    """Every feature to the number of its bin; bins have equal weights of images. The trees would find the
    same ones, but of weighted images every bound by itself, which takes longer than the trees.
    """
    shares = np.arange(1, BINS) / BINS
    bounds = np.quantile(features, shares, axis=0, method="inverted_cdf", weights=weights).T.copy()

    def numbers(some: Floats) -> Floats:
        found = np.empty(some.shape, np.float32)
        for index, of_feature in enumerate(bounds):
            found[:, index] = np.searchsorted(of_feature, some[:, index])
        return found

    return numbers


def neighbours(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
    """The nearest training images by Euclidean distance of raw or standardised codes: the log of the weight
    that each class has among them, one image's worth of doubt added. How many are asked, and which codes, is
    chosen on the stopping half.
    """
    classes = occasion.task.classes
    share = training.weights * len(training) / training.weights.sum()
    votes = np.eye(classes)[training.classes] * share[:, None]
    candidates: list[tuple[float, int, Learned]] = []
    for name, represent in (("raw", raw), ("standardised", standardised)):
        features = represent(training.codes.flat())
        learned_from = features(training.codes.flat())
        for count in (count for count in NEIGHBOURS if count <= len(training)):

            def read(
                codes: Encoded,
                count: int = count,
                features: Features = features,
                learned_from: Floats = learned_from,
            ) -> Logits:
                some = features(codes.flat())
                found, at_once = [], max(DISTANCES // len(learned_from), 1)
                for start in range(0, len(some), at_once):
                    occasion.go_on()
                    nearest = _nearest(some[start : start + at_once], learned_from, count)
                    found.append(np.log(votes[nearest].sum(axis=1) + 1 / classes))
                logits: Logits = np.concatenate(found)
                return logits

            _add(candidates, Learned(read, details={"codes": name, "neighbours": count}), stopping)
    return min(candidates, key=lambda each: each[:2])[2]


def _add(candidates: list[tuple[float, int, Learned]], learned: Learned, stopping: Examples) -> None:
    """With its calibrated cross-entropy on the stopping half; of equal ones the first is taken."""
    found = calibrated_cross_entropy(learned.read(stopping.codes), stopping)
    candidates.append((found, len(candidates), learned))


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
    normalised: Logits = logits - logsumexp(logits, axis=1, keepdims=True)
    return normalised
