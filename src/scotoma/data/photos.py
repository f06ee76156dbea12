"""Which image files lie here, and how are many of them decoded at once?

Files are decoded by several threads, in their order, and all that cannot be read are told of together.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from scotoma.data.decoding import Pixels, UnreadableImage, decode_image, fit_square, pixel_key, require_size
from scotoma.errors import InputError
from scotoma.runs.progress import Progress

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp")
SHOWN = 20
CHUNK = 64

Result = TypeVar("Result")


@dataclass(frozen=True)
class Unreadable:
    """An image file that cannot be decoded: its name as it is shown, and why."""

    name: str
    reason: str


def is_image_name(path: Path) -> bool:
    """Whether a file counts as an image: by its extension, hidden files aside."""
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def list_photos(path: Path) -> list[Path]:
    """The image file itself, or all image files of a folder and the folders in it, sorted; hidden ones aside.

    Raises:
        InputError: there is no such path, no image in it, or the file is no image by its extension.
    """
    kinds = ", ".join(EXTENSIONS)
    if path.is_file():
        if not is_image_name(path):
            raise InputError(f"{path} is no image by its extension; images are {kinds}.")
        return [path]
    if not path.is_dir():
        raise InputError(f"There is no file or folder {path}.")
    found = [
        file
        for file in path.rglob("*")
        if is_image_name(file)
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
        and file.is_file()
    ]
    if not found:
        raise InputError(f"There is no image ({kinds}) in {path} or the folders in it.")
    return sorted(found, key=lambda file: file.relative_to(path).as_posix())


def fit_files(
    files: Sequence[Path],
    side: int,
    channels: int,
    progress: Progress | None = None,
    names: Sequence[str] | None = None,
    chunk: int = CHUNK,
) -> Iterator[tuple[Pixels, list[str]]]:
    """Decode and fit files in order, some at a time: pixels (images, side, side, channels) and their keys.

    `names` are what an error shows for the files (default: the paths). Once a file turned out unreadable
    nothing more is yielded, but all files are tried, so that the error tells of every one.

    Raises:
        InputError: files that cannot be read, all of them, raised after the last.
    """
    require_size(side, channels)
    unreadable: list[Unreadable] = []
    shown = names if names is not None else [str(file) for file in files]

    def fit(number: int) -> tuple[Pixels, str] | Unreadable:
        try:
            image = decode_image(files[number])
        except UnreadableImage as error:
            return Unreadable(shown[number], str(error))
        return fit_square(image, side, channels), pixel_key(image)

    for results in in_threads(fit, len(files), "decoding images", progress, chunk):
        fitted = [result for result in results if not isinstance(result, Unreadable)]
        unreadable += [result for result in results if isinstance(result, Unreadable)]
        if not unreadable:
            yield np.stack([pixels for pixels, _ in fitted]), [key for _, key in fitted]
    if unreadable:
        raise InputError(describe_unreadable(unreadable, len(files)))


def in_threads(
    work: Callable[[int], Result],
    count: int,
    description: str,
    progress: Progress | None = None,
    chunk: int = CHUNK,
) -> Iterator[list[Result]]:
    """The results of `work(0)` to `work(count - 1)`, in order, in lists of `chunk`.

    There is one thread a core: threads suffice because the decoders and the hash release the interpreter's
    lock. They run only a few lists ahead of the reader, so that a slow reader does not fill the memory.
    """

    def several(start: int) -> list[Result]:
        return [work(number) for number in range(start, min(start + chunk, count))]

    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    pool = ThreadPoolExecutor(threads, "scotoma-decode")
    ahead: deque[Future[list[Result]]] = deque()
    starts = iter(range(0, count, chunk))
    if progress:
        progress.start(description, count)
    try:
        while True:
            while len(ahead) < 2 * threads + 1 and (start := next(starts, None)) is not None:
                ahead.append(pool.submit(several, start))
            if not ahead:
                return
            results = ahead.popleft().result()
            if progress:
                progress.advance(len(results))
            yield results
    finally:
        pool.shutdown(cancel_futures=True)
        if progress:
            progress.stop()


def describe_unreadable(unreadable: Sequence[Unreadable], total: int) -> str:
    """The error that tells of all unreadable files: the first 20 by name, then how many more."""
    images = "image" if total == 1 else "images"
    lines = [f"{len(unreadable):,} of {total:,} {images} cannot be read:"]
    lines += [f"  {one.name}: {one.reason}" for one in unreadable[:SHOWN]]
    if len(unreadable) > SHOWN:
        lines.append(f"  and {len(unreadable) - SHOWN:,} more")
    lines.append("Repair them, or move them out of the folder: images are never left out silently.")
    return "\n".join(lines)
