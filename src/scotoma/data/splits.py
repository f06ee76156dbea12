"""On which side of the experiment does an image stand?

Each image's part follows from a seed and its own content (its key), or from the unit that it must stay with,
and from nothing else: the same image twice never falls on two sides, and adding images moves none of the
others. Or the user has given every image its part.
"""

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from scotoma.data.delimited import encoding_by_mark
from scotoma.data.table import ImageTable, Sides, rows_digest
from scotoma.errors import InputError
from scotoma.runs.words import first_of

PARTS = ("training", "reserve", "validation", "test")
SMALLEST_TEST = 0.2
SHOWN = 20
# What a part may be called by whoever gives one to each image.
SYNONYMS = {
    **{name: name for name in PARTS},
    "train": "training",
    "val": "validation",
    "valid": "validation",
    "attack": "reserve",
}

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fractions:
    """Expected share of each part. Reserve is for attackers only; the encoder never sees it.

    Raises:
        InputError: a share below 0, no training or validation images, less than 20 % test, a sum other than
            1.
    """

    training: float = 0.5
    reserve: float = 0.1
    validation: float = 0.15
    test: float = 0.25

    def __post_init__(self) -> None:
        problems = []
        for name, share in zip(PARTS, astuple(self), strict=True):
            if not (math.isfinite(share) and 0 <= share <= 1):
                problems.append(f"{name} is {share}, a share between 0 and 1 is needed")
        if not problems:
            problems += [
                f"{name} is 0, so nothing is left for it"
                for name in ("training", "validation")
                if getattr(self, name) == 0
            ]
            if self.test < SMALLEST_TEST:
                problems.append(
                    f"test is {self.test}, at least {SMALLEST_TEST} is needed for figures worth reporting"
                )
            total = math.fsum(astuple(self))
            if abs(total - 1) > 1e-9:
                problems.append(f"they sum to {total:.10g}, not to 1")
        if problems:
            raise InputError("The fractions of the split cannot be used: " + "; ".join(problems) + ".")


