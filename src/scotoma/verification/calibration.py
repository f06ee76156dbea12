"""How sure may an attacker be of what it says? As sure as its record on the validation images allows.

A network that trains on and on grows overconfident, and its threshold drifts between two looks: its
cross-entropy rises and its accuracy jumps although it tells the classes apart as well as before. Choosing
weights by such figures would pick an early, weaker attacker. Its logits are therefore scaled and shifted
until they fit the validation images; calibrated figures depend only on what the logits know.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax
from torch import Tensor

# Settles the scale where the logits say nothing, and the sum of the shifts, which is free.
PULL = 1e-3

Exact = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """logits -> scale * logits + shift, one scale and a shift for each class (Platt, 1999, for two classes).

    The scale may be negative: an attacker that is reliably wrong has found the leak.
    """

    scale: float
    shift: Tensor

    def __call__(self, logits: Tensor) -> Tensor:
        """Calibrated logits (images, classes), in double precision."""
        return self.scale * logits.double() + self.shift


def calibrate(logits: Tensor, classes: Tensor, weights: Tensor) -> Calibration:
    """The scale and shift with the lowest weighted cross-entropy; a convex problem, solved by BFGS.

    Targets are smoothed as by Platt: beside the N images of the rarest class two more are imagined, one of
    that class and one of another. A few images that are told apart without an error would otherwise make the
    attacker too sure.

    Args:
        logits: (images, classes), finite.
        classes: true classes (images,).
        weights: of the images (images,).
    """
    told, truth = logits.detach().double().numpy(), classes.numpy()
    count, rarest = told.shape[1], int(np.bincount(truth, minlength=told.shape[1]).min())
    # Shared by all classes, so that 1 of N + 2 is left to the others.
    smoothing = count / ((count - 1) * (rarest + 2))
    targets = (1 - smoothing) * np.eye(count)[truth] + smoothing / count
    share = (weights.double() / weights.sum()).numpy()[:, None]
    # Large logits are searched at a scale that is small by as much.
    unit = 1 / max(float(told.std()), 1.0)

    def loss(free: Exact) -> tuple[float, Exact]:
        """Of scale (in units) and shifts, with its gradient."""
        scale, shift = free[0] * unit, free[1:]
        log_p = log_softmax(scale * told + shift, axis=1)
        value = -(share * targets * log_p).sum() + PULL * ((scale - 1) ** 2 + shift.mean() ** 2)
        by_logit = share * (np.exp(log_p) - targets)
        by_scale = (by_logit * told).sum() + 2 * PULL * (scale - 1)
        by_shift = by_logit.sum(axis=0) + 2 * PULL * shift.mean() / count
        return float(value), np.array([by_scale * unit, *by_shift])

    # Not torch's L-BFGS: with its first object torch loads its compiler, which takes seconds.
    fitted = minimize(loss, np.array([1.0, *np.zeros(count)]), jac=True, method="BFGS", tol=1e-9).x
    return Calibration(float(fitted[0] * unit), torch.from_numpy(fitted[1:]))
