"""How well does a classifier do when every class, and every category within 'other', counts alike?

Weighted figures on all images, none thrown away: a weight for each image makes a balanced set of an
unbalanced one.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from scotoma.data.tasks import Task

AT_ONCE = 1 << 20  # pixels of a channel that are looked at together

Floats = npt.NDArray[np.float64]


def image_weights(task: Task, labels: npt.NDArray[np.int64]) -> Floats:
    """Weight of each image (images,), from its category; they sum to 1 where every category occurs."""
    counts = np.bincount(labels, minlength=len(task.categories))
    weights: Floats = (task.category_weights() / np.maximum(counts, 1))[labels]
    return weights


def balanced_accuracy(logits: Tensor, classes: Tensor, weights: Tensor) -> float:
    """Weight of the images whose largest logit is their class. logits (images, classes), others (images,)."""
    correct = logits.argmax(dim=1) == classes
    return float(weights[correct].sum() / weights.sum())


def balanced_cross_entropy(logits: Tensor, classes: Tensor, weights: Tensor) -> float:
    """Weighted mean of -log p[class], in nats."""
    losses = F.cross_entropy(logits.double(), classes, reduction="none")
    return float((losses * weights).sum() / weights.sum())


def logits_of(classifier: torch.nn.Module, codes: Tensor, batch: int = 1000, *, bf16: bool = False) -> Tensor:
    """Logits (images, classes) in evaluation mode, fp32; the classifier is left in training mode. `bf16` lets
    convolutions compute in it, as they did in training. Of large codes, original images above all, fewer than
    `batch` are looked at together.
    """
    classifier.eval()
    batch = max(min(batch, AT_ONCE // math.prod(codes.shape[2:])), 1)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = torch.cat([classifier(part).float() for part in codes.split(batch)])
    classifier.train()
    return logits
