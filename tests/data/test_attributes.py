import numpy as np
import pytest

from scotoma.data.attributes import ColumnSummary, ask, parse_question, summarise
from scotoma.data.columns import Column
from scotoma.data.table import Attribute
from scotoma.errors import InputError


def column(*texts: str, missing: tuple[str, ...] = (), read_as: str = "", name: str = "age") -> Column:
    return Column(name, texts, range(2, 2 + len(texts)), frozenset(missing), read_as)


def told(attribute: Attribute) -> tuple[tuple[str, ...], list[int], str]:
    assert attribute.labels.dtype == np.int64
    return attribute.values, attribute.labels.tolist(), attribute.about


@pytest.mark.parametrize(
    ("question", "parsed"),
    [
        ("age", ("age", "", "")),
        (" age ", ("age", "", "")),
        ("age>=35", ("age", ">=", "35")),
        ("age <= 3.5 ", ("age", "<=", "3.5")),
        ("age>35", ("age", ">", "35")),
        ("age<35", ("age", "<", "35")),
        ("hair=dark = brown", ("hair", "=", "dark = brown")),
        ("hair=", ("hair", "=", "")),
        ("hair colour=red", ("hair colour", "=", "red")),
        # Names that hold signs are taken whole, the longest first.
        ("a=b", ("a=b", "", "")),
        ("a=b=c", ("a=b", "=", "c")),
        ("a=c", ("a", "=", "c")),
        ("age>", ("age>", "", "")),
        ("age>=3", ("age", ">=", "3")),
        ("ages", None),
        ("hair-=3", None),
        ("=3", None),
        ("", None),
    ],
)
def test_a_question_is_parsed(question: str, parsed: tuple[str, str, str] | None) -> None:
    names = ["age", "hair", "hair colour", "a", "a=b"] + (["age>"] if question == "age>" else [])
    assert parse_question(question, names) == parsed


def test_a_binary_column_is_read_by_its_words() -> None:
    smiling = ("not smiling", "smiling")
    for texts, words in (
        (("1", "0", "", "?", "1.0"), "1 is yes, 0 is no"),
        (("1", "-1", "", "?", "+1"), "1 is yes, -1 is no"),
        (("True", "FALSE", "", "?", "true"), "true is yes, false is no"),
        (("Yes", "no", "", "?", "yes"), "yes is yes, no is no"),
        (("T", "f", "", "?", "t"), "t is yes, f is no"),
        (("y", "N", "", "?", "Y"), "y is yes, n is no"),
    ):
        read = ask(column(*texts, missing=("?",), name="smiling"), "", "")
        assert told(read) == (smiling, [1, 0, -1, -1, 1], f"binary: {words}; 2 missing")


def test_classes_are_numbered_by_name() -> None:
    read = ask(column("red", "black", "", "red", "black", "fair"), "", "")
    assert told(read) == (
        ("black", "fair", "red"),
        [2, 0, -1, 2, 0, 1],
        "3 classes: black, fair, red; 1 missing",
    )
    read = ask(column("10", "9", "10", read_as="classes"), "", "")
    assert told(read) == (("9", "10"), [1, 0, 1], "2 classes: 9, 10")
    many = ask(column(*2 * [f"n{number:02}" for number in range(12)]), "", "")
    assert many.about == "12 classes: n00, n01, n02, n03, n04, n05, n06, n07, n08, n09 and 2 more"


def test_one_value_is_set_against_all_others() -> None:
    hair = column("red", "black", "", "red", "black", "fair", name="hair")
    values = ("not hair=red", "hair=red")
    assert told(ask(hair, "=", "red")) == (
        values,
        [1, 0, -1, 1, 0, 0],
        "binary: red is yes, black, fair are no; 1 missing",
    )
    male = column("1", "-1", "1", name="male")
    assert told(ask(male, "=", "-1")) == (
        ("not male=-1", "male=-1"),
        [0, 1, 0],
        "binary: -1 is yes, 1 is no",
    )
    assert ask(column("Yes", "no", "YES"), "=", "yes").labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("sign", "labels", "opposite"),
    [
        (">=", [0, 1, 1, -1], "<"),
        (">", [0, 0, 1, -1], "<="),
        ("<=", [1, 1, 0, -1], ">"),
        ("<", [1, 0, 0, -1], ">="),
    ],
)
def test_numbers_are_divided_by_a_threshold(sign: str, labels: list[int], opposite: str) -> None:
    read = ask(column("9", "10.0", "35", "?", missing=("?",)), sign, "10")
    assert told(read) == (
        (f"not age{sign}10", f"age{sign}10"),
        labels,
        f"binary: age{sign}10 is yes, age{opposite}10 is no; 1 missing",
    )


