"""Which images make batch t? A pure function of (seed, t), so that a resumed run sees what an uninterrupted
one saw.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor, from_numpy

from scotoma.data.augmentation import Preprocessing, random_crop
from scotoma.data.table import CATEGORY, ImageTable
from scotoma.data.tasks import Task
from scotoma.errors import InputError

Rows = npt.NDArray[np.int64]


def generator(seed: int, batch: int) -> np.random.Generator:
    """The random numbers of batch number `batch`: independent of every other batch and of what was drawn
    before.
    """
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, batch]))


def require_every_class(table: ImageTable, tasks: Sequence[Task], parts: Mapping[str, Rows]) -> None:
    """Check that every category, or value of an attribute, occurs in every part; else a figure would mean
    nothing.

    Args:
        table: the images.
        tasks: those whose attributes are looked at.
        parts: rows of the table, by the name of the part of the split.

    Raises:
        InputError: names every part and what it lacks.
    """
    attributes = {task.attribute: task for task in tasks}
    problems = []
    for part, rows in parts.items():
        for task in attributes.values():
            there = set(task.labels_in(table)[rows].tolist())
            # A value alone, "2", would not say of which attribute.
            of = "" if CATEGORY in attributes else f"{task.attribute}: "
            missing = [
                name if task.attribute in name else f"{of}{name}"
                for index, name in enumerate(task.categories)
                if index not in there
            ]
            if missing:
                problems.append(f"the {part} part has no image of {', '.join(missing)}")
    if problems:
        what = "categories" if CATEGORY in attributes else "attributes"
        raise InputError("too few images: " + "; ".join(problems) + f". Add images, or leave {what} out")


class BalancedRows:
    """Draws rows of an image table such that classes are equally frequent, and categories within a class too.

    Raises:
        InputError: a category has no image among `rows`.
    """

    def __init__(self, labels: Rows, rows: Rows, task: Task) -> None:
        self.task = task
        of_category = [rows[labels[rows] == index] for index in range(len(task.categories))]
        empty = [name for name, found in zip(task.categories, of_category, strict=True) if not len(found)]
        if empty:
            raise InputError(
                f"too few images: of {len(rows):,} to train on there is none of {', '.join(empty)}. Add "
                "images, or leave out what has so few"
            )
        self._counts = np.array([len(found) for found in of_category])
        self._starts = np.concatenate([[0], np.cumsum(self._counts)[:-1]])
        self._rows = np.concatenate(of_category)
        self._categories_of_class = task.drawn()

    def draw(self, count: int, random: np.random.Generator) -> tuple[Rows, npt.NDArray[np.int64]]:
        """`count` rows and their classes; class sizes differ by at most one, and the larger ones change by
        chance.
        """
        classes = (np.arange(count) + random.integers(self.task.classes)) % self.task.classes
        categories = np.empty(count, dtype=np.int64)
        for index, among in enumerate(self._categories_of_class):
            drawn = classes == index
            categories[drawn] = among[random.integers(len(among), size=int(drawn.sum()))]
        within = (random.random(count) * self._counts[categories]).astype(np.int64)
        return self._rows[self._starts[categories] + within], classes


@dataclass(frozen=True)
class Batch:
    """One mini-batch for several heads, to be encoded in one forward pass so that all share its statistics.

    Head i owns the images `i * per_head` to `(i + 1) * per_head` of `images` (batch, channels, height,
    width); `labels[i]` (per_head,) are their classes. `seed` is for what else is drawn at random on its way.
    """

    images: Tensor
    labels: tuple[Tensor, ...]
    seed: int = 0

    def split(self, codes: Tensor) -> tuple[Tensor, ...]:
        """The heads' shares of something computed for the whole batch."""
        shares: tuple[Tensor, ...] = codes.split([len(labels) for labels in self.labels])
        return shares


class Batches:
    """Augmented training batches of several tasks over the same rows of an image table.

    Each task's share is balanced on its own: half a, half others for a, then half b, half others for b.
    Population statistics are those of this very mix.
    """

    def __init__(
        self,
        table: ImageTable,
        rows: Rows,
        tasks: Sequence[Task],
        per_task: int,
        preprocessing: Preprocessing,
        seed: int,
    ) -> None:
        self._pixels = table.pixels
        self._preprocessing = preprocessing
        self._per_task = per_task
        self._seed = seed
        self._shares = [BalancedRows(task.labels_in(table), rows, task) for task in tasks]

    def at(self, number: int) -> Batch:
        """Batch `number`, the same whenever it is asked for."""
        random = generator(self._seed, number)
        drawn = [share.draw(self._per_task, random) for share in self._shares]
        rows = np.concatenate([rows for rows, _ in drawn])
        draws = random.random((len(rows), 4), dtype=np.float32)
        images = random_crop(self._pixels[rows], self._preprocessing, draws)
        labels = tuple(from_numpy(classes) for _, classes in drawn)
        return Batch(images, labels, int(random.integers(2**63)))
