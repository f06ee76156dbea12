"""What the attackers that are no networks find, and what they do with codes that hold little or nothing."""

from collections.abc import Callable
from threading import Event

import numpy as np
import pytest

from scotoma.audit import classical, representations
from scotoma.audit.classical import (
    BINS,
    _bins,
    boosted_trees,
    kernel_machine,
    logistic_raw,
    logistic_standardised,
    logistic_whitened,
    neighbours,
)
from scotoma.audit.examples import Encoded, Examples, Floats, Labels, Learn, Occasion
from scotoma.audit.pairs import pairs
from scotoma.audit.suites import STANDARD
from scotoma.data.tasks import Task
from tests.audit.plants import TASK, examples

ATTACKERS = {
    "logistic raw": logistic_raw,
    "logistic standardised": logistic_standardised,
    "logistic whitened": logistic_whitened,
    "kernel machine": kernel_machine,
    "boosted trees": boosted_trees,
    "neighbours": neighbours,
    "pairs": pairs,
}
every = pytest.mark.parametrize("learn", ATTACKERS.values(), ids=ATTACKERS)
NAMES = ("a", "b", "c", "d")
FOUR = Task(NAMES[1:], NAMES)

Make = Callable[[np.random.Generator, int], tuple[Floats, Labels]]


def drawn(make: Make, counts: tuple[int, ...], task: Task = TASK) -> list[Examples]:
    random = np.random.default_rng(0)
    return [examples(*make(random, count), task) for count in counts]


def accuracy(learn: Learn, parts: list[Examples], task: Task = TASK) -> float:
    training, stopping, test = parts
    said = learn(training, stopping, Occasion(task, 0)).read(test.codes)
    assert said.shape == (len(test), task.classes)
    assert np.isfinite(said).all()
    return float(test.weights[said.argmax(axis=1) == test.classes].sum() / test.weights.sum())


def spread(random: np.random.Generator, images: int) -> tuple[Floats, Labels]:
    """Two clouds that differ in place and in size, so that every attacker can tell them."""
    classes = random.integers(2, size=images)
    codes = random.normal(size=(images, 2, 3)) * (1 + classes[:, None, None]) + 3 * classes[:, None, None]
    return codes.astype(np.float32), classes


@every
def test_every_attacker_tells_two_clouds(learn: Learn) -> None:
    assert accuracy(learn, drawn(spread, (400, 200, 1000))) > 0.9


@every
def test_noise_and_constant_codes_stay_at_chance(learn: Learn) -> None:
    def noise(random: np.random.Generator, images: int) -> tuple[Floats, Labels]:
        return random.normal(size=(images, 3, 2, 2)).astype(np.float32), random.integers(2, size=images)

    def constant(random: np.random.Generator, images: int) -> tuple[Floats, Labels]:
        return np.full((images, 3, 2, 2), 0.7, np.float32), random.integers(2, size=images)

    # Three standard errors of 3,000 guesses.
    assert accuracy(learn, drawn(noise, (400, 200, 3000))) == pytest.approx(0.5, abs=0.028)
    assert accuracy(learn, drawn(constant, (400, 200, 300))) == pytest.approx(0.5)


@every
def test_a_code_of_one_value_is_read(learn: Learn) -> None:
    def one(random: np.random.Generator, images: int) -> tuple[Floats, Labels]:
        codes, classes = spread(random, images)
        return (3 * classes[:, None] + codes[:, 0, :1] / 5).astype(np.float32), classes

    assert accuracy(learn, drawn(one, (400, 200, 500))) > 0.9


@every
def test_several_classes_of_unequal_size_count_alike(learn: Learn) -> None:
    def unequal(random: np.random.Generator, images: int) -> tuple[Floats, Labels]:
        classes = random.choice(4, size=images, p=(0.7, 0.1, 0.1, 0.1))
        codes = random.normal(size=(images, 4)) + 4 * np.eye(4)[classes]
        return codes.astype(np.float32), classes

    parts = drawn(unequal, (600, 300, 2000), FOUR)
    # Guessing gives 0.25, and so does saying the commonest class of every image.
    assert accuracy(learn, parts, FOUR) > 0.8


@every
def test_a_class_that_no_training_image_has_is_never_said_and_stops_nobody(learn: Learn) -> None:
    random = np.random.default_rng(0)

    def part(images: int, classes: Labels) -> Examples:
        codes = random.normal(size=(images, 5)) + 4 * np.eye(5)[classes]
        return examples(codes.astype(np.float32), classes, FOUR)

    training, stopping = part(300, random.integers(3, size=300)), part(200, random.integers(4, size=200))
    said = learn(training, stopping, Occasion(FOUR, 0)).read(stopping.codes)
    assert said.shape == (200, 4)
    assert not (said.argmax(axis=1) == 3).any()


