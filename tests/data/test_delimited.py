import codecs
import subprocess
from pathlib import Path

import pytest

from scotoma.data.delimited import Rows, read_rows
from scotoma.data.table_problems import Problems
from scotoma.errors import InputError


def rows_of(path: Path, content: str | bytes, encoding: str = "utf-8") -> Rows:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    problems = Problems(path)
    found = read_rows(path, encoding, problems)
    problems.stop_if_any()
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "faces.csv"


def refusal(path: Path, content: str | bytes, encoding: str = "utf-8") -> list[str]:
    """The lines of the error below its first."""
    with pytest.raises(InputError) as error:
        rows_of(path, content, encoding)
    first, *lines = str(error.value).splitlines()
    assert first == f"The table {path} cannot be used:"
    return lines


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_delimiter_is_found(path: Path, delimiter: str, end: str) -> None:
    lines = ["file, age ,note", "a.jpg,3,x y", "", "b.jpg,,z", "  "]
    found = rows_of(path, end.join(lines).replace(",", delimiter))
    assert found.header == ["file", "age", "note"]
    assert found.rows == [["a.jpg", "3", "x y"], ["b.jpg", "", "z"]]
    assert found.lines == [2, 4]


def test_other_delimiters_in_names_and_values_do_no_harm(path: Path) -> None:
    found = rows_of(path, "file;a,b\na.jpg;3,5\nb.jpg;4\n")
    assert (found.header, found.rows) == (["file", "a,b"], [["a.jpg", "3,5"], ["b.jpg", "4"]])
    found = rows_of(path, 'file,"a;b"\n"c,d.jpg",3\n')
    assert (found.header, found.rows) == (["file", "a;b"], [["c,d.jpg", "3"]])


def test_a_quoted_field_may_hold_quotes_and_lines(path: Path) -> None:
    found = rows_of(path, '\nfile,note\na.jpg,"two\nlines, ""so"""\nb.jpg,\n')
    assert found.rows == [["a.jpg", 'two\nlines, "so"'], ["b.jpg", ""]]
    assert found.lines == [3, 5]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_the_mark_of_an_encoding_is_recognised(path: Path, mark: bytes, encoding: str) -> None:
    found = rows_of(path, mark + "Datei,größe\nü.jpg,字\n".encode(encoding), "latin-1")
    assert (found.header, found.rows) == (["Datei", "größe"], [["ü.jpg", "字"]])


def test_an_encoding_may_be_named(path: Path) -> None:
    content = "Datei,größe\nü.jpg,1\n".encode("latin-1")
    assert rows_of(path, content, "latin-1").header == ["Datei", "größe"]
    assert refusal(path, content) == [
        "  line 1: byte 9 of the file (0xf6) cannot be read as utf-8",
        "  Name the encoding that it is in, for example --table-encoding latin-1.",
    ]
    assert refusal(path, b"file,a\na.jpg,1\n", "hex") == [
        "  there is no text encoding 'hex'",
        "  Examples: utf-8, latin-1, utf-16.",
    ]
    assert refusal(path, b"file,a\na.jpg,1\n", "\0") == [
        "  there is no text encoding '\\x00'",
        "  Examples: utf-8, latin-1, utf-16.",
    ]


def test_nul_characters_are_refused(path: Path) -> None:
    assert refusal(path, "file,a\nb.jpg,1\n".encode("utf-16-le")) == [
        "  line 1: a NUL character, the first of 15; read as utf-8, this is no text",
        "  Name the encoding that it is in, for example --table-encoding utf-16.",
    ]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("", ["  it is empty"]),
        (" \n\n", ["  it is empty"]),
        ("file,a;b\n", ["  there is a header and no row below it"]),
        (
            "file\na.jpg\n",
            [
                "  line 1: no comma, semicolon, tab or bar (|) divides the header 'file'",
                "  A table has a header and two columns at least: image files, and what is known of them.",
            ],
        ),
        (
            "file,,a b\x07\na.jpg,1,2\n",
            [
                "  column 2 has no name",
                "  Name such columns in the header, or leave them out (pandas: to_csv(..., index=False)).",
                "  the name of column 3, 'a b\\x07', cannot be printed",
            ],
        ),
        (
            "file,age,hair, age,age\na.jpg,1,2,3,4\n",
            ["  the columns 2 and 4 and 5 are all named 'age'"],
        ),
        (
            "file;age,a;b\na.jpg;1,1;2\n",
            # Three columns by semicolons, two by commas.
            [
                "  it can be divided by commas (2 columns) and as well by semicolons (3 columns)",
                "  Write the table with one of them, and quote names that contain it.",
            ],
        ),
        (
            "file,age\na.jpg,1,2\nb.jpg,1\nc.jpg\n,,,\n",
            [
                "  line 2: 3 fields where the header has 2",
                "  line 4: 1 field where the header has 2",
                "  line 5: 4 fields where the header has 2",
            ],
        ),
        ('file,age\na.jpg,"1\nb.jpg,2\n', ["  line 2: a quote is opened and never closed"]),
        ('"file,age\na.jpg,1\n', ["  line 1: a quote is opened and never closed"]),
        (
            'file,age\na.jpg\nb.jpg,"1" 2\n',
            [
                "  line 2: 1 field where the header has 2",
                "  line 3: text follows the closing quote of a field",
            ],
        ),
        (
            "file,age\na.jpg," + 200_000 * "1" + "\n",
            ["  line 2: a field of more than 131,072 characters; is a quote missing?"],
        ),
    ],
)
def test_what_cannot_be_divided_is_told(path: Path, content: str, lines: list[str]) -> None:
    assert refusal(path, content) == lines


def test_of_many_ragged_rows_twenty_are_shown(path: Path) -> None:
    lines = refusal(path, "file,age\n" + 1_025 * "a.jpg\n" + "b.jpg,1\n")
    assert lines[0] == "  line 2: 1 field where the header has 2"
    assert lines[19:] == [
        "  line 21: 1 field where the header has 2",
        "  and 1,005 more rows of another length (scotoma check --full names all)",
    ]


def test_where_no_delimiter_fits_the_rows_the_best_is_told_of(path: Path) -> None:
    content = "file;age,a\na.jpg;1\nb.jpg;2\nc.jpg;1;1\n"
    assert refusal(path, content) == ["  line 4: 3 fields where the header has 2"]


def test_the_command_for_celebas_list_makes_a_table_of_it(path: Path) -> None:
    path = path.with_name("list_attr.txt")
    content = "2\r\nBald  Young \r\na.jpg -1  1\r\nb.jpg  1 -1\r\n"
    lines = refusal(path, content)
    table = path.with_name("list_attr_commas.csv")
    command = f"tail -n +2 {path} | sed 's/ *\\r*$//; 1s/^/image /; s/  */,/g' > {table}"
    assert lines == [
        "  line 1: there is only a number, as in CelebA's own list, whose columns are divided by blanks",
        f"  Make a table with commas of it: {command}",
    ]
    subprocess.run(command, shell=True, check=True)
    assert table.read_text() == "image,Bald,Young\na.jpg,-1,1\nb.jpg,1,-1\n"


def test_a_table_that_cannot_be_opened_is_told_of(path: Path) -> None:
    problems = Problems(path)
    with pytest.raises(InputError) as error:
        read_rows(path, "utf-8", problems)
    assert str(error.value) == f"There is no file {path}."
    path.mkdir()
    with pytest.raises(InputError) as error:
        read_rows(path, "utf-8", problems)
    assert str(error.value) == f"The table {path} cannot be read: Is a directory."
