"""How does help fit a terminal of any width? Every paragraph becomes one line, which the terminal breaks."""

import inspect
from collections.abc import Iterator
from typing import TypeVar

Documented = TypeVar("Documented")

_EXAMPLE = "Example:"


def with_flowing_help(documented: Documented) -> Documented:
    """The same verb or class of flags, its docstring flowing."""
    documented.__doc__ = flowing(documented.__doc__ or "")
    return documented


def flowing(text: str) -> str:
    """A docstring with one line for each paragraph, example and argument."""
    return "\n".join(_lines(inspect.cleandoc(text)))


def _lines(text: str) -> Iterator[str]:
    line = ""
    for each in text.splitlines():
        depth = len(each) - len(each.lstrip())
        # What goes on stands as far right as what it goes on with, or further; an argument stands at 4.
        begins = not each or not line or line.endswith("Args:") or each.startswith(_EXAMPLE) or depth == 4
        if begins:
            yield from [line] if line else []
            line = each
            if not each:
                yield ""
        else:
            line = f"{line} {each.strip()}"
    if line:
        yield line
