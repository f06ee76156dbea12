"""Are these images fit to train on, and how would they be divided?

`scotoma check` prints a `Survey`. It decodes every image once and keeps none; unlike opening, it does not
stop at images that cannot be read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from scotoma.data.attributes import ColumnSummary
from scotoma.data.catalogue import Catalogue
from scotoma.data.decoding import UnreadableImage, decode_image, fit_square, pixel_key
from scotoma.data.images import Labelling, answers, find_asked, read_arrays, with_sides
from scotoma.data.near_duplicates import Look, looks_of, near_duplicates_of
from scotoma.data.photos import Unreadable
from scotoma.data.splits import PARTS, Fractions, SplitRecipe, divide
from scotoma.data.table import Attribute, ImageTable, by_category
from scotoma.data.units import components
from scotoma.errors import InputError
from scotoma.runs.progress import Progress
from scotoma.runs.threads import in_threads

# Sides of the square in which images are looked at for near duplicates, and the smallest that are.
LOOKED_AT = 64

Groups = tuple[tuple[str, ...], ...]
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
    near: groups of images that are nearly the same (all used), and `parted` those of them that the division
    puts on several sides; None where that was not looked for, as images are too small.
    columns: what is in each column of a table. notes: how the table was read. asked: attributes that were
    asked for, with how they were read.
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
    duplicates: Groups
    conflicts: Groups
    near: Groups | None
    parted: Groups
    without_images: tuple[str, ...]
    ignored: tuple[tuple[str, int], ...]
    digest: str
    columns: tuple[ColumnSummary, ...] = ()
    notes: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()

    def empty_parts(self) -> list[tuple[str, str]]:
        """Every (category, part) without images, reserve aside: the category cannot be hidden or kept."""
        needed = [part for part in PARTS if part != "reserve"]
        return [(one.name, part) for one in self.categories for part in needed if getattr(one, part) == 0]


@dataclass(frozen=True)
class _Image:
    """What the survey keeps of one image; `key` is empty where it cannot be read, and there is no `look`
    where the image is too small for one and nobody asked for it.
    """

    name: str
    label: int
    key: str = ""
    height: int = 0
    width: int = 0
    gray: bool = False
    reason: str = ""
    look: Look | None = None


def survey(
    source: str | Path,
    seed: int = 0,
    progress: Progress | None = None,
    categories: Sequence[str] | None = None,
    fractions: Fractions | None = None,
    labelling: Labelling | None = None,
) -> Survey:
    """Look at every image of a source, or of some of its categories.

    Args:
        source: as `open_images` takes it.
        seed: of the division.
        progress: is shown images.
        categories: those that take part; default: all.
        fractions: of the division; default: `Fractions()`.
        labelling: how a table is read, what is asked of it, and what stays on one side.

    Raises:
        InputError: what `find_images` raises; a category, column or attribute that is not there, parts that
            overlap. Unreadable files are no error here.
    """
    asked = labelling or Labelling()
    everything, said = find_asked(source, asked, categories)
    catalogue = everything
    if asked.attributes and everything.table is None:
        raise InputError(
            f"--attributes: {source} is no table of attributes; the images of its categories are counted "
            "without being asked for."
        )
    if catalogue.kind in ("embedded", "idx"):
        pixels, labels, names = read_arrays(catalogue, categories)
        height, width = pixels.shape[1:]
        looks: Sequence[Look | None] = [None] * len(pixels)
        if asked.sides.near_duplicates:
            looks = looks_of([fit_square(image[:, :, None], LOOKED_AT, 1) for image in pixels])
        images = [
            _Image(f"image {row}", label, pixel_key(image[:, :, None]), height, width, gray=True, look=look)
            for row, (label, image, look) in enumerate(zip(labels.tolist(), pixels, looks, strict=True))
        ]
    else:
        catalogue = catalogue if categories is None else catalogue.restricted_to(categories)
        smallest = 1 if asked.sides.near_duplicates else LOOKED_AT
        images, names = _look_at_files(catalogue, smallest, progress), catalogue.categories
    return _sum_up(everything, said, SplitRecipe(seed, fractions or Fractions()), asked, images, names)


def _look_at_files(catalogue: Catalogue, smallest: int, progress: Progress | None) -> list[_Image]:
    """All images; those whose shorter side has so many pixels are looked at for near duplicates."""
    assert catalogue.root is not None
    root, labels = catalogue.root, catalogue.labels.tolist()

    def look_at(row: int) -> tuple[_Image, Pixels | None]:
        """What is kept of a file but its look, and the square that this is taken of."""
        name, label = catalogue.files[row], labels[row]
        try:
            pixels = decode_image(root / name)
        except UnreadableImage as error:
            return _Image(name, label, reason=str(error)), None
        height, width = pixels.shape[:2]
        square = fit_square(pixels, LOOKED_AT, 1) if min(height, width) >= smallest else None
        return _Image(name, label, pixel_key(pixels), height, width, is_gray(pixels)), square

    def look_at_some(rows: range) -> list[_Image]:
        found = [look_at(row) for row in rows]
        seen = iter(looks_of([square for _, square in found if square is not None]))
        return [image if square is None else replace(image, look=next(seen)) for image, square in found]

    lists = in_threads(look_at_some, len(catalogue.files), "looking at images", progress)
    return [image for images in lists for image in images]


def is_gray(pixels: Pixels) -> bool:
    """Whether all channels of (height, width, channels) are equal everywhere."""
    # Some of them tell of most images that they are not.
    return all(bool((some == some[:, :, :1]).all()) for some in (pixels[::16, ::16], pixels))


def _sum_up(
    catalogue: Catalogue,
    said: Mapping[str, Attribute],
    recipe: SplitRecipe,
    asked: Labelling,
    images: list[_Image],
    names: tuple[str, ...],
) -> Survey:
    readable = [image for image in images if image.key]
    bad = [image for image in images if not image.key]
    unreadable = tuple(Unreadable(catalogue.called(image.name), image.reason) for image in bad)
    groups: dict[str, list[_Image]] = {}
    for image in readable:
        groups.setdefault(image.key, []).append(image)
    mixed = {key for key, group in groups.items() if len({image.label for image in group}) > 1}
    used = np.array([bool(image.key) and image.key not in mixed for image in images], bool)
    taken = [image for image, is_used in zip(images, used, strict=True) if is_used]
    pairs = _near(taken)
    table = with_sides(
        _table(catalogue, said, images, used, names),
        asked,
        [image.name for image in taken],
        catalogue,
        lambda: np.empty((0, 2), np.int64) if pairs is None else pairs,
    )
    part = _parts(table, recipe)
    near = None if pairs is None else _connected(pairs, len(taken))
    parted = [rows for rows in near or () if len(set(part[rows].tolist())) > 1]
    return Survey(
        source=catalogue.source,
        seed=recipe.seed,
        images=len(readable),
        categories=_count(table, part, images, names),
        width=_spread([image.width for image in readable]),
        height=_spread([image.height for image in readable]),
        gray=sum(image.gray for image in readable) / max(1, len(readable)),
        unreadable=unreadable,
        duplicates=_names(group for key, group in groups.items() if len(group) > 1 and key not in mixed),
        conflicts=_names(groups[key] for key in groups if key in mixed),
        near=None if near is None else _names([taken[row] for row in rows] for rows in near),
        parted=_names([taken[row] for row in rows] for rows in parted),
        without_images=catalogue.without_images,
        ignored=catalogue.ignored,
        digest="" if unreadable else table.digest(),
        columns=tuple(catalogue.table.describe()) if catalogue.table else (),
        notes=catalogue.table.notes if catalogue.table else (),
        asked=tuple(f"{name}: {each.about}" for name, each in table.attributes.items() if each.about),
    )


def _table(
    catalogue: Catalogue,
    said: Mapping[str, Attribute],
    images: list[_Image],
    used: npt.NDArray[np.bool_],
    names: tuple[str, ...],
) -> ImageTable:
    """What training would open, but for the pixels."""
    keys = np.array([image.key for image, is_used in zip(images, used, strict=True) if is_used], "<U32")
    if catalogue.table is None:
        attributes = by_category(names, np.array([image.label for image in images], np.int64)[used])
    else:
        attributes = {name: answers(each, used, keys) for name, each in said.items()}
    return ImageTable(np.empty((len(keys), 0, 0, 0), np.uint8), keys, attributes, catalogue.source)


def _near(images: list[_Image]) -> npt.NDArray[np.int64] | None:
    """Pairs of images that are nearly the same, or None where most are too small to say so."""
    looked = [row for row, image in enumerate(images) if image.look is not None]
    if 2 * len(looked) <= len(images):
        return None
    looks = [image.look for image in images if image.look is not None]
    found = near_duplicates_of(looks)
    # Equal ones are told of as such.
    differ = [images[looked[a]].key != images[looked[b]].key for a, b in found]
    pairs: npt.NDArray[np.int64] = np.array(looked, np.int64)[found[np.array(differ, bool)]]
    return pairs


def _connected(pairs: npt.NDArray[np.int64], images: int) -> list[list[int]]:
    """Rows of the images that pairs connect."""
    numbers = components(images, pairs)
    groups: dict[int, list[int]] = {}
    for row in np.unique(pairs).tolist():
        groups.setdefault(numbers[row], []).append(row)
    return list(groups.values())


def _parts(table: ImageTable, recipe: SplitRecipe) -> npt.NDArray[np.int64]:
    """The number of each image's part."""
    part = np.empty(len(table), np.int64)
    for number, rows in enumerate(vars(divide(table, recipe)).values()):
        part[rows] = number
    return part


def _count(
    table: ImageTable, part: npt.NDArray[np.int64], images: list[_Image], names: tuple[str, ...]
) -> tuple[CategorySurvey, ...]:
    """A line for each category; of a table one for all images and one for each class that was asked for."""
    everything = np.ones(len(table), bool)
    lost = [image.label for image in images if not image.key]
    if names:
        wanted = [(name, table.labels == number, lost.count(number)) for number, name in enumerate(names)]
    else:
        wanted = [("all images", everything, len(lost))]
        for name, attribute in table.attributes.items():
            for number, value in enumerate(attribute.values):
                shown = value if name in value else f"{name}: {value}"
                wanted.append((shown, attribute.labels == number, 0))
    return tuple(
        CategorySurvey(
            name,
            images=int(those.sum()),
            unreadable=unreadable,
            **{each: int((part[those] == number).sum()) for number, each in enumerate(PARTS)},
        )
        for name, those, unreadable in wanted
    )


def _names(groups: Iterable[list[_Image]]) -> Groups:
    return tuple(sorted(tuple(image.name for image in group) for group in groups))


def _spread(lengths: list[int]) -> Spread:
    return Spread(min(lengths), float(median(lengths)), max(lengths)) if lengths else Spread(0, 0.0, 0)
