"""Which image files lie here, and how are many of them decoded at once?

Files are decoded by several threads, in their order, and all that cannot be read are told of together.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar

from scotoma.data.decoding import Pixels, UnreadableImage, decode_image
from scotoma.errors import InputError
from scotoma.runs.progress import Progress
from scotoma.runs.run_folder import MARKER
from scotoma.runs.threads import Workers, in_threads
from scotoma.runs.words import first_of

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp")
# Of pictures that are not read, which somebody may think are.
OTHER_FORMATS = (
    *(".arw", ".avif", ".bmp", ".cr2", ".cr3", ".dng", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe"),
    *(".jxl", ".nef", ".tif", ".tiff"),
)
SHOWN = 20

One = TypeVar("One")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Unreadable:
    """An image file that cannot be decoded: its name as it is shown, and why."""

    name: str
    reason: str


def is_image_name(name: str) -> bool:
    """Whether a file counts as an image: by the extension of its name, hidden files aside."""
    return name.lower().endswith(EXTENSIONS) and not name.startswith(".")


def other_formats(others: Mapping[str, int]) -> str:
    """What to say of pictures that are not read, by the extensions of other files; empty if none are."""
    said = ", ".join(f"{count:,} {kind}" for kind, count in sorted(others.items()) if kind in OTHER_FORMATS)
    return f"not used, as only {', '.join(EXTENSIONS)} are read: {said}" if said else ""


def kind_of(name: str) -> str:
    """By what another file is counted."""
    return PurePath(name).suffix.lower() or "no extension"


def list_photos(path: Path, others: Counter[str] | None = None) -> tuple[Path, list[str]]:
    """All image files of a folder and the folders in it, or the image file itself; hidden ones aside, and
    those in folders that Scotoma has written.

    Links are followed, but not round. One that leads nowhere is listed: whoever decodes it tells of it.

    Args:
        path: the folder, or the file.
        others: counts the other files of the folder, by extension.

    Returns:
        The folder, and the files' relative POSIX paths, sorted: as texts, which take little memory.

    Raises:
        InputError: there is no such path, no image in it, something in it that cannot be read, or the file is
            no image by its extension.
    """
    kinds = ", ".join(EXTENSIONS)
    if path.is_file():
        if not is_image_name(path.name):
            raise InputError(f"{path} is no image by its extension; images are {kinds}.")
        return path.parent, [path.name]
    if not path.is_dir():
        raise InputError(f"There is no file or folder {path}.")
    try:
        names = sorted(_walk(path, "", Counter() if others is None else others))
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}.") from error
    if not names:
        raise InputError(f"There is no image ({kinds}) in {path} or the folders in it.")
    return path, names


def _walk(
    root: Path, folder: str, others: Counter[str], above: tuple[tuple[int, int], ...] = ()
) -> Iterator[str]:
    """The images in a folder below the root (a path that is empty or ends in a slash) and below it; nothing
    where it is one of those `above`, by device and number. Counts `others`.
    """
    status = os.stat(root / folder)
    place = (status.st_dev, status.st_ino)
    if place in above:
        return
    with os.scandir(root / folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if is_folder(entry):
                if not is_written(entry.path):
                    yield from _walk(root, f"{folder}{entry.name}/", others, (*above, place))
            elif is_image_name(entry.name) and is_file(entry):
                yield folder + entry.name
            else:
                others[kind_of(entry.name)] += 1


def is_written(folder: str | Path) -> bool:
    """Whether Scotoma has written this folder: what a run left among photographs is none of them."""
    return os.path.lexists(os.path.join(folder, MARKER))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether this is a folder or leads to one; a link that leads nowhere, or round, does not."""
    try:
        return entry.is_dir()
    except OSError:
        if entry.is_symlink():
            return False
        raise


def is_file(entry: os.DirEntry[str]) -> bool:
    """Whether this is a file, or a link that leads to one or nowhere: no pipe, which would never end."""
    if entry.is_symlink():
        return os.path.isfile(entry.path) or not os.path.exists(entry.path)
    return entry.is_file()


def decode_files(
    root: Path,
    names: Sequence[str],
    each: Callable[[Pixels], One],
    then: Callable[[list[One]], Result],
    progress: Progress | None = None,
    workers: Workers | None = None,
    *,
    instead: Callable[[Unreadable], One] | None = None,
    called: Callable[[str], str] = str,
) -> Iterator[Result]:
    """Decode files in order and make something of them, a chunk at a time, all in the threads of `workers`.

    Args:
        root: the folder of the files.
        names: their paths below it; errors show them.
        each: makes what is kept of one image (height, width, 3), so that no chunk of decoded images is held.
        then: makes a result of what was kept of a chunk.
        progress: is shown decoded images.
        workers: default: one thread a core.
        instead: makes what is kept of a file that cannot be read; default: that is an error.
        called: what the error calls a file.

    Yields:
        What `then` returns. Once a file turned out unreadable nothing more is yielded, but all files are
        tried, so that the error tells of every one.

    Raises:
        InputError: files that cannot be read, all of them, raised after the last.
    """
    unreadable: list[Unreadable] = []

    def work(rows: range) -> tuple[list[Result], list[Unreadable]]:
        kept, bad = [], []
        for row in rows:
            try:
                kept.append(each(decode_image(os.path.join(root, names[row]))))
            except UnreadableImage as error:
                if instead is None:
                    bad.append(Unreadable(called(names[row]), str(error)))
                else:
                    kept.append(instead(Unreadable(names[row], str(error))))
        return [] if bad or unreadable else [then(kept)], bad

    for results, bad in in_threads(work, len(names), "decoding images", progress, workers):
        unreadable += bad
        if not unreadable:
            yield from results
    if unreadable:
        raise InputError(describe_unreadable(unreadable, len(names)))


def describe_unreadable(unreadable: Sequence[Unreadable], total: int) -> str:
    """The error that tells of all unreadable files: the first 20 by name, then how many more."""
    images = "image" if total == 1 else "images"
    lines = [f"{len(unreadable):,} of {total:,} {images} cannot be read:"]
    # How to see all depends on the verb: whoever raises it may say so.
    lines += first_of([f"{one.name}: {one.reason}" for one in unreadable], SHOWN, every="")
    lines.append(
        "Repair them, or move them out of the folder: images are never left out silently. --skip-unreadable "
        "leaves them out and says so."
    )
    return "\n".join(lines)
