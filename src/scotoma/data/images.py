"""How does what the user named become one table of images, with labels and sides?

Folders of categories, IDX files, the embedded set and tables of attributes all end in an `ImageTable`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scotoma.data.attribute_table import AttributeTable, Reading
from scotoma.data.cache import Decoded, decoded
from scotoma.data.catalogue import Catalogue, find_images
from scotoma.data.decoding import fit_square, pixel_key, require_size
from scotoma.data.fashion import GARMENTS, embedded_set, read_idx_folder
from scotoma.data.photos import other_formats
from scotoma.data.splits import given_parts, parts_of_files
from scotoma.data.table import (
    MISSING,
    Attribute,
    ImageTable,
    Sides,
    by_category,
    conflicting_rows,
    require_categories,
)
from scotoma.errors import InputError
from scotoma.runs.progress import Progress
from scotoma.runs.threads import in_threads

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Labelling:
    """What is asked of images beside their size.

    attributes: questions to a table (see `AttributeTable.attribute`); what lies in category folders has its
    category only. reading: how the table is read. sides: what decides on which side of a split an image
    stands. split_files: a folder with lists of files (training.txt, validation.txt, test.txt, and, if wanted,
    reserve.txt), for `sides.files`. skip_unreadable: files that cannot be read are left out and named.
    """

    attributes: tuple[str, ...] = ()
    reading: Reading = field(default_factory=Reading)
    sides: Sides = field(default_factory=Sides)
    split_files: Path | None = None
    skip_unreadable: bool = False


def open_images(
    source: str | Path,
    side: int,
    channels: int,
    cache: Path | None = None,
    categories: Sequence[str] | None = None,
    progress: Progress | None = None,
    labelling: Labelling | None = None,
    before_decoding: Callable[[Mapping[str, Attribute]], object] | None = None,
) -> ImageTable:
    """Open the images of a source, or of some of its categories: `side` x `side` pixels, 1 or 3 channels.

    The shorter side is scaled (antialiased) to `side`, the centre taken. Images whose pixels stand in several
    of these categories are left out and named in `left_out`; equal images for which a table says different
    things lose the label in question. Files are decoded once and cached in `cache` (default:
    `default_cache()`); the embedded set and IDX files are read into memory. `before_decoding` is given what
    is known of the files before any is decoded, labels of all, so that it can refuse: names that are not
    there are told at once.

    Raises:
        InputError: the source, a category, an attribute, the size or an image file cannot be used; a category
            is left without images; parts of a split overlap; the cache cannot be written.
    """
    require_size(side, channels)
    asked = labelling or Labelling()
    everything, said = find_asked(source, asked, categories)
    names: list[str] = []
    if everything.kind in ("embedded", "idx"):
        table = _open_arrays(everything, side, channels, categories, progress)
    else:
        catalogue = everything if categories is None else everything.restricted_to(categories)
        if before_decoding is not None:
            of_folders = by_category(catalogue.categories, catalogue.labels)
            before_decoding(said if catalogue.table else of_folders)
        opened = decoded(catalogue, side, channels, cache, progress, skip_unreadable=asked.skip_unreadable)
        table = _open_files(catalogue, opened, said)
        names = [catalogue.files[row] for row in np.flatnonzero(opened.of_used())]

    def near() -> npt.NDArray[np.int64]:
        from scotoma.data.near_duplicates import near_duplicates  # see `with_sides`

        return near_duplicates(table.pixels, progress)

    return with_sides(table, asked, names, everything, near)


def find_asked(
    source: str | Path, labelling: Labelling, categories: Sequence[str] | None = None
) -> tuple[Catalogue, dict[str, Attribute]]:
    """All images of a source, once it is known to have what is asked of it: columns, or categories.

    Returns:
        The catalogue, and of a table what it answers for every image, by question.

    Raises:
        InputError: what `find_images` raises; flags for a table on another source, and the other way round.
    """
    catalogue = find_images(source, labelling.reading)
    if catalogue.table is None:
        _require_no_columns(catalogue, labelling)
        return catalogue, {}
    if categories is not None:
        raise InputError(
            f"{source} is a table of attributes: there are no categories to choose from with --categories."
        )
    return catalogue, _ask(catalogue.table, labelling)


def attributes_of(
    source: str | Path, labelling: Labelling, categories: Sequence[str] | None = None
) -> Mapping[str, Attribute]:
    """The attributes that an opened table would have, before any image is decoded and with labels of all.

    Raises:
        InputError: the source, a category or an attribute cannot be used.
    """
    catalogue, said = find_asked(source, labelling, categories)
    if catalogue.table is not None:
        return said
    there = catalogue.categories or read_arrays(catalogue)[2]
    group = require_categories(categories or there, there, catalogue.source)
    return by_category(group, np.empty(0, np.int64))


def category_names(source: str | Path) -> tuple[str, ...]:
    """The categories of a source, without decoding the images of a folder; none for a table of attributes.

    Raises:
        InputError: the source cannot be used.
    """
    catalogue = find_images(source)
    return catalogue.categories if catalogue.kind in ("folders", "table") else read_arrays(catalogue)[2]


def read_arrays(
    catalogue: Catalogue, categories: Sequence[str] | None = None
) -> tuple[Pixels, Labels, tuple[str, ...]]:
    """Pixels (images, height, width), labels, and category names in alphabetical order.

    Raises:
        InputError: damaged or missing IDX files, a category that is not there.
    """
    if catalogue.root is None:
        pixels, labels = embedded_set()
        names: tuple[str, ...] = GARMENTS
    else:
        pixels, labels, names = read_idx_folder(catalogue.root)
    kept = require_categories(names if categories is None else categories, names, catalogue.source)
    ranks = np.array([kept.index(name) if name in kept else -1 for name in names], np.int64)
    labels = ranks[labels]
    if len(kept) < len(names):
        rows = np.flatnonzero(labels >= 0)
        pixels, labels = pixels[rows], labels[rows]
    return pixels, labels, kept


def _open_arrays(
    catalogue: Catalogue,
    side: int,
    channels: int,
    categories: Sequence[str] | None,
    progress: Progress | None,
) -> ImageTable:
    pixels, labels, names = read_arrays(catalogue, categories)
    keys = [pixel_key(image[:, :, None]) for image in pixels]
    keep = np.ones(len(keys), bool)
    keep[conflicting_rows(keys, labels)] = False
    left_out = tuple(f"image {row}" for row in np.flatnonzero(~keep))
    fitted = _fit_array(pixels if keep.all() else pixels[keep], side, channels, progress)
    attributes = by_category(names, labels[keep])
    _require_every_category(labels[keep], names, left_out)
    return ImageTable(fitted, np.array(keys, "<U32")[keep], attributes, catalogue.source, left_out)


def _require_every_category(labels: Labels, names: tuple[str, ...], left_out: tuple[str, ...]) -> None:
    counts = np.bincount(labels, minlength=len(names)).tolist()
    empty = [name for name, count in zip(names, counts, strict=True) if count == 0]
    if empty:
        raise InputError(
            f"No image is left in: {', '.join(empty)}. Images left out because the same pixels stand in "
            f"several categories: {len(left_out):,}. `scotoma check` names them."
        )


def _fit_array(pixels: Pixels, side: int, channels: int, progress: Progress | None) -> Pixels:
    if pixels.shape[1] == side:
        return pixels[..., None] if channels == 1 else np.repeat(pixels[..., None], channels, axis=3)
    fitted = np.empty((len(pixels), side, side, channels), np.uint8)
    row = 0
    for images in in_threads(
        lambda rows: [fit_square(pixels[row, :, :, None], side, channels) for row in rows],
        len(pixels),
        "scaling images",
        progress,
    ):
        fitted[row : row + len(images)] = images
        row += len(images)
    return fitted


def _ask(table: AttributeTable, asked: Labelling) -> dict[str, Attribute]:
    """Everything that is asked of a table, before images are decoded; tells all problems at once."""
    said: dict[str, Attribute] = {}
    problems = []
    for name in asked.attributes:
        try:
            said[name] = table.attribute(name)
        except InputError as error:
            problems.append(str(error))
    for name in filter(None, (asked.sides.group_by, asked.sides.column)):
        try:
            table.text(name)
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(problems))
    return said


def _require_no_columns(catalogue: Catalogue, asked: Labelling) -> None:
    """Check that nothing is asked of a table where there is none."""
    wanted = {
        "--group-by": asked.sides.group_by,
        "--split-column": asked.sides.column,
        "--file-column": asked.reading.file_column,
        "--root": asked.reading.root,
        "--missing": asked.reading.missing,
        "--columns": asked.reading.columns,
    }
    given = [flag for flag, value in wanted.items() if value]
    if given:
        raise InputError(
            f"{', '.join(given)}: {catalogue.source} is no table of attributes. Name a .csv or .tsv file "
            "that has a column with the images' paths, or leave this out."
        )


def _open_files(catalogue: Catalogue, opened: Decoded, said: Mapping[str, Attribute]) -> ImageTable:
    used, keys = opened.of_used(), opened.used_keys()
    skipped = tuple(f"{catalogue.files[row]}: {reason}" for row, reason in opened.unreadable.items())
    conflicts = [row for row in opened.left_out if row not in opened.unreadable]
    left_out = tuple(catalogue.files[row] for row in conflicts)
    if catalogue.table is None:
        labels = catalogue.labels[used]
        _require_every_category(labels, catalogue.categories, left_out)
        attributes = by_category(catalogue.categories, labels)
    else:
        attributes = {name: answers(each, used, keys) for name, each in said.items()}
    others = other_formats(dict(catalogue.ignored))
    notes = (*(catalogue.table.notes if catalogue.table else ()), *([others] if others else []))
    return ImageTable(
        opened.pixels, keys, attributes, catalogue.source, left_out, skipped=skipped, notes=notes
    )


def answers(found: Attribute, used: npt.NDArray[np.bool_], keys: npt.NDArray[np.str_]) -> Attribute:
    """A table's answers for the images that are used; equal images with different ones have none."""
    labels = found.labels[used].copy()
    known = np.flatnonzero(labels != MISSING)
    contradicting = known[conflicting_rows(keys[known].tolist(), labels[known])]
    labels[contradicting] = MISSING
    about = found.about
    if len(contradicting):
        about += f"; {len(contradicting):,} of equal images with different answers left out"
    return replace(found, labels=labels, about=about)


