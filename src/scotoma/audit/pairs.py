"""What do pairs of values tell that no single value tells? An XOR of two signs, a variance, a correlation."""

import numpy as np
import numpy.typing as npt

from scotoma.audit.classical import fit_trees
from scotoma.audit.examples import Examples, Floats, Labels, Learned, Logits, Occasion
from scotoma.audit.logistic import best_of, choose_logistic
from scotoma.audit.representations import by_value, standardised

PAIRS = 200  # that are kept
SIGNS = 20  # of their products that trees get
NEAR = 2  # deviations that a mean may lie from 0 where both signs occur

Exact = npt.NDArray[np.float64]


def pairs(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
    """Products of those pairs of values that `screen` finds, and a few moments of the whole code, read by
    logistic regression or boosted trees, whichever suits the stopping half.
    """
    codes = training.codes.flat()
    features = standardised(codes)
    chosen = screen(features(codes), training, PAIRS)
    signs = int((chosen[:, 0] != chosen[:, 1]).sum())
    # Signs are those of the codes themselves, but of a value that has one sign only those beside its mean.
    zero = features(np.zeros_like(codes[:1]))[0]
    zero = np.where(np.abs(zero) < NEAR, zero, 0.0).astype(np.float32)

    def products(codes: Floats) -> Floats:
        return describe(features(codes), chosen, zero)

    scale = by_value(products(codes))
    learned_from, stopped_by = (scale(products(each.codes.flat())) for each in (training, stopping))
    linear, _ = choose_logistic(learned_from, stopped_by, training, stopping, occasion)
    # Trees find where a product changes its sign, but for images that lie near: of the first pairs they are
    # told. Of all it would take them twice the time.
    most = learned_from.shape[1] - max(signs - SIGNS, 0)
    trees, _ = fit_trees(learned_from[:, :most], stopped_by[:, :most], training, stopping, occasion)

    def by_trees(some: Floats) -> Logits:
        return trees(some[:, :most])

    read, name = best_of([(linear, stopped_by, "logistic"), (by_trees, stopped_by, "trees")], stopping)
    return Learned(
        lambda codes: read(scale(products(codes.flat()))),
        details={"pairs": len(chosen), "read by": name},
    )


def screen(values: Floats, examples: Examples, most: int) -> Labels:
    """The pairs (i, j), i <= j, whose mean product differs most between a class and the others:

        t[i, j] = |m1 - m0| / sqrt(e1 + e0),
        m = sum of w z[i] z[j],   e = sum of w**2 (z[i] z[j] - m)**2,

    m the mean of the product and e its squared standard error over the images of a class (1) and over all
    others (0), z the standardised values (images, values), w the weights of the images, which sum to 1 over
    the class and over the others. With i = j it finds variances, else correlations; the exclusive or of two
    signs shows in no value alone, but in their product. Of several classes each pair counts with its
    largest t.

    Returns:
        (pairs, 2), the largest t first.
    """
    exact = values.astype(np.float64)
    kinds = np.unique(examples.classes)
    everything = _sums(exact, examples.weights)
    found = np.zeros((exact.shape[1], exact.shape[1]))
    for kind in kinds[1:] if len(kinds) == 2 else kinds:
        of_kind = examples.classes == kind
        one = _sums(exact[of_kind], examples.weights[of_kind])
        means, errors = zip(*(_mean(sums) for sums in (one, everything - one)), strict=True)
        error = np.sqrt(sum(errors))
        found = np.maximum(found, np.abs(means[0] - means[1]) / np.where(error > 0, error, np.inf))
    upper = np.triu_indices(len(found))
    order = np.argsort(-found[upper], kind="stable")[:most]
    return np.stack([upper[0][order], upper[1][order]], axis=1)


def describe(values: Floats, chosen: Labels, zero: Floats) -> Floats:
    """Features of standardised codes (images, values): products of the chosen pairs; of the whole code the
    means of its values, squares, cubes and absolute values, its largest and its smallest value; and the
    products of the signs of the chosen pairs of two values, positive being what is above `zero` (values,).
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
    above = np.sign(values - zero)
    signs = above[:, chosen[different, 0]] * above[:, chosen[different, 1]]
    return np.concatenate([first * second, np.stack(whole, axis=1), signs], axis=1).astype(np.float32)


def _sums(values: Exact, weights: Exact) -> Exact:
    """What `_mean` needs, for all pairs: the sums over images of w p, w**2 p, w**2 p**2, w and w**2, p the
    product of two values. Sums of some images and of all others add up.
    """
    once, twice = weights[:, None], np.square(weights)[:, None]
    squares = np.square(values)
    products = (values.T @ (values * once), values.T @ (values * twice), squares.T @ (squares * twice))
    return np.stack([*products, *(np.full(products[0].shape, each.sum()) for each in (once, twice))])


def _mean(sums: Exact) -> tuple[Exact, Exact]:
    """Weighted mean of z[i] z[j], and its squared standard error."""
    first, first_twice, second_twice, total, total_twice = sums
    if total.max() <= 0:
        return first, np.zeros_like(first)
    mean = first / total
    error = (second_twice - 2 * mean * first_twice + mean**2 * total_twice) / total**2
    return mean, np.maximum(error, 0)
