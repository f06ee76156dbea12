"""Which image files does a table of attributes name, and what does it say of each?

A table has a header, a row for each image file, one column with the files' paths, and any number of columns
with what is known of them. The order of its rows and columns says nothing. A table of labels for what is in
no files says it of things in an order of their own.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scotoma.data.attributes import ColumnSummary, ask, parse_question, summarise
from scotoma.data.columns import READ_AS, UNKNOWN, Column, declare
from scotoma.data.delimited import Rows, read_rows
from scotoma.data.listed_files import ListedFiles, find_files, image_share
from scotoma.data.table import Attribute
from scotoma.data.table_problems import Problems, list_lines
from scotoma.errors import InputError
from scotoma.runs.settings import nearest

SUFFIXES = (".csv", ".tsv")


@dataclass(frozen=True)
class Reading:
    """How a table is to be read; None, or nothing, stands for what is found.

    file_column: the column of paths; found where one column only names image files that are there.
    root: the folder below which paths are; default: the table's own.
    missing: values that mean "not known", beside the blank one: "?", "NaN".
    columns: columns that are to be read as "binary", "classes" or "number", whatever is found.
    encoding: of the text. A file that begins with the mark of UTF-8, UTF-16 or UTF-32 is read as that.
    """

    file_column: str | None = None
    root: Path | None = None
    missing: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"


@dataclass(frozen=True, eq=False)
class AttributeTable:
    """What a table says of each image file that it names.

    root: folder of the files. file_column: name of the column with their paths.
    files: POSIX paths below the root, sorted, each once. lines: the line of each file's row.
    columns: texts without blanks around them, by the name of the column, in the order of `files`.
    notes: what a reader of the table's summary should know of how it was read.
    """

    path: Path
    root: Path
    file_column: str
    files: tuple[str, ...]
    lines: tuple[int, ...]
    columns: Mapping[str, tuple[str, ...]]
    reading: Reading
    notes: tuple[str, ...] = ()

    def attribute(self, question: str) -> Attribute:
        """The classes that a question asks for: COLUMN, COLUMN=VALUE, COLUMN>=NUMBER (or >, <=, <).

        Raises:
            InputError: no such column or value, or the column has no classes of this kind.
        """
        parsed = parse_question(question, list(self.columns))
        if parsed is None:
            # What stands before the first sign is likely what was meant for a column.
            name = question.replace(">", "=").replace("<", "=").partition("=")[0].strip()
            raise self._no_column(name or question)
        name, sign, value = parsed
        return ask(self._column(name), sign, value)

    def describe(self) -> list[ColumnSummary]:
        """What is in every column, in the order of the header."""
        return [summarise(self._column(name)) for name in self.columns]

    def askable(self) -> tuple[str, ...]:
        """The columns that have classes as they are, in the order of the header."""
        return tuple(
            each.name for each in self.describe() if each.kind in ("binary", "classes") and not each.problem
        )

    def text(self, column: str) -> tuple[str, ...]:
        """The texts of a column, unread, in the order of `files`.

        Raises:
            InputError: there is no such column.
        """
        if column not in self.columns:
            raise self._no_column(column)
        return self.columns[column]

    def groups(self, column: str) -> tuple[str, ...]:
        """The texts of a column, blank where they are missing: these name no person, place or video.

        Raises:
            InputError: there is no such column, or it holds what stands for "not known" without saying so: it
                would be one large group.
        """
        missing = self._missing()
        groups = tuple("" if text in missing else text for text in self.text(column))
        if unknown := sorted({text for text in groups if UNKNOWN.fullmatch(text)}):
            listed, count = ", ".join(map(repr, unknown)), sum(text in unknown for text in groups)
            raise InputError(
                f"--group-by {column}: {listed} would be one group, of {count:,} images.{declare(unknown)}"
            )
        return groups

    def _column(self, name: str) -> Column:
        read_as = self.reading.columns.get(name, "")
        return Column(name, self.columns[name], self.lines, self._missing(), read_as)

    def _missing(self) -> frozenset[str]:
        return frozenset(text.strip() for text in self.reading.missing)

    def _no_column(self, name: str) -> InputError:
        if name == self.file_column:
            return InputError(
                f"The column {name!r} of {self.path} names the files, and says nothing of them."
            )
        return InputError(f"There is no column {name!r} in {self.path}: {nearest(name, list(self.columns))}.")


def is_table(path: Path) -> bool:
    """Whether this is a file that is a table by its extension."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def read_attribute_table(path: Path, reading: Reading | None = None) -> AttributeTable:
    """Read a table and look for the files that it names; `reading` defaults to `Reading()`.

    A row that says the same as another of the same file is left out, with a note.

    Raises:
        InputError: the table cannot be read, rows or names do not fit, files are missing, elsewhere or no
            images, rows contradict each other. All problems at once, with their lines.
    """
    reading = reading or Reading()
    root = reading.root if reading.root is not None else path.parent
    if not root.is_dir():
        raise InputError(f"There is no folder {root}, below which the files of {path} are looked for.")
    problems = Problems(path)
    rows = read_rows(path, reading.encoding, problems)
    by_column = [list(texts) for texts in zip(*rows.rows, strict=True)] or [[] for _ in rows.header]
    at, listed = _file_column(rows, by_column, root, reading, problems)
    _check_columns(rows.header, at, reading, problems)
    advice = ""
    if listed.files and not listed.found:
        advice = (
            f"None of the {len(listed.files):,} rows of {rows.header[at]!r} names an image below "
            f"{os.path.abspath(root)}: --root names the folder that paths start from, --file-column the "
            "column."
        )
    for row, kind, reason in listed.problems:
        problems.note(kind, reason, rows.lines[row], advice)
    others = [number for number in range(len(rows.header)) if number != at]
    texts = [[text.strip() for text in by_column[number]] for number in others]
    names = [rows.header[number] for number in others]
    first, repeated = _first_rows(listed.files, rows.lines, names, texts, problems)
    problems.stop_if_any()
    files = sorted(first)
    order = [first[file] for file in files]
    return AttributeTable(
        path,
        root,
        rows.header[at],
        tuple(files),
        tuple(rows.lines[row] for row in order),
        {name: tuple(map(column.__getitem__, order)) for name, column in zip(names, texts, strict=True)},
        reading,
        _notes(listed, repeated),
    )


