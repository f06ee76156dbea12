"""How are codes written with nothing beside them, whole or not at all, however many there are?

Codes pass through, some at a time. Names, dates and categories of the images do not get into the files, and
equal codes give equal bytes.
"""

import csv
import io
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from scotoma.errors import ScotomaError
from scotoma.runs.run_folder import FORMAT, MARKER, VERSION
from scotoma.runs.whole_files import write_bytes, write_json

Codes = npt.NDArray[np.float32]
Write = Callable[[Codes], object]

PICTURES = "pictures"
PICTURE_SIDE = 128
# The earliest date that a .zip can hold, for every archive.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


@contextmanager
def codes_file(path: Path, shape: tuple[int, ...]) -> Iterator[Write]:
    """Write an .npz file with the one array `codes`, float32 of `shape` (images, channels, height, width).

    Yields:
        What takes the next codes, in order. The file appears when the block ends without an error.

    Raises:
        ScotomaError: the file cannot be written.
    """
    entry = zipfile.ZipInfo("codes.npy", _NO_DATE)
    entry.create_system = 3  # the same on every system
    entry.external_attr = 0o600 << 16
    temporary = _beside(path)
    try:
        with temporary.open("wb") as file:
            with zipfile.ZipFile(file, "w") as archive, archive.open(entry, "w", force_zip64=True) as array:
                header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(array, header)
                yield lambda codes: array.write(np.ascontiguousarray(codes, "<f4").data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ScotomaError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def picture_folder(folder: Path, images: int) -> Iterator[Write]:
    """Write a folder of PNG files, one a code, named by the row; what the folder held before goes.

    Yields:
        What takes the next codes, in order. The folder appears when the block ends without an error.

    Raises:
        ScotomaError: the folder cannot be written.
    """
    temporary = _beside(folder)
    digits, row = len(str(images - 1)), 0

    def write(codes: Codes) -> None:
        nonlocal row
        for code in codes:
            picture(code).save(temporary / f"{row:0{digits}}.png", compress_level=1)
            row += 1

    try:
        temporary.mkdir()
        yield write
        write_json(temporary / MARKER, {"format": FORMAT, "version": VERSION, "kind": PICTURES})
        if folder.exists():
            folder.rename(temporary / "before")
        temporary.rename(folder)
        shutil.rmtree(folder / "before", ignore_errors=True)
    except OSError as error:
        raise ScotomaError(f"{folder} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def picture(code: Codes) -> Image.Image:
    """A code (channels, height, width) in (-1, 1) as 8-bit pixels, enlarged by repeating them.

    Three channels make a colour picture, others stand side by side in gray.
    """
    values = np.rint((code + 1) * 127.5).astype(np.uint8)
    pixels = values.transpose(1, 2, 0) if len(code) == 3 else np.concatenate(list(values), axis=1)
    times = max(-(-PICTURE_SIDE // code.shape[1]), 1)
    return Image.fromarray(pixels.repeat(times, axis=0).repeat(times, axis=1))


def write_ids(path: Path, names: Sequence[str]) -> None:
    """Write which row is which image: CSV with the columns row and file.

    Raises:
        ScotomaError: the file cannot be written.
    """
    content = io.BytesIO()
    # A name that is no UTF-8 (a file system may hold such) gets into the file byte by byte.
    with io.TextIOWrapper(content, "utf-8", "surrogateescape", newline="") as text:
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["row", "file"])
        rows.writerows(enumerate(names))
        text.flush()
        write_bytes(path, content.getvalue())


def _beside(path: Path) -> Path:
    """A hidden name in the folder of `path`, which is made where needed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScotomaError(f"The folder {path.parent} cannot be made: {error.strerror}.") from None
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")
