import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scotoma.data.table import Attribute, ImageTable
from scotoma.data.tasks import Task
from scotoma.errors import InputError
from scotoma.metrics import image_weights
from scotoma.runs.whole_files import write_checked_json
from scotoma.verification.answers import (
    Answers,
    answers_of,
    balanced_weights,
    columns,
    common_units,
    paired_difference,
    paired_error,
    read_answers,
)


def answers(categories: list[str], right: list[bool]) -> Answers:
    classes = np.array([int(name == "a") for name in categories])
    keys = tuple(map(str, range(len(right))))
    return Answers(keys, tuple(categories), classes, np.array(right), balanced_weights(categories, classes))


def said(**changes: Any) -> dict[str, Any]:
    """Three classes: two images are told rightly, the third and the fourth wrongly."""
    table = {
        "key": ["k0", "k1", "k2", "k3"],
        "category": ["x", "y", "z", "z"],
        "class": [0, 1, 2, 2],
        "probability": [[0.3, 0.2], [0.4, 0.3], [0.5, 0.4], [0.1, 0.2]],
    }
    return table | changes


def test_the_first_class_has_what_the_others_leave() -> None:
    found = answers_of(said(), "made up")
    assert found.right.tolist() == [True, True, False, False]
    assert found.weights == pytest.approx([1 / 3, 1 / 3, 1 / 6, 1 / 6])
    assert found.accuracy == pytest.approx(2 / 3)


def test_half_and_half_is_the_first_class() -> None:
    table = {"key": ["0", "1"], "category": ["x", "y"], "class": [0, 1], "probability": [[0.5], [0.5]]}
    assert answers_of(table, "made up").right.tolist() == [True, False]


