"""How does a run keep its files, so that nothing is half written, lost or overwritten by mistake?

A run folder is claimed once (its marker `scotoma-run.json` says what it is), held by one process at a time,
and every file in it is written whole or not at all.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from scotoma.errors import InputError, ScotomaError
from scotoma.runs.json_text import CHECKSUM, JsonError, checksum_of, parse_json, shown

if sys.platform != "win32":
    import fcntl

MARKER = "scotoma-run.json"
LOCK = ".lock"
FORMAT = "scotoma-run"
# Kinds of runs that end in results of attacks.
ATTACKS = ("verification", "suite")
VERSION = 1
# Bytes. A results.json with every curve of a long run has some megabytes.
MOST_JSON = 64 << 20


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: to a temporary file in the same folder, synced, then renamed.

    Raises:
        ScotomaError: the file cannot be written (disk full, no permission).
    """
    path = Path(path)
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; a result is as readable as any file that the user writes.
        os.chmod(temporary, 0o666 & ~_UMASK)
        os.replace(temporary, path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise ScotomaError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)


def write_json(path: Path, content: Mapping[str, Any] | list[Any]) -> None:
    """Write standard JSON (UTF-8, indented, no NaN or infinity) whole or not at all.

    Raises:
        ScotomaError: a number in it is not finite, or the file cannot be written.
    """
    write_bytes(path, _text(path, content, indent=1).encode() + b"\n")


def write_checked_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON table with the key "checksum", by which `read_checked_json` notices any change.

    Raises:
        ScotomaError: as `write_json`.
    """
    plain = as_read(path, content)
    write_json(path, {**plain, CHECKSUM: checksum_of(plain)})


def as_read(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """A table as JSON gives it back: keys are texts there, and tuples are lists.

    Raises:
        ScotomaError: a number in it is not finite; names the file that it is for.
    """
    plain: dict[str, Any] = json.loads(_text(path, content))
    return plain


def _text(path: Path, content: Mapping[str, Any] | list[Any], indent: int | None = None) -> str:
    try:
        return json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ScotomaError(f"{path} cannot be written: a number in it is NaN or infinite.") from error


def read_json(
    path: Path, format: str | None = None, version: int | None = None, most: int = MOST_JSON
) -> dict[str, Any]:
    """Read a JSON table.

    Args:
        path: the file.
        format: what its key "format" must say; None for a table without one.
        version: what its key "version" must say; None for any.
        most: the most bytes that are read.

    Raises:
        InputError: the file is missing, too large, broken, or of another format or version.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    if len(data) > most:
        raise InputError(f"{path} has more than {most:,} bytes: no such file of Scotoma is that large.")
    try:
        content = parse_json(data)
    except JsonError as error:
        raise InputError(f"{path} {error}.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} does not hold a JSON table.")
    if format is not None and content.get("format") != format:
        raise InputError(f"{path} is no {format} file: its format is {shown(content.get('format'))}.")
    if version is not None and content.get("version") != version:
        raise InputError(
            f"{path} has version {shown(content.get('version'))} of {format or 'its format'}, "
            f"this Scotoma reads version {version}. Use the Scotoma that wrote it, or make it anew."
        )
    return content


def read_checked_json(path: Path, format: str, version: int, most: int = MOST_JSON) -> dict[str, Any]:
    """Read what `write_checked_json` wrote, without its checksum.

    Raises:
        InputError: as `read_json`; the content is not what was written.
    """
    content = read_json(path, format, version, most)
    if content.pop(CHECKSUM, None) != checksum_of(content):
        raise InputError(
            f"{path} was changed or damaged since it was written: its checksum does not fit. Put the "
            "original back, or delete the file and give the command that wrote it again."
        )
    return content


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


def require_free(out: Path, overwrite: bool, what: str, example: str) -> None:
    """Check that a file can be written there.

    Raises:
        InputError: it is a folder, or exists and is not to be replaced.
    """
    if out.is_dir():
        raise InputError(f"{out} is a folder: name a file for {what}, such as {out / example}.")
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists already: choose another --out, or give --overwrite to replace it.")


def make_folder_of(out: Path) -> None:
    """Make the folder that a file will lie in, where it is missing.

    Raises:
        InputError: it cannot be made.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {out.parent} cannot be made: {error.strerror}.") from None


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


def clear_abandoned(folder: Path) -> None:
    """Remove what a killed run was writing into a folder, which its new holder calls."""
    for each in folder.glob(".*.tmp"):
        with suppress(OSError):
            each.unlink()


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


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_umask() -> int:
    umask = os.umask(0o022)
    os.umask(umask)
    return umask


# Read once: asking for the mask means setting it, which is not safe beside other threads.
_UMASK = _read_umask()
