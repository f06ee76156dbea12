"""What did an attacker say of every test image, and by how much do two differ on the same ones?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from scotoma.errors import InputError
from scotoma.runs.file_names import file_name
from scotoma.runs.run_folder import read_checked_json
from scotoma.verification.statistics import CONFIDENCE, Interval

Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ANSWERS_FORMAT = "scotoma-answers"
ANSWERS_VERSION = 1
WINNERS = "winners"
# Bytes. What an attacker says of every test image has some hundred bytes each.
MOST_ANSWERS = 1 << 30

_COLUMNS = ("key", "category", "class", "probability")


@dataclass(frozen=True, eq=False)
class Answers:
    """Which test images an attacker got right.

    keys, categories: (images,), what names the pixels of an image, and the category that it has.
    classes: (images,), the class of each in the task.
    right: (images,), which classes were told rightly.
    weights: (images,), those of balanced accuracy; they sum to 1.
    """

    keys: tuple[str, ...]
    categories: tuple[str, ...]
    classes: Labels
    right: Bools
    weights: Floats

    @property
    def accuracy(self) -> float:
        """Balanced accuracy."""
        return float(self.weights[self.right].sum())

    def only(self, rows: Sequence[int]) -> "Answers":
        """Some of the images, in this order, with the weights of a balanced accuracy on them."""
        categories = tuple(self.categories[row] for row in rows)
        classes = self.classes[list(rows)]
        keys = tuple(self.keys[row] for row in rows)
        return Answers(
            keys, categories, classes, self.right[list(rows)], balanced_weights(categories, classes)
        )


def winner_file(folder: Path, task: str) -> Path:
    """Where an audit keeps what the winner of a task says of every test image."""
    return folder / WINNERS / f"{file_name(task)}.json"


def read_answers(path: Path, task: str, attacker: str) -> Answers:
    """Read what the attacker that won a task says of every test image, as an audit writes it.

    Raises:
        InputError: the file is missing, broken, changed since it was written, of another version, or of
            another task or attacker.
    """
    content = read_checked_json(path, ANSWERS_FORMAT, ANSWERS_VERSION, MOST_ANSWERS)
    found = content.get("task"), content.get("attacker")
    if found != (task, attacker):
        raise InputError(
            f"{path} holds the answers of {found[1]} on {found[0]}, verdict.json tells of {attacker} on "
            f"{task}. Put the original back, or make the run anew."
        )
    return answers_of(content, str(path))


def answers_of(said: Mapping[str, Any], where: str) -> Answers:
    """The answers in a table of what an attacker says: "key", "category", "class" and "probability" of every
    image, which are the probabilities of all classes but the first.

    Raises:
        InputError: `where` lacks a column, or they do not fit each other.
    """
    try:
        classes = np.array(said["class"], np.int64)
        others = np.array(said["probability"], np.float64).reshape(len(classes), -1)
        keys, categories = tuple(map(str, said["key"])), tuple(map(str, said["category"]))
        fits = len(keys) == len(categories) == len(classes) > 0 and bool(classes.min() >= 0)
        fits = fits and others.shape[1] >= max(1, classes.max())
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise InputError(
            f"{where} does not hold the answers of an attacker: for every image {', '.join(_COLUMNS)} are "
            "needed. Make the run anew."
        )
    probabilities = np.column_stack([1 - others.sum(axis=1), others])
    right = probabilities.argmax(axis=1) == classes
    return Answers(keys, categories, classes, right, balanced_weights(categories, classes))


def balanced_weights(categories: Sequence[str], classes: Labels) -> Floats:
    """Weight of each image (images,): classes count alike, and so do categories within a class; the sum is
    1.
    """
    names, category = np.unique(np.array(categories, np.str_), return_inverse=True)
    of_category = np.zeros(len(names), np.int64)
    of_category[category] = classes
    in_class = np.bincount(of_category)
    alone = 1.0 / (in_class[of_category] * np.bincount(category))
    weights: Floats = alone[category] / alone[category].sum()
    return weights


def paired_error(first: Answers, second: Answers) -> float | None:
    """Standard error of the difference of two balanced accuracies on the same test images.

    Within every category c of n images, d = right - right' has a variance s**2; with the category's weight w
    the error is sqrt(sum of w**2 s**2 / n), which a bootstrap within categories tends to. None where the
    images differ.
    """
    if first.keys != second.keys:
        return None
    difference = first.right.astype(np.float64) - second.right
    total = 0.0
    categories = np.array(first.categories)
    for category in np.unique(categories):
        of_category = categories == category
        weight = first.weights[of_category].sum()
        total += float(weight**2 * difference[of_category].var() / of_category.sum())
    return math.sqrt(total)


def paired_difference(first: Answers, second: Answers, confidence: float = CONFIDENCE) -> Interval:
    """Balanced accuracy of the second less that of the first, with the normal interval of `paired_error`.

    Raises:
        ValueError: they are answers on different images.
    """
    error = paired_error(first, second)
    if error is None:
        raise ValueError("answers on different images cannot be paired")
    half = float(ndtri((1 + confidence) / 2)) * error
    estimate = second.accuracy - first.accuracy
    return Interval(estimate, max(estimate - half, -1.0), min(estimate + half, 1.0))
