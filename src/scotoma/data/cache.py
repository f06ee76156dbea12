"""How are the images of a folder kept decoded, so that not every run decodes them anew?

Decoded, fitted pixels of a folder are kept on disk as one array that is mapped into memory, beside a
description. A cache entry belongs to a folder, a group of categories and a size; it is made anew when a file
of the folder was added, removed or changed (by size or time), and when its own bytes do not give the checksum
that was noted.
"""

import contextlib
import hashlib
import json
import math
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

from scotoma.data.catalogue import Catalogue
from scotoma.data.decoding import UnreadableImage, decode_image, fit_square, pixel_key
from scotoma.data.photos import Unreadable, decode_files, describe_unreadable
from scotoma.data.table import conflicting_rows
from scotoma.errors import InputError, ScotomaError
from scotoma.runs.json_text import parse_json
from scotoma.runs.progress import Progress
from scotoma.runs.threads import CHUNK, Workers, in_threads
from scotoma.runs.words import EVERY

VERSION = 4  # 3 held the first frame of animations
AT_ONCE = 1000  # files whose states are hashed together: of very many, each call counts
BLOCK = 1 << 24
PIECE = 1 << 18  # bytes that are read at once: they stay in the processor's cache
KEY = 32  # characters of a `pixel_key`
NO_KEY = "-" * KEY  # stands for that of an image that could not be read
DAY = 86_400.0
ATTEMPTS = 5

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Decoded:
    """A cache entry: pixels of all images but the rows `left_out`; keys of all images as one text; of those
    that could not be read and were skipped (they are left out, too) the reason.
    """

    pixels: Pixels
    keys: str
    left_out: list[int]
    unreadable: dict[int, str]

    def of_used(self) -> npt.NDArray[np.bool_]:
        """Whether each image is among `pixels`."""
        used = np.ones(len(self.keys) // KEY, bool)
        used[self.left_out] = False
        return used

    def used_keys(self) -> npt.NDArray[np.str_]:
        """The keys of the images among `pixels`."""
        return np.frombuffer(self.keys.encode(), f"S{KEY}")[self.of_used()].astype(f"<U{KEY}")


def decoded(
    catalogue: Catalogue,
    side: int,
    channels: int,
    cache: Path | None = None,
    progress: Progress | None = None,
    *,
    skip_unreadable: bool = False,
) -> Decoded:
    """The files of a catalogue as pixels of `side` x `side`, from the cache or into it.

    Raises:
        InputError: files that cannot be read (all of them, unless they are to be skipped), a cache that
            cannot be written.
    """
    wanted = _describe(catalogue, side, channels)
    entry = (cache or default_cache()) / _entry_name(catalogue, side, channels)
    opened = _open_entry(entry, wanted)
    if opened is None or _can_be_read_now(catalogue, opened):
        _require_room(entry.parent, wanted)
        try:
            _build_entry(entry, catalogue, wanted, progress, skip_unreadable)
        except InputError as error:  # of images that cannot be read
            raise InputError(f"{error} {EVERY}.") from None
        except OSError as error:
            raise InputError(
                f"The cache {entry.parent} cannot be written: {error.strerror or error}. "
                "Make room or name another folder in the environment variable SCOTOMA_CACHE."
            ) from error
        opened = _open_entry(entry, wanted)
    if opened is None:
        raise ScotomaError(f"The cache entry {entry} was damaged just after it was written. Check the disk.")
    if opened.unreadable and not skip_unreadable:
        named = ((catalogue.called(catalogue.files[row]), why) for row, why in opened.unreadable.items())
        unreadable = [Unreadable(name, why) for name, why in named]
        raise InputError(f"{describe_unreadable(unreadable, len(catalogue.files))} {EVERY}.")
    return opened


def _require_room(folder: Path, wanted: "_Wanted") -> None:
    """Check that the disk of the cache has room for an entry.

    Raises:
        InputError: it has not; tells how much is needed.
    """
    needed = wanted.images * wanted.side**2 * wanted.channels
    there = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    try:
        free = shutil.disk_usage(there).free
    except OSError:  # whoever writes will see
        return
    if needed > free:
        what = f"{wanted.images:,} images of {wanted.side} x {wanted.side} pixels"
        raise InputError(
            f"The cache {folder} has no room: {what} take {needed / 1e9:,.1f} GB, {free / 1e9:,.1f} GB are "
            "free. Make room, name another folder in the environment variable SCOTOMA_CACHE, or take smaller "
            "images (images.stored_side)."
        )


def _can_be_read_now(catalogue: Catalogue, opened: Decoded) -> bool:
    """Whether a file that could not be read when the entry was made can be by now, unchanged: rights, and a
    disk that failed once, leave no trace in its size and time.
    """
    for row in opened.unreadable:
        with contextlib.suppress(UnreadableImage):
            decode_image(f"{catalogue.root}/{catalogue.files[row]}")
            return True
    return False


def default_cache() -> Path:
    """`$SCOTOMA_CACHE`, or `scotoma` in `$XDG_CACHE_HOME`, or `~/.cache/scotoma`.

    Raises:
        InputError: there is none of these.
    """
    if named := os.environ.get("SCOTOMA_CACHE"):
        return Path(named)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "scotoma"
    try:
        return Path.home() / ".cache" / "scotoma"
    except RuntimeError:
        raise InputError(
            "There is no home folder for the cache of decoded images: name a folder in the environment "
            "variable SCOTOMA_CACHE."
        ) from None


@dataclass(frozen=True)
class _Wanted:
    """What an entry must say of itself to be the decoded form of these files; `files` is their hash."""

    files: str
    images: int
    side: int
    channels: int
    version: int = VERSION


def _entry_name(catalogue: Catalogue, side: int, channels: int) -> str:
    assert catalogue.root is not None
    whose = [
        str(catalogue.root.resolve()),
        *([str(catalogue.table.path.resolve())] if catalogue.table else []),
    ]
    what = json.dumps([*whose, catalogue.categories])
    return f"{hashlib.blake2b(what.encode(), digest_size=10).hexdigest()}-{side}x{channels}"


def _describe(catalogue: Catalogue, side: int, channels: int) -> _Wanted:
    assert catalogue.root is not None
    digest, root = hashlib.blake2b(digest_size=16), str(catalogue.root)
    for start in range(0, len(catalogue.files), AT_ONCE):
        some = catalogue.files[start : start + AT_ONCE]
        digest.update(os.fsencode("".join([f"{_state(f'{root}/{file}')} {file}\0" for file in some])))
    return _Wanted(digest.hexdigest(), len(catalogue.files), side, channels)


def _state(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError as error:  # a link that leads nowhere; decoding tells of it, with all others
        return f"error {error.errno}"
    return f"{status.st_size} {status.st_mtime_ns}"


def _open_entry(entry: Path, wanted: _Wanted) -> Decoded | None:
    """The entry, its pixels mapped into memory, or nothing where it is absent, stale or damaged."""
    try:
        with (entry / "index.json").open("rb") as file:
            # A larger one is not ours: a key and a row that is left out, with a reason, take less an image.
            index = parse_json(file.read(BLOCK + 256 * wanted.images))
        keys, left_out, unreadable = index["keys"], index["left_out"], index["unreadable"]
        sound = index["checksum"] == _checksum(entry / "pixels.npy", keys, left_out, unreadable)
        if not sound or index["wanted"] != asdict(wanted):
            return None
        pixels = np.lib.format.open_memmap(entry / "pixels.npy", mode="r")
        rows = sorted(set(range(wanted.images)).intersection(left_out))
        reasons = {int(row): str(reason) for row, reason in unreadable.items()}
    # Whatever may be wrong with a cache, it is made anew; NumPy alone raises half a dozen kinds of errors.
    except Exception:
        return None
    shape = (wanted.images - len(rows), wanted.side, wanted.side, wanted.channels)
    fits = pixels.shape == shape and pixels.dtype == np.uint8
    fits = fits and (len(keys), left_out) == (KEY * wanted.images, rows)
    return Decoded(pixels, keys, left_out, reasons) if fits else None


def _checksum(pixels: Path, keys: str, left_out: list[int], unreadable: dict[str, str]) -> int:
    """CRC-32 over an entry, of some blocks at a time: it guards against damage, not against forgery."""
    about = zlib.crc32(json.dumps([keys, left_out, sorted(unreadable.items())]).encode())
    handle = os.open(pixels, os.O_RDONLY)
    try:
        blocks = -(-os.fstat(handle).st_size // BLOCK)
        one = Workers(chunk=1)
        values = list(in_threads(lambda rows: _block_checksum(handle, rows[0]), blocks, "", workers=one))
    finally:
        os.close(handle)
    return zlib.crc32(json.dumps(values).encode(), about)


def _block_checksum(handle: int, block: int) -> int:
    value = 0
    for start in range(block * BLOCK, (block + 1) * BLOCK, PIECE):
        value = zlib.crc32(os.pread(handle, PIECE, start), value)
    return value


def _build_entry(
    entry: Path, catalogue: Catalogue, wanted: _Wanted, progress: Progress | None, skip_unreadable: bool
) -> None:
    """Decode all files into a new entry beside the old one, then put it in its place."""
    assert catalogue.root is not None
    entry.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for abandoned in entry.parent.glob(f".{entry.name}-*"):
        with contextlib.suppress(FileNotFoundError):  # another run may be clearing up, too
            if time.time() - abandoned.stat().st_mtime > DAY:
                shutil.rmtree(abandoned, ignore_errors=True)
    # mkdtemp gives mode 0700: decoded photographs are for nobody else's eyes.
    temporary = Path(tempfile.mkdtemp(prefix=f".{entry.name}-", dir=entry.parent))

    shape = (wanted.side, wanted.side, wanted.channels)

    def fit(image: Pixels) -> tuple[bytes, str]:
        return fit_square(image, wanted.side, wanted.channels).tobytes(), pixel_key(image)

    reasons: dict[str, str] = {}

    def skip(one: Unreadable) -> tuple[bytes, str]:
        reasons[one.name] = one.reason
        return bytes(math.prod(shape)), NO_KEY

    try:
        keys: list[str] = []
        # Written as a stream, not through a memory map: a full disk is then an error and not a dead process.
        with (temporary / "all.npy").open("wb") as out:
            _write_header(out, (wanted.images, *shape))
            made = decode_files(
                catalogue.root,
                catalogue.files,
                fit,
                list,
                progress,
                instead=skip if skip_unreadable else None,
                called=catalogue.called,
            )
            for images in made:
                for pixels, key in images:
                    out.write(pixels)
                    keys.append(key)
        bad = [row for row, key in enumerate(keys) if key == NO_KEY]
        unreadable = {str(row): reasons[catalogue.files[row]] for row in bad}
        left_out = sorted({*conflicting_rows(keys, catalogue.labels), *bad})
        _leave_out(temporary / "all.npy", left_out, temporary / "pixels.npy")
        joined = "".join(keys)
        index = {
            "wanted": asdict(wanted),
            "checksum": _checksum(temporary / "pixels.npy", joined, left_out, unreadable),
            "left_out": left_out,
            "unreadable": unreadable,
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
