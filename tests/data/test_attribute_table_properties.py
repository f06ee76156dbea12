"""Tables that nobody thought of: what must hold for all of them."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scotoma.data.attribute_table import AttributeTable, Reading, read_attribute_table
from scotoma.data.attributes import ColumnSummary
from scotoma.errors import InputError

FILES = [
    f"{folder}{name}" for folder in ("", "deep/", "deep/er/") for name in ("ä b.jpg", "c.PNG", 'd"e.webp')
]
COLUMNS = ["first", "zweite Spalte", "3", "x=y"]
VALUES = [
    "",
    " ",
    "?",
    "0",
    "1",
    "-1",
    "1.0",
    "2",
    "2.5",
    "yes",
    "No",
    "no",
    "TRUE",
    "false",
    "NaN",
    "red",
    "b,c",
]

fixed = settings(derandomize=True, deadline=None, database=None, max_examples=80)
# Few different values to a column, so that columns that can be read are frequent.
columns_of_values = st.lists(st.sampled_from(VALUES), min_size=1, max_size=4).flatmap(
    lambda few: st.lists(st.sampled_from(few), min_size=len(FILES), max_size=len(FILES))
)
tables_of_values = st.lists(columns_of_values, min_size=1, max_size=len(COLUMNS))
any_text = st.text(st.sampled_from("ab ;,|\t\"'\n\\=ß"), max_size=6)
tables_of_text = st.lists(
    st.lists(any_text, min_size=len(FILES), max_size=len(FILES)), min_size=1, max_size=len(COLUMNS)
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder / "faces.csv"


def write(path: Path, columns: Sequence[Sequence[str]], order: Sequence[int], delimiter: str = ",") -> None:
    """A table with a row for each number of `order`, the files' column last."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow([*COLUMNS[: len(columns)], "file"])
    writer.writerows([*(column[row] for column in columns), FILES[row]] for row in order)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")


def answers(table: AttributeTable) -> list[object]:
    """All that a table says but for lines: texts, and each column as it is read, or that it is not."""
    return [table.files, table.columns, *(answer(table, name) for name in table.columns)]


def kinds(table: AttributeTable) -> list[ColumnSummary]:
    """The table's description without problems, which name lines."""
    return [replace(one, problem="") for one in table.describe()]


def answer(table: AttributeTable, question: str) -> object:
    try:
        found = table.attribute(question)
    except InputError:
        return None
    return found.values, found.labels.tolist()


def expected(name: str, texts: Sequence[str], missing: Sequence[str]) -> object:
    """How a column is to be read, written a second time; only for texts among VALUES."""
    known = [None if text.strip() in ("", *missing) else text.strip() for text in texts]
    words = [None if one is None else {"1.0": "1"}.get(one, one.lower()) for one in known]
    there = {word for word in words if word is not None}
    for yes, no in (("1", "0"), ("1", "-1"), ("yes", "no"), ("true", "false")):
        if there == {yes, no}:
            labels = [-1 if word is None else 1 if word == yes else 0 for word in words]
            return (f"not {name}", name), labels
        if there <= {yes, no}:
            return None
    names = sorted({one for one in known if one is not None})
    digits = [one for one in names if one[-1].isdigit()]
    fits = "NaN" not in names or not (
        {*names} - {"NaN"} <= {"yes", "No", "no"} or {*names} - {"NaN"} <= {"TRUE", "false"}
    )
    counted = [one for one in known if one is not None]
    if digits or len(names) < 2 or len(counted) == len(names) or not fits:
        return None
    return tuple(names), [-1 if one is None else names.index(one) for one in known]


@fixed
@given(columns=tables_of_values, order=st.permutations(range(len(FILES))))
def test_the_order_of_rows_does_not_matter(path: Path, columns: list[list[str]], order: list[int]) -> None:
    write(path, columns, range(len(FILES)))
    straight = read_attribute_table(path)
    write(path, columns, order)
    shuffled = read_attribute_table(path)
    assert answers(shuffled) == answers(straight)
    assert kinds(shuffled) == kinds(straight)
    # Each line number is that of the file's own row: values here hold no line ends.
    lines = path.read_text(encoding="utf-8").splitlines()
    for file, line in zip(shuffled.files, shuffled.lines, strict=True):
        assert lines[line - 1].replace('""', '"').rstrip('"').endswith(file)


@fixed
@given(columns=tables_of_text, delimiter=st.sampled_from(";\t|"))
def test_the_delimiter_does_not_matter(path: Path, columns: list[list[str]], delimiter: str) -> None:
    write(path, columns, range(len(FILES)))
    commas = read_attribute_table(path)
    write(path, columns, range(len(FILES)), delimiter)
    other = read_attribute_table(path)
    assert answers(other) == answers(commas)
    assert (other.lines, other.describe()) == (commas.lines, commas.describe())
    # And nothing is lost of a text but the blanks around it.
    order = sorted(range(len(FILES)), key=FILES.__getitem__)
    assert list(other.columns.values()) == [tuple(column[row].strip() for row in order) for column in columns]


@fixed
@given(columns=tables_of_values, missing=st.sets(st.sampled_from(["?", "NaN", "red", "2", "-1"])))
def test_columns_are_read_as_a_second_reading_reads_them(
    path: Path, columns: list[list[str]], missing: set[str]
) -> None:
    write(path, columns, range(len(FILES)))
    table = read_attribute_table(path, Reading(missing=tuple(missing)))
    for name in table.columns:
        assert answer(table, name) == expected(name, table.columns[name], sorted(missing))


@fixed
@given(
    column=columns_of_values, limit=st.sampled_from(["0", "1", "1.5", "2"]), sign=st.sampled_from(["<", ">="])
)
def test_a_threshold_agrees_with_a_second_reading(
    path: Path, column: list[str], limit: str, sign: str
) -> None:
    write(path, [column], range(len(FILES)))
    table = read_attribute_table(path, Reading(missing=("?", "NaN")))
    texts = [text if text not in ("?", "NaN") else "" for text in table.columns["first"]]
    number = all(text == "" or text[-1].isdigit() for text in texts)
    labels = [
        -1 if not text else int((float(text) >= float(limit)) == (sign == ">=")) for text in texts if number
    ]
    name = f"first{sign}{limit}"
    wanted = ((f"not {name}", name), labels) if {0, 1} <= {*labels} else None
    assert answer(table, name) == wanted


@fixed
@given(content=st.text(st.sampled_from('a.jpgfile01,;\t|"\n\r \0\\é'), max_size=60) | st.binary(max_size=40))
def test_whatever_a_file_holds_is_read_or_refused(path: Path, content: str | bytes) -> None:
    other = path.with_name("other.csv")
    other.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        table = read_attribute_table(other)
    except InputError as error:
        assert str(error).startswith(f"The table {other} cannot be used:\n  ")
    else:
        assert table.files and len(table.describe()) == len(table.columns)
