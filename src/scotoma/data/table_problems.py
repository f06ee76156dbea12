"""What is wrong with a table of text, told all at once?"""

import sys
from collections.abc import Sequence
from pathlib import Path

from scotoma.errors import InputError
from scotoma.runs.words import first_of

SHOWN = 20


class Problems:
    """Collects what is wrong with the table at `path`, by kind, as it stands behind "and 5 more"."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: dict[str, list[tuple[int, str]]] = {}
        self._advice: dict[str, str] = {}

    def note(self, kind: str, text: str, line: int = 0, advice: str = "") -> None:
        """Keep one problem, on a line of the table or (0) of the whole, and what to do about its kind."""
        self._found.setdefault(kind, []).append((line, text))
        if advice:
            self._advice[kind] = advice

    def stop_if_any(self) -> None:
        """Raise what was noted so far.

        Raises:
            InputError: all problems by kind in the order of lines, the first 20 of each.
        """
        if self._found:
            raise InputError(self._told(SHOWN), self._told(sys.maxsize))

    def _told(self, most: int) -> str:
        lines = [f"The table {self.path} cannot be used:"]
        for kind, found in self._found.items():
            in_order = sorted(found, key=lambda problem: problem[0])
            told = [f"line {line}: {text}" if line else text for line, text in in_order]
            lines += first_of(told, most, f"more {kind}")
            if kind in self._advice:
                lines.append(f"  {self._advice[kind]}")
        return "\n".join(lines)


def list_lines(lines: Sequence[int], most: int = SHOWN) -> str:
    """Numbers of lines in words: `line 3`, or `lines 3, 5, 8`, or the first ones and how many more."""
    shown = ", ".join(str(line) for line in sorted(lines)[:most])
    more = f" and {len(lines) - most:,} more" if len(lines) > most else ""
    return f"line{'s' if len(lines) > 1 else ''} {shown}{more}"
