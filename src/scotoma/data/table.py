"""Which images are there, what do they show, and how is each told from every other?

An `ImageTable` is what every source of images becomes: pixels of one size, attributes for each image (folders
give one, the category), and a key made of the image's own content, by which splits, predictions and reports
name it.
"""

import difflib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scotoma.errors import InputError

# The attribute of images that lie in category folders: no column of a table is without a name.
CATEGORY = ""
# The label of an image of which an attribute is not known.
MISSING = -1
AT_ONCE = 4096  # rows


@dataclass(frozen=True, eq=False)
class Attribute:
    """One question about every image, and its answers.

    values: names of the classes; of a binary attribute the second is what was asked for.
    labels: int64 (images,), an index into `values`, or `MISSING` where it is not known.
    about: one line for print on how a column was read: "binary: 1 is yes, 0 is no; 12 missing".
    """

    values: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    about: str = ""


@dataclass(frozen=True)
class Sides:
    """What decides, beside an image itself, on which side of a split it stands.

    group_by: a column of the table whose values never stand on two sides (a person, a place, a video).
    near_duplicates: nearly equal images stay together.
    column: the one that gives each image its part. files: lists of files do.
    joined: some values of `group_by` are one unit, as they share an image; found, not asked for.
    """

    group_by: str | None = None
    near_duplicates: bool = False
    column: str | None = None
    files: bool = False
    joined: bool = False

    def recorded(self) -> dict[str, Any]:
        """As records of a run have it."""
        told = asdict(self)
        return told if self.joined else {name: each for name, each in told.items() if name != "joined"}


@dataclass(frozen=True, eq=False)
class ImageTable:
    """Images of one size with what is known of them, one row an image.

    pixels: uint8 (images, side, side, channels); a read-only memory map where the source is a folder.
    keys: `<U32` (images,), the `pixel_key` of the image as it was at the source, before any resizing.
    attributes: by name; images in category folders have one, `CATEGORY`.
    source: what the user named, the word `fashion-mnist`, a folder or a table.
    left_out: names of images that are not in the table because the same pixels stand in another category too.
    units: (images,), images of one unit never part in a split; None: those of equal pixels (`keys`).
    parts: int64 (images,), the part of the split that the user gave each image; None: none was given.
    sides: what units and parts were made from.
    skipped: files that could not be read and were left out, as the user had asked.
    notes: what a reader should know of how a table of attributes was read.
    """

    pixels: npt.NDArray[np.uint8]
    keys: npt.NDArray[np.str_]
    attributes: Mapping[str, Attribute]
    source: str
    left_out: tuple[str, ...] = ()
    units: npt.NDArray[np.str_] | None = None
    parts: npt.NDArray[np.int64] | None = None
    sides: Sides = field(default_factory=Sides)
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def categories(self) -> tuple[str, ...]:
        """The names of the categories, in alphabetical order; none where images have attributes instead."""
        return self.attributes[CATEGORY].values if CATEGORY in self.attributes else ()

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """int64 (images,), an index into `categories`."""
        return self.attributes[CATEGORY].labels

    def units_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.str_] | None:
        """Which of these images belong together, (rows,), for figures in which a unit counts once; None where
        each stands for itself.
        """
        if self.units is not None:
            return self.units[rows]
        keys = self.keys[rows]
        # Copies of an image are no further evidence.
        return keys if len(np.unique(keys)) < len(keys) else None

    def digest(self, names: Iterable[str] | None = None) -> str:
        """32 hex characters over key and attributes (default: all) of every image, in whatever order and
        size. Names that are no attribute count for the category.
        """
        wanted = sorted({name if name in self.attributes else CATEGORY for name in names or self.attributes})
        answers = [self.attributes[name] for name in wanted]
        columns = [((*each.values, ""), each.labels) for each in answers]  # the last stands for MISSING, -1
        if wanted == [CATEGORY]:
            return rows_digest(self.keys, columns)
        # Answers may hold blanks: of several columns nobody could say where one ends.
        return rows_digest(self.keys, columns, wanted, "\0")

    def images_digest(self) -> str:
        """32 hex characters over the key of every image, in whatever order: it tells nothing of labels."""
        return rows_digest(self.keys, [])

    def restricted_to(self, categories: Sequence[str]) -> "ImageTable":
        """The group of the images of these categories; the pixels are copied unless every image stays.

        Raises:
            InputError: a name that is not among the categories, a name twice, fewer than two names.
        """
        kept = require_categories(categories, self.categories, self.source)
        if kept == self.categories:
            return self
        number = np.full(len(self.categories), -1, dtype=np.int64)
        for new, name in enumerate(kept):
            number[self.categories.index(name)] = new
        rows = np.flatnonzero(number[self.labels] >= 0)
        return replace(
            self,
            pixels=self.pixels[rows],
            keys=self.keys[rows],
            attributes=by_category(kept, number[self.labels[rows]]),
            units=None if self.units is None else self.units[rows],
            parts=None if self.parts is None else self.parts[rows],
        )


