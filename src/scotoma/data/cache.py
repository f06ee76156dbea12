"""How do images become a table without being decoded anew for every run?

Decoded, fitted pixels of a folder are kept on disk as one array that is mapped into memory, beside a
description. A cache entry belongs to a folder, a group of categories and a size; it is made anew when a file
of the folder was added, removed or changed (by size or time), and when its own bytes do not give the checksum
that was noted.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from scotoma.data.catalogue import Catalogue, find_images
from scotoma.data.decoding import fit_square, pixel_key, require_size
from scotoma.data.fashion import GARMENTS, embedded_set, read_idx_folder
from scotoma.data.photos import CHUNK, decode_files, in_threads
from scotoma.data.table import ImageTable, conflicting_rows, require_categories
from scotoma.errors import InputError, ScotomaError
from scotoma.runs.json_text import parse_json
from scotoma.runs.progress import Progress

VERSION = 2
BLOCK = 1 << 24
KEY = 32  # characters of a `pixel_key`
DAY = 86_400.0
ATTEMPTS = 5

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


def open_images(
    source: str | Path,
    side: int,
    channels: int,
    cache: Path | None = None,
    categories: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> ImageTable:
    """Open the images of a source, or of some of its categories: `side` x `side` pixels, 1 or 3 channels.

    The shorter side is scaled (antialiased) to `side`, the centre taken. Images whose pixels stand in several
    of these categories are left out and named in `left_out`. Folders are decoded once and cached in `cache`
    (default: `default_cache()`); the embedded set and IDX files are read into memory.

    Raises:
        InputError: the source, a category, the size or an image file cannot be used; a category is left
            without images; the cache cannot be written.
    """
    require_size(side, channels)
    catalogue = find_images(source)
    if catalogue.kind != "folders":
        return _open_arrays(catalogue, side, channels, categories, progress)
    if categories is not None:
        catalogue = catalogue.restricted_to(categories)
    wanted = _describe(catalogue, side, channels)
    entry = (cache or default_cache()) / _entry_name(catalogue, side, channels)
    opened = _open_entry(entry, wanted)
    if opened is None:
        try:
            _build_entry(entry, catalogue, wanted, progress)
        except OSError as error:
            raise InputError(
                f"The cache {entry.parent} cannot be written: {error.strerror or error}. "
                "Make room or name another folder in the environment variable SCOTOMA_CACHE."
            ) from error
        opened = _open_entry(entry, wanted)
    if opened is None:
        raise ScotomaError(f"The cache entry {entry} was damaged just after it was written. Check the disk.")
    keep = np.ones(len(catalogue.files), bool)
    keep[opened.left_out] = False
    left_out = tuple(catalogue.files[row] for row in opened.left_out)
    keys = np.frombuffer(opened.keys.encode(), f"S{KEY}")[keep].astype(f"<U{KEY}")
    labels = catalogue.labels[keep]
    _require_every_category(labels, catalogue.categories, left_out)
    return ImageTable(opened.pixels, labels, keys, catalogue.categories, str(source), left_out)


def category_names(source: str | Path) -> tuple[str, ...]:
    """The categories of a source, without decoding the images of a folder.

    Raises:
        InputError: the source cannot be used.
    """
    catalogue = find_images(source)
    return catalogue.categories if catalogue.kind == "folders" else read_arrays(catalogue)[2]


def default_cache() -> Path:
    """`$SCOTOMA_CACHE`, or `scotoma` in `$XDG_CACHE_HOME`, or `~/.cache/scotoma`."""
    if named := os.environ.get("SCOTOMA_CACHE"):
        return Path(named)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "scotoma"
    return Path.home() / ".cache" / "scotoma"


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
    labels = labels[keep]
    _require_every_category(labels, names, left_out)
    return ImageTable(fitted, labels, np.array(keys, "<U32")[keep], names, catalogue.source, left_out)


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


@dataclass(frozen=True)
class _Wanted:
    """What an entry must say of itself to be the decoded form of these files; `files` is their hash."""

    files: str
    images: int
    side: int
    channels: int
    version: int = VERSION


@dataclass(frozen=True)
class _Opened:
    """A cache entry: pixels of all images but the rows `left_out`, keys of all images as one text."""

    pixels: Pixels
    keys: str
    left_out: list[int]


def _entry_name(catalogue: Catalogue, side: int, channels: int) -> str:
    assert catalogue.root is not None
    what = json.dumps([str(catalogue.root.resolve()), catalogue.categories])
    return f"{hashlib.blake2b(what.encode(), digest_size=10).hexdigest()}-{side}x{channels}"


def _describe(catalogue: Catalogue, side: int, channels: int) -> _Wanted:
    assert catalogue.root is not None
    files = hashlib.blake2b(digest_size=16)
    for file in catalogue.files:
        path = os.path.join(catalogue.root, file)  # five times as fast as a Path, and there may be many
        try:
            status = os.stat(path)
        except OSError as error:
            raise InputError(f"The image {path} cannot be read: {error.strerror}.") from error
        files.update(f"{status.st_size} {status.st_mtime_ns} ".encode() + os.fsencode(file) + b"\0")
    return _Wanted(files.hexdigest(), len(catalogue.files), side, channels)


def _open_entry(entry: Path, wanted: _Wanted) -> _Opened | None:
    """The entry, its pixels mapped into memory, or nothing where it is absent, stale or damaged."""
    try:
        with (entry / "index.json").open("rb") as file:
            # A larger one is not ours: a key and a row that is left out take less for each image.
            index = parse_json(file.read(BLOCK + 64 * wanted.images))
        keys, left_out = index["keys"], index["left_out"]
        sound = index["checksum"] == _checksum(entry / "pixels.npy", keys, left_out)
        if not sound or index["wanted"] != asdict(wanted):
            return None
        pixels = np.lib.format.open_memmap(entry / "pixels.npy", mode="r")
        rows = sorted(set(range(wanted.images)).intersection(left_out))
    # Whatever may be wrong with a cache, it is made anew; NumPy alone raises half a dozen kinds of errors.
    except Exception:
        return None
    shape = (wanted.images - len(rows), wanted.side, wanted.side, wanted.channels)
    told = (pixels.shape, len(keys), left_out)
    fits = told == (shape, KEY * wanted.images, rows) and pixels.dtype == np.uint8
    return _Opened(pixels, keys, left_out) if fits else None


def _checksum(pixels: Path, keys: str, left_out: list[int]) -> int:
    """CRC-32 over an entry, read block by block: it guards against damage, not against forgery."""
    value = zlib.crc32(json.dumps([keys, left_out]).encode())
    with pixels.open("rb") as file:
        while block := file.read(BLOCK):
            value = zlib.crc32(block, value)
    return value


def _build_entry(entry: Path, catalogue: Catalogue, wanted: _Wanted, progress: Progress | None) -> None:
    """Decode all files into a new entry beside the old one, then put it in its place."""
    assert catalogue.root is not None
    entry.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for abandoned in entry.parent.glob(f".{entry.name}-*"):
        with contextlib.suppress(FileNotFoundError):  # another run may be clearing up, too
            if time.time() - abandoned.stat().st_mtime > DAY:
                shutil.rmtree(abandoned, ignore_errors=True)
    # mkdtemp gives mode 0700: decoded photographs are for nobody else's eyes.
    temporary = Path(tempfile.mkdtemp(prefix=f".{entry.name}-", dir=entry.parent))

    def fit(image: Pixels) -> tuple[bytes, str]:
        return fit_square(image, wanted.side, wanted.channels).tobytes(), pixel_key(image)

    try:
        keys: list[str] = []
        shape = (wanted.side, wanted.side, wanted.channels)
        # Written as a stream, not through a memory map: a full disk is then an error and not a dead process.
        with (temporary / "all.npy").open("wb") as out:
            _write_header(out, (wanted.images, *shape))
            for images in decode_files(catalogue.root, catalogue.files, fit, list, progress):
                for pixels, key in images:
                    out.write(pixels)
                    keys.append(key)
        left_out = conflicting_rows(keys, catalogue.labels)
        _leave_out(temporary / "all.npy", left_out, temporary / "pixels.npy")
        joined = "".join(keys)
        index = {
            "wanted": asdict(wanted),
            "checksum": _checksum(temporary / "pixels.npy", joined, left_out),
            "left_out": left_out,
            "keys": joined,
        }
        (temporary / "index.json").write_text(json.dumps(index))
        _put_in_place(temporary, entry)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_header(out: BinaryIO, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _leave_out(every: Path, left_out: Sequence[int], kept: Path) -> None:
    """Move the array of all images to `kept`, without some rows; never all of it in memory."""
    if not left_out:
        every.rename(kept)
        return
    images = np.load(every, mmap_mode="r")
    bounds = [-1, *left_out, len(images)]
    with kept.open("wb") as out:
        _write_header(out, (len(images) - len(left_out), *images.shape[1:]))
        for before, after in pairwise(bounds):
            for start in range(before + 1, after, CHUNK):
                out.write(np.ascontiguousarray(images[start : min(start + CHUNK, after)]).data)
    every.unlink()


def _put_in_place(temporary: Path, entry: Path) -> None:
    """Replace the entry. Whoever has the old one open keeps it; of two makers at once the later wins."""
    for attempt in range(ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            old = entry.rename(temporary / f"old-{attempt}")
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)
            else:
                old.unlink()
        try:
            temporary.rename(entry)
            return
        except OSError:
            if attempt == ATTEMPTS - 1:
                raise
