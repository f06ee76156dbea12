from collections.abc import Callable
from pathlib import Path

import pytest

from scotoma.data.attribute_table import (
    AttributeTable,
    Reading,
    is_table,
    read_attribute_table,
    read_label_table,
)
from scotoma.data.attributes import ColumnSummary
from scotoma.data.table import MISSING
from scotoma.errors import InputError

FACES = """\
file,smiling,hair,age,person
c.jpg,1,black,40,p1
a.jpg,0,red,18,p2
sub/b.png,,red,?,p1
d.jpg,1,,35,p2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files that are images by their names."""
    (tmp_path / "sub").mkdir()
    for name in ("a.jpg", "c.jpg", "d.jpg", "sub/b.png", "sub/a.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


@pytest.fixture
def read(folder: Path) -> Callable[..., AttributeTable]:
    def make(content: str, **reading: object) -> AttributeTable:
        path = folder / "faces.csv"
        path.write_text(content, encoding="utf-8")
        return read_attribute_table(path, Reading(**reading))  # type: ignore[arg-type]

    return make


@pytest.fixture
def refusal(read: Callable[..., AttributeTable], folder: Path) -> Callable[..., list[str]]:
    """The lines below the first of the error that a table gives."""

    def make(content: str, **reading: object) -> list[str]:
        with pytest.raises(InputError) as error:
            read(content, **reading)
        first, *lines = str(error.value).splitlines()
        assert first == f"The table {folder / 'faces.csv'} cannot be used:"
        return lines

    return make


def test_a_table_is_read_in_the_order_of_files(read: Callable[..., AttributeTable], folder: Path) -> None:
    table = read(FACES, missing=("?",))
    assert (table.path, table.root, table.file_column) == (folder / "faces.csv", folder, "file")
    assert table.files == ("a.jpg", "c.jpg", "d.jpg", "sub/b.png")
    assert table.lines == (3, 2, 5, 4)
    assert table.columns == {
        "smiling": ("0", "1", "1", ""),
        "hair": ("red", "black", "", "red"),
        "age": ("18", "40", "35", "?"),
        "person": ("p2", "p1", "p2", "p1"),
    }
    assert table.reading == Reading(missing=("?",))
    assert table.notes == ()
    assert table.text("person") == ("p2", "p1", "p2", "p1")


def test_questions_are_answered(read: Callable[..., AttributeTable]) -> None:
    table = read(FACES, missing=(" ? ",))
    answers = {
        "smiling": (("not smiling", "smiling"), [0, 1, 1, MISSING]),
        "hair=black": (("not hair=black", "hair=black"), [0, 1, MISSING, 0]),
        "age >= 35": (("not age>=35", "age>=35"), [0, 1, 1, MISSING]),
        "person": (("p1", "p2"), [1, 0, 1, 0]),
    }
    for question, (values, labels) in answers.items():
        answer = table.attribute(question)
        assert (answer.values, answer.labels.tolist()) == (values, labels)
    assert table.attribute("smiling").about == "binary: 1 is yes, 0 is no; 1 missing"


def test_a_column_may_be_read_otherwise(read: Callable[..., AttributeTable]) -> None:
    table = read(FACES, missing=("?",), columns={"age": "classes", "smiling": "number"})
    assert table.attribute("age").values == ("18", "35", "40")
    assert table.attribute("age=35").labels.tolist() == [0, 0, 1, MISSING]
    with pytest.raises(InputError, match=r"^The column 'smiling' is one of numbers, from 0 to 1, which"):
        table.attribute("smiling")


def test_a_missing_text_names_no_group(read: Callable[..., AttributeTable]) -> None:
    assert read(FACES).groups("age") == ("18", "40", "35", "?")
    table = read(FACES, missing=(" ?", "p2"))
    assert table.groups("age") == ("18", "40", "35", "")
    assert table.groups("person") == ("", "p1", "", "p1")
    assert table.text("person") == ("p2", "p1", "p2", "p1")
    with pytest.raises(InputError, match="There is no column 'persons' in"):
        table.groups("persons")


def test_what_programs_write_for_nothing_is_no_group(read: Callable[..., AttributeTable]) -> None:
    text = FACES.replace("p2", "NA")
    with pytest.raises(InputError) as error:
        read(text).groups("person")
    assert str(error.value) == (
        "--group-by person: 'NA' would be one group, of 2 images. If that means that the value is not known, "
        "declare it: --missing NA."
    )
    assert read(text, missing=("NA",)).groups("person") == ("", "p1", "", "p1")


def test_every_column_is_described(read: Callable[..., AttributeTable]) -> None:
    assert read(FACES, missing=("?",)).describe() == [
        ColumnSummary("smiling", "binary", (("not smiling", 1), ("smiling", 2)), 1, 2),
        ColumnSummary("hair", "classes", (("black", 1), ("red", 2)), 1, 2),
        ColumnSummary("age", "number", (), 1, 3, 18, 40),
        ColumnSummary("person", "classes", (("p1", 2), ("p2", 2)), 0, 2),
    ]
    # A column that cannot be read stops nobody who does not ask for it.
    table = read(FACES)
    assert table.describe()[2].problem == (
        "holds '?' (line 4) beside numbers. If that means that the value is not known, declare it: "
        "--missing '?'. If all values are names of classes: --columns age=classes."
    )
    assert table.attribute("smiling").labels.tolist() == [0, 1, 1, MISSING]


def test_the_lines_of_a_problem_are_those_of_the_table(read: Callable[..., AttributeTable]) -> None:
    table = read('file,age\n\nd.jpg,"NaN\n"\nc.jpg,3\na.jpg,NaN\nsub/b.png,4\n')
    with pytest.raises(InputError) as error:
        table.attribute("age")
    assert str(error.value) == (
        "The column 'age' holds 'NaN' (lines 3, 6) beside numbers. If that means that the value is not "
        "known, declare it: --missing NaN."
    )


def test_an_unknown_column_is_told_with_the_nearest(
    read: Callable[..., AttributeTable], folder: Path
) -> None:
    table = read(FACES)
    there = "(allowed: smiling, hair, age, person)."
    for question, name in (("Smilling", "Smilling"), ("smilin=1", "smilin"), ("smile >3", "smile")):
        with pytest.raises(InputError) as error:
            table.attribute(question)
        assert str(error.value) == (
            f"There is no column {name!r} in {folder}/faces.csv: did you mean 'smiling'? {there}"
        )
    with pytest.raises(InputError) as error:
        table.text("persons")
    assert str(error.value) == (
        f"There is no column 'persons' in {folder}/faces.csv: did you mean 'person'? {there}"
    )
    for ask in (table.text, table.attribute):
        with pytest.raises(InputError) as error:
            ask("file")
        assert str(error.value) == (
            f"The column 'file' of {folder}/faces.csv names the files, and says nothing of them."
        )
    with pytest.raises(InputError) as error:
        table.attribute("=3")
    assert str(error.value) == (
        f"There is no column '=3' in {folder}/faces.csv: allowed: smiling, hair, age, person."
    )


def test_paths_may_start_elsewhere(read: Callable[..., AttributeTable], folder: Path) -> None:
    table = read(f"age,image\n3,{folder}/sub/a.jpg\n4,./b.png\n", root=folder / "sub")
    assert (table.root, table.file_column, table.files) == (folder / "sub", "image", ("a.jpg", "b.png"))
    with pytest.raises(InputError) as error:
        read(FACES, root=folder / "nowhere")
    assert str(error.value) == (
        f"There is no folder {folder}/nowhere, below which the files of {folder}/faces.csv are looked for."
    )


def test_the_column_of_files_is_found_or_named(
    read: Callable[..., AttributeTable], refusal: Callable[..., list[str]], folder: Path
) -> None:
    # Names of images that are not there are no paths.
    original = "original,copy\nIMG_1.jpg,a.jpg\nIMG_2.jpg,c.jpg\n"
    assert read(original).file_column == "copy"
    assert read("copy,note\na.jpg,x\nc.jpg,notes.txt\n").file_column == "copy"
    # One that is there may be the column that was meant, with others missing: it is not for us to say.
    two = "image,small\na.jpg,sub/a.jpg\nx.jpg,sub/b.png\n"
    assert refusal(two) == [
        f"  several columns hold names of images; of these there are below {folder}: "
        "'image' 1 of 2, 'small' 2 of 2",
        "  Name the column with --file-column, and with --root the folder that its paths start from.",
    ]
    assert read(two, file_column="small").columns == {"image": ("a.jpg", "x.jpg")}
    assert refusal(two, file_column="Image") == [
        "  there is no column 'Image' for the files: did you mean 'image'? (allowed: image, small)"
    ]
    assert refusal("number,age\n1,2\n3,4\n") == [
        f"  no column names image files below {folder}; the columns are 'number', 'age'",
        "  Name the column with --file-column, and with --root the folder that its paths start from.",
    ]
    assert refusal("number,age\n1,2\n3,4\n", file_column="number") == [
        "  line 2: '1' is no image by its extension",
        "  line 3: '3' is no image by its extension",
        f"  None of the 2 rows of 'number' names an image below {folder}: --root names the folder that paths "
        "start from, --file-column the column.",
    ]


def test_a_column_that_looks_like_one_of_files_is_told_of_by_line(
    refusal: Callable[..., list[str]], folder: Path
) -> None:
    assert refusal("file,age\nx.jpg,1\ny.jpg,2\n") == [
        "  line 2: there is no file 'x.jpg'",
        "  line 3: there is no file 'y.jpg'",
        f"  None of the 2 rows of 'file' names an image below {folder}: --root names the folder that paths "
        "start from, --file-column the column.",
    ]
    assert refusal("file,age\na.jpg,1\nnotes.txt,2\n,3\n") == [
        "  line 3: 'notes.txt' is no image by its extension",
        "  line 4: no file is named",
    ]


def test_all_problems_are_told_at_once(refusal: Callable[..., list[str]], folder: Path) -> None:
    content = (
        "file,age,age,\na.jpg,1,1,1\nx.jpg,1,1,1\nc.jpg,1,1\n,1,1,1\nnotes.txt,1,1,1\n../e.jpg,1,1,1\n"
        "sub/../a.jpg,1,2,3\na.jpg,1,1,1\nd.jpg,1,1,1\ny.jpg,1,1,1\n"
    )
    assert refusal(content, columns={"aeg": "number", "file": "classes", "age": "numbers"}) == [
        "  column 4 has no name",
        "  Name such columns in the header, or leave them out (pandas: to_csv(..., index=False)).",
        "  the columns 2 and 3 are all named 'age'",
        "  line 4: 3 fields where the header has 4",
        "  no column 'aeg' can be read as 'number': did you mean 'age'? (allowed: age)",
        "  no column 'file' can be read as 'classes': allowed: age",
        "  the column 'age' cannot be read as 'numbers': did you mean 'number'? "
        "(allowed: binary, classes, number)",
        "  line 3: there is no file 'x.jpg'",
        "  line 11: there is no file 'y.jpg'",
        "  line 5: no file is named",
        "  line 6: 'notes.txt' is no image by its extension",
        f"  line 7: '../e.jpg' leads out of {folder}",
        "  line 8: 'a.jpg' again, as on line 2, with another value of 'age', ''",
    ]


def test_of_many_missing_files_twenty_are_shown(refusal: Callable[..., list[str]]) -> None:
    lines = refusal("file,age\na.jpg,1\n" + "".join(f"{number}.jpg,1\n" for number in range(1_300)))
    assert lines[18:] == [
        "  line 21: there is no file '18.jpg'",
        "  line 22: there is no file '19.jpg'",
        "  and 1,280 more missing files (scotoma check --full names all)",
    ]


def test_ragged_rows_only(refusal: Callable[..., list[str]]) -> None:
    assert refusal("file,age\na.jpg\nc.jpg\n") == [
        "  line 2: 1 field where the header has 2",
        "  line 3: 1 field where the header has 2",
    ]


def test_repeated_rows_are_left_out_and_noted(
    read: Callable[..., AttributeTable], refusal: Callable[..., list[str]]
) -> None:
    content = "file,age\na.jpg,1\nc.jpg,2\n./a.jpg, 1\na.jpg,1\n"
    table = read(content)
    assert (table.files, table.lines, table.columns) == (("a.jpg", "c.jpg"), (2, 3), {"age": ("1", "2")})
    assert table.notes == ("2 repeated rows were left out: lines 4, 5.",)
    assert refusal(content + "a.jpg,1.0\n") == [
        "  line 6: 'a.jpg' again, as on line 2, with another value of 'age'"
    ]
    names = "pqrstuv"
    lines = refusal(f"file,{','.join(names)}\na.jpg,1,1,1,1,1,1,1\na.jpg,2,2,2,2,2,2,2\n")
    assert lines == [
        "  line 3: 'a.jpg' again, as on line 2, with another value of 'p', 'q', 'r', 's', 't', ..."
    ]


def test_a_table_from_windows_is_read_with_a_note(read: Callable[..., AttributeTable]) -> None:
    table = read("file;age\r\nsub\\a.jpg;1\r\nsub\\b.png;2\r\n")
    assert table.files == ("sub/a.jpg", "sub/b.png")
    assert table.notes == ("Backslashes in the paths of files were read as slashes.",)


def test_tables_are_known_by_their_extension(folder: Path) -> None:
    for name, expected in (("t.csv", True), ("t.TSV", True), ("t.txt", False), ("t", False)):
        (folder / name).write_text("")
        assert is_table(folder / name) == expected
    (folder / "f.csv").mkdir()
    assert not is_table(folder / "f.csv")
    assert not is_table(folder / "none.csv")


def test_a_table_of_labels_keeps_its_order_and_names_no_files(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("smiling,age\n1,30\n\n0,?\n1,30\n")
    table = read_label_table(path, Reading(missing=("?",)))
    assert (table.files, table.lines) == (("line 2", "line 4", "line 5"), (2, 4, 5))
    assert table.columns == {"smiling": ("1", "0", "1"), "age": ("30", "?", "30")}
    assert table.attribute("smiling").labels.tolist() == [1, 0, 1]
    with pytest.raises(InputError, match=r"^The column 'age' is '30' for all 2 images of which it is known"):
        table.attribute("age")


def test_a_table_of_labels_may_have_one_column(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('smiling\n1\n0\n""\n1\n\n')
    table = read_label_table(path)
    assert table.attribute("smiling").labels.tolist() == [1, 0, MISSING, 1]
    assert table.lines == (2, 3, 4, 5)
    with pytest.raises(InputError) as error:
        read_label_table(path, Reading(columns={"smile": "binry"}))
    assert str(error.value) == (
        f"The table {path} cannot be used:\n"
        "  no column 'smile' can be read as 'binry': did you mean 'smiling'? (allowed: smiling)\n"
        "  the column 'smile' cannot be read as 'binry': did you mean 'binary'? (allowed: binary, classes, "
        "number)"
    )
    path.write_text("smiling\n1,0\n0\n")
    with pytest.raises(InputError) as error:
        read_label_table(path)
    assert str(error.value) == (
        f"The table {path} cannot be used:\n  line 2: 2 fields where the header has 1"
    )
    # A table with files cannot have one.
    with pytest.raises(InputError, match=r"no comma, semicolon, tab or bar"):
        read_attribute_table(path)
