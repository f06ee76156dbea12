"""Which images does a source hold, and in which category is each?

A source is the word `fashion-mnist` (the embedded set), a folder with the four IDX files, a table of
attributes (a .csv or .tsv file that names image files), or a folder of category folders, where a category's
name is the path below the root: `a/arena/hockey` is `arena/hockey`, since a single letter at the first level
only sorts.
"""

import difflib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from scotoma.data.attribute_table import AttributeTable, Reading, is_table, read_attribute_table
from scotoma.data.fashion import FASHION, is_idx_folder
from scotoma.data.photos import EXTENSIONS, is_file, is_folder, is_image_name, is_written, kind_of
from scotoma.data.table import require_categories
from scotoma.errors import InputError

SHOWN = 5


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The images of a source, before any is decoded.

    source: as the user named it. kind: what it is. root: its folder, none for the embedded set.
    files: image files as sorted relative POSIX paths; empty unless `kind` is `folders` or `table`.
    labels: int64 (files,), an index into `categories`; for a table 0.
    table: the table of attributes, for that kind.
    categories: names in alphabetical order; empty unless `kind` is `folders`.
    without_images: folders in which, and below which, no image lies.
    ignored: other files, counted by extension, (".csv", 1) for one.
    """

    source: str
    kind: Literal["embedded", "idx", "folders", "table"]
    root: Path | None
    files: tuple[str, ...] = ()
    labels: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    categories: tuple[str, ...] = ()
    without_images: tuple[str, ...] = ()
    ignored: tuple[tuple[str, int], ...] = ()
    table: AttributeTable | None = None

    @cached_property
    def _line_of(self) -> dict[str, int]:
        return dict(zip(self.files, self.table.lines, strict=True)) if self.table else {}

    def called(self, file: str) -> str:
        """A file as messages name it: with the line of the table that names it."""
        return f"{file} (line {self._line_of[file]:,})" if self.table else file

    def restricted_to(self, categories: Sequence[str]) -> "Catalogue":
        """The group of the files of these categories.

        Raises:
            InputError: a name that is not among the categories, a name twice, fewer than two names.
        """
        kept = require_categories(categories, self.categories, self.source)
        number = {self.categories.index(name): new for new, name in enumerate(kept)}
        rows = [row for row, label in enumerate(self.labels.tolist()) if label in number]
        labels = np.array([number[int(self.labels[row])] for row in rows], np.int64)
        return replace(self, files=tuple(self.files[row] for row in rows), labels=labels, categories=kept)


def find_images(source: str | Path, reading: Reading | None = None) -> Catalogue:
    """Find out what a source is and, in a folder of category folders or a table, which images it holds.

    `reading` says how a table is read.

    Raises:
        InputError: no such source; images outside category folders; fewer than two categories; two folders of
            one category name; folders that cannot be read or named. All problems of a folder at once.
    """
    name, root = str(source), Path(source)
    if name == FASHION and (isinstance(source, str) or not root.exists()):
        return Catalogue(FASHION, "embedded", None)
    if is_table(root):
        found = read_attribute_table(root, reading or Reading())
        labels = np.zeros(len(found.files), np.int64)
        return Catalogue(name, "table", found.root, found.files, labels, table=found)
    if not root.is_dir():
        raise InputError(_no_such_source(name, root))
    if is_idx_folder(root):
        return Catalogue(name, "idx", root)
    return _find_folders(name, root)


def _find_folders(source: str, root: Path) -> Catalogue:
    scan = _Scan(root)
    found, problems = scan.images, scan.problems
    loose = found.pop("", [])
    if loose:
        shown = ", ".join(sorted(loose)[:SHOWN]) + (", ..." if len(loose) > SHOWN else "")
        problems.append(
            f"Images outside any category folder: {len(loose):,} ({shown}). Move them into one, or away."
        )
    folders: dict[str, list[str]] = {}
    for folder in sorted(found):
        folders.setdefault(category_name(folder), []).append(folder)
    problems += [
        f"The folders {' and '.join(same)} would all be the category {name!r}. Rename or join them."
        for name, same in folders.items()
        if len(same) > 1
    ]
    if len(folders) < 2:
        problems.append(
            f"At least two category folders with images ({', '.join(EXTENSIONS)}) are needed, "
            + (f"there is only {next(iter(folders))!r}." if folders else "there is none.")
        )
    if problems:
        raise InputError(
            "\n".join([f"The folder {source} cannot be used:", *(f"  {line}" for line in problems)])
        )
    categories = tuple(sorted(folders))
    number = {folder: categories.index(name) for name, same in folders.items() for folder in same}
    files = tuple(sorted(file for names in found.values() for file in names))
    labels = np.fromiter((number[file.rpartition("/")[0]] for file in files), np.int64, len(files))
    return Catalogue(
        source,
        "folders",
        root,
        files,
        labels,
        categories,
        without_images=tuple(sorted(scan.without_images)),
        ignored=tuple(sorted(scan.ignored.items())),
    )


def category_name(folder: str) -> str:
    """The category that a relative POSIX path names: without a single-letter first level, if more follows."""
    first, _, rest = folder.partition("/")
    return rest if rest and len(first) == 1 and first.isalpha() else folder


class _Scan:
    """A walk through a folder and all below: notes images by folder, and what was passed over."""

    def __init__(self, root: Path) -> None:
        self.images: dict[str, list[str]] = {}
        self.without_images: list[str] = []
        self.ignored: Counter[str] = Counter()
        self.problems: list[str] = []
        self._visit(root, "", ())

    def _visit(self, folder: Path, relative: str, above: tuple[tuple[int, int], ...]) -> bool:
        """Whether there was any image in this folder or below. Links are followed, but not round; what a run
        has written is passed over.
        """
        try:
            status = folder.stat()
            place = (status.st_dev, status.st_ino)
            if place in above or (relative and is_written(folder)):
                return True
            below, images = self._entries(folder, f"{relative}/".lstrip("/"))
        except OSError as error:
            self.problems.append(f"The folder {relative or folder} cannot be read: {error.strerror}.")
            return True
        if not relative.isprintable():
            self.problems.append(f"The folder name {relative!a} cannot be printed. Rename it.")
        found = False
        for name in below:
            found |= self._visit(folder / name, f"{relative}/{name}".lstrip("/"), (*above, place))
        if images:
            self.images[relative] = images
        elif not found and relative:
            self.without_images.append(relative)
        return bool(images) or found

    def _entries(self, folder: Path, path: str) -> tuple[list[str], list[str]]:
        """The folders in a folder, sorted, and its images, as they come, below `path`; hidden ones aside."""
        below, images = [], []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if is_folder(entry):
                    below.append(entry.name)
                elif is_image_name(entry.name) and is_file(entry):
                    images.append(path + entry.name)
                else:
                    self.ignored[kind_of(entry.name)] += 1
        return sorted(below), images


def _no_such_source(name: str, root: Path) -> str:
    words = f"The word {FASHION!r} names the set of images that comes with Scotoma."
    if root.exists():
        return f"{name} is a file; a folder of category folders or a table (.csv, .tsv) is needed. {words}"
    try:
        siblings = [entry.name for entry in root.parent.iterdir() if entry.is_dir()]
    except OSError:
        siblings = []
    near = difflib.get_close_matches(root.name, [FASHION, *siblings], n=1, cutoff=0.5)
    if not near:
        hint = ""
    elif near[0] == FASHION:
        hint = f" Did you mean {FASHION!r}?"
    else:
        hint = f" Did you mean {str(root.parent / near[0])!r}?"
    return f"There is no folder {name}.{hint} {words}"
