"""Which class has an image, for a given question?

Tasks on categories name some, the rest of the group is 'other'. Tasks on an attribute of a table have its
values for classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from scotoma.data.table import CATEGORY, MISSING, Attribute, ImageTable
from scotoma.errors import InputError
from scotoma.runs.settings import closest

# Images a value from which on it is no chance that all of a value are of one class.
ENOUGH = 10


@dataclass(frozen=True)
class Task:
    """(N+1)-way classification: class 0 is 'other', class i + 1 is `names[i]`; binary for one name (section
    4.1).

    `categories` is the group: every category that takes part, in the order of the image table's labels.
    `apart` are those of 'other' that batches are not drawn from. `attribute` is the one that is asked for: of
    a table's attributes the first value is 'other', and the categories are its values.
    """

    names: tuple[str, ...]
    categories: tuple[str, ...]
    apart: tuple[str, ...] = ()
    attribute: str = CATEGORY

    def __post_init__(self) -> None:
        known_names(self.names, self.categories, "task")
        known_names(self.apart, self.categories, f"apart from task {self}")
        if set(self.categories) <= {*self.names, *self.apart}:
            raise InputError(
                f"task {self}: all {len(self.categories)} categories are named, nothing is left for 'other'; "
                "name fewer categories"
            )

    def __str__(self) -> str:
        return "+".join(self.names) if self.attribute == CATEGORY else self.attribute

    @property
    def classes(self) -> int:
        """Number of classes, 'other' included."""
        return len(self.names) + 1

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called."""
        return ("other", *self.names) if self.attribute == CATEGORY else self.categories

    def labels_in(self, table: ImageTable) -> npt.NDArray[np.int64]:
        """The category of each image of a table, int64 (images,), or `MISSING`."""
        return table.attributes[self.attribute].labels

    def classes_of(self, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Class of each image, from its category: (images,) -> (images,). A missing label stays one."""
        of_category = [self.names.index(c) + 1 if c in self.names else 0 for c in self.categories]
        lookup = np.array([*of_category, MISSING])  # MISSING is -1, the last place
        classes: npt.NDArray[np.int64] = lookup[labels]
        return classes

    def drawn(self) -> list[npt.NDArray[np.int64]]:
        """Categories that batches are drawn from, for each class."""
        classes = self.classes_of(np.arange(len(self.categories)))
        classes[self.is_apart(np.arange(len(self.categories)))] = -1
        return [np.flatnonzero(classes == index) for index in range(self.classes)]

    def is_apart(self, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Whether each image is of a category that is set apart: (images,) -> (images,)."""
        found: npt.NDArray[np.bool_] = np.isin([*self.categories, ""], self.apart)[labels]
        return found

    def category_weights(self) -> npt.NDArray[np.float64]:
        """Weight of each category in a balanced accuracy: classes count alike, and so do categories within
        'other'.
        """
        classes = self.classes_of(np.arange(len(self.categories)))
        weights: npt.NDArray[np.float64] = 1.0 / (self.classes * np.bincount(classes)[classes])
        return weights


def known_names(names: Sequence[str], categories: Sequence[str], where: str, noun: str = "category") -> None:
    """Check that every name is a category.

    Raises:
        InputError: names all unknown ones, each with the nearest category.
    """
    problems = []
    for name in names:
        if name not in categories:
            nearest = closest(name, categories, 0.0)
            problems.append(f"{name!r} is no {noun} of these images; the nearest is {nearest!r}")
    repeated = sorted({name for name in names if list(names).count(name) > 1})
    problems += [f"{name!r} is named twice" for name in repeated]
    plural = "categories" if noun == "category" else f"{noun}s"
    if problems:
        commas = ". On the command line a name with a comma stands in double quotes, as in '\"a,b\",c'"
        raise InputError(
            f"{where}: {'; '.join(problems)}. The {plural} are: {', '.join(categories)}"
            + (commas if any("," in each for each in categories) else "")
        )


def attack_tasks(names: Sequence[str], attributes: Mapping[str, Attribute]) -> list[Task]:
    """A task for each name: a category against all others, or an attribute.

    Raises:
        InputError: unknown names, all at once.
    """
    if CATEGORY not in attributes:
        known_names(names, tuple(attributes), "tasks", "attribute")
        return [_attribute_task(name, attributes) for name in names]
    categories = attributes[CATEGORY].values
    known_names(names, categories, "tasks")
    return [Task((name,), categories) for name in names]


def _attribute_task(name: str, attributes: Mapping[str, Attribute]) -> Task:
    values = attributes[name].values
    return Task(values[1:], values, attribute=name)


def kept_tasks(keep: Sequence[str], attributes: Mapping[str, Attribute]) -> list[Task]:
    """The tasks that are kept: one (N+1)-way task for N categories, or one for each attribute of a table."""
    if CATEGORY not in attributes:
        return [_attribute_task(name, attributes) for name in keep]
    return [Task(tuple(keep), attributes[CATEGORY].values)] if keep else []


def training_tasks(
    hide: Sequence[str],
    keep: Sequence[str],
    attributes: Mapping[str, Attribute],
    *,
    kept_apart: bool = False,
) -> tuple[list[Task], list[Task]]:
    """Heads of adversarial training: a binary head for each hidden category, and one (N+1)-way head for N
    kept ones. With `kept_apart` the hidden heads are set against categories that are not kept. Of a table's
    attributes each has a head of its own.

    Raises:
        InputError: nothing to hide, an unknown name, or one that is both hidden and kept.
    """
    if not hide:
        raise InputError("nothing to hide was named; name at least one category with --hide")
    require_hidden_or_kept(hide, keep, attributes)
    if CATEGORY not in attributes:
        return [_attribute_task(name, attributes) for name in hide], kept_tasks(keep, attributes)
    categories = attributes[CATEGORY].values
    if len(hide) == 1 and len(keep) + 1 == len(categories):
        raise InputError(
            f"every category but {hide[0]} is kept: what is none of them is {hide[0]}, which cannot be "
            "hidden then; keep fewer categories, or add one that is neither hidden nor kept"
        )
    apart = tuple(keep) if kept_apart else ()
    hidden = [Task((name,), categories, apart) for name in hide]
    return hidden, kept_tasks(keep, attributes)


def require_hidden_or_kept(
    hide: Sequence[str], keep: Sequence[str], attributes: Mapping[str, Attribute]
) -> None:
    """Check that what is to be hidden and what is to be kept are there, and not the same.

    Raises:
        InputError: a name that is both, an unknown one, or two names of one and the same.
    """
    if both := sorted(set(hide) & set(keep)):
        raise InputError(f"both hidden and kept: {', '.join(both)}; a category can be only one of them")
    if CATEGORY in attributes:
        _all_known(hide, keep, attributes[CATEGORY].values, "category")
    else:
        _all_known(hide, keep, tuple(attributes), "attribute")
        _require_different(hide, keep, attributes)


def _all_known(hide: Sequence[str], keep: Sequence[str], names: Sequence[str], noun: str) -> None:
    problems = []
    for named, where in ((hide, "hide"), (keep, "keep")):
        try:
            known_names(named, names, where, noun)
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(problems))