def test_a_threshold_may_divide_any_column_of_numbers() -> None:
    assert ask(column("0", "1"), ">", "0.5").labels.tolist() == [0, 1]
    assert ask(column("3", "4", read_as="classes"), ">", "3").labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("asked", "sign", "value", "message"),
    [
        (
            column("40", "18", "90", "35", "18"),
            "",
            "",
            "is one of numbers, from 18 to 90, which are no classes. Set a threshold, for example "
            '--hide "age>=35"; or have each number read as a class, by "age" = "classes" in [labels.columns] '
            "of the settings file, or by --columns age=classes.",
        ),
        (
            column("2", "2", "2", "3", name="eye colour"),
            "=",
            "2",
            "is one of numbers, from 2 to 3, which are no classes. Set a threshold, for example "
            '--hide "eye colour>=3"; or have each number read as a class, by "eye colour" = "classes" in '
            "[labels.columns] of the settings file, or by --columns 'eye colour=classes'.",
        ),
        (
            column("1", "", "1"),
            "",
            "",
            "is '1' for all 2 images of which it is known (1 missing): nothing can be learned of what all "
            "images share.",
        ),
        (
            column("a", "a"),
            "=",
            "a",
            "is 'a' for all 2 images: nothing can be learned of what all images share.",
        ),
        (column("", ""), "", "", "is blank, or declared to be not known, for all images."),
        (column("", ""), ">", "3", "is blank, or declared to be not known, for all images."),
        (
            column("3", "4", "NaN"),
            "",
            "",
            "holds 'NaN' (line 4) beside numbers. If that means that the value is not known, declare it: "
            "--missing NaN.",
        ),
        (
            column("3", "4", "NaN"),
            ">",
            "3",
            "cannot be compared with 3: it holds 'NaN' (line 4) beside numbers. If that means that the value "
            "is not known, declare it: --missing NaN.",
        ),
        (
            column("", "a", "b", "a"),
            "<",
            "3",
            "cannot be compared with 3: it holds 'a' (lines 3, 5), 'b' (line 4).",
        ),
        (
            column("3", "4", "4"),
            ">",
            "4",
            "is one of numbers from 3 to 4, none of which is > 4: nothing can be learned of what all images "
            "share. Choose another threshold.",
        ),
        (
            column("3", "4"),
            ">=",
            "-1.5",
            "is one of numbers from 3 to 4, all of which are >= -1.5: nothing can be learned of what all "
            "images share. Choose another threshold.",
        ),
        (
            column("black", "red", "red", "black"),
            "=",
            "Blak",
            "has no value 'Blak': did you mean 'black'? (allowed: black, red).",
        ),
        (column("0", "1"), "=", "2", "has no value '2': allowed: 0, 1."),
        (
            column(*(f"p{number}" for number in range(1_200)), read_as="classes"),
            "=",
            "p",
            "has no value 'p': it has 1,200 others.",
        ),
        (
            column("a", "b", "a", "?", missing=("?",)),
            "=",
            "?",
            "cannot be asked for '?', which was declared to mean that it is not known.",
        ),
    ],
)
def test_what_cannot_be_asked_is_told(asked: Column, sign: str, value: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        ask(asked, sign, value)
    assert str(error.value) == f"The column {asked.name!r} {message}"


@pytest.mark.parametrize("value", ["", "old", "nan", "inf", "1e999", "=3"])
def test_a_threshold_is_a_number(value: str) -> None:
    with pytest.raises(InputError) as error:
        ask(column("3", "4"), ">=", value)
    assert str(error.value) == f"The threshold of {'age>=' + value!r} is no number such as 35 or 0.5."


def test_a_column_is_summed_up() -> None:
    binary = summarise(column("1", "0", "1.0", "", "1"))
    counts = (("not age", 1), ("age", 3))
    assert binary == ColumnSummary("age", "binary", counts, missing=1, different=3)
    classes = summarise(column("b", "a", "b", "?", missing=("?",)))
    assert classes == ColumnSummary("age", "classes", (("a", 1), ("b", 2)), missing=1, different=2)
    numbers = summarise(column("40", "9", "", "1e2"))
    assert numbers == ColumnSummary("age", "number", (), missing=1, different=3, low=9, high=100)
    constant = summarise(column("a", "", "a"))
    assert constant == ColumnSummary("age", "constant", (("a", 2),), missing=1, different=1)
    assert summarise(column("", "")) == ColumnSummary("age", "constant", (), missing=2, different=0)
    text = column("3", "NaN", "4")
    problem = ColumnSummary("age", "text", (), missing=0, different=3, problem=text.problem)
    assert text.problem and summarise(text) == problem