@pytest.mark.parametrize(
    "changes",
    [
        {"class": [0, 1]},
        {"class": [0, 1, 2, 3]},
        {"class": [0, 1, 2, -1]},
        {"probability": [[], [], [], []]},
        {"probability": [[0.1], [0.1, 0.2], [0.1], [0.2]]},
        {"key": "k"},
        {"category": None},
        {"unit": [0, 0, 1]},
        {"unit": ["Ann", "Ann", "Bob", "Bob"]},
    ],
)
def test_columns_that_do_not_fit_are_told(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        answers_of(said(**changes), "a.json")
    assert str(caught.value) == (
        "a.json does not hold the answers of an attacker: for every image key, category, class, probability "
        "are needed. Make the run anew."
    )


def test_weights_are_those_by_which_attackers_are_measured() -> None:
    task = Task(("a",), ("a", "b", "c"))
    labels = np.repeat([0, 1, 2], [20, 15, 5])
    names = [task.categories[label] for label in labels]
    assert balanced_weights(names, task.classes_of(labels)) == pytest.approx(image_weights(task, labels))


def test_some_of_the_images_are_weighted_anew() -> None:
    found = answers(["a", "a", "b", "b", "c"], [True, False, True, True, False]).only([4, 0, 2])
    assert (found.keys, found.categories) == (("4", "0", "2"), ("c", "a", "b"))
    assert found.weights == pytest.approx([0.25, 0.5, 0.25])
    assert found.accuracy == pytest.approx(0.75)


def test_paired_error_is_what_resampling_within_categories_gives() -> None:
    random = np.random.default_rng(0)
    categories = ["a"] * 200 + ["b"] * 150 + ["c"] * 50
    weights = np.array([0.5 / 200] * 200 + [0.25 / 150] * 150 + [0.25 / 50] * 50)
    first, second = random.random(400) < 0.8, random.random(400) < 0.6
    error = paired_error(answers(categories, first.tolist()), answers(categories, second.tolist()))
    difference = weights * (first.astype(float) - second)
    places = [np.flatnonzero(np.array(categories) == name) for name in "abc"]
    sampled = [sum(difference[random.choice(rows, len(rows))].sum() for rows in places) for _ in range(3000)]
    assert error == pytest.approx(np.std(sampled), rel=0.06)


def test_other_images_are_not_paired() -> None:
    one = answers(["a", "b"], [True, False])
    other = Answers(("7", "8"), one.categories, one.classes, one.right, one.weights)
    assert paired_error(one, other) is None
    assert paired_error(one, one) == 0
    with pytest.raises(ValueError, match="different images cannot be paired"):
        paired_difference(one, other)


def test_the_difference_written_out() -> None:
    categories = ["a"] * 4 + ["b"] * 8
    first = answers(categories, [True] * 4 + [True, False] * 4)
    second = answers(categories, [True, True, False, True] + [False] * 8)
    found = paired_difference(first, second)
    # One of four loses a point, and four of eight; s**2 divides by n - 1.
    error = math.sqrt(0.5**2 * (1 / 4 * 3 / 4) * (4 / 3) / 4 + 0.5**2 * (1 / 2 * 1 / 2) * (8 / 7) / 8)
    assert found.estimate == pytest.approx(0.5 * (-1 / 4) + 0.5 * (-1 / 2))
    assert (found.low, found.high) == pytest.approx(
        (found.estimate - 1.959964 * error, found.estimate + 1.959964 * error), abs=1e-6
    )
    assert paired_difference(second, first).estimate == pytest.approx(-found.estimate)


def test_the_answers_of_a_winner_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    content = {"format": "scotoma-answers", "version": 1, "task": "a", "attacker": "MLP", **said()}
    write_checked_json(path, content)
    assert read_answers(path, "a", "MLP").keys == ("k0", "k1", "k2", "k3")
    with pytest.raises(InputError) as caught:
        read_answers(path, "a", "pairs of values")
    assert str(caught.value) == (
        f"{path} holds the answers of MLP on a, verdict.json tells of pairs of values on a. Put the original "
        "back, or make the run anew."
    )
    write_checked_json(path, content | {"version": 2})
    with pytest.raises(InputError, match="has version 2 of scotoma-answers, this Scotoma reads version 1"):
        read_answers(path, "a", "MLP")


def grouped(found: Answers, units: list[int]) -> Answers:
    return replace(found, units=np.array(units))


def test_answers_hold_numbers_of_units_and_not_their_names() -> None:
    labels = np.array([1, 0, -1, 1, 0])
    keys, units = np.array([f"{row:032x}" for row in range(5)]), np.array(["Bob", "Ann", "Ann", "Bob", "Cy"])
    table = ImageTable(
        np.empty((5, 0, 0, 0), np.uint8), keys, {"hat": Attribute(("no", "yes"), labels)}, "made up"
    )
    task, rows = Task(("yes",), ("no", "yes"), attribute="hat"), np.array([4, 0, 1, 3])
    probabilities = np.array([[0.9, 0.1], [1 / 3, 2 / 3], [0.2, 0.8], [0.3, 0.7]])
    said = columns(table, rows, task, probabilities)
    assert said == {
        "key": keys[rows].tolist(),
        "category": ["no", "yes", "no", "yes"],
        "class": [0, 1, 0, 1],
        "probability": [[0.1], [0.666667], [0.8], [0.7]],
    }
    assert answers_of(said, "made up").units is None
    with_units = columns(replace(table, units=units), rows, task, probabilities)
    assert with_units == said | {"unit": [0, 1, 2, 1]}
    copies = replace(table, keys=keys[[0, 1, 2, 0, 4]])
    assert columns(copies, rows, task, probabilities)["unit"] == [0, 1, 2, 1]
    found = answers_of(with_units, "made up")
    assert found.units is not None and found.units.tolist() == [0, 1, 2, 1]
    some = found.only([3, 0]).units
    assert some is not None and some.tolist() == [1, 0]


def test_what_belongs_together_in_either_belongs_together() -> None:
    one = answers(["a"] * 5, [True] * 5)
    assert common_units(one, one) is None
    for units in (
        common_units(grouped(one, [7, 7, 2, 3, 2]), one),
        common_units(one, grouped(one, [1, 1, 0, 5, 0])),
        common_units(grouped(one, [0, 0, 1, 2, 3]), grouped(one, [0, 1, 2, 3, 2])),
    ):
        assert units is not None and units.tolist() == [0, 0, 1, 2, 1]


def test_many_small_categories_do_not_narrow_the_interval() -> None:
    """Fifty images of one class; the other class are forty categories of one image each. Attackers who are
    equally good are told apart in about one case of twenty; without the error of single images in one of
    five.
    """
    random = np.random.default_rng(3)
    categories = ["a"] * 50 + [f"b{number}" for number in range(40)]
    template = replace(answers(categories, [False] * 90), classes=np.repeat([0, 1], (50, 40)))
    template = replace(template, weights=np.repeat([0.5 / 50, 0.5 / 40], (50, 40)))
    wrong = 0
    for _ in range(1000):
        first, second = (replace(template, right=random.random(90) < 0.7) for _ in range(2))
        found = paired_difference(first, second)
        wrong += not found.low <= 0 <= found.high
    assert wrong / 1000 < 0.08


def test_the_error_of_copies_is_that_of_single_images_but_for_their_number() -> None:
    random = np.random.default_rng(1)
    categories = ["a"] * 30 + ["b"] * 20
    first, second = (answers(categories, (random.random(50) < 0.6).tolist()) for _ in range(2))
    rows = np.repeat(np.arange(50), 8).tolist()
    copies = [grouped(each.only(rows), rows) for each in (first, second)]
    alone, of_copies = paired_error(first, second), paired_error(copies[0], copies[1])
    assert alone is not None and of_copies == pytest.approx(alone, rel=0.03)
    plain = paired_error(first.only(rows), second.only(rows))
    assert plain == pytest.approx(alone / math.sqrt(8), rel=0.03)


@pytest.mark.parametrize("across", [False, True])
def test_the_interval_over_persons_holds_the_truth(across: bool) -> None:
    """Sixty persons with twenty images each, of one category or of both. Each attacker is good at some
    persons and bad at others, and on the whole both are equally good.
    """
    random = np.random.default_rng(2)
    person = np.repeat(np.arange(60), 20)
    classes = np.arange(1200) % 2 if across else person % 2
    template = answers(["ba"[label] for label in classes], [False] * 1200)
    held = {"persons": 0, "images": 0}
    for _ in range(400):
        skill = random.uniform(0.1, 0.9, (2, 60))
        first, second = (replace(template, right=random.random(1200) < each[person]) for each in skill)
        interval = paired_difference(first, second)
        held["images"] += interval.low <= 0 <= interval.high
        interval = paired_difference(grouped(first, person.tolist()), grouped(second, person.tolist()))
        held["persons"] += interval.low <= 0 <= interval.high
    assert 0.92 < held["persons"] / 400 < 0.98
    assert held["images"] / 400 < 0.8  # the control: persons do matter
