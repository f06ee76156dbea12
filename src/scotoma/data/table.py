"""Which images are there, what do they show, and how is each told from every other?

An `ImageTable` is what every source of images becomes: pixels of one size, a category for each image, and a
key made of the image's own content, by which splits, predictions and reports name it.
"""

import difflib
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scotoma.errors import InputError


@dataclass(frozen=True, eq=False)
class ImageTable:
    """Images of one size with their categories, one row an image.

    pixels: uint8 (images, side, side, channels); a read-only memory map where the source is a folder.
    labels: int64 (images,), an index into `categories`.
    keys: `<U32` (images,), the `pixel_key` of the image as it was at the source, before any resizing.
    categories: names in alphabetical order.
    source: what the user named, the word `fashion-mnist` or a folder.
    left_out: names of images that are not in the table because the same pixels stand in another category too.
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    keys: npt.NDArray[np.str_]
    categories: tuple[str, ...]
    source: str
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self) -> str:
        """32 hex characters over key and category of every image, in whatever order and size."""
        names = np.array(self.categories, dtype=np.str_)[self.labels] if len(self) else self.labels
        rows = sorted(f"{key} {name}" for key, name in zip(self.keys.tolist(), names.tolist(), strict=True))
        return hashlib.blake2b("\n".join(rows).encode(), digest_size=16).hexdigest()

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
        labels = number[self.labels[rows]]
        return ImageTable(self.pixels[rows], labels, self.keys[rows], kept, self.source, self.left_out)


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
