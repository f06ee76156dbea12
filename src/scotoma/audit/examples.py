"""What does an attacker get to see? Codes of some images, with what is known of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt

from scotoma.data.tasks import Task

Floats = npt.NDArray[np.float32]
Logits = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Encoded:
    """Codes of some images, fp32.

    centre: (images, ...), each image encoded as it is released; "..." is the shape of a code, whatever that
        is.
    views: (views, ...), images in random crops, encoded; none where nobody can make any. `rows` says which of
        these images are meant where they are not all: most of a code's memory is not copied for a choice.
    """

    centre: Floats
    views: Floats
    rows: Labels | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one code."""
        return self.centre.shape[1:]

    def flat(self) -> Floats:
        """The codes as they are released, (images, values)."""
        return self.centre.reshape(len(self.centre), -1)

    def view(self, number: int) -> Floats:
        """One view of every image, (images, ...)."""
        view: Floats = self.views[number]
        return view if self.rows is None else view[self.rows]

    def drawn(self, numbers: Labels, places: Labels) -> Floats:
        """A view each of some images, by its number and their places."""
        drawn: Floats = self.views[numbers, places if self.rows is None else self.rows[places]]
        return drawn

    def some(self, places: Labels) -> "Encoded":
        """Codes of some images, by their places."""
        return Encoded(self.centre[places], self.views, places if self.rows is None else self.rows[places])


@dataclass(frozen=True, eq=False)
class Examples:
    """Codes of images of which the label in a task is known.

    labels: (images,), the category of each; classes: (images,), its class in the task; weights: (images,),
    what each counts in a balanced accuracy. originals: (images, ...), the images themselves, brought to the
    shape of a code; None where they are not known or nobody asks for them.
    """

    codes: Encoded
    labels: Labels
    classes: Labels
    weights: npt.NDArray[np.float64]
    originals: Floats | None = None

    def __len__(self) -> int:
        return len(self.classes)

    def at_most(self, count: int) -> "Examples":
        """Some of the images, in order: of each class as many as there are or as fit, of each of its
        categories likewise, in equal steps. Each category weighs as much as it does in all; the mean weight
        is 1. Without views and originals.
        """
        rows = self.rows_at_most(count)
        labels, weights = self.labels[rows], self.weights[rows].astype(np.float64)
        for label in np.unique(labels):
            here = labels == label
            weights[here] *= self.weights[self.labels == label].sum() / weights[here].sum()
        # Where all fit nothing is copied: codes may be large.
        centre = self.codes.centre if len(rows) == len(self) else self.codes.centre[rows]
        codes = Encoded(centre, np.empty((0, *centre.shape), np.float32))
        return Examples(codes, labels, self.classes[rows], weights * len(rows) / weights.sum())

    def rows_at_most(self, count: int) -> Labels:
        """Which images `at_most` chooses, in order."""
        kinds, sizes = np.unique(self.classes, return_counts=True)
        chosen = []
        for kind, fit in zip(kinds, _fitting(sizes, count), strict=True):
            labels = np.where(self.classes == kind, self.labels, -1)
            categories, of_category = np.unique(labels[labels >= 0], return_counts=True)
            for category, number in zip(categories, _fitting(of_category, fit), strict=True):
                rows = np.flatnonzero(labels == category)
                chosen.append(rows[np.arange(number) * len(rows) // max(number, 1)])
        return np.sort(np.concatenate(chosen))


def _fitting(sizes: Labels, most: int) -> list[int]:
    """How many of each kind are taken, `most` in all: small kinds whole, of the others equally many."""
    taken = [0] * len(sizes)
    for rank, kind in enumerate(np.argsort(sizes, kind="stable").tolist()):
        taken[kind] = min(int(sizes[kind]), most // (len(sizes) - rank))
        most -= taken[kind]
    return taken


@dataclass(frozen=True)
class Occasion:
    """How one attack is run: the task, where its random choices come from, and whether to stop at once.

    A long attacker looks at `stop` now and then, as `go_on` does, and tells `progress` the share of its work
    that is done, from 0 to 1.
    """

    task: Task
    seed: int
    stop: Event = field(default_factory=Event)
    progress: Callable[[float], None] = lambda share: None

    def go_on(self) -> None:
        """Raise KeyboardInterrupt where all is to stop."""
        if self.stop.is_set():
            raise KeyboardInterrupt


@dataclass(frozen=True, eq=False)
class Learned:
    """An attacker that has learned.

    read: codes to logits (images, classes), not calibrated.
    rising: whether validation was still improving when its budget ended.
    also: other ways to read with what was learned, by name.
    details: what was chosen on the way (a rate, a number of neighbours, iterations), plain values.
    """

    read: Callable[[Encoded], Logits]
    rising: bool = False
    also: Mapping[str, Callable[[Encoded], Logits]] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


# An attacker learns from the first examples; by the second, one half of the validation images, it may stop
# early and choose its settings. It never sees any other image.
Learn = Callable[[Examples, Examples, Occasion], Learned]
