"""What can a newcomer train on before having any images at hand?

Fashion-MNIST (Zalando SE, MIT licence): 28x28 gray pictures of ten kinds of garment. The package ships the
first 2,000 of each kind of the training file; a folder with the four original IDX files gives all 70,000.

The embedded file is an IDX array of images, category after category in the order of `GARMENTS`, every image
transposed and the whole compressed by bzip2: 15 % smaller than the same images compressed by gzip, and the
same bytes from every version of the compressor.
"""

import bz2
import functools
import gzip
import hashlib
import zlib
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scotoma.errors import InputError

FASHION = "fashion-mnist"
GARMENTS = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle-boot",
)
PER_CATEGORY = 2000
EMBEDDED = "images.idx3.bz2"
PARTS = ("train", "t10k")
# Of the labels in the original training file: digits and garments come in the same format, so only these
# bytes tell that label 6 is a shirt.
FASHION_LABELS = "372ac19362f2425103e5082d13e71e66"

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


@functools.cache
def embedded_set() -> tuple[Pixels, Labels]:
    """The shipped set, read-only: pixels uint8 (20000, 28, 28), labels int64 (20000,) indexing `GARMENTS`."""
    packed = resources.files("scotoma.data").joinpath("fashion_mnist", EMBEDDED).read_bytes()
    pixels = np.ascontiguousarray(parse_idx(bz2.decompress(packed), EMBEDDED).transpose(0, 2, 1))
    labels = np.repeat(np.arange(len(GARMENTS), dtype=np.int64), PER_CATEGORY)
    pixels.setflags(write=False)
    labels.setflags(write=False)
    return pixels, labels


def pack_embedded_set(pixels: Pixels, labels: Labels) -> bytes:
    """The content of the embedded file, from the original training images (images, 28, 28) and their labels.

    Raises:
        InputError: fewer than 2,000 images in one of the ten categories.
    """
    rows = [np.flatnonzero(labels == number)[:PER_CATEGORY] for number in range(len(GARMENTS))]
    short = [
        f"{name} {len(found)}"
        for name, found in zip(GARMENTS, rows, strict=True)
        if len(found) < PER_CATEGORY
    ]
    if short:
        raise InputError(
            f"The embedded set takes {PER_CATEGORY:,} images a category; too few: {', '.join(short)}."
        )
    chosen = pixels[np.concatenate(rows)].transpose(0, 2, 1)
    return bz2.compress(format_idx(chosen), 9)


def is_idx_folder(folder: Path) -> bool:
    """Whether a folder holds at least one of the four IDX files, compressed or not."""
    return any(_found(folder, part, kind) for part in PARTS for kind in ("images-idx3", "labels-idx1"))


def read_idx_folder(folder: Path) -> tuple[Pixels, Labels, tuple[str, ...]]:
    """All images of a folder of the four original IDX files, the training file's first.

    Returns: pixels uint8 (images, height, width), labels int64 (images,), the names that the labels index:
        `GARMENTS` where the labels are those of Fashion-MNIST, else the numbers themselves.

    Raises:
        InputError: a file that is missing, damaged or does not fit its partner.
    """
    names = [f"{part}-{kind}-ubyte" for part in PARTS for kind in ("images-idx3", "labels-idx1")]
    missing = [name for name in names if not _path(folder, name)]
    if missing:
        raise InputError(
            f"The folder {folder} holds some IDX files, but not {', '.join(missing)} (or the same with .gz). "
            "Put all four files of the set there."
        )
    parts = [read_idx_part(folder, part) for part in PARTS]
    pixels = np.concatenate([images for images, _ in parts])
    labels = np.concatenate([numbers for _, numbers in parts])
    if hashlib.blake2b(parts[0][1].astype(np.uint8).tobytes(), digest_size=16).hexdigest() == FASHION_LABELS:
        return pixels, labels, GARMENTS
    return pixels, labels, tuple(str(number) for number in range(int(labels.max()) + 1))


def read_idx_part(folder: Path, part: str) -> tuple[Pixels, Labels]:
    """One part, `train` or `t10k`: pixels uint8 (images, height, width), labels int64 (images,).

    Raises:
        InputError: a file that is missing, damaged or does not fit its partner.
    """
    pixels = _read(folder, f"{part}-images-idx3-ubyte", dimensions=3)
    labels = _read(folder, f"{part}-labels-idx1-ubyte", dimensions=1).astype(np.int64)
    if len(pixels) != len(labels) or pixels.size == 0 or pixels.shape[1] != pixels.shape[2]:
        raise InputError(
            f"The {part} files in {folder} do not fit: images {pixels.shape}, labels {labels.shape}. "
            "One label is needed for every image, and images must be square."
        )
    return pixels, labels


def format_idx(values: Pixels) -> bytes:
    """The IDX file of an array of unsigned bytes; what `parse_idx` reads."""
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">u4").tobytes() + values.tobytes()


def parse_idx(data: bytes, name: str) -> Pixels:
    """The array of unsigned bytes that an IDX file holds.

    Raises:
        InputError: the bytes are no such file, or are cut short.
    """
    dimensions = data[3] if len(data) >= 4 and data[:3] == b"\0\0\x08" else 0
    start = 4 + 4 * dimensions
    if dimensions == 0 or len(data) < start:
        raise InputError(f"{name} is no IDX file of unsigned bytes.")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", dimensions, 4))
    size = 1
    for length in shape:
        size *= length
    if len(data) - start != size:
        raise InputError(
            f"{name} is damaged: its header promises {size:,} bytes, {len(data) - start:,} follow."
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _read(folder: Path, name: str, dimensions: int) -> Pixels:
    path = _path(folder, name)
    if path is None:
        raise InputError(f"There is no {name} (or {name}.gz) in {folder}.")
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}. Fetch it anew.") from error
    array = parse_idx(data, str(path))
    if array.ndim != dimensions:
        raise InputError(f"{path} has {array.ndim} dimensions, {dimensions} are needed.")
    return array


def _found(folder: Path, part: str, kind: str) -> bool:
    return _path(folder, f"{part}-{kind}-ubyte") is not None


def _path(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
