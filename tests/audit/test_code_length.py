import math
import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest

from scotoma.audit.code_length import _order, _standardised, code_length
from scotoma.audit.examples import Encoded, Examples

Classes = npt.NDArray[np.int64]


def examples(codes: npt.NDArray[np.float64], classes: Classes) -> Examples:
    encoded = codes.astype(np.float32)
    counts = np.bincount(classes)
    weights = (1 / len(counts) / counts)[classes]
    return Examples(Encoded(encoded, np.empty((0, *encoded.shape), np.float32)), classes, classes, weights)


def noise(images: int, *shape: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(0).normal(size=(images, *shape))


def drawn(images: int, *shares: float) -> Classes:
    return np.random.default_rng(1).choice(len(shares), size=images, p=shares).astype(np.int64)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.2,) * 5])
@pytest.mark.parametrize("shape", [(3, 4, 4), (300,)])
def test_codes_that_tell_nothing_take_as_long_as_guessing(
    shape: tuple[int, ...], shares: tuple[float, ...]
) -> None:
    """Even where there are about as many values as images: they are not believed more than they have
    earned.
    """
    classes = drawn(600, *shares)
    for codes in (noise(600, *shape), 0 * noise(600, *shape)):
        found = code_length(examples(codes, classes), seed=0)
        assert found == pytest.approx(math.log2(len(shares)), rel=0.04)


def test_a_label_that_can_be_read_takes_little() -> None:
    classes = drawn(2000, 0.7, 0.3)
    codes = noise(2000, 3, 4, 4)
    codes[:, 0, 0, 0] = 2 * classes - 1
    # 1/64 is coded uniformly, the rest nearly for nothing.
    assert 1 / 64 < code_length(examples(codes, classes), seed=0) < 0.15


def test_a_small_change_of_a_large_value_is_read() -> None:
    classes = drawn(1000, 0.5, 0.5)
    codes = noise(1000, 48)
    codes[:, 7] = 1000 + 0.1 * classes
    assert code_length(examples(codes, classes), seed=0) < 0.2


def test_half_a_secret_is_in_between() -> None:
    """In nine of ten images the sign is the class: 1 bit becomes about H(.1) = .47."""
    classes = drawn(4000, 0.5, 0.5)
    codes = noise(4000, 8)
    codes[:, 0] = np.where(np.random.default_rng(2).random(4000) < 0.9, 2 * classes - 1, 1 - 2 * classes)
    assert code_length(examples(codes, classes), seed=0) == pytest.approx(0.49, abs=0.05)


def test_a_label_that_is_learned_late_takes_longer_though_accuracy_is_the_same() -> None:
    """Read from one value it is learned at once, from the nearest of many clusters later."""
    random = np.random.default_rng(3)
    classes = drawn(1000, 0.5, 0.5)
    # 60 clusters, far apart in 60 directions, each of one class: linear, but each has to be seen.
    cluster = 2 * random.integers(30, size=1000) + classes
    late = np.eye(60)[cluster] * 10
    early = np.concatenate([late, 50 * (2 * classes[:, None] - 1)], axis=1)
    assert code_length(examples(late, classes), 0) > 2 * code_length(examples(early, classes), 0)


def test_fewer_images_than_blocks() -> None:
    classes = np.array([0, 1, 0, 1, 1, 0])
    found = code_length(examples(noise(6, 2), classes), seed=0)
    assert 0.5 < found < 2


def test_the_seed_decides_the_order_and_the_same_seed_the_length() -> None:
    one = examples(noise(300, 5) + np.eye(5)[drawn(300, *[0.2] * 5)], drawn(300, *[0.2] * 5))
    assert code_length(one, 1) == code_length(one, 1) != code_length(one, 2)


def test_standardised_codes_take_little_more_than_their_own_memory() -> None:
    codes = (1000 + noise(20_000, 50)).astype(np.float32)
    codes[:, 3] = 7
    tracemalloc.start()
    found = _standardised(codes)
    assert tracemalloc.get_traced_memory()[1] < 2 * codes.nbytes  # with the codes themselves three times
    tracemalloc.stop()
    assert (found[:, 3] == 0).all()
    others = np.delete(found, 3, axis=1).astype(np.float64)
    assert others.mean(axis=0) == pytest.approx(np.zeros(49), abs=1e-6)
    assert others.var(axis=0) == pytest.approx(np.full(49, 1 / 50), rel=1e-4)


def test_each_block_has_its_share_of_each_class() -> None:
    classes = np.repeat([0, 1], [900, 100])
    ordered = classes[_order(classes, seed=0)]
    assert [part.sum() for part in np.split(ordered, 10)] == [10] * 10
    assert sorted(_order(classes, seed=4)) == list(range(1000))
    assert list(_order(classes, seed=4)) != list(_order(classes, seed=5))
