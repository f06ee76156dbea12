"""Some of many images, as many of each class as fit."""

import numpy as np
import pytest

from scotoma.audit.examples import Encoded, Examples, Labels
from scotoma.data.tasks import Task
from scotoma.metrics import image_weights

FOUR = Task(tuple("abc"), tuple("dabc"))
TWO = Task(("a",), ("b", "c", "a"))


def examples(labels: Labels, task: Task) -> Examples:
    """Codes are numbers of images."""
    codes = np.arange(len(labels), dtype=np.float32)[:, None]
    views = np.zeros((2, len(labels), 1), np.float32)
    weights = image_weights(task, labels)
    return Examples(Encoded(codes, views), labels, task.classes_of(labels), weights, codes)


def test_a_large_class_gives_way_to_small_ones_and_is_taken_in_equal_steps() -> None:
    labels = np.repeat([0, 1, 2, 3], (700, 150, 100, 50))
    every = examples(labels, FOUR)
    some = every.at_most(400)
    rows = some.codes.centre[:, 0].astype(int)
    assert np.bincount(some.classes).tolist() == [125, 125, 100, 50]
    assert np.array_equal(some.classes, every.classes[rows])
    assert np.array_equal(some.labels, labels[rows])
    assert np.array_equal(rows, np.unique(rows))
    steps = [set(np.diff(rows[some.classes == kind]).tolist()) for kind in range(4)]
    assert steps == [{5, 6}, {1, 2}, {1}, {1}]
    assert np.array_equal(every.at_most(5000).codes.centre, every.codes.centre)
    assert (some.codes.views.shape, some.originals) == ((0, 400, 1), None)
    assert every.at_most(1000).codes.centre is every.codes.centre


def test_a_rare_category_at_the_end_of_a_large_class_is_not_left_out() -> None:
    """Rows of a folder are sorted by category, and steps through a class could pass over its last one."""
    labels = np.repeat([0, 1, 2], (9000, 10, 5000))
    some = examples(labels, TWO).at_most(4000)
    assert np.bincount(some.labels).tolist() == [1990, 10, 2000]
    # Who says 'other' only is as good as guessing.
    assert some.weights[some.classes == 0].sum() / some.weights.sum() == pytest.approx(0.5)


def test_some_images_weigh_by_category_what_all_do() -> None:
    labels = np.repeat([0, 1, 2], (1500, 400, 100))
    some = examples(labels, TWO).at_most(300)
    assert np.bincount(some.classes).tolist() == [200, 100]
    assert some.weights.mean() == pytest.approx(1)
    # Both classes count alike, and so do the two categories of the one.
    assert [some.weights[some.labels == kind].sum() for kind in range(3)] == pytest.approx([75, 75, 150])
