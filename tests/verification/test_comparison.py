from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scotoma.errors import InputError
from scotoma.runs.results import Role
from scotoma.runs.whole_files import read_checked_json
from scotoma.verification.answers import Answers, balanced_weights
from scotoma.verification.comparison import FORMAT, VERSION, Attacked, Told, common_rows, compare

IMAGES = 400


def answers(accuracy: float, seed: int, images: range = range(IMAGES), task: str = "a") -> Answers:
    """Every fourth image is of category a, the others of b and c; `accuracy` of them are told rightly."""
    random = np.random.default_rng(seed)
    categories = tuple("abcb"[image % 4] for image in images)
    classes = np.array([int(name == task) for name in categories])
    right = random.random(IMAGES)[: len(images)] < accuracy
    keys = tuple(f"{image:032x}" for image in images)
    return Answers(keys, categories, classes, right, balanced_weights(categories, classes))


def attacked(told: dict[str, Answers], folder: str = "A", suite: str = "standard", /) -> Attacked:
    roles: dict[str, Role] = {"a": "hide", "b": "keep"}
    return Attacked(
        folder, suite, "00", {task: Told("MLP", roles[task], each) for task, each in told.items()}
    )


def test_a_difference_is_found_that_is_there_and_none_that_is_not() -> None:
    first = attacked({"a": answers(0.8, 0)})
    found = compare(first, attacked({"a": answers(0.6, 1)}, "B")).tasks[0]
    assert (found.task, found.roles, found.attackers) == ("a", ("hide", "hide"), ("MLP", "MLP"))
    assert (found.images, found.test_images) == (IMAGES, (IMAGES, IMAGES))
    assert found.low < found.difference < found.high < 0
    assert found.difference == pytest.approx(found.accuracies[1] - found.accuracies[0])
    same = compare(first, attacked({"a": answers(0.8, 2)}, "B")).tasks[0]
    assert same.low < 0 < same.high
    assert same.differing == int((answers(0.8, 0).right != answers(0.8, 2).right).sum())


def test_images_in_another_order_and_further_ones_are_the_same_images() -> None:
    one, other = answers(0.8, 0, range(300)), answers(0.6, 1)
    plain = compare(attacked({"a": one}), attacked({"a": other.only(range(300))}, "B"))
    turned = compare(attacked({"a": one}), attacked({"a": other.only(range(IMAGES)[::-1])}, "B"))
    assert replace(turned.tasks[0], test_images=(300, 300)) == plain.tasks[0]
    assert turned.notes == (
        "a: 300 test images are common, of 300 (A) and 400 (B); all figures are of the common ones.",
    )
    assert plain.notes == ()


def test_equal_pixels_are_paired_once() -> None:
    one = answers(0.8, 0, range(8))
    twice = one.only([0, 0, 1, 2])
    assert common_rows(twice, one.only([2, 0])) == ([0, 3], [1, 0])
    assert common_rows(twice, twice) == ([0, 1, 2, 3], [0, 1, 2, 3])


def test_only_tasks_of_both_are_compared_and_what_to_know_is_noted() -> None:
    first = attacked({"a": answers(0.8, 0), "b": answers(0.9, 1, task="b")}, "A", "paper")
    second = attacked({"b": answers(0.9, 1, task="b")}, "B", "standard")
    second = replace(second, told={"b": replace(second.told["b"], role="hide")})
    found = compare(first, second)
    assert [each.task for each in found.tasks] == ["b"]
    assert found.notes == (
        "A was attacked by the suite paper, B by standard: attackers of different strength are compared, so "
        "a difference may be theirs and not that of the encoders.",
        "b: the attackers differ on 0 images only; the interval is too narrow then.",
        "b: kept by A, hidden by B.",
    )


def test_without_a_common_task_nothing_is_compared() -> None:
    with pytest.raises(InputError) as caught:
        compare(attacked({"a": answers(0.8, 0)}), attacked({}, "B"))
    assert str(caught.value) == (
        "A and B have no task in common: a in A, none in B. Attack both encoders on the same task (verify "
        "--tasks)."
    )


def test_different_test_images_and_labels_are_told_all_at_once() -> None:
    other = answers(0.6, 1, range(250, 600))
    relabelled = answers(0.6, 1, task="b")
    wrong = replace(relabelled, classes=1 - relabelled.classes)
    first = attacked({"a": answers(0.8, 0), "b": answers(0.9, 1, task="b")})
    with pytest.raises(InputError) as caught:
        compare(first, attacked({"a": other, "b": wrong}, "B"))
    assert str(caught.value) == (
        "A and B cannot be compared.\n"
        "  - a: the test images differ: 150 are common, of 400 and 350, and at least 50% of the larger set "
        "is needed. Take encoders of the same data, with the same split and seed; of codes computed "
        "beforehand nobody knows the images\n"
        "  - b: 400 of 400 common test images have other labels in B: the tasks ask for different "
        "things"
    )


def test_a_class_of_which_no_image_is_common_is_told() -> None:
    one = answers(0.8, 0, range(40))
    without = one.only([row for row in range(40) if row % 4])
    with pytest.raises(InputError) as caught:
        compare(attacked({"a": one}), attacked({"a": without}, "B"))
    assert str(caught.value) == ("A and B cannot be compared.\n  - a: no common test image is of class 1")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    found = compare(attacked({"a": answers(0.8, 0)}), attacked({"a": answers(0.6, 1)}, "B"))
    found.write(tmp_path / "compared.json")
    content = read_checked_json(tmp_path / "compared.json", FORMAT, VERSION)
    assert content["first"] == {"folder": "A", "suite": "standard", "digest": "00"}
    assert content["tasks"][0]["difference"] == found.tasks[0].difference
    assert content["tasks"][0]["roles"] == ["hide", "hide"]


def test_a_class_of_few_images_is_noted() -> None:
    classes = (np.arange(IMAGES) >= 3).astype(np.int64)
    first, second = (
        attacked({"a": replace(answers(accuracy, seed), classes=classes)}, name)
        for accuracy, seed, name in ((0.8, 0, "A"), (0.6, 1, "B"))
    )
    found = compare(first, second)
    assert found.tasks[0].fewest == 3
    assert found.notes == (
        "a: the smallest class has 3 common test images only; the interval is too narrow then.",
    )


def test_few_groups_that_differ_are_noted() -> None:
    one, other = answers(0.8, 0), answers(0.6, 1)
    units = np.arange(IMAGES) // 50
    first, second = (
        attacked({"a": replace(each, units=units)}, name) for each, name in ((one, "A"), (other, "B"))
    )
    found = compare(first, second)
    assert found.tasks[0].differing_units == 8
    assert found.notes == (
        "a: the attackers differ on 8 groups of images only; the interval is too narrow then.",
    )
    plain = compare(attacked({"a": one}), attacked({"a": other}, "B"))
    assert (plain.tasks[0].differing_units, plain.notes) == (None, ())
    # Of a folder without groups, those of the other one are used.
    assert compare(first, attacked({"a": other}, "B")).tasks == found.tasks
