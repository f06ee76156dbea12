import time

import pytest

from scotoma.data.columns import Column, number_of, word_of


def column(*texts: str, missing: tuple[str, ...] = (), read_as: str = "", name: str = "age") -> Column:
    """A column whose lines begin with 2, as in a table."""
    return Column(name, texts, range(2, 2 + len(texts)), frozenset(missing), read_as)


def test_texts_are_numbers_only_in_plain_digits() -> None:
    numbers = {"3": 3, "-3.5": -3.5, "+.5": 0.5, "5.": 5, "1e3": 1000, "2E-1": 0.2, "007": 7}
    assert {text: number_of(text) for text in numbers} == numbers
    for text in ("", ".", "nan", "inf", "1_000", "1,5", "0x1", "٣", "1e999", "e3", "1 2", "--1", "1\n"):
        assert number_of(text) is None


def test_words_are_compared_by_what_they_mean() -> None:
    words = {"1.0": "1", "+1": "1", "-0": "0", "-1.0": "-1", "Yes": "yes", "2": "2", "2.0": "2.0", "N": "n"}
    assert {text: word_of(text) for text in words} == words


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (("0", "1"), "binary"),
        (("-1", "1", "", "1.0"), "binary"),
        (("TRUE", "false"), "binary"),
        (("yes", "No", "YES"), "binary"),
        (("t", "F"), "binary"),
        (("y", "n"), "binary"),
        (("0", "-1"), "number"),
        (("0", "1", "-1"), "number"),
        (("1", "2"), "number"),
        (("3", "4.5", ""), "number"),
        (("1", "1", "1.0"), "constant"),
        (("yes", "YES"), "constant"),
        (("5", "5.0"), "constant"),
        (("a", "a", ""), "constant"),
        (("NaN", "NaN"), "constant"),
        (("", ""), "constant"),
        ((), "constant"),
        (("a", "A", "a"), "classes"),
        (("yes", "no", "maybe", "no"), "classes"),
        (("true", "yes", "yes"), "classes"),
        (("none", "glasses", "none"), "classes"),
        (("a", "b"), "text"),
        (tuple(f"n{number % 100}" for number in range(200)), "classes"),
        (tuple(f"n{number % 101}" for number in range(200)), "text"),
    ],
)
def test_the_kind_of_a_column_is_found(texts: tuple[str, ...], kind: str) -> None:
    assert column(*texts).kind == kind


@pytest.mark.parametrize(
    ("texts", "read_as", "kind"),
    [
        (("3", "4"), "classes", "classes"),
        (("0", "1"), "classes", "classes"),
        (("a", "b"), "classes", "classes"),
        (("1", "1.0"), "classes", "classes"),
        (("nan", "4"), "classes", "classes"),
        (("3", "3"), "classes", "constant"),
        (("0", "1"), "number", "number"),
        (("1", "1.0"), "number", "constant"),
        (("0", "1"), "binary", "binary"),
        (("", ""), "binary", "constant"),
        (("", ""), "number", "constant"),
    ],
)
def test_the_kind_may_be_said(texts: tuple[str, ...], read_as: str, kind: str) -> None:
    said = column(*texts, read_as=read_as)
    assert (said.kind, said.problem) == (kind, "")


def test_missing_values_have_no_say() -> None:
    told = column("0", "?", "1", "NaN", "", "-9", missing=("?", "NaN", "-9"))
    assert (told.kind, told.problem, told.known) == ("binary", "", 2)
    assert column("?", "", missing=("?",)).known == 0
    assert column("?", "1").known == 2


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        (
            column("3", "NaN", "4", "nan", "NaN"),
            "holds 'NaN' (lines 3, 6), 'nan' (line 5) beside numbers. If that means that the value is not "
            "known, declare it: --missing NaN,nan.",
        ),
        (
            column("yes", "N/A", "no"),
            "holds 'N/A' (line 3) beside yes and no. If that means that the value is not known, declare it: "
            "--missing N/A.",
        ),
        (
            column("0", "null", "1"),
            "holds 'null' (line 3) beside yes and no. If that means that the value is not known, declare it: "
            "--missing null.",
        ),
        (
            column("3", "-inf"),
            "holds '-inf' (line 3) beside numbers. If that means that the value is not known, declare it: "
            "--missing=-inf.",
        ),
        (
            column("0", "1", "?", "0", name="old age"),
            "holds '?' (line 4) beside numbers. If that means that the value is not known, declare it: "
            "--missing '?'. If all values are names of classes: --columns 'old age=classes'.",
        ),
        (
            column("3", "4", "x", read_as="number"),
            "holds 'x' (line 4) beside numbers. If that means that the value is not known, declare it: "
            "--missing x.",
        ),
        (
            column("yes", "no", "perhaps", "1", read_as="binary"),
            "holds 'perhaps' (line 4), '1' (line 5). A binary column holds one of 1/0, 1/-1, true/false, "
            "yes/no, t/f, y/n. If that means that the value is not known, declare it: "
            "--missing 1,perhaps.",
        ),
        (
            column("black", "NA", "blond", "black"),
            "holds 'NA' (line 3) beside names. If that means that the value is not known, declare it: "
            "--missing NA. If it is the name of a class: --columns age=classes.",
        ),
        (
            column("Ann", "Bob", "Cy", ""),
            "is text: 3 different values for 3 images, none comes twice. To read each as a class "
            "nevertheless: --columns age=classes.",
        ),
        (
            column(*2 * [f"p{number}" for number in range(1_200)]),
            "is text: 1,200 different values for 2,400 images, more than 100 are not taken for classes. To "
            "read each as a class nevertheless: --columns age=classes.",
        ),
    ],
)
def test_values_that_do_not_fit_are_told_of(told: Column, problem: str) -> None:
    assert (told.kind, told.problem) == ("text", problem)


def test_of_many_values_and_lines_five_are_shown() -> None:
    told = column(*7 * ["3"], *12 * ["a"], *"bcdefgh")
    assert told.problem == (
        "holds 'a' (lines 9, 10, 11, 12, 13 and 7 more), 'b' (line 21), 'c' (line 22), 'd' (line 23), "
        "'e' (line 24) and 3 more such values beside numbers. If that means that the value is not known, "
        "declare it: --missing a,b,c,d,e. If all values are names of "
        "classes: --columns age=classes."
    )


def test_names_stand_in_alphabetical_order_and_numbers_by_size() -> None:
    assert column("b", "a", "", "C", "a").names() == ("C", "a", "b")
    assert column("10", "9", "-1", "9.0").names() == ("-1", "9", "9.0", "10")
    assert column("10", "9", "x").names() == ("10", "9", "x")


def test_a_long_column_of_odd_values_takes_no_time_that_grows_with_its_square() -> None:
    begin = time.process_time()
    told = column("3", *(f"p{number}" for number in range(20_000)))
    assert told.problem.startswith("holds 'p0' (line 3), 'p1' (line 4), ")
    # 0.05 s; looking for the lines of each value by itself takes ten seconds.
    assert time.process_time() - begin < 2
