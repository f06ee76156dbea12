"""What did an attacker say of every test image, and by how much do two differ on the same ones?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from scotoma.data.table import ImageTable
from scotoma.data.tasks import Task
from scotoma.data.units import components
from scotoma.errors import InputError
from scotoma.runs.file_names import file_name
from scotoma.runs.whole_files import read_checked_json
from scotoma.verification.statistics import CONFIDENCE, Interval
from scotoma.verification.strata import Bools, Floats, Labels, Strata

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
    units: (images,), numbers of what belongs together; None: each image is its own.
    """

    keys: tuple[str, ...]
    categories: tuple[str, ...]
    classes: Labels
    right: Bools
    weights: Floats
    units: Labels | None = None

    @property
    def accuracy(self) -> float:
        """Balanced accuracy."""
        return float(self.weights[self.right].sum())

    def only(self, rows: Sequence[int]) -> "Answers":
        """Some of the images, in this order, with the weights of a balanced accuracy on them."""
        categories = tuple(self.categories[row] for row in rows)
        classes = self.classes[list(rows)]
        keys = tuple(self.keys[row] for row in rows)
        units = None if self.units is None else self.units[list(rows)]
        weights = balanced_weights(categories, classes)
        return Answers(keys, categories, classes, self.right[list(rows)], weights, units)


def columns(table: ImageTable, rows: Labels, task: Task, probabilities: Floats) -> dict[str, list[Any]]:
    """What an attacker says of the images `rows` of a table, as `answers_of` reads it.

    Units are numbers that mean nothing elsewhere: their names are hashes of those of persons or places, which
    could be guessed.

    Args:
        table: the images.
        rows: those of which the label is known, (rows,).
        task: what was asked.
        probabilities: (rows, classes).
    """
    labels = task.labels_in(table)[rows]
    said = {
        "key": table.keys[rows].tolist(),
        "category": [task.categories[label] for label in labels],
        "class": task.classes_of(labels).tolist(),
        "probability": probabilities[:, 1:].round(6).tolist(),
    }
    if (units := table.units_of(rows)) is not None:
        _, first, unit = np.unique(units, return_index=True, return_inverse=True)
        said["unit"] = first.argsort().argsort()[unit].tolist()  # in the order of their first images
    return said


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
    image, which are the probabilities of all classes but the first; and "unit" where some belong together.

    Raises:
        InputError: `where` lacks a column, or they do not fit each other.
    """
    try:
        classes = np.array(said["class"], np.int64)
        others = np.array(said["probability"], np.float64).reshape(len(classes), -1)
        keys, categories = tuple(map(str, said["key"])), tuple(map(str, said["category"]))
        fits = len(keys) == len(categories) == len(classes) > 0 and bool(classes.min() >= 0)
        fits = fits and others.shape[1] >= max(1, classes.max())
        units = np.array(said["unit"], np.int64) if "unit" in said else None
        fits = fits and (units is None or units.shape == classes.shape)
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise InputError(
            f"{where} does not hold the answers of an attacker: for every image {', '.join(_COLUMNS)} are "
            "needed. Make the run anew."
        )
    probabilities = np.column_stack([1 - others.sum(axis=1), others])
    right = probabilities.argmax(axis=1) == classes
    return Answers(keys, categories, classes, right, balanced_weights(categories, classes), units)


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
    the error is sqrt(sum of w**2 s**2 e / n). (A bootstrap within categories would divide by n once more
    where s**2 divides by n - 1, and see no error at all in a category of one image.) e is 1, or the design
    effect of images that belong together (`Strata`). None where the images differ.
    """
    if first.keys != second.keys:
        return None
    return _paired(first, second)[0]


def paired_difference(first: Answers, second: Answers, confidence: float = CONFIDENCE) -> Interval:
    """Balanced accuracy of the second less that of the first, with the normal interval of `paired_error`, or
    Student's where images belong together.

    Raises:
        ValueError: they are answers on different images.
    """
    if first.keys != second.keys:
        raise ValueError("answers on different images cannot be paired")
    error, freedom = _paired(first, second)
    half = float(stdtrit(freedom, (1 + confidence) / 2)) * error
    estimate = second.accuracy - first.accuracy
    return Interval(estimate, max(estimate - half, -1.0), min(estimate + half, 1.0))


def _paired(first: Answers, second: Answers) -> tuple[float, float]:
    """The standard error of the difference and its degrees of freedom."""
    difference = first.right.astype(np.float64) - second.right
    _, category = np.unique(np.array(first.categories, np.str_), return_inverse=True)
    weights = np.bincount(category, first.weights).astype(np.float64)
    strata = Strata.of(category, weights, common_units(first, second))
    return strata.error_of(difference)


def common_units(first: Answers, second: Answers) -> Labels | None:
    """What belongs together in the one or the other, of answers on the same images: numbers (images,)."""
    found = [each.units for each in (first, second) if each.units is not None]
    if not found:
        return None
    links = []
    for units in found:
        _, row, unit = np.unique(units, return_index=True, return_inverse=True)
        links.append(np.column_stack([row[unit], np.arange(len(units))]))
    return np.array(components(len(first.keys), np.concatenate(links)))
