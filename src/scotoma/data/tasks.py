"""Which class has an image, for a given question? Tasks name categories, the rest of the group is 'other'."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scotoma.errors import InputError


@dataclass(frozen=True)
class Task:
    """(N+1)-way classification: class 0 is 'other', class i + 1 is `names[i]`; binary for one name (section
    4.1).

    `categories` is the group: every category that takes part, in the order of the image table's labels.
    `apart` are those of 'other' that batches are not drawn from.
    """

    names: tuple[str, ...]
    categories: tuple[str, ...]
    apart: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known_names(self.names, self.categories, "task")
        known_names(self.apart, self.categories, f"apart from task {self}")
        if set(self.categories) <= {*self.names, *self.apart}:
            raise InputError(
                f"task {self}: all {len(self.categories)} categories are named, nothing is left for 'other'; "
                "name fewer categories"
            )

    def __str__(self) -> str:
        return "+".join(self.names)

    @property
    def classes(self) -> int:
        """Number of classes, 'other' included."""
        return len(self.names) + 1

    def classes_of(self, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Class of each image, from its category: (images,) -> (images,)."""
        lookup = np.array([self.names.index(c) + 1 if c in self.names else 0 for c in self.categories])
        classes: npt.NDArray[np.int64] = lookup[labels]
        return classes

    def drawn(self) -> list[npt.NDArray[np.int64]]:
        """Categories that batches are drawn from, for each class."""
        classes = self.classes_of(np.arange(len(self.categories)))
        classes[self.is_apart(np.arange(len(self.categories)))] = -1
        return [np.flatnonzero(classes == index) for index in range(self.classes)]

    def is_apart(self, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Whether each image is of a category that is set apart: (images,) -> (images,)."""
        found: npt.NDArray[np.bool_] = np.isin(self.categories, self.apart)[labels]
        return found

    def category_weights(self) -> npt.NDArray[np.float64]:
        """Weight of each category in a balanced accuracy: classes count alike, and so do categories within
        'other'.
        """
        classes = self.classes_of(np.arange(len(self.categories)))
        weights: npt.NDArray[np.float64] = 1.0 / (self.classes * np.bincount(classes)[classes])
        return weights


def known_names(names: Sequence[str], categories: Sequence[str], where: str) -> None:
    """Check that every name is a category.

    Raises:
        InputError: names all unknown ones, each with the nearest category.
    """
    problems = []
    for name in names:
        if name not in categories:
            nearest = difflib.get_close_matches(name, categories, n=1, cutoff=0.0)
            problems.append(f"{name!r} is no category of these images; the nearest is {nearest[0]!r}")
    repeated = sorted({name for name in names if list(names).count(name) > 1})
    problems += [f"{name!r} is named twice" for name in repeated]
    if problems:
        raise InputError(
            f"{where}: " + "; ".join(problems) + f". The categories are: {', '.join(categories)}"
        )


def training_tasks(
    hide: Sequence[str], keep: Sequence[str], categories: tuple[str, ...], *, kept_apart: bool = False
) -> tuple[list[Task], list[Task]]:
    """Heads of adversarial training: a binary head for each hidden category, and one (N+1)-way head for N
    kept ones. With `kept_apart` the hidden heads are set against categories that are not kept.

    Raises:
        InputError: nothing to hide, an unknown name, or one that is both hidden and kept.
    """
    if not hide:
        raise InputError("nothing to hide was named; name at least one category with --hide")
    both = sorted(set(hide) & set(keep))
    if both:
        raise InputError(f"both hidden and kept: {', '.join(both)}; a category can be only one of them")
    known_names(hide, categories, "hide")
    known_names(keep, categories, "keep")
    if len(hide) == 1 and len(keep) + 1 == len(categories):
        raise InputError(
            f"every category but {hide[0]} is kept: what is none of them is {hide[0]}, which cannot be "
            "hidden then; keep fewer categories, or add one that is neither hidden nor kept"
        )
    apart = tuple(keep) if kept_apart else ()
    hidden = [Task((name,), categories, apart) for name in hide]
    return hidden, [Task(tuple(keep), categories)] if keep else []
