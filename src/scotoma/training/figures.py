"""How well do the classifiers of training do on validation images?"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scotoma.data.augmentation import Preprocessing
from scotoma.data.table import MISSING, ImageTable
from scotoma.data.tasks import Task
from scotoma.encoder_file import encode_pixels
from scotoma.metrics import balanced_accuracy, balanced_cross_entropy, image_weights, logits_of

if TYPE_CHECKING:
    from scotoma.training.adversarial import Game

SOME = 256  # images


def in_training_figures(
    game: "Game",
    table: ImageTable,
    rows: npt.NDArray[np.int64],
    tasks: Sequence[Task],
    preprocessing: Preprocessing,
) -> tuple[list[float], list[float]]:
    """Balanced accuracy and cross-entropy of the game's classifiers on these images, a value a head.

    Some images at a time, so that no codes of all are held.
    """
    logits: list[list[Tensor]] = [[] for _ in tasks]
    game.encoder.eval()
    for start in range(0, len(rows), SOME):
        codes = encode_pixels(game.encoder, preprocessing, table.pixels, rows[start : start + SOME])
        for found, classifier in zip(logits, game.classifiers, strict=True):
            found.append(logits_of(classifier, codes))
    game.encoder.train()
    pairs = [
        head_figures(torch.cat(found), task, task.labels_in(table)[rows])
        for found, task in zip(logits, tasks, strict=True)
    ]
    return [accuracy for accuracy, _ in pairs], [cross_entropy for _, cross_entropy in pairs]


def head_figures(logits: Tensor, task: Task, labels: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Balanced accuracy and cross-entropy (nats) of a classifier's logits (images, classes) on images with
    these labels.

    Images of which the label is missing are passed over.

    Images set apart count as recognised: an adversary that was not trained on kept categories is told them,
    and knows that they are not hidden. What it was trained on held 'other' as often as any class, and what is
    left of 'other' counts for less here, by the factor 1 - K w (K classes, w the weight of what is set
    apart): its logit is lowered by as much, as Bayes' rule asks. So the figure compares with a fresh
    attacker's, and with the floor.
    """
    known = np.flatnonzero(labels != MISSING)
    logits, labels = logits[torch.from_numpy(known)], labels[known]
    logits[:, 0] += math.log(1 - task.classes * weight_apart(task))
    logits[torch.from_numpy(task.is_apart(labels)), 1:] = -torch.inf
    truth = torch.from_numpy(task.classes_of(labels)), torch.from_numpy(image_weights(task, labels))
    return balanced_accuracy(logits, *truth), balanced_cross_entropy(logits, *truth)


def opposite_accuracy(accuracy: float, task: Task) -> float:
    """Balanced accuracy of a head of two classes that says the opposite, from that of the head.

    What is right becomes wrong and the other way round, but images set apart, of the weight w in all, are
    recognised by either: w + (1 - w) - (accuracy - w) = 1 + w - accuracy.
    """
    return 1 + weight_apart(task) - accuracy


def weight_apart(task: Task) -> float:
    """Of what is set apart, in a balanced accuracy; 0 where nothing is."""
    apart = task.is_apart(np.arange(len(task.categories)))
    return float(task.category_weights()[apart].sum())
