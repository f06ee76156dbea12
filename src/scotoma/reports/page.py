"""What do the pages of all reports share: templates, the ways to show a value, and how they are written?"""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from scotoma.reports.done import spent
from scotoma.reports.verdict import CAUTION, percent
from scotoma.runs.whole_files import make_folder_of, write_bytes

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
    found.globals |= {"minus": MINUS, "caution": CAUTION}
    found.filters |= {"percent": percent, "spent": spent, "code_names": code_names}
    return found


def write_page(out: Path, page: str) -> Path:
    """Write a page whole or not at all; its folder is made where needed.

    Raises:
        InputError: the folder cannot be made.
    """
    make_folder_of(out)
    write_bytes(out, page.encode())
    return out


def code_names(text: str) -> Markup:
    """Plain words with names in backticks: the names set as code, and no line break before a percent sign."""
    text = text.replace(" %", "\N{NO-BREAK SPACE}%")
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))