def with_sides(
    table: ImageTable,
    asked: Labelling,
    names: Sequence[str],
    everything: Catalogue,
    near: Callable[[], npt.NDArray[np.int64]],
) -> ImageTable:
    """The table with units and parts, as far as they are asked for.

    Args:
        table: the images.
        asked: what is asked for.
        names: the files of the images; none where they come from no image files.
        everything: all images of the source, those too that are not used.
        near: finds pairs (pairs, 2) of images that are nearly the same.

    Raises:
        InputError: no such column, parts that overlap.
    """
    sides = replace(asked.sides, files=asked.split_files is not None)
    if sides == Sides():
        return table
    # These load much of scipy, which training has no other use for.
    from scotoma.data.units import are_joined, units

    if sides.column and sides.files:
        raise InputError("--split-column and --split-files both give the parts of the split: give one.")

    def of_used(texts: Sequence[str]) -> list[str]:
        values = dict(zip(everything.files, texts, strict=True))
        return [values[file] for file in names]

    said = everything.table  # `find_asked`: there is one where a column is asked for
    groups = of_used(said.groups(sides.group_by)) if said and sides.group_by else None
    pairs = near() if sides.near_duplicates else None
    of_unit = units(table.keys, groups, pairs)
    sides = replace(sides, joined=groups is not None and are_joined(of_unit, groups))
    parts = None
    if said and sides.column:
        given = of_used(said.text(sides.column))
        called = [everything.called(name) for name in names]
        parts = given_parts(given, of_unit, called, f"the column {sides.column!r}")
    elif asked.split_files is not None:
        if not everything.files:
            raise InputError(f"--split-files: {table.source} is no folder of image files.")
        listed = parts_of_files(asked.split_files, names, everything.files, everything.root)
        parts = given_parts(listed, of_unit, names, f"the lists in {asked.split_files}")
    return replace(table, units=of_unit, parts=parts, sides=sides)
