"""What do the pages of all reports share: templates, the ways to show a value, and how they are written?"""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from scotoma.errors import InputError
from scotoma.reports.done import spent
from scotoma.reports.verdict import percent
from scotoma.runs.run_folder import write_bytes

MINUS = "\N{MINUS SIGN}"


def environment() -> Environment:
    """The templates beside this module, with the filters that all of them use."""
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["minus"] = MINUS
    found.filters |= {"percent": percent, "spent": spent, "code_names": code_names}
    return found


def require_free(out: Path, overwrite: bool) -> None:
    """Check that a report can be written there.

    Raises:
        InputError: it is a folder, or exists and is not to be replaced.
    """
    if out.is_dir():
        raise InputError(f"{out} is a folder: name a file for the report, such as {out / 'report.html'}.")
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists already: choose another --out, or give --overwrite to replace it.")


def write_page(out: Path, page: str) -> Path:
    """Write a page whole or not at all; its folder is made where needed.

    Raises:
        InputError: the folder cannot be made.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {out.parent} cannot be made: {error.strerror}.") from None
    write_bytes(out, page.encode())
    return out


def code_names(text: str) -> Markup:
    """Plain words with names in backticks: the names set as code, and no line break before a percent sign."""
    text = text.replace(" %", "\N{NO-BREAK SPACE}%")
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))
