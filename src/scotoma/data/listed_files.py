"""Which image files below a folder do the texts of a column name?

Folders are listed, one system call for many files, rather than files asked after one by one. Paths are taken
by their letters: `a/../b.jpg` is `b.jpg`, whatever `a` is.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scotoma.data.photos import EXTENSIONS, is_image_name

MISSING_FILE = "missing files"
OUTSIDE = "files elsewhere"
NO_IMAGE = "names of no image"
BLANK = "rows without a file"


@dataclass
class ListedFiles:
    """What a column of paths comes to.

    files: path below the root (POSIX) by row, "" where there is a problem.
    problems: row, kind and reason of each.
    backslashes: whether backslashes were read as slashes.
    """

    files: list[str] = field(default_factory=list)
    problems: list[tuple[int, str, str]] = field(default_factory=list)
    backslashes: bool = False

    @property
    def found(self) -> int:
        """Number of rows whose file is there."""
        return len(self.files) - len(self.problems)


def image_share(texts: Sequence[str]) -> float:
    """Share of the texts, blank ones aside, that end as names of images do."""
    known = list(filter(None, map(str.rstrip, texts)))
    return len([text for text in known if text.lower().endswith(EXTENSIONS)]) / max(1, len(known))


def find_files(texts: Sequence[str], root: Path) -> ListedFiles:
    """Look for the files that texts name, relative to the root or absolute.

    Where that finds more, backslashes are taken for slashes, in the whole column: the table comes from
    Windows then.
    """
    folders = Folders(root)
    found = _find(texts, folders)
    if any("\\" in texts[row] for row, kind, _ in found.problems if kind == MISSING_FILE):
        other = _find([text.replace("\\", "/") for text in texts], folders)
        if other.found > found.found:
            other.backslashes = True
            return other
    return found


def _find(texts: Sequence[str], folders: "Folders") -> ListedFiles:
    made = ListedFiles()
    for row, text in enumerate(texts):
        file, kind, reason = folders.look_up(text)
        if kind and text != text.strip():
            # Blanks around a name are part of it only where there is such a file.
            file, kind, reason = folders.look_up(text.strip())
        made.files.append(file)
        if kind:
            made.problems.append((row, kind, reason))
    return made


class Folders:
    """The files below a root; a folder is listed when one of its files is asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # As it is written, and where links lead: either may stand in a table of absolute paths.
        self._starts = [path.rstrip("/") + "/" for path in (os.path.abspath(root), os.path.realpath(root))]
        self._names: dict[str, set[str]] = {}
        self._unreadable: dict[str, str] = {}

    def look_up(self, text: str) -> tuple[str, str, str]:
        """The path below the root of a file, or "", and then the kind of problem and its reason."""
        if not text.strip():
            return "", BLANK, "no file is named"
        path = os.path.normpath(text)
        if path.startswith("/"):
            path = "/" + path.lstrip("/")
            start = next((start for start in self._starts if path.startswith(start)), None)
            path = path[len(start) :] if start else ".."
        if path == ".." or path.startswith("../"):
            advice = " (--root names another folder)" if os.path.isabs(text) else ""
            return "", OUTSIDE, f"{text!r} leads out of {self.root}{advice}"
        folder, _, name = path.rpartition("/")
        if name in self._list(folder) and is_image_name(name):
            return path, "", ""
        if not is_image_name(name):
            return "", NO_IMAGE, f"{text!r} is no image by its extension"
        if folder in self._unreadable:
            return "", MISSING_FILE, f"{text!r} cannot be looked for: {self._unreadable[folder]}"
        return "", MISSING_FILE, f"there is no file {text!r}"

    def _list(self, folder: str) -> set[str]:
        names = self._names.get(folder)
        if names is None:
            names = self._names[folder] = set()
            try:
                with os.scandir(self.root / folder) as entries:
                    names.update(entry.name for entry in entries if _is_file(entry))
            except (FileNotFoundError, NotADirectoryError, ValueError):
                pass  # ValueError: a name that no file can have
            except OSError as error:
                self._unreadable[folder] = error.strerror or str(error)
        return names


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # links that lead round in a circle
        return False
