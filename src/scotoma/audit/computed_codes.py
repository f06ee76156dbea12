"""What do codes that were computed beforehand hold, and what is known of each?

Nobody can tell of such codes what they were made from: every row is divided for itself, or with those of its
group. Codes of few values (hashes, some bits) are often equal, and an attacker may have seen each of them.
Where nearly all codes differ, equal ones are of one image, and stay together.
"""

import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scotoma.audit.precision import require_held
from scotoma.data.attribute_table import AttributeTable, read_label_table
from scotoma.data.images import Labelling
from scotoma.data.splits import given_parts
from scotoma.data.table import Attribute, ImageTable, Sides
from scotoma.data.units import units
from scotoma.errors import InputError

KEY = "codes"
SHOWN = 10
MOST_REPEATS = 10

Codes = npt.NDArray[np.float32]


def open_codes(
    path: Path, labels: Path, attributes: Sequence[str], labelling: Labelling | None = None
) -> tuple[Codes, ImageTable]:
    """Read codes and their labels.

    Args:
        path: .npy, or .npz with the array "codes" or with one array only, as `scotoma encode` writes it:
            numbers (images, ...), which become fp32.
        labels: a table (.csv, .tsv) with a header and a row for each code, in the same order.
        attributes: questions to the table, as `AttributeTable.attribute` answers them.
        labelling: how the table is read, further questions, and what decides on sides.

    Returns:
        The codes, and a table without pixels. Its keys name the rows: the hash of a code, of equal ones with
        a running number. So equal codes may part in a split, as those of an encoder do, and only groups
        never part; the order of rows matters among equal codes alone.

    Raises:
        InputError: either file cannot be used, they differ in length, the table does not have what is asked
            of it, parts that overlap; what only images have is asked for. All problems at once.
    """
    asked = labelling or Labelling()
    problems = _only_for_images(asked)
    codes, table = None, None
    try:
        codes = _read(path)
    except InputError as error:
        problems.append(str(error))
    try:
        table = read_label_table(labels, asked.reading)
    except InputError as error:
        problems.append(str(error))
    if codes is not None and table is not None and len(codes) != len(table.files):
        problems.append(
            f"{path} holds {len(codes):,} codes and {labels} {len(table.files):,} rows: a row is needed for "
            "each code, in the same order. Blank lines are no rows."
        )
    said = {} if table is None else _ask(table, (*attributes, *asked.attributes), asked.sides, problems)
    if problems or codes is None or table is None:
        raise InputError("\n".join(problems))
    return codes, _table(codes, path, table, said, asked.sides)


def codes_of(array: npt.ArrayLike, images: ImageTable) -> Codes:
    """Codes that stand in memory, one for each image, in their order.

    Raises:
        InputError: they are no codes, or not one for each image.
    """
    codes = checked_codes(np.asarray(array), "encoder")
    if len(codes) != len(images):
        raise InputError(
            f"encoder holds {len(codes):,} codes, and there are {len(images):,} images: give a code each, "
            "in the same order."
        )
    return codes


def _only_for_images(asked: Labelling) -> list[str]:
    wanted = {
        "--file-column": asked.reading.file_column,
        "--root": asked.reading.root,
        "--group-near-duplicates": asked.sides.near_duplicates,
        "--split-files": asked.sides.files or asked.split_files,
        "--skip-unreadable": asked.skip_unreadable,
    }
    given = [flag for flag, value in wanted.items() if value]
    return (
        [f"{', '.join(given)}: only for image files, and these are codes; leave this out."] if given else []
    )


def _read(path: Path) -> Codes:
    return checked_codes(_array(path), str(path))


