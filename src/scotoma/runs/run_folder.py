"""How does a run keep its folder, so that nothing is lost or overwritten by mistake?

A run folder is claimed once (its marker `scotoma-run.json` says what it is) and held by one process at a
time.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from scotoma.errors import InputError
from scotoma.runs.whole_files import clear_abandoned, read_json, write_json

if sys.platform != "win32":
    import fcntl

MARKER = "scotoma-run.json"
LOCK = ".lock"
FORMAT = "scotoma-run"
# Kinds of runs that end in results of attacks.
ATTACKS = ("verification", "suite")
VERSION = 1


def claim(
    folder: Path,
    kind: str,
    *,
    overwrite: bool | None = False,
    resume: bool = False,
    inputs: Iterable[Path] = (),
) -> bool:
    """Take a folder for a run: make it, or accept one that the user allows to be replaced or continued.

    Args:
        folder: where the run's files go; made with its parents.
        kind: what the run is ("training", "verification"); a folder of another kind is not continued.
        overwrite: empty the folder first, if it is a run folder. Any other folder is left alone in any case.
            None where nobody can ask for that.
        resume: accept a run folder of the same kind with everything in it. `overwrite` goes first.
        inputs: what the run reads, which must not lie in a folder that is to be emptied.

    Returns:
        True when an earlier run is to be continued, False when the folder is fresh.

    Raises:
        InputError: the folder is not empty and must not be touched, is in use, or cannot be made.
    """
    folder = Path(folder)
    if overwrite:
        require_apart(folder, inputs)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, a folder for the run's files is needed: choose another --out.")
    occupied = folder.is_dir() and any(not _is_left(each) for each in folder.iterdir())
    continued = occupied and not overwrite
    if occupied:
        _check_occupied(folder, kind, overwrite, resume)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be made: {error.strerror}.") from None
    if not continued:
        with held(folder):
            _empty(folder)
            write_json(folder / MARKER, {"format": FORMAT, "version": VERSION, "kind": kind})
    return continued


def require_apart(folder: Path, inputs: Iterable[Path]) -> None:
    """Check that no input of a run, as far as it exists, lies in the folder that the run is to take, and
    might empty.

    Raises:
        InputError: names every one that does.
    """
    there = {str(each): each.resolve() for each in inputs if each.exists()}
    within = [name for name, path in there.items() if folder.resolve() in (path, *path.parents)]
    if within:
        raise InputError(
            f"{folder} is or holds what is to be read ({', '.join(within)}): choose another --out."
        )


def require_ended(folder: Path) -> None:
    """Check that no attack was begun in a folder that has no results.

    Raises:
        InputError: one was; tells the command that goes on with it.
    """
    marker, asked = folder / MARKER, folder / "settings.json"
    if not marker.is_file() or not asked.is_file():
        return
    if read_json(marker, FORMAT, VERSION).get("kind") not in ATTACKS:
        return
    command = read_json(asked).get("command")
    goes_on = f": {command}" if isinstance(command, str) else ", with the command that began them"
    raise InputError(f"The attacks in {folder} have not ended. Go on with them first{goes_on}")


def require_folder(folder: Path) -> None:
    """Check that a folder is there.

    Raises:
        InputError: it is not.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder while a run writes to it, so that no second process does.

    The lock is the kernel's: it ends with the process, however that ends. (On Windows this does nothing.)

    Raises:
        InputError: another process holds it, which the message names; it cannot be written to.
    """
    if sys.platform == "win32":
        yield
        return
    path = Path(folder) / LOCK
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be written to: {error.strerror}.") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(handle, 32).decode(errors="replace").partition("\n")[0] or "unknown"
            raise InputError(
                f"{folder} is in use by process {owner}: wait until it ends, or choose another --out."
            ) from None
        # Cut after it is written: at no moment does the file of a folder that is held name nobody.
        try:
            os.ftruncate(handle, os.pwrite(handle, f"{os.getpid()}\n".encode(), 0))
        except OSError as error:
            raise InputError(f"The folder {folder} cannot be written to: {error.strerror}.") from None
        clear_abandoned(Path(folder))
        yield
    finally:
        # The file stays: removing it would let a third process lock another file of the same name.
        os.close(handle)


def _is_left(file: Path) -> bool:
    """Whether a file is one of ours that holds nothing: a lock, or what was to be its marker."""
    return file.name == LOCK or fnmatch(file.name, f".{MARKER}.*.tmp")


def _check_occupied(folder: Path, kind: str, overwrite: bool | None, resume: bool) -> None:
    marker = folder / MARKER
    if not marker.is_file():
        raise InputError(
            f"{folder} is not empty and no run folder of Scotoma, it is left alone: choose another --out."
        )
    if overwrite:
        return
    found = read_json(marker, FORMAT, VERSION).get("kind")
    advice = "choose another --out" + ("" if overwrite is None else ", or give --overwrite to replace it")
    if not resume:
        raise InputError(f"{folder} holds a {found} run already: {advice}.")
    if found != kind:
        raise InputError(f"{folder} holds a {found} run, not a {kind} run: {advice}.")


def _empty(folder: Path) -> None:
    # The marker goes last: a folder that was half emptied is still known as a run folder.
    for each in sorted(folder.iterdir(), key=lambda path: path.name == MARKER):
        if each.name == LOCK:
            continue
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()
