import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scotoma.data.tasks import Task
from scotoma.errors import InputError
from scotoma.metrics import image_weights
from scotoma.runs.run_folder import write_checked_json
from scotoma.verification.answers import (
    Answers,
    answers_of,
    balanced_weights,
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
    # One of four loses a point, and four of eight.
    error = math.sqrt(0.5**2 * (1 / 4 * 3 / 4) / 4 + 0.5**2 * (1 / 2 * 1 / 2) / 8)
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