def rows_digest(
    keys: npt.NDArray[np.str_],
    columns: Sequence[tuple[Sequence[str], npt.NDArray[np.int64]]],
    names: Sequence[str] = (),
    between: str = " ",
) -> str:
    """32 hex characters over the names of columns and the sorted rows of key and columns, a line each; some
    rows at a time, as there may be many.

    Args:
        keys: (rows,), ASCII.
        columns: of each the values that it may have, and the number (rows,) of each row's value.
        names: a first line, where there are any.
        between: what stands between the fields of a line.
    """
    values = [np.array(of_column) for of_column, _ in columns]
    ranks = [
        np.argsort(np.argsort(each))[numbers] for each, (_, numbers) in zip(values, columns, strict=True)
    ]
    order = np.lexsort([*reversed(ranks), keys.astype(np.bytes_)])
    digest = hashlib.blake2b("".join([between.join(names), "\n"] if names else []).encode(), digest_size=16)
    for start in range(0, len(order), AT_ONCE):
        rows = order[start : start + AT_ONCE]
        fields = [each[numbers[rows]].tolist() for each, (_, numbers) in zip(values, columns, strict=True)]
        lines = "\n".join(map(between.join, zip(keys[rows].tolist(), *fields, strict=True)))
        digest.update((lines if start == 0 else "\n" + lines).encode())
    return digest.hexdigest()


def by_category(categories: tuple[str, ...], labels: npt.NDArray[np.int64]) -> dict[str, Attribute]:
    """The attributes of images that have a category each and nothing else."""
    return {CATEGORY: Attribute(categories, labels)}


def require_categories(wanted: Sequence[str], available: Sequence[str], source: str) -> tuple[str, ...]:
    """The wanted category names in alphabetical order, once they are known to make up a group.

    Raises:
        InputError: a name that is not available (with the nearest that is), a name twice, fewer than two
            names.
    """
    problems = [_absent(name, available, source) for name in dict.fromkeys(wanted) if name not in available]
    problems += [f"The category {name!r} is named twice." for name in repeated(wanted)]
    if not problems and len(wanted) < 2:
        named = f"only {wanted[0]!r}" if wanted else "none"
        problems.append(f"A group needs at least two categories, and {named} was named.")
    if problems:
        raise InputError("\n".join(problems))
    return tuple(sorted(wanted))


def conflicting_rows(keys: Sequence[str], labels: npt.NDArray[np.int64]) -> list[int]:
    """Rows of images whose pixels (equal keys) stand in more than one category, ascending."""
    first: dict[str, int] = {}
    pairs = zip(keys, labels.tolist(), strict=True)
    mixed = {key for key, label in pairs if first.setdefault(key, label) != label}
    return [row for row, key in enumerate(keys) if key in mixed]


def repeated(names: Iterable[str]) -> list[str]:
    """The names that come more than once, in alphabetical order."""
    seen: set[str] = set()
    twice: set[str] = set()
    for name in names:
        (twice if name in seen else seen).add(name)
    return sorted(twice)


def _absent(name: str, available: Sequence[str], source: str) -> str:
    near = difflib.get_close_matches(name, available, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(sorted(available)[:20]) + (", ..." if len(available) > 20 else "")
    return f"There is no category {name!r} in {source}.{hint} There are: {shown}."