def checked_codes(array: npt.NDArray[Any], name: str) -> Codes:
    """An array (images, ...) as fp32 codes; one number an image is a code of one value, (images, 1).

    Raises:
        InputError: it holds no numbers, or some that are not finite; it is no array of codes.
    """
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} holds {array.dtype}; codes are numbers.")
    if array.ndim == 0 or not array.size:
        raise InputError(f"{name} holds an array of shape {array.shape}; codes are an array (images, ...).")
    with np.errstate(over="ignore"):
        codes = array.astype(np.float32, order="C")
    require_held(array, codes, name)
    bad = np.flatnonzero(~np.isfinite(codes).reshape(len(codes), -1).all(axis=1))
    if len(bad):
        shown = ", ".join(map(str, bad[:SHOWN])) + (", ..." if len(bad) > SHOWN else "")
        raise InputError(
            f"{name}: {len(bad):,} of {len(codes):,} codes are not finite (NaN, or beyond float32), in rows "
            f"{shown} (the first is 0). Leave them out, with their rows of the table."
        )
    return codes[:, None] if codes.ndim == 1 else codes


def _array(path: Path) -> npt.NDArray[Any]:
    """The array in a file. Nothing in it is executed: objects are refused."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                return np.asarray(loaded)
            if KEY not in loaded.files and len(loaded.files) != 1:
                there = ", ".join(loaded.files) or "none"
                raise InputError(f"{path} holds the arrays {there}: name the one that is meant {KEY!r}.")
            return np.asarray(loaded[KEY if KEY in loaded.files else loaded.files[0]])
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except MemoryError:
        raise InputError(f"{path} says that it holds more than there is memory for.") from None
    except (ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        if "Object arrays" in str(error):
            raise InputError(f"{path} holds Python objects, which are not read; codes are numbers.") from None
        raise InputError(f"{path} is no .npy or .npz file, or damaged or cut short.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None


def _ask(
    table: AttributeTable, questions: Sequence[str], sides: Sides, problems: list[str]
) -> dict[str, Attribute]:
    said = {}
    for question in dict.fromkeys(questions):
        try:
            said[question] = table.attribute(question)
        except InputError as error:
            problems.append(str(error))
    for name in filter(None, (sides.group_by, sides.column)):
        try:
            table.text(name)
        except InputError as error:
            problems.append(str(error))
    return said


def _table(
    codes: Codes, path: Path, table: AttributeTable, said: dict[str, Attribute], sides: Sides
) -> ImageTable:
    keys = _keys(codes)
    made = ImageTable(np.empty((len(codes), 0, 0, 0), np.uint8), keys, said, str(path))
    if sides == Sides():
        return _repeats_together(made, code_keys(codes))
    groups = table.groups(sides.group_by) if sides.group_by else None
    of_unit = units(keys, groups)
    parts = None
    if sides.column:
        where = f"the column {sides.column!r}"
        parts = given_parts(table.text(sides.column), of_unit, table.files, where)
    return replace(made, units=of_unit, parts=parts, sides=sides)


def _repeats_together(table: ImageTable, of_code: npt.NDArray[np.str_]) -> ImageTable:
    """The table with equal codes (their keys) on one side, if most codes are different and none comes often:
    else they are equal by nature, and all of one value on one side would be no fair division.
    """
    counts = np.unique(of_code, return_counts=True)[1]
    repeated = len(of_code) - int((counts == 1).sum())
    if not repeated or counts.max() > MOST_REPEATS or 2 * len(counts) < len(of_code):
        return table
    note = f"{repeated:,} codes equal another, and most do not: equal ones are taken for one image's"
    return replace(table, units=of_code, notes=(*table.notes, note))


def _keys(codes: Codes) -> npt.NDArray[np.str_]:
    """32 hex characters for each row: those of its code, of each later one that is equal others."""
    before: Counter[str] = Counter()
    keys = []
    for key in code_keys(codes).tolist():
        again = f"{key} {before[key]}".encode()
        keys.append(blake2b(again, digest_size=16).hexdigest() if before[key] else key)
        before[key] += 1
    return np.array(keys, "<U32")


def code_keys(codes: Codes) -> npt.NDArray[np.str_]:
    """32 hex characters for each code, the same for codes whose values are equal."""
    shape = repr(codes.shape[1:]).encode()
    # 0 is added to make 0 of -0, which is equal and has other bytes.
    return np.array(
        [blake2b(shape + (code + np.float32(0)).tobytes(), digest_size=16).hexdigest() for code in codes],
        "<U32",
    )