@dataclass(frozen=True)
class SplitRecipe:
    """How images are divided; by it verification finds the images that the encoder never saw."""

    seed: int
    fractions: Fractions
    sides: Sides = field(default_factory=Sides)


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers of each part, int64, ascending; together every row once."""

    training: Rows
    reserve: Rows
    validation: Rows
    test: Rows


# On its way to a run a table is divided several times, by as many hashes as it has images.
_DIVIDED: WeakKeyDictionary[ImageTable, dict[SplitRecipe, Split]] = WeakKeyDictionary()


def divide(table: ImageTable, recipe: SplitRecipe) -> Split:
    """The parts of a table's images: those that were given, or what follows from seed and units.

    The rows are the caller's own, to change or to index tensors with.
    """
    known = _DIVIDED.setdefault(table, {})
    if recipe not in known:
        known[recipe] = _divide(table, recipe)
    return Split(**{part: rows.copy() for part, rows in vars(known[recipe]).items()})


def _divide(table: ImageTable, recipe: SplitRecipe) -> Split:
    if table.parts is not None:
        return Split(
            *(np.flatnonzero(table.parts == number).astype(np.int64) for number in range(len(PARTS)))
        )
    return split(table.keys if table.units is None else table.units, recipe.seed, recipe.fractions)


def given_parts(
    names: Sequence[str], units: Sequence[str] | npt.NDArray[np.str_], files: Sequence[str], where: str
) -> npt.NDArray[np.int64]:
    """The number of the part that the user gave each image.

    Args:
        names: (images,), a part's name or what is usual for it ("train", "val").
        units: (images,), as in `ImageTable`.
        files: (images,), for messages.
        where: what gave the parts, for messages.

    Raises:
        InputError: names that are no part, images of one unit in several parts, a part without images.
    """
    problems = [
        f"{file} has {name!r}, which is no part"
        for file, name in zip(files, names, strict=True)
        if name.strip().lower() not in SYNONYMS
    ]
    if not problems:
        parts = np.array([PARTS.index(SYNONYMS[name.strip().lower()]) for name in names], np.int64)
        first: dict[str, int] = {}
        for row, unit in enumerate(units):
            if parts[first.setdefault(unit, row)] != parts[row]:
                other = files[first[unit]]
                problems.append(f"{other} and {files[row]} are equal or belong together, in different parts")
        counts = np.bincount(parts, minlength=len(PARTS)).tolist()
        needed = {name: count for name, count in zip(PARTS, counts, strict=True) if name != "reserve"}
        problems += [f"there is no image for {name}" for name, count in needed.items() if not count]
    if problems:
        allowed = ", ".join(sorted(SYNONYMS))
        raise _told(f"The parts from {where} cannot be used (allowed: {allowed}):", problems)
    return parts


def parts_of_files(
    folder: Path, files: Sequence[str], source: Sequence[str], root: Path | None = None
) -> list[str]:
    """The part of each file, from lists in a folder: training.txt and so on, with a path in each line, below
    the images' root or absolute.

    Args:
        folder: where the lists are.
        files: those that are used.
        source: all of the source. A list may name what is left out: it cannot be read, stands in two
            categories, or in one that does not take part.
        root: of the images.

    Raises:
        InputError: no such lists, one that cannot be read, a file in two lists, in none, or one that is not
            there.
    """
    part: dict[str, str] = {}
    problems = []
    lists = {name: folder / f"{name}.txt" for name in PARTS}
    if missing := [str(path) for name, path in lists.items() if name != "reserve" and not path.is_file()]:
        raise InputError(f"There is no list {', '.join(missing)}: --split-files takes a folder with these.")
    known = set(source)
    for name, path in lists.items():
        for number, line in _lines_of(path) if path.is_file() else ():
            file = _file_of(line, known, root)
            if not file:
                problems.append(f"{line!r} in {name}.txt, line {number:,}, is none of the images")
            elif part.setdefault(file, name) != name:
                problems.append(f"{file} is in {part[file]}.txt and in {name}.txt, line {number:,}")
    problems += [f"{file} is in no list" for file in files if file not in part]
    if problems:
        raise _told(f"The lists in {folder} cannot be used:", problems)
    return [part[file] for file in files]


def _lines_of(path: Path) -> list[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    try:
        data = path.read_bytes()
        text = data.decode(encoding_by_mark(data) or "utf-8")
    except UnicodeDecodeError:
        raise InputError(f"The list {path} cannot be read: it is not UTF-8 text.") from None
    except OSError as error:
        raise InputError(f"The list {path} cannot be read: {error.strerror}.") from None
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in lines if line]


def _file_of(line: str, known: set[str], root: Path | None) -> str:
    """The file that a line names as tables do: below the root or absolute, with slashes or backslashes; empty
    where it is none of those known.
    """
    starts = () if root is None else (os.path.abspath(root), os.path.realpath(root))
    for written in (line, line.replace("\\", "/")):
        named = [written, *(os.path.relpath(written, start) for start in starts if os.path.isabs(written))]
        for each in (*named, *map(os.path.normpath, named)):
            if each in known:
                return each
    return ""


def _told(head: str, problems: Sequence[str]) -> InputError:
    """The error that tells of all problems: the first 20, then how many more."""
    first, every = (first_of(problems, most) for most in (SHOWN, len(problems)))
    return InputError("\n".join([head, *first]), "\n".join([head, *every]))


def parts_digest(table: ImageTable, parts: Split) -> str:
    """32 hex characters over key and part of every image, in whatever order of the images."""
    part = np.empty(len(table), np.int64)
    for number, name in enumerate(PARTS):
        part[getattr(parts, name)] = number
    return rows_digest(table.keys, [(PARTS, part)])


def split(keys: Sequence[str] | npt.NDArray[np.str_], seed: int, fractions: Fractions | None = None) -> Split:
    """Divide images by the hash of (seed, key); `fractions` defaults to `Fractions()`.

    The shares are met in expectation: of 10,000 images, 2,500 +- 43 fall on a test share of .25.
    """
    position = _positions(keys, seed)
    bounds = np.cumsum(astuple(fractions or Fractions()))[:-1]
    part = np.searchsorted(bounds, position, side="right")
    return Split(*(np.flatnonzero(part == number).astype(np.int64) for number in range(len(PARTS))))


def in_first_half(
    keys: npt.NDArray[np.str_], strata: npt.NDArray[np.int64], seed: int
) -> npt.NDArray[np.bool_]:
    """Which images fall into the first of two halves: in the order of the hash of (seed, key) every other
    one, within each stratum. Images of one key stay together, in the stratum of the first of them.
    """
    unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.lexsort([_positions(unique, seed), strata[first]])
    half = np.empty(len(unique), dtype=bool)
    half[order] = np.arange(len(unique)) % 2 == 0
    found: npt.NDArray[np.bool_] = half[inverse]
    return found


def _positions(keys: Sequence[str] | npt.NDArray[np.str_], seed: int) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each key, uniform over keys and independent between seeds."""
    prefix = hashlib.blake2b(f"scotoma split {seed}\n".encode(), digest_size=8)
    hashes = bytearray()
    for key in keys.tolist() if isinstance(keys, np.ndarray) else keys:
        one = prefix.copy()
        one.update(key.encode())
        hashes += one.digest()
    # 53 bits: what a double holds exactly, so that no hash is rounded up to 1.
    return (np.frombuffer(bytes(hashes), "<u8") >> np.uint64(11)).astype(np.float64) * 2.0**-53