def read_label_table(path: Path, reading: Reading | None = None) -> AttributeTable:
    """Read a table that names no files: its rows are in the order of what they tell of, and one column is
    enough. The `files` are names of its lines, for messages; `reading` defaults to `Reading()`.

    Raises:
        InputError: the table cannot be read, rows or names do not fit. All problems at once, with lines.
    """
    reading = reading or Reading()
    problems = Problems(path)
    rows = read_rows(path, reading.encoding, problems, one_column=True)
    _check_columns(rows.header, len(rows.header), reading, problems)
    problems.stop_if_any()
    columns = zip(*rows.rows, strict=True)
    texts = {name: tuple(map(str.strip, each)) for name, each in zip(rows.header, columns, strict=True)}
    files = tuple(f"line {line}" for line in rows.lines)
    return AttributeTable(path, path.parent, "", files, tuple(rows.lines), texts, reading)


def _file_column(
    rows: Rows, by_column: Sequence[Sequence[str]], root: Path, reading: Reading, problems: Problems
) -> tuple[int, ListedFiles]:
    """The number of the column of paths, -1 if that is a problem, and what its paths come to."""
    header, named = rows.header, reading.file_column
    if named is not None:
        if named in header:
            at = header.index(named)
            return at, find_files(by_column[at], root)
        problems.note("", f"there is no column {named!r} for the files: {nearest(named, header)}")
        return -1, ListedFiles()
    # Only columns that look like paths are looked for on the disk.
    likely = [at for at, texts in enumerate(by_column) if image_share(texts) >= 0.5]
    found = {at: find_files(by_column[at], root) for at in likely}
    there = [at for at in likely if found[at].found] or likely
    if len(there) == 1:
        return there[0], found[there[0]]
    if rows.rows:
        _tell_no_file_column(rows, {header[at]: found[at].found for at in there}, root, problems)
    return -1, ListedFiles()


def _tell_no_file_column(rows: Rows, found: Mapping[str, int], root: Path, problems: Problems) -> None:
    where = os.path.abspath(root)
    if found:
        counts = ", ".join(f"{name!r} {count:,} of {len(rows.rows):,}" for name, count in found.items())
        what = f"several columns hold names of images; of these there are below {where}: {counts}"
    else:
        what = (
            f"no column names image files below {where}; the columns are {', '.join(map(repr, rows.header))}"
        )
    advice = "Name the column with --file-column, and with --root the folder that its paths start from."
    problems.note("", what, advice=advice)


def _check_columns(header: Sequence[str], at: int, reading: Reading, problems: Problems) -> None:
    """Note what in `reading.columns` does not fit the table."""
    others = [name for name in dict.fromkeys(header) if name and name not in header[at : at + 1]]
    for name, read_as in reading.columns.items():
        if name not in others:
            what = f"no column {name!r} can be read as {read_as!r}: {nearest(name, others)}"
            problems.note("columns that are not there", what)
        if read_as not in READ_AS:
            what = f"the column {name!r} cannot be read as {read_as!r}: {nearest(read_as, READ_AS)}"
            problems.note("ways of reading that do not exist", what)


def _first_rows(
    files: Sequence[str],
    lines: Sequence[int],
    names: Sequence[str],
    texts: Sequence[Sequence[str]],
    problems: Problems,
) -> tuple[dict[str, int], list[int]]:
    """The first row of each file, and the lines of rows that repeat it; contradictions are noted."""
    first: dict[str, int] = {}
    repeated = []
    for row, file in enumerate(files):
        before = first.setdefault(file, row) if file else row
        if before == row:
            continue
        pairs = zip(names, texts, strict=True)
        if other := [name for name, column in pairs if column[row] != column[before]]:
            shown = ", ".join(map(repr, other[:5])) + (", ..." if len(other) > 5 else "")
            what = f"{file!r} again, as on line {lines[before]}, with another value of {shown}"
            problems.note("files with two different rows", what, lines[row])
        else:
            repeated.append(lines[row])
    return first, repeated


def _notes(listed: ListedFiles, repeated: Sequence[int]) -> tuple[str, ...]:
    notes = []
    if listed.backslashes:
        notes.append("Backslashes in the paths of files were read as slashes.")
    if repeated:
        rows = "1 repeated row was" if len(repeated) == 1 else f"{len(repeated):,} repeated rows were"
        notes.append(f"{rows} left out: {list_lines(repeated)}.")
    return tuple(notes)
