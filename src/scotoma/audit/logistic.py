"""What can a linear rule read? Multinomial logistic regression by L-BFGS, the penalty chosen on other images.

Written out here, as it has to run in several threads without a warning, and with weights of images.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from scotoma.audit.examples import Examples, Floats, Labels, Logits, Occasion
from scotoma.metrics import balanced_cross_entropy
from scotoma.verification.calibration import calibrate

# Variances of a slope on a feature of variance 1 that are tried, from none to nearly free.
PRIORS = (1e-5, 1e-3, 1e-1, 10.0)
STEPS = 150

Exact = npt.NDArray[np.float64]
Read = Callable[[Floats], Logits]


def fit_logistic(
    features: Floats,
    classes: Labels,
    weights: Exact,
    kinds: int,
    prior: float,
    begin: Exact | None = None,
) -> tuple[Read, Exact]:
    """Minimise the weighted mean cross-entropy + |slopes|**2 / (2 n prior) over n images.

    Args:
        features: (images, features).
        classes: (images,).
        weights: (images,), at whatever scale.
        kinds: how many classes there are.
        prior: the variance that the slopes are expected to have.
        begin: the solution for another prior.

    Returns:
        Features to logits (images, classes), and the solution.
    """
    targets = np.eye(kinds)[classes]
    weights = weights / weights.sum()
    shape = (features.shape[1] + 1, kinds)
    penalty = 1 / (len(features) * prior)

    def loss(flat: Exact) -> tuple[float, Exact]:
        matrix = flat.reshape(shape)
        logits = _logits(features, matrix)
        value = -float((targets * log_softmax(logits, axis=1)).sum(axis=1) @ weights)
        value += penalty / 2 * float((matrix[:-1] ** 2).sum())
        wrong = (softmax(logits, axis=1) - targets) * weights[:, None]
        slopes = (features.T @ wrong.astype(np.float32)).astype(np.float64) + penalty * matrix[:-1]
        return value, np.concatenate([slopes, wrong.sum(axis=0)[None]]).ravel()

    start = np.zeros(math.prod(shape)) if begin is None else begin
    # Lower than its default: the mean of the losses is small where nearly all images are told.
    options = {"maxiter": STEPS, "ftol": 1e-7}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    matrix = found.reshape(shape)
    return lambda some: _logits(some, matrix), found


def choose_logistic(
    training: Floats, stopping: Floats, learned_from: Examples, stopped_by: Examples, occasion: Occasion
) -> tuple[Read, float]:
    """The logistic regression whose penalty suits the stopping half best: by calibrated cross-entropy.

    Returns:
        Features to logits, and the prior.
    """
    best: tuple[float, float, Read] | None = None
    begin = None
    classes, weights = learned_from.classes, learned_from.weights
    for prior in PRIORS:
        occasion.go_on()
        read, begin = fit_logistic(training, classes, weights, occasion.task.classes, prior, begin)
        found = calibrated_cross_entropy(read(stopping), stopped_by)
        if best is None or found < best[0]:
            best = (found, prior, read)
    assert best is not None
    return best[2], best[1]


def calibrated_cross_entropy(logits: Logits, examples: Examples) -> float:
    """Balanced cross-entropy in nats, calibrated on the same images."""
    said = torch.from_numpy(np.ascontiguousarray(logits))
    truth = torch.from_numpy(examples.classes), torch.from_numpy(examples.weights)
    scaled = said / (float(said.std()) or 1.0)
    return balanced_cross_entropy(calibrate(scaled, *truth)(scaled), *truth)


def best_of(candidates: Sequence[tuple[Read, Floats, str]], examples: Examples) -> tuple[Read, str]:
    """The reader with the lowest calibrated cross-entropy on features of its own of the same images."""
    scored = [
        (calibrated_cross_entropy(read(features), examples), index)
        for index, (read, features, _) in enumerate(candidates)
    ]
    _, index = min(scored)
    return candidates[index][0], candidates[index][2]


def _logits(features: Floats, matrix: Exact) -> Logits:
    found: Logits = (features @ matrix[:-1].astype(np.float32)).astype(np.float64) + matrix[-1]
    return found