@every
def test_codes_of_more_values_than_components_are_read(learn: Learn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(representations, "MOST", 4)
    assert accuracy(learn, drawn(spread, (400, 200, 500))) > 0.9


@every
def test_the_same_seed_finds_the_same(learn: Learn) -> None:
    training, stopping, test = drawn(spread, (200, 100, 50))
    first, second = (learn(training, stopping, Occasion(TASK, 3)).read(test.codes) for _ in range(2))
    assert np.array_equal(first, second)


@every
def test_one_that_is_to_stop_stops(learn: Learn) -> None:
    training, stopping, _ = drawn(spread, (200, 100, 50))
    stop = Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        learn(training, stopping, Occasion(TASK, 0, stop))


@pytest.mark.parametrize("learn", [logistic_standardised, logistic_whitened, boosted_trees])
def test_a_shift_that_is_tiny_beside_other_values_is_read(learn: Learn) -> None:
    def shifted(random: np.random.Generator, images: int) -> tuple[Floats, Labels]:
        codes, classes = spread(random, images)
        codes[:] = 1000 * random.normal(size=codes.shape)
        codes[:, 1, 2] = 0.1 * classes + 1
        return codes, classes

    assert accuracy(learn, drawn(shifted, (400, 200, 500))) > 0.99


def test_a_kernel_machine_finds_the_same_whatever_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has one seed in a suite, so nothing may be left to chance where images are left out."""
    monkeypatch.setattr(classical, "KERNEL_IMAGES", 100)
    training, stopping, test = drawn(spread, (400, 100, 50))
    first, second = (kernel_machine(training, stopping, Occasion(TASK, seed)) for seed in (0, 1))
    assert first.details["images"] == 100
    assert np.array_equal(first.read(test.codes), second.read(test.codes))
    (attacker,) = (each for each in STANDARD if each.learn is kernel_machine)
    assert not attacker.by_chance


def test_neighbours_are_those_of_a_search_one_by_one() -> None:
    training, stopping, test = drawn(spread, (60, 40, 20))
    learned = neighbours(training, stopping, Occasion(TASK, 0))
    count = learned.details["neighbours"]
    flat, others = (each.codes.flat().astype(np.float64) for each in (test, training))
    scale = others.std(axis=0) if learned.details["codes"] == "standardised" else 1.0
    for code, said in zip(flat, learned.read(test.codes), strict=True):
        nearest = np.argsort(np.square((code - others) / scale).sum(axis=1))[:count]
        votes = [
            training.weights[nearest][training.classes[nearest] == index].sum() * 60 / training.weights.sum()
            for index in range(2)
        ]
        assert said == pytest.approx(np.log(np.array(votes) + 0.5), abs=1e-6)


def test_logistic_regression_finds_what_another_solver_finds() -> None:
    from sklearn.linear_model import LogisticRegression

    training, stopping, test = drawn(spread, (400, 200, 100))
    learned = logistic_standardised(training, stopping, Occasion(TASK, 0))
    codes, mean = training.codes.flat().astype(np.float64), training.codes.flat().mean(axis=0)
    scale = codes.std(axis=0)
    # Two classes with slopes of their own, each half of the difference: half the penalty of one slope.
    other = LogisticRegression(C=learned.details["prior"] * 2, tol=1e-8, max_iter=1000)
    other.fit((codes - mean) / scale, training.classes, training.weights * len(training))
    said = learned.read(Encoded(test.codes.centre, test.codes.views))
    expected = other.decision_function((test.codes.flat() - mean) / scale)
    assert said[:, 1] - said[:, 0] == pytest.approx(expected, abs=0.02)


def test_trees_read_bins_of_equal_weight() -> None:
    features = np.arange(1000, dtype=np.float32)[:, None]
    weights = np.where(np.arange(1000) < 100, 9.0, 1.0)
    numbers = _bins(features, weights)(features)[:, 0]
    assert len(np.unique(numbers)) == BINS
    assert (np.diff(numbers) >= 0).all()
    by_bin = np.bincount(numbers.astype(int), weights)
    # A bin ends at an image, none of which weighs more than 9.
    assert by_bin == pytest.approx(np.full(BINS, 1800 / BINS), abs=9)
    two = np.array([[0.0], [1.0], [1.0]], np.float32)
    first, second, third = _bins(two, np.ones(3))(two)[:, 0]
    assert first < second == third


def test_a_kernel_machine_that_learns_from_some_images_of_a_rare_class_tells_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One of twenty images is of the class, and its cloud lies half over the others'."""

    def rare(random: np.random.Generator, images: int) -> tuple[Floats, Labels]:
        classes = (random.random(images) < 0.05).astype(np.int64)
        codes = random.normal(size=(images, 2, 3)) + classes[:, None, None]
        return codes.astype(np.float32), classes

    monkeypatch.setattr(classical, "KERNEL_IMAGES", 200)
    best = 0.89  # of the six values' sum: the normal distribution's value at sqrt(6) / 2
    assert accuracy(kernel_machine, drawn(rare, (4000, 1000, 4000))) > best - 0.03


def test_a_kernel_is_as_wide_as_codes_of_many_equal_values_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six values, a hundred times each: their components vary a hundred times as much as one value."""

    def copied(random: np.random.Generator, images: int) -> tuple[Floats, Labels]:
        classes = random.integers(2, size=images)
        values = random.normal(size=(images, 6)) + 0.8 * classes[:, None]
        return values.repeat(100, axis=1).astype(np.float32), classes

    monkeypatch.setattr(representations, "MOST", 6)
    best = 0.836  # the normal distribution's value at 0.4 sqrt(6)
    assert accuracy(kernel_machine, drawn(copied, (600, 300, 3000))) > best - 0.03
