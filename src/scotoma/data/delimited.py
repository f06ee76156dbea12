"""Which rows does a table of text hold, and on which line does each begin?

Fields are divided by commas, semicolons, tabs or bars, whichever gives every row as many fields as the header
has, and may be quoted as in CSV (RFC 4180). A row that does not fit is an error, never mended.
"""

import codecs
import csv
import io
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from scotoma.data.table_problems import Problems
from scotoma.errors import InputError

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars (|)"}
# Longer marks first: that of UTF-32 begins as that of UTF-16 does.
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What makes a comma-separated table of CelebA's own list.
FROM_CELEBA = r"tail -n +2 {} | sed 's/ *\r*$//; 1s/^/image /; s/  */,/g' > {}"


@dataclass
class Rows:
    """The header's names, and the fields of each row below it with the line on which it begins; blank lines
    are passed over. `misfits` are lines with another number of fields, which are not among the rows.
    """

    header: list[str]
    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    misfits: list[tuple[int, int]] = field(default_factory=list)
    broken: tuple[int, str] | None = None


def read_rows(path: Path, encoding: str, problems: Problems, *, one_column: bool = False) -> Rows:
    """The rows of a table that fit its header. What is wrong with others, and with names, is noted.
    With `one_column` a header that nothing divides is the name of the only column.

    Raises:
        InputError: nothing can be read: no such file, not in this encoding, empty, no delimiter, or several
            that would do.
    """
    text = _decode(path, encoding, problems)
    delimiters = _delimiters_of_header(text, path, problems, one_column)
    readings = {delimiter: _divide(text, delimiter) for delimiter in delimiters}
    fitting = [delimiter for delimiter, one in readings.items() if not (one.misfits or one.broken)]
    if len(fitting) > 1 and readings[fitting[0]].rows:
        ways = [f"{DELIMITERS[one]} ({len(readings[one].header)} columns)" for one in fitting]
        advice = "Write the table with one of them, and quote names that contain it."
        problems.note("", f"it can be divided by {' and as well by '.join(ways)}", advice=advice)
        problems.stop_if_any()
    # Where none fits, the one with most rows that do is what was meant.
    best = readings[fitting[0]] if fitting else max(readings.values(), key=lambda one: len(one.rows))
    _check(best, problems)
    return best


def encoding_by_mark(data: bytes) -> str | None:
    """The encoding that the first bytes of a text say it is in, if they do."""
    return next((name for mark, name in MARKS if data.startswith(mark)), None)


def _decode(path: Path, encoding: str, problems: Problems) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}.") from error
    except OSError as error:
        raise InputError(f"The table {path} cannot be read: {error.strerror}.") from error
    marked = encoding_by_mark(data) or encoding
    advice = "Name the encoding that it is in, for example --table-encoding latin-1."
    try:
        text = data.decode(marked)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte {error.start + 1:,} of the file (0x{data[error.start]:02x})"
        problems.note("", f"{byte} cannot be read as {marked}", line, advice)
    except UnicodeError as error:
        problems.note("", f"it cannot be read as {marked}: {error}", advice=advice)
    except (LookupError, ValueError):
        problems.note("", f"there is no text encoding {marked!r}", advice="Examples: utf-8, latin-1, utf-16.")
    else:
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            what = f"a NUL character, the first of {text.count(chr(0)):,}; read as {marked}, this is no text"
            problems.note(
                "", what, line, "Name the encoding that it is in, for example --table-encoding utf-16."
            )
        elif not text.strip():
            problems.note("", "it is empty")
    problems.stop_if_any()
    return text


def _delimiters_of_header(text: str, path: Path, problems: Problems, one_column: bool) -> list[str]:
    """The delimiters that divide the header into two fields or more; any where it may be one."""
    headers = {delimiter: _divide(text, delimiter, header_only=True) for delimiter in DELIMITERS}
    found = [delimiter for delimiter, one in headers.items() if len(one.header) > 1]
    broken = headers[","].broken
    if not found and broken:
        problems.note("", broken[1], broken[0])
    elif not found and one_column:
        return [","]
    elif not found:
        line, first = next((number, one) for number, one in enumerate(text.splitlines(), 1) if one.strip())
        if first.strip().isdecimal():
            what = "there is only a number, as in CelebA's own list, whose columns are divided by blanks"
            ends = (path, path.with_name(f"{path.stem}_commas.csv"))
            command = FROM_CELEBA.format(*(shlex.quote(str(one)) for one in ends))
            problems.note("", what, line, f"Make a table with commas of it: {command}")
        else:
            shown = repr(first if len(first) <= 60 else first[:60] + "...")
            what = f"no comma, semicolon, tab or bar (|) divides the header {shown}"
            advice = "A table has a header and two columns at least: image files, and what is known of them."
            problems.note("", what, line, advice)
    problems.stop_if_any()
    return found


def _divide(text: str, delimiter: str, header_only: bool = False) -> Rows:
    # Strict: a quote that is never closed would else take all that follows into its field.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found = Rows([])
    width, begin = 0, 1
    try:
        for row in reader:
            if len(row) == width and width:
                found.rows.append(row)
                found.lines.append(begin)
            elif width and (len(row) > 1 or "".join(row).strip()):
                found.misfits.append((begin, len(row)))
            elif "".join(row).strip():
                found.header = [name.strip() for name in row]
                width = len(row)
                if header_only:
                    break
            begin = reader.line_num + 1
    except csv.Error as error:
        found.broken = (begin, _explain(str(error)))
    return found


def _explain(error: str) -> str:
    if "field limit" in error:
        return f"a field of more than {csv.field_size_limit():,} characters; is a quote missing?"
    if "unexpected end" in error:
        return "a quote is opened and never closed"
    return "text follows the closing quote of a field"


def _check(found: Rows, problems: Problems) -> None:
    header = found.header
    for number, name in enumerate(header, 1):
        if not name:
            advice = "Name such columns in the header, or leave them out (pandas: to_csv(..., index=False))."
            problems.note("columns without a name", f"column {number} has no name", advice=advice)
        elif not name.isprintable():
            problems.note("unprintable names", f"the name of column {number}, {name!a}, cannot be printed")
    for name in dict.fromkeys(name for name in header if name and header.count(name) > 1):
        numbers = " and ".join(str(number) for number, one in enumerate(header, 1) if one == name)
        problems.note("names that come twice", f"the columns {numbers} are all named {name!r}")
    for line, fields in found.misfits:
        what = f"{fields} field{'s' if fields > 1 else ''} where the header has {len(header)}"
        problems.note("rows of another length", what, line)
    if found.broken:
        problems.note("broken rows", found.broken[1], found.broken[0])
    if not (found.rows or found.misfits or found.broken):
        problems.note("", "there is a header and no row below it")
