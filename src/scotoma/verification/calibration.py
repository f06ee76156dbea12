"""How sure may an attacker be of what it says? As sure as its record on the validation images allows.

A network that trains on and on grows overconfident, and its threshold drifts between two looks: its
cross-entropy rises and its accuracy jumps although it tells the classes apart as well as before. Choosing
weights by such figures would pick an early, weaker attacker. Its logits are therefore scaled and shifted
until they fit the validation images; calibrated figures depend only on what the logits know.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Settles the scale where the logits say nothing, and the sum of the shifts, which is free.
PULL = 1e-3


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
    """The scale and shift with the lowest weighted cross-entropy; a convex problem, solved by L-BFGS.

    Targets are smoothed as by Platt: beside the N images of the rarest class two more are imagined, one of
    that class and one of another. A few images that are told apart without an error would otherwise make the
    attacker too sure.

    Args:
        logits: (images, classes), finite.
        classes: true classes (images,).
        weights: of the images (images,).
    """
    logits, weights = logits.detach().double(), weights.double() / weights.sum()
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    shift = torch.zeros(logits.shape[1], dtype=torch.float64, requires_grad=True)
    count, rarest = logits.shape[1], int(classes.bincount(minlength=logits.shape[1]).min())
    # Shared by all classes, so that 1 of N + 2 is left to the others.
    smoothing = count / ((count - 1) * (rarest + 2))
    solver = torch.optim.LBFGS(
        [scale, shift], max_iter=50, tolerance_change=1e-10, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        solver.zero_grad()
        fitted = scale * logits + shift
        losses = F.cross_entropy(fitted, classes, reduction="none", label_smoothing=smoothing)
        value = (losses * weights).sum() + PULL * ((scale - 1).square() + shift.mean().square())
        value.backward()
        return value

    solver.step(loss)
    return Calibration(float(scale.detach()), shift.detach())
