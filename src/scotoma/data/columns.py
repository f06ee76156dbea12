"""What kind of values does a column of texts hold?

Binary (two words for yes and no), classes (names), numbers or text: decided once, over all values that are
known. Values that do not fit the others are a problem, never guessed at.
"""

import csv
import io
import math
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NoReturn, get_args

from scotoma.data.table_problems import list_lines
from scotoma.errors import InputError

MOST_CLASSES = 100
# Words for yes and no, as they are compared.
PAIRS = (("1", "0"), ("1", "-1"), ("true", "false"), ("yes", "no"), ("t", "f"), ("y", "n"))
# What programs write where they have no value: suspicious beside numbers, or yes and no.
ABSENT = re.compile(r"[+-]?(nan|inf|infinity)|n/?a|<na>|#n/a|null|none|nil", re.IGNORECASE)
# Those of them that are no word.
UNKNOWN = re.compile(r"[+-]?nan|n/?a|<na>|#n/a", re.IGNORECASE)
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
SHOWN = 5

ReadAs = Literal["binary", "classes", "number"]
Kind = Literal["binary", "classes", "number", "constant", "text"]
READ_AS: tuple[str, ...] = get_args(ReadAs)


@dataclass(frozen=True, eq=False)
class Column:
    """Texts by image, the line of each in the table, and texts that mean "not known" beside the blank one.

    read_as: "binary", "classes" or "number", or "" for what is found.
    """

    name: str
    texts: Sequence[str]
    lines: Sequence[int]
    missing: frozenset[str] = frozenset()
    read_as: str = ""

    @cached_property
    def counts(self) -> Counter[str]:
        """Images by known value."""
        counts = Counter(self.texts)
        for text in ("", *self.missing):
            del counts[text]
        return counts

    @cached_property
    def numbers(self) -> dict[str, float]:
        """The known values that are finite numbers."""
        return {text: number for text in self.counts if (number := number_of(text)) is not None}

    @cached_property
    def pair(self) -> tuple[str, str] | None:
        """The words for yes and no among which all known values are."""
        return _pair(self.counts)

    @property
    def kind(self) -> Kind:
        """How the column is read; one with a problem is text."""
        return self._decided[0]

    @property
    def problem(self) -> str:
        """Why the values cannot be read as they are, as a predicate of the column; "" if they can."""
        return self._decided[1]

    @property
    def known(self) -> int:
        """Number of images of which the value is known."""
        return self.counts.total()

    def names(self) -> tuple[str, ...]:
        """The different known values in alphabetical order, or by size where all are numbers."""
        numbers = self.numbers if len(self.numbers) == len(self.counts) else {}
        return tuple(sorted(self.counts, key=lambda text: (numbers.get(text, 0.0), text)))

    def holds(self, odd: Sequence[str], beside: str = "") -> str:
        """The predicate that names odd values with their lines."""
        lines_of: dict[str, list[int]] = {text: [] for text in odd}
        for line, text in zip(self.lines, self.texts, strict=True):
            if text in lines_of:
                lines_of[text].append(line)
        by_line = sorted((sorted(lines), text) for text, lines in lines_of.items())
        shown = ", ".join(f"{text!r} ({list_lines(lines, SHOWN)})" for lines, text in by_line[:SHOWN])
        more = f" and {len(odd) - SHOWN:,} more such values" if len(odd) > SHOWN else ""
        return f"holds {shown}{more}{f' beside {beside}' if beside else ''}."

    def refuse(self, predicate: str) -> NoReturn:
        """Raise the error that the column is or does what `predicate` says."""
        raise InputError(f"The column {self.name!r} {predicate}")

    def option(self) -> str:
        """The option of the command line by which every value of the column is read as a class."""
        return f"--columns {shlex.quote(f'{self.name}=classes')}"

    @cached_property
    def _decided(self) -> tuple[Kind, str]:
        names = [text for text in self.counts if text not in self.numbers]
        if self.read_as == "classes":
            return "classes" if len(self.counts) > 1 else "constant", ""
        if self.read_as == "number" and names:
            return "text", self.holds(names, "numbers") + declare(names)
        if self.read_as == "binary" and self.counts and not self.pair:
            return "text", self._no_pair()
        absent = [text for text in names if ABSENT.fullmatch(text)]
        rest = [text for text in self.counts if text not in absent]
        if absent and rest and (_pair(rest) or len(names) == len(absent)):
            beside = "yes and no" if _pair(rest) else "numbers"
            return "text", self.holds(absent, beside) + declare(absent)
        # "none" may be a class among names, as of glasses; NA hardly is one.
        if rest and (unknown := [text for text in absent if UNKNOWN.fullmatch(text)]):
            classes = f" If it is the name of a class: {self.option()}."
            return "text", self.holds(unknown, "names") + declare(unknown) + classes
        if self._meanings() < 2:
            return "constant", ""
        if self.pair and self.read_as != "number":
            return "binary", ""
        if not names:
            return "number", ""
        if self.numbers:
            classes = f" If all values are names of classes: {self.option()}."
            return "text", self.holds(names, "numbers") + declare(names) + classes
        if len(names) > MOST_CLASSES or len(names) == self.known:
            return "text", self._text()
        return "classes", ""

    def _meanings(self) -> int:
        """Number of values that mean different things: Yes is yes, 5.0 is 5."""
        if self.pair:
            return len({word_of(text) for text in self.counts})
        return len({self.numbers.get(text, text) for text in self.counts})

    def _no_pair(self) -> str:
        # Of the pair that most values belong to, the others are those to mend.
        odd = min(([text for text in self.counts if word_of(text) not in pair] for pair in PAIRS), key=len)
        pairs = ", ".join(f"{yes}/{no}" for yes, no in PAIRS)
        return f"{self.holds(odd)} A binary column holds one of {pairs}.{declare(odd)}"

    def _text(self) -> str:
        why = (
            f"more than {MOST_CLASSES} are not taken for classes"
            if len(self.counts) > MOST_CLASSES
            else "none comes twice"
        )
        return (
            f"is text: {len(self.counts):,} different values for {self.known:,} images, {why}. "
            f"To read each as a class nevertheless: {self.option()}."
        )


def number_of(text: str) -> float | None:
    """The finite number that a text is, in digits, if any; `nan`, `inf` and `1_000` are none."""
    number = float(text) if NUMBER.fullmatch(text) else math.inf
    return number if math.isfinite(number) else None


def word_of(text: str) -> str:
    """A text as words for yes and no are compared: in lower case, and 1.0 (so pandas writes 1) as 1."""
    number = number_of(text)
    return str(int(number)) if number in (-1, 0, 1) else text.lower()


def declare(texts: Sequence[str]) -> str:
    """The advice to declare that values mean "not known"."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(sorted(texts)[:SHOWN])
    values = line.getvalue()
    # A value that begins with - would be taken for an option.
    option = f"--missing{'=' if values.startswith('-') else ' '}{shlex.quote(values)}"
    return f" If that means that the value is not known, declare it: {option}."


def _pair(texts: Iterable[str]) -> tuple[str, str] | None:
    words = {word_of(text) for text in texts}
    return next((pair for pair in PAIRS if words and words <= set(pair)), None)
