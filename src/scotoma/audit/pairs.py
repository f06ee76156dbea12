"""What do pairs of values tell that no single value tells? An XOR of two signs, a variance, a correlation."""

import numpy as np
import numpy.typing as npt

from scotoma.audit.classical import fit_trees
from scotoma.audit.examples import Examples, Floats, Labels, Learned, Occasion
from scotoma.audit.logistic import best_of, choose_logistic
from scotoma.audit.representations import by_value, standardised

PAIRS = 200  # that are kept

Exact = npt.NDArray[np.float64]


def pairs(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
    """Products of those pairs of values that `screen` finds, and a few moments of the whole code, read by
    logistic regression or boosted trees, whichever suits the stopping half.
    """
    features = standardised(training.codes.flat())
    values = features(training.codes.flat())
    chosen = screen(values, training.classes, PAIRS)

    def products(codes: Floats) -> Floats:
        return describe(features(codes), chosen)

    scale = by_value(products(training.codes.flat()))
    learned_from, stopped_by = (scale(products(each.codes.flat())) for each in (training, stopping))
    linear, _, _ = choose_logistic(learned_from, stopped_by, training, stopping, occasion.task.classes)
    trees, _ = fit_trees(learned_from, stopped_by, training, stopping, occasion)
    read, name = best_of([(linear, stopped_by, "logistic"), (trees, stopped_by, "trees")], stopping)
    return Learned(
        lambda codes: read(scale(products(codes.flat()))),
        details={"pairs": len(chosen), "read by": name},
    )


def screen(values: Floats, classes: Labels, most: int) -> npt.NDArray[np.int64]:
    """The pairs (i, j), i <= j, whose mean product differs most between a class and the others:

        t[i, j] = |m1 - m0| / sqrt(v1 / n1 + v0 / n0),

    m and v the mean and variance of z[i] z[j] over the n images of a class (1) and of all others (0), z the
    standardised values. With i = j it finds variances, else correlations; the exclusive or of two signs shows
    in no value alone, but in their product. Of several classes each pair counts with its largest t.

    Returns:
        (pairs, 2), the largest t first.
    """
    exact = values.astype(np.float64)
    kinds = np.unique(classes)
    found = np.zeros((exact.shape[1], exact.shape[1]))
    for kind in kinds[1:] if len(kinds) == 2 else kinds:
        one, other = (_moments(exact[of]) for of in (classes == kind, classes != kind))
        error = np.sqrt(one[1] + other[1])
        found = np.maximum(found, np.abs(one[0] - other[0]) / np.where(error > 0, error, np.inf))
    upper = np.triu_indices(len(found))
    order = np.argsort(-found[upper], kind="stable")[:most]
    return np.stack([upper[0][order], upper[1][order]], axis=1)


def describe(values: Floats, chosen: npt.NDArray[np.int64]) -> Floats:
    """Features of standardised codes (images, values): products of the chosen pairs, the products of their
    signs, and of the whole code the means of its values, squares, cubes and absolute values, its largest and
    its smallest value.
    """
    first, second = values[:, chosen[:, 0]], values[:, chosen[:, 1]]
    whole = [
        values.mean(axis=1),
        np.square(values).mean(axis=1),
        (values**3).mean(axis=1),
        np.abs(values).mean(axis=1),
        values.max(axis=1),
        values.min(axis=1),
    ]
    different = chosen[:, 0] != chosen[:, 1]
    signs = np.sign(first[:, different]) * np.sign(second[:, different])
    return np.concatenate([first * second, signs, np.stack(whole, axis=1)], axis=1).astype(np.float32)


def _moments(values: Exact) -> tuple[Exact, Exact]:
    """Mean of z[i] z[j], and its squared standard error, for all pairs."""
    count = len(values)
    mean = values.T @ values / count
    squares = np.square(values)
    variance = squares.T @ squares / count - np.square(mean)
    return mean, np.maximum(variance, 0) / count
