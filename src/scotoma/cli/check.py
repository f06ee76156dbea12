"""The verb `check`: are these images fit to train on, and what is in them?"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scotoma.cli.labels import LabelsFlags, LabelsOptions, labels_table
from scotoma.cli.options import Names, Whole, names, read_options
from scotoma.errors import InputError
from scotoma.runs.words import counted, first_of

if TYPE_CHECKING:
    from rich.table import Table

    from scotoma.data.attributes import ColumnSummary
    from scotoma.data.survey import Survey

_SHOWN = 10


@dataclass(frozen=True)
class CheckOptions:
    """What `scotoma check` takes; `categories` None stands for all."""

    data: str
    categories: tuple[str, ...] | None = None
    attributes: tuple[str, ...] = ()
    seed: int = 0
    full: bool = False
    labels: LabelsOptions = field(default_factory=LabelsOptions)


def check(
    data: str | None = None,
    *,
    categories: Names = None,
    attributes: Names = None,
    seed: Whole = None,
    full: bool | None = None,
    config: Path | None = None,
    labels: LabelsFlags | None = None,
) -> None:
    """Look at every image before training: categories or columns of a table, counts, sizes, what is broken,
    what is there twice or nearly so.

    Also shows how the images would be divided: training (the encoder and its attackers learn from it),
    reserve (for attackers only), validation and test. The same image never falls on two sides.
    Ends with exit code 2 if there are files that training would stop at.

    Example: scotoma check photos
    Example: scotoma check faces.csv --attributes "Male,age>=35" --group-by person

    Args:
        data: a folder of images (one folder per category) or of IDX files, a table of attributes (.csv,
            .tsv), or the word fashion-mnist.
        categories: look at these categories only, with commas. Default: all.
        attributes: of a table, count the images of these columns' classes in each part, with commas.
        seed: the seed that training will be given; it decides the division. Default: 0.
        full: name everything that is found, not the first of each kind.
        config: a TOML file with these options (data, categories, seed); flags go over it.
    """
    flags = {
        "data": data,
        "categories": names(categories, "--categories"),
        "attributes": names(attributes, "--attributes"),
        "seed": seed,
        "full": full,
        "labels": labels_table(labels),
    }
    options = read_options(CheckOptions, config, flags)
    from rich.console import Console

    from scotoma.data.survey import survey
    from scotoma.runs.progress import watched

    labelling = options.labels.labelling(options.attributes)
    try:
        found = survey(options.data, options.seed, watched(), options.categories, labelling=labelling)
    except InputError as error:
        if options.full:
            raise InputError(error.every) from error
        raise
    console = Console()
    for line in _overview(found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if found.columns:
        console.print(_column_table(found))
    console.print(_category_table(found))
    for line in _remarks(found, sys.maxsize if options.full else _SHOWN):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if found.unreadable and not options.labels.skip_unreadable:
        raise InputError(
            f"{counted(len(found.unreadable), 'file')} cannot be read, and training would stop there: "
            "repair or move away what is named above."
        )


def _overview(found: "Survey") -> Iterator[str]:
    columns = counted(len(found.columns), "column")
    held = columns if found.columns else f"{len(found.categories)} categories"
    yield f"{found.source}: {counted(found.images, 'image')} in {held}"
    for side, spread in (("width", found.width), ("height", found.height)):
        yield f"{side}: {spread.smallest} to {spread.largest} pixels, median {spread.median:g}"
    yield f"gray: {100 * found.gray:.1f} % of the images"
    yield from found.notes
    yield from found.asked


def _column_table(found: "Survey") -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Columns, and how they are read")
    for column in ("column", "read as", "images"):
        table.add_column(column, overflow="fold")
    table.add_column("missing", justify="right")
    for one in found.columns:
        # Text, not str: a name may hold brackets, which are markup to rich.
        row = (Text(one.name), Text(one.kind), Text(_of_column(one)))
        table.add_row(*row, f"{one.missing:,}" if one.missing else "")
    return table


def _of_column(column: "ColumnSummary") -> str:
    """How many images are of each class, or the range of numbers, or why there are no classes."""
    if column.problem:
        return column.problem
    if column.kind == "number":
        return f"{column.low:g} to {column.high:g}, {column.different:,} different; a threshold makes classes"
    if column.kind == "binary" and len(column.counts) == 2:
        (_, no), (_, yes) = column.counts
        return f"{yes:,} yes, {no:,} no"
    counts = [f"{name}: {count:,}" for name, count in column.counts[:_SHOWN]]
    more = [f"and {len(column.counts) - _SHOWN:,} more"] if len(column.counts) > _SHOWN else []
    return ", ".join([*counts, *more]) or f"{column.different:,} different texts"


def _category_table(found: "Survey") -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"Images used, and how seed {found.seed} divides them")
    table.add_column("" if found.columns else "category", overflow="fold")
    for column in ("images", "training", "reserve", "validation", "test", "unreadable"):
        table.add_column(column, justify="right")
    for one in found.categories:
        figures = (one.images, one.training, one.reserve, one.validation, one.test, one.unreadable)
        # Text, not str: a category's name may hold brackets, which are markup to rich.
        table.add_row(Text(one.name), *(f"{figure:,}" for figure in figures))
    return table


def _remarks(found: "Survey", most: int) -> Iterator[str]:
    """What is worth a look, at most so many lines of each kind."""
    from scotoma.data.survey import LOOKED_AT

    def listed(what: str, noun: str, lines: Sequence[str]) -> Iterator[str]:
        if lines:
            yield f"{counted(len(lines), noun)} {what}:"
            yield from first_of(lines, most, every="--full names all")

    yield from listed("cannot be read", "file", [f"{each.name}: {each.reason}" for each in found.unreadable])
    where = "" if found.columns else "in one category "
    yield from listed(
        f"of equal images {where}(all used, always on the same side)",
        "group",
        [" = ".join(group) for group in found.duplicates],
    )
    yield from listed(
        "of equal images in different categories (none used)",
        "group",
        [" = ".join(group) for group in found.conflicts],
    )
    yield from listed(
        "of nearly equal images on several sides (--group-near-duplicates keeps them together)",
        "group",
        [" = ".join(group) for group in found.parted],
    )
    if found.near is None:
        small = f"at most half of the images used have {LOOKED_AT} pixels or more on each side"
        yield f"Nearly equal images were not looked for: {small}."
    elif len(found.near) > len(found.parted):
        yield f"{counted(len(found.near) - len(found.parted), 'group')} of nearly equal images on one side."
    yield from listed("without images in it (no category)", "folder", found.without_images)
    yield from listed(
        "of files that are no images (not used)",
        "kind",
        [f"{extension or 'no extension'}: {count:,}" for extension, count in found.ignored],
    )
    kind = "class" if found.columns else "category"
    yield from listed(
        f"empty, so the {kind} cannot be hidden or kept",
        "part",
        [f"{part} of {category}" for category, part in found.empty_parts()],
    )