def _require_different(hide: Sequence[str], keep: Sequence[str], attributes: Mapping[str, Attribute]) -> None:
    """Check that no kept attribute tells a hidden one of every image, under whatever name, and that none is
    named twice.
    """
    problems = []
    for hidden, kept in product(hide, keep):
        there, told = attributes[hidden], attributes[kept]
        if not _tells(told, there):
            continue
        if _tells(there, told):
            problems.append(f"{kept} says the same of every image as {hidden}: what is kept cannot be hidden")
        elif (told.labels != MISSING).sum() >= ENOUGH * len(told.values):
            problems.append(f"{kept} tells {hidden} of every image: what is kept cannot be hidden")
    for first, second in (*combinations(hide, 2), *combinations(keep, 2)):
        if _tells(attributes[first], attributes[second]) and _tells(attributes[second], attributes[first]):
            problems.append(f"{second} says the same of every image as {first}: name one of them")
    if problems:
        raise InputError("\n".join(problems))


def _tells(first: Attribute, second: Attribute) -> bool:
    """Whether each value of the first goes with one of the second, wherever both are known."""
    known = (first.labels != MISSING) & (second.labels != MISSING)
    pairs = np.unique(np.column_stack([first.labels[known], second.labels[known]]), axis=0)
    told, there = (len(np.unique(column)) for column in pairs.T)
    # Every value of both occurs, those of the first in one pair each.
    return told == len(pairs) == len(first.values) and there == len(second.values)
