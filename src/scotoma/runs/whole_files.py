"""How is a file written whole or not at all, and read back with a message for whatever is wrong with it?"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from scotoma.errors import InputError, ScotomaError
from scotoma.runs.json_text import CHECKSUM, JsonError, checksum_of, parse_json, shown

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


def clear_abandoned(folder: Path) -> None:
    """Remove what a killed run was writing into a folder, which its new holder calls."""
    for each in folder.glob(".*.tmp"):
        with suppress(OSError):
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
