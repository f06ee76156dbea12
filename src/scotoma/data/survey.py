"""Are these images fit to train on, and how would they be divided?

`scotoma check` prints a `Survey`. It decodes every image once and keeps none; unlike opening, it does not
stop at images that cannot be read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from scotoma.data.catalogue import Catalogue, find_images
from scotoma.data.decoding import UnreadableImage, decode_image, pixel_key
from scotoma.data.images import read_arrays
from scotoma.data.photos import Unreadable, in_threads
from scotoma.data.splits import PARTS, Fractions, split
from scotoma.data.table import ImageTable, by_category
from scotoma.runs.progress import Progress

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class CategorySurvey:
    """How many images of a category would be used, in all and in each part, and how many cannot be read."""

    name: str
    images: int
    training: int
    reserve: int
    validation: int
    test: int
    unreadable: int = 0


@dataclass(frozen=True)
class Spread:
    """Smallest, middle and largest of a length in pixels; 0 where nothing could be read."""

    smallest: int
    median: float
    largest: int


@dataclass(frozen=True)
class Survey:
    """What a source holds.

    images: how many can be read. gray: share of them whose three channels are equal.
    unreadable: files that must be repaired or moved away before the source can be opened.
    duplicates: groups of images with the same pixels in one category (all used, always on the same side).
    conflicts: groups of images with the same pixels in different categories (none used).
    without_images: folders that hold none. ignored: other files, counted by extension.
    digest: as `ImageTable.digest` gives it; empty while there are unreadable files.
    """

    source: str
    seed: int
    images: int
    categories: tuple[CategorySurvey, ...]
    width: Spread
    height: Spread
    gray: float
    unreadable: tuple[Unreadable, ...]
    duplicates: tuple[tuple[str, ...], ...]
    conflicts: tuple[tuple[str, ...], ...]
    without_images: tuple[str, ...]
    ignored: tuple[tuple[str, int], ...]
    digest: str

    def empty_parts(self) -> list[tuple[str, str]]:
        """Every (category, part) without images, reserve aside: the category cannot be hidden or kept."""
        needed = [part for part in PARTS if part != "reserve"]
        return [(one.name, part) for one in self.categories for part in needed if getattr(one, part) == 0]


@dataclass(frozen=True)
class _Image:
    """What the survey keeps of one image; `key` is empty where it cannot be read."""

    name: str
    label: int
    key: str = ""
    height: int = 0
    width: int = 0
    gray: bool = False
    reason: str = ""


def survey(
    source: str | Path,
    seed: int = 0,
    progress: Progress | None = None,
    categories: Sequence[str] | None = None,
    fractions: Fractions | None = None,
) -> Survey:
    """Look at every image of a source, or of some of its categories.

    Raises:
        InputError: what `find_images` raises; a category that is not there. Unreadable files are no error
            here.
    """
    catalogue = find_images(source)
    if catalogue.kind == "folders":
        catalogue = catalogue if categories is None else catalogue.restricted_to(categories)
        return _sum_up(catalogue, seed, fractions, _look_at_files(catalogue, progress), catalogue.categories)
    pixels, labels, names = read_arrays(catalogue, categories)
    height, width = pixels.shape[1:]
    images = [
        _Image(f"image {row}", label, pixel_key(pixels[row, :, :, None]), height, width, gray=True)
        for row, label in enumerate(labels.tolist())
    ]
    return _sum_up(catalogue, seed, fractions, images, names)


def _look_at_files(catalogue: Catalogue, progress: Progress | None) -> list[_Image]:
    assert catalogue.root is not None
    root, labels = catalogue.root, catalogue.labels.tolist()

    def look(row: int) -> _Image:
        name, label = catalogue.files[row], labels[row]
        try:
            pixels = decode_image(root / name)
        except UnreadableImage as error:
            return _Image(name, label, reason=str(error))
        height, width = pixels.shape[:2]
        return _Image(name, label, pixel_key(pixels), height, width, is_gray(pixels))

    lists = in_threads(
        lambda rows: [look(row) for row in rows], len(catalogue.files), "looking at images", progress
    )
    return [image for images in lists for image in images]


def is_gray(pixels: Pixels) -> bool:
    """Whether all channels of (height, width, channels) are equal everywhere."""
    return bool((pixels == pixels[:, :, :1]).all())


def _sum_up(
    catalogue: Catalogue, seed: int, fractions: Fractions | None, images: list[_Image], names: tuple[str, ...]
) -> Survey:
    readable = [image for image in images if image.key]
    unreadable = tuple(Unreadable(image.name, image.reason) for image in images if not image.key)
    groups: dict[str, list[_Image]] = {}
    for image in readable:
        groups.setdefault(image.key, []).append(image)
    mixed = {key for key, group in groups.items() if len({image.label for image in group}) > 1}
    used = [image for image in readable if image.key not in mixed]
    lost = np.bincount([image.label for image in images if not image.key], minlength=len(names))
    return Survey(
        source=catalogue.source,
        seed=seed,
        images=len(readable),
        categories=_count(used, names, lost.tolist(), seed, fractions),
        width=_spread([image.width for image in readable]),
        height=_spread([image.height for image in readable]),
        gray=sum(image.gray for image in readable) / max(1, len(readable)),
        unreadable=unreadable,
        duplicates=_names(group for key, group in groups.items() if len(group) > 1 and key not in mixed),
        conflicts=_names(groups[key] for key in groups if key in mixed),
        without_images=catalogue.without_images,
        ignored=catalogue.ignored,
        digest="" if unreadable else _digest(used, names, catalogue.source),
    )


def _count(
    used: list[_Image], names: tuple[str, ...], lost: list[int], seed: int, fractions: Fractions | None
) -> tuple[CategorySurvey, ...]:
    labels = np.array([image.label for image in used], np.int64)
    parts = split([image.key for image in used], seed, fractions)
    counts = {
        part: np.bincount(labels[getattr(parts, part)], minlength=len(names)).tolist() for part in PARTS
    }
    return tuple(
        CategorySurvey(
            name,
            images=sum(counts[part][number] for part in PARTS),
            unreadable=lost[number],
            **{part: counts[part][number] for part in PARTS},
        )
        for number, name in enumerate(names)
    )


def _digest(used: list[_Image], names: tuple[str, ...], source: str) -> str:
    labels = np.array([image.label for image in used], np.int64)
    keys = np.array([image.key for image in used], "<U32")
    pixels = np.empty((len(used), 0, 0, 0), np.uint8)
    return ImageTable(pixels, keys, by_category(names, labels), source).digest()


def _names(groups: Iterable[list[_Image]]) -> tuple[tuple[str, ...], ...]:
    return tuple(sorted(tuple(image.name for image in group) for group in groups))


def _spread(lengths: list[int]) -> Spread:
    return Spread(min(lengths), float(median(lengths)), max(lengths)) if lengths else Spread(0, 0.0, 0)
