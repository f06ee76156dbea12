"""Which classes does a question ask for, and which of them has each image?

A question is a column of a table, one value of it against all others (`hair=black`), or the numbers on one
side of a threshold (`age>=35`).
"""

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scotoma.data.columns import MOST_CLASSES, Column, Kind, declare, number_of, word_of
from scotoma.data.table import MISSING, Attribute
from scotoma.errors import InputError
from scotoma.runs.settings import nearest

SHOWN = 10
# Each sign, and the one of the other side.
SIGNS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    ">=": (operator.ge, "<"),
    "<=": (operator.le, ">"),
    ">": (operator.gt, "<="),
    "<": (operator.lt, ">="),
}
CONDITION = re.compile(r"\s*(>=|<=|>|<|=)(.*)", re.DOTALL)


@dataclass(frozen=True)
class ColumnSummary:
    """What is in a column, for `scotoma check`.

    counts: images of each class; empty for numbers and text. missing: images of which it is not known.
    different: number of different values. low, high: the range of numbers.
    problem: why the column cannot be asked for as it is, as a predicate of it; "" if it can.
    """

    name: str
    kind: Kind
    counts: tuple[tuple[str, int], ...]
    missing: int
    different: int
    low: float | None = None
    high: float | None = None
    problem: str = ""


def parse_question(question: str, names: Sequence[str]) -> tuple[str, str, str] | None:
    """The column that a question is about, the sign (of SIGNS, or "=") and what follows it, both "" for a
    whole column; None if it names none of the columns.
    """
    question = question.strip()
    # The longest name first: names may contain signs.
    for name in sorted(names, key=len, reverse=True):
        if question == name:
            return name, "", ""
        if question.startswith(name) and (condition := CONDITION.fullmatch(question[len(name) :])):
            return name, condition[1], condition[2].strip()
    return None


def ask(column: Column, sign: str, value: str) -> Attribute:
    """The answer to a question that was parsed.

    Raises:
        InputError: the column has no such classes; says why and what to do.
    """
    if not sign:
        return _whole(column)
    return _one_value(column, value) if sign == "=" else _threshold(column, sign, value)


def summarise(column: Column) -> ColumnSummary:
    """What is in a column, whether or not it can be asked for."""
    counts: tuple[tuple[str, int], ...] = ()
    if column.kind == "binary":
        made = _whole(column)
        counts = tuple((name, int((made.labels == at).sum())) for at, name in enumerate(made.values))
    elif column.kind in ("classes", "constant"):
        counts = tuple((name, column.counts[name]) for name in column.names())
    numbers = column.numbers.values() if column.kind == "number" else ()
    return ColumnSummary(
        name=column.name,
        kind=column.kind,
        counts=counts,
        missing=len(column.texts) - column.known,
        different=len(column.counts),
        low=min(numbers, default=None),
        high=max(numbers, default=None),
        problem=column.problem,
    )


def _whole(column: Column) -> Attribute:
    _require_classes(column)
    if column.kind == "binary":
        assert column.pair
        yes, no = column.pair
        number = {text: int(word_of(text) == yes) for text in column.counts}
        return _attribute(column, _binary(column.name), number, f"binary: {yes} is yes, {no} is no")
    names = column.names()
    number = {name: at for at, name in enumerate(names)}
    return _attribute(column, names, number, f"{len(names)} classes: {_list(names)}")


def _one_value(column: Column, value: str) -> Attribute:
    """One value against all others; words for yes and no are compared by what they mean."""
    _require_classes(column)
    if value in column.missing:
        column.refuse(f"cannot be asked for {value!r}, which was declared to mean that it is not known.")
    compared = word_of if column.kind == "binary" else str
    same = {text for text in column.counts if compared(text) == compared(value)}
    if not same:
        many = len(column.counts) > MOST_CLASSES
        advice = f"it has {len(column.counts):,} others" if many else nearest(value, column.names())
        column.refuse(f"has no value {value!r}: {advice}.")
    others = [name for name in column.names() if name not in same]
    about = f"binary: {value} is yes, {_list(others)} {'are' if len(others) > 1 else 'is'} no"
    number = {text: int(text in same) for text in column.counts}
    return _attribute(column, _binary(f"{column.name}={value}"), number, about)


def _threshold(column: Column, sign: str, value: str) -> Attribute:
    name = f"{column.name}{sign}{value}"
    limit = number_of(value)
    if limit is None:
        raise InputError(f"The threshold of {name!r} is no number such as 35 or 0.5.")
    odd = [text for text in column.counts if text not in column.numbers]
    if odd:
        holds = column.holds(odd, "numbers") + declare(odd) if column.numbers else column.holds(odd)
        column.refuse(f"cannot be compared with {value}: it {holds}")
    if not column.counts:
        column.refuse(_constant(column))
    holds_for, opposite = SIGNS[sign]
    number = {text: int(holds_for(each, limit)) for text, each in column.numbers.items()}
    if len(set(number.values())) == 1:
        (first, *_), last = column.names(), column.names()[-1]
        which = "all" if all(number.values()) else "none"
        column.refuse(
            f"is one of numbers from {first} to {last}, {which} of which {'are' if which == 'all' else 'is'} "
            f"{sign} {value}: nothing can be learned of what all images share. Choose another threshold."
        )
    about = f"binary: {name} is yes, {column.name}{opposite}{value} is no"
    return _attribute(column, _binary(name), number, about)


def _require_classes(column: Column) -> None:
    if column.problem:
        column.refuse(column.problem)
    if column.kind == "constant":
        column.refuse(_constant(column))
    if column.kind == "number":
        column.refuse(_numbers(column))


def _constant(column: Column) -> str:
    if not column.counts:
        return "is blank, or declared to be not known, for all images."
    missing = len(column.texts) - column.known
    others = f" of which it is known ({missing:,} missing)" if missing else ""
    return (
        f"is {column.names()[0]!r} for all {column.known:,} images{others}: "
        "nothing can be learned of what all images share."
    )


def _numbers(column: Column) -> str:
    texts = sorted(column.counts.elements(), key=column.numbers.__getitem__)
    lowest = column.numbers[texts[0]]
    # The example is to divide the images: about the middle, but above the lowest number.
    example = next(text for text in texts[len(texts) // 2 :] if column.numbers[text] > lowest)
    return (
        f"is one of numbers, from {texts[0]} to {texts[-1]}, which are no classes. Set a threshold, for "
        f'example --hide "{column.name}>={example}"; or have each number read as a class, by '
        f'{json.dumps(column.name, ensure_ascii=False)} = "classes" in [labels.columns] of the settings '
        f"file, or by {column.option()}."
    )


def _binary(name: str) -> tuple[str, str]:
    return f"not {name}", name


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _attribute(column: Column, values: tuple[str, ...], number: Mapping[str, int], about: str) -> Attribute:
    labels = np.fromiter((number.get(text, MISSING) for text in column.texts), np.int64, len(column.texts))
    missing = len(labels) - column.known
    return Attribute(values, labels, about + (f"; {missing:,} missing" if missing else ""))
