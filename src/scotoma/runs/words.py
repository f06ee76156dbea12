"""How many of what, in words?"""

from collections.abc import Sequence

SHOWN = 5
EVERY = "scotoma check --full names all"


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 seed", "1,000 seeds"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def first_of(lines: Sequence[str], most: int, what: str = "more", every: str = EVERY) -> list[str]:
    """The first of many lines, indented, then how many more there are and how to see `every` one, if said."""
    how = f" ({every})" if every else ""
    more = [f"  and {len(lines) - most:,} {what}{how}"] if len(lines) > most else []
    return [*(f"  {line}" for line in lines[:most]), *more]


def left_out(skipped: Sequence[str]) -> str:
    """What is said of files that were left out: how many, and the first of them with the reasons."""
    named = "; ".join(skipped[:SHOWN]) + ("; ..." if len(skipped) > SHOWN else "")
    return f"left out, as they cannot be read: {len(skipped):,} ({named})"
