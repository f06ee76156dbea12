"""Which pairs of values are found, and what is read from them."""

import numpy as np
import pytest

from scotoma.audit import pairs as module
from scotoma.audit.examples import Floats, Labels, Occasion
from scotoma.audit.pairs import describe, pairs, screen
from scotoma.data.tasks import Task
from tests.audit.plants import TASK, examples

Random = np.random.Generator
THREE = Task(("b", "c"), ("a", "b", "c"))
# Two categories within 'other', which count half each.
MIXED = Task(("yes",), ("no", "neither", "yes"))


def noise(random: Random, images: int, values: int = 8) -> Floats:
    return random.normal(size=(images, values)).astype(np.float32)


def test_the_screen_takes_the_largest_differences_of_second_moments() -> None:
    random = np.random.default_rng(0)
    labels = random.choice(3, size=300, p=(0.6, 0.1, 0.3))
    some = examples(noise(random, 300, 4), labels, MIXED)
    values = some.codes.flat()
    expected = {}
    for i in range(4):
        for j in range(i, 4):
            product = values[:, i].astype(np.float64) * values[:, j]
            means, errors = [], []
            for of_class in (some.classes == 1, some.classes == 0):
                weights = some.weights[of_class] / some.weights[of_class].sum()
                means.append(float(weights @ product[of_class]))
                errors.append(float(weights**2 @ (product[of_class] - means[-1]) ** 2))
            expected[i, j] = abs(means[0] - means[1]) / np.sqrt(sum(errors))
    order = sorted(expected, key=lambda pair: -expected[pair])
    assert [tuple(pair) for pair in screen(values, some, 100)] == order
    assert screen(values, some, 3).tolist() == [list(pair) for pair in order[:3]]


def test_a_pair_counts_that_tells_one_class_of_several() -> None:
    random = np.random.default_rng(0)
    classes = random.integers(3, size=900)
    codes = noise(random, 900)
    codes[:, 5] = np.where(classes == 2, codes[:, 1], codes[:, 5])
    codes[:, 3] *= np.where(classes == 1, 2, 1)
    found = screen(codes, examples(codes, classes, THREE), 2)
    assert sorted(map(tuple, found)) == [(1, 5), (3, 3)]


@pytest.mark.parametrize("codes", [np.full((50, 3), 0.5, np.float32), np.zeros((50, 1), np.float32)])
def test_constant_values_have_no_differences(codes: Floats) -> None:
    count = codes.shape[1]
    found = screen(codes, examples(codes, np.arange(50) % 2), 10)
    assert len(found) == count * (count + 1) // 2


def test_features_are_products_moments_and_products_of_signs() -> None:
    values = np.array([[1.0, -2.0, 3.0]], np.float32)
    found = describe(values, np.array([[0, 1], [1, 1], [1, 2]]), np.array([2, 0, 0], np.float32))
    moments = [2 / 3, 14 / 3, (1 - 8 + 27) / 3, 2, 3, -2]
    assert found.tolist() == pytest.approx(np.array([[-2, 4, -6, *moments, 1, -1]]))


def xor(random: Random, images: int) -> tuple[Floats, Labels]:
    codes = noise(random, images)
    return codes, ((codes[:, 2] > 0) ^ (codes[:, 6] > 0)).astype(np.int64)


def xor_of_positive(random: Random, images: int) -> tuple[Floats, Labels]:
    codes, classes = xor(random, images)
    return codes + 50, classes


def variance(random: Random, images: int) -> tuple[Floats, Labels]:
    classes = random.integers(2, size=images)
    codes = noise(random, images, 40)
    return codes * np.where(classes == 1, 1.5, 0.7).astype(np.float32)[:, None], classes


def nothing(random: Random, images: int) -> tuple[Floats, Labels]:
    return noise(random, images), random.integers(2, size=images)


@pytest.mark.parametrize(
    "make, low, high",
    # Where all values are positive, the means of 500 images stand for where they part.
    [(xor, 0.99, 1), (xor_of_positive, 0.93, 1), (variance, 0.97, 1), (nothing, 0.47, 0.53)],
)
def test_what_pairs_tell_is_read_and_noise_is_not(
    make: object, low: float, high: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAIRS", 20)
    random = np.random.default_rng(1)
    training, stopping, test = (examples(*make(random, count)) for count in (500, 300, 3000))  # type: ignore[operator]
    learned = pairs(training, stopping, Occasion(TASK, 0))
    share = float((learned.read(test.codes).argmax(axis=1) == test.classes).mean())
    assert low <= share <= high
    assert learned.details["pairs"] == 20
