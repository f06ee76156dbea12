import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from scotoma.data.tasks import Task
from scotoma.metrics import image_weights
from scotoma.verification import statistics
from scotoma.verification.floors import Known
from scotoma.verification.statistics import (
    Interval,
    auc,
    balanced_accuracy_interval,
    bits,
    clopper_pearson,
    grouped_interval,
)
from tests.floors import label_only_floor

TEN = tuple("abcdefghij")


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # 1 - .025**(1/10), and the "rule of three" end of it; 5 of 10 from tables.
        (0, 10, 0.0, 0.3085),
        (10, 10, 0.6915, 1.0),
        (5, 10, 0.1871, 0.8129),
        (1, 1, 0.025, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_clopper_pearson_against_known_values(successes: int, trials: int, low: float, high: float) -> None:
    assert clopper_pearson(successes, trials) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("successes", "trials"), [(3, 7), (0, 5), (499, 500), (81, 263)])
def test_clopper_pearson_against_scipy(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(0.9, method="exact")
    found = clopper_pearson(successes, trials, confidence=0.9)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_interval_combines_exact_intervals_of_categories() -> None:
    """Written out for a of (a, b, c): 8 of 10 a, 3 of 4 b, 20 of 20 c."""
    task = Task(("a",), ("a", "b", "c"))
    labels = np.repeat([0, 1, 2], [10, 4, 20])
    correct = np.array([True] * 8 + [False] * 2 + [True] * 3 + [False] + [True] * 20)
    found = balanced_accuracy_interval(correct, labels, task)
    estimate = 0.5 * 0.8 + 0.25 * 0.75 + 0.25 * 1.0
    bounds = [clopper_pearson(*case) for case in ((8, 10), (3, 4), (20, 20))]
    down = math.sqrt(
        (0.5 * (0.8 - bounds[0][0])) ** 2
        + (0.25 * (0.75 - bounds[1][0])) ** 2
        + (0.25 * (1 - bounds[2][0])) ** 2
    )
    up = math.sqrt((0.5 * (bounds[0][1] - 0.8)) ** 2 + (0.25 * (bounds[1][1] - 0.75)) ** 2)
    assert found.estimate == pytest.approx(estimate)
    assert (found.low, found.high) == pytest.approx((estimate - down, min(estimate + up, 1.0)))


def test_one_binomial_gives_its_exact_interval() -> None:
    """Two categories of which one is missing: the rest is a plain proportion."""
    found = balanced_accuracy_interval(
        np.array([True] * 5 + [False] * 5), np.zeros(10, int), Task(("a",), ("a", "b"))
    )
    assert (found.low, found.estimate, found.high) == pytest.approx((0.1871, 0.5, 0.8129), abs=1e-4)


def test_bounds_stay_between_0_and_1() -> None:
    task, labels = Task(("a",), ("a", "b")), np.repeat([0, 1], 5)
    assert balanced_accuracy_interval(np.ones(10, bool), labels, task).high == 1
    assert balanced_accuracy_interval(np.zeros(10, bool), labels, task).low == 0


def test_all_right_is_1_though_the_weights_sum_to_a_little_more() -> None:
    found = balanced_accuracy_interval(np.ones(40, bool), np.repeat(np.arange(10), 4), Task(("a",), TEN))
    assert (found.estimate, found.high) == (1, 1)


@pytest.mark.parametrize("level", [0.55, 0.8, 0.97])
def test_95_percent_of_the_intervals_hold_the_truth(level: float) -> None:
    task = Task(("a",), TEN[:5])
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), [60, 30, 30, 30, 30])
    chances = np.array([level, level - 0.1, level, level + 0.02, level])
    truth = float(task.category_weights() @ chances)
    held = []
    for _ in range(300):
        correct = random.random(len(labels)) < chances[labels]
        found = balanced_accuracy_interval(correct, labels, task)
        held.append(found.low <= truth <= found.high)
    # Exact intervals are a little wide; 300 trials have a deviation of 1.3 points.
    assert 0.92 <= float(np.mean(held)) <= 1


def resampled(
    correct: npt.NDArray[np.bool_],
    labels: npt.NDArray[np.int64],
    task: Task,
    groups: npt.NDArray[np.int64],
    resamples: int,
) -> list[float]:
    """Balanced accuracies of a cluster bootstrap written out: images are copied, group after group."""
    random = np.random.default_rng(99)
    members = [np.flatnonzero(groups == name) for name in np.unique(groups)]
    weights = task.category_weights()
    found = []
    for _ in range(resamples):
        rows = np.concatenate([members[random.integers(len(members))] for _ in members])
        present = [category for category in range(len(weights)) if category in labels[rows]]
        shares = [correct[rows][labels[rows] == category].mean() for category in present]
        found.append(float(np.average(shares, weights=weights[present])))
    return found


def in_groups(
    groups: int, size: int, seed: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Uneven groups of images of three categories; in some groups nearly all are right, in others few."""
    random = np.random.default_rng(seed)
    group = random.integers(groups, size=groups * size)
    chance = random.beta(2, 1, groups)
    return random.random(len(group)) < chance[group], random.choice(3, len(group), p=[0.6, 0.3, 0.1]), group


# Of 300 groups of few images many have the same counts, of 12 groups of about 20 none: two ways of drawing.
# Of 8 groups of about 2 images some resamples have no image of the third category.
# So few have few different accuracies, and a percentile jumps from one to the next.
@pytest.mark.parametrize(("groups", "size", "error"), [(12, 20, 0.008), (300, 1, 0.008), (8, 2, 0.025)])
def test_grouped_intervals_against_images_copied_group_after_group(
    groups: int, size: int, error: float
) -> None:
    task = Task(("a",), ("a", "b", "c"))
    correct, labels, group = in_groups(groups, size, seed=1)
    drawn = resampled(correct, labels, task, group, 3000)
    found = grouped_interval(correct, labels, task, group.astype(str), 0, confidence=0.9, resamples=8000)
    assert found.estimate == pytest.approx(balanced_accuracy_interval(correct, labels, task).estimate)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.05, 0.95])), abs=error)


def test_two_groups_written_out() -> None:
    """a: 1 of 2 right; b: 2 of 2 in one group, 1 of 2 in the other. First or second twice, or both."""
    task = Task(("a",), ("a", "b"))
    labels = np.array([0, 0, 1, 1, 1, 1])
    correct = np.array([True, False, True, True, True, False])
    # The second group alone has no a: b's weight is then 1.
    first, second, both = 0.5 * 0.5 + 0.5 * 1.0, 0.5, 0.5 * 0.5 + 0.5 * 0.75
    found = grouped_interval(correct, labels, task, ["x"] * 4 + ["y"] * 2, seed=0)
    assert found == Interval(both, second, first)


@pytest.mark.parametrize("level", [0.6, 0.9])
def test_images_that_are_their_own_groups_have_the_interval_of_single_images(level: float) -> None:
    task, labels = Task(("a",), TEN), np.arange(2000) % 10
    correct = np.random.default_rng(0).random(2000) < level
    single = balanced_accuracy_interval(correct, labels, task)
    found = grouped_interval(correct, labels, task, [str(row) for row in range(2000)], seed=0)
    assert found.estimate == pytest.approx(single.estimate)
    assert (found.low, found.high) == pytest.approx((single.low, single.high), abs=0.01)


@pytest.mark.parametrize("size", [4, 16])
def test_groups_that_are_right_or_wrong_as_one_widen_the_interval_by_the_root_of_their_size(
    size: int,
) -> None:
    task = Task(("a",), ("a", "b"))
    correct = np.repeat(np.random.default_rng(0).random(200) < 0.7, size)
    labels = np.repeat(np.arange(200) % 2, size)
    widths = []
    for groups in (np.arange(200 * size), np.repeat(np.arange(200), size)):
        found = grouped_interval(correct, labels, task, groups.astype(str), seed=0, resamples=4000)
        widths.append(found.high - found.low)
    assert widths[1] / widths[0] == pytest.approx(math.sqrt(size), rel=0.06)


def test_grouped_intervals_hold_the_truth() -> None:
    task, random = Task(("a",), ("a", "b")), np.random.default_rng(0)
    labels, groups = np.tile([0, 1], 200), np.repeat(np.arange(40), 10)
    held: dict[str, list[bool]] = {"grouped": [], "single": []}
    for seed in range(200):
        correct = random.random(400) < random.beta(4, 2, 40)[groups]
        grouped = grouped_interval(correct, labels, task, groups.astype(str), seed, resamples=500)
        single = balanced_accuracy_interval(correct, labels, task)
        for name, found in (("grouped", grouped), ("single", single)):
            held[name].append(found.low <= 4 / 6 <= found.high)
    assert 0.9 <= np.mean(held["grouped"]) <= 0.98
    # The control: that of single images promises too much here.
    assert np.mean(held["single"]) < 0.87


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 30), st.integers(1, 5))
def test_images_of_unknown_category_and_the_order_of_images_change_nothing(
    seed: int, groups: int, size: int
) -> None:
    task, random = Task(("a",), ("a", "b", "c")), np.random.default_rng(seed)
    correct, labels, group = in_groups(groups, size, seed)
    found = grouped_interval(correct, labels, task, group.astype(str), seed, resamples=50)
    assert 0 <= found.low <= found.high <= 1
    # Unknown ones stand in groups of their own and in those of others.
    more = random.permutation(len(labels) + 5)
    with_unknown = grouped_interval(
        np.concatenate([correct, np.ones(5, bool)])[more],
        np.concatenate([labels, np.full(5, -1)])[more],
        task,
        np.concatenate([group, [0, 1, 97, 98, 99]]).astype(str)[more],
        seed,
        resamples=50,
    )
    assert with_unknown == found


def test_a_seed_gives_one_interval_in_pieces_of_whatever_size(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(("a",), ("a", "b", "c"))
    correct, labels, group = in_groups(12, 20, seed=1)
    first = grouped_interval(correct, labels, task, group.astype(str), seed=3)
    assert grouped_interval(correct, labels, task, group.astype(str), seed=3) == first
    assert grouped_interval(correct, labels, task, group.astype(str), seed=4) != first
    monkeypatch.setattr(statistics, "DRAWS", 100)
    assert grouped_interval(correct, labels, task, group.astype(str), seed=3) == first


def test_one_group_says_nothing_of_others() -> None:
    correct, labels = np.array([True, True, False, True]), np.array([0, 1, 1, 0])
    found = grouped_interval(correct, labels, Task(("a",), ("a", "b")), ["x"] * 4, seed=0)
    assert found == Interval(0.75, 0.0, 1.0)


def test_all_right_in_groups_is_1() -> None:
    labels = np.repeat(np.arange(10), 4)
    found = grouped_interval(np.ones(40, bool), labels, Task(("a",), TEN), ["x", "y"] * 20, seed=0)
    assert found == Interval(1.0, 1.0, 1.0)


def test_a_grouped_interval_of_nothing_known() -> None:
    with pytest.raises(ValueError) as error:
        grouped_interval(np.ones(2, bool), np.array([-1, -1]), Task(("a",), TEN), ["x", "y"], seed=0)
    assert str(error.value) == "no image has a known category"


def known(labels: npt.NDArray[np.int64], kept: int) -> Known:
    """Of categories in alphabetical order the first `kept` are kept: their label, or none of them."""
    return Known(labels, np.minimum(labels, kept)[:, None])


@pytest.mark.parametrize(("kept", "floor"), [(0, 0.5), (1, 10 / 18), (2, 11 / 18), (3, 12 / 18)])
@pytest.mark.parametrize("uneven", [False, True])
def test_the_floor_of_one_of_ten_is_a_half_and_n_eighteenths(kept: int, floor: float, uneven: bool) -> None:
    counts = np.arange(20, 40, 2) if uneven else np.full(10, 30)
    labels = np.repeat(np.arange(10), counts)
    seen, test = known(labels, kept), known(labels[::2], kept)
    found = label_only_floor(Task(("j",), TEN), seen, test)
    assert found == pytest.approx(floor)


@pytest.mark.parametrize(("kept", "floor"), [(1, 5 / 8), (2, 6 / 8), (3, 7 / 8)])
def test_the_floor_of_one_of_five(kept: int, floor: float) -> None:
    labels = np.repeat(np.arange(5), 20)
    seen = known(labels, kept)
    assert label_only_floor(Task(("e",), TEN[:5]), seen, seen) == pytest.approx(floor)


def test_the_floor_of_an_attribute_is_that_of_kept_attributes_together() -> None:
    """Hidden is the parity of two kept bits: each alone says nothing of it, both say it all."""
    bits = np.arange(80)[:, None] // np.array([1, 2]) % 2
    hidden = bits.sum(axis=1) % 2
    task = Task(("odd",), ("even", "odd"), attribute="parity")
    for kept, floor in ((bits[:, :1], 0.5), (bits, 1.0)):
        seen = Known(hidden, kept)
        assert label_only_floor(task, seen, seen) == pytest.approx(floor)


def test_a_missing_kept_label_is_a_label_of_its_own() -> None:
    hidden, kept = np.array([0, 0, 1] * 8), np.array([[0, 1], [1, 1], [-1, 1]] * 8)
    seen = Known(hidden, kept)
    assert label_only_floor(Task(("odd",), ("even", "odd"), attribute="parity"), seen, seen) == 1


def test_of_many_kept_labels_the_floor_is_what_a_rule_finds_and_not_what_was_learned_by_heart() -> None:
    """Of ten kept bits one is the hidden one in four cases of five: most combinations are rare."""
    random = np.random.default_rng(0)
    kept = random.integers(0, 2, (3000, 10))
    hidden = np.where(random.random(3000) < 0.8, kept[:, 0], 1 - kept[:, 0])
    task = Task(("odd",), ("even", "odd"), attribute="parity")
    training, test = (Known(hidden[rows], kept[rows]) for rows in (slice(1500), slice(1500, 3000)))
    assert label_only_floor(task, training, test) == pytest.approx(0.8, abs=0.02)


def test_the_floor_s_rule_may_rest_on_pairs_of_kept_labels() -> None:
    """The parity of two of nine kept bits, of which most combinations are seen once or never."""
    random = np.random.default_rng(0)
    kept = random.integers(0, 2, (1200, 9))
    hidden = kept[:, 3] ^ kept[:, 7]
    task = Task(("odd",), ("even", "odd"), attribute="parity")
    training, test = (Known(hidden[rows], kept[rows]) for rows in (slice(600), slice(600, 1200)))
    assert label_only_floor(task, training, test) == 1


def test_the_rule_of_the_floor_is_chosen_on_units_that_it_was_not_learned_from() -> None:
    """Persons of six images each, whose kept labels are theirs alone and whose hidden label is a coin: among
    their own images a rule that knows persons is always right, and it must not look so.
    """
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(200), 6)
    kept = random.integers(0, 2, (200, 12))
    hidden = np.where(random.random(200) < 0.9, kept[:, 0], 1 - kept[:, 0])
    task = Task(("odd",), ("even", "odd"), attribute="parity")
    there = person < 150
    seen = Known(hidden[person][there], kept[person][there], person[there])
    test = Known(hidden[person][~there], kept[person][~there])
    assert label_only_floor(task, seen, test) > label_only_floor(task, replace(seen, units=None), test) + 0.2


def test_the_floor_s_rule_is_learned_from_training_images() -> None:
    """Nothing of the test labels decides it: categories that only the test images have change no rule."""
    training, test = np.repeat(np.arange(10), 20), np.repeat([0, 9], 20)
    # Of the kept a none is j; of the rest j is the most likely: both right.
    seen = known(training, 1)
    assert label_only_floor(Task(("j",), TEN), seen, known(test, 1)) == 1


def test_area_under_the_curve_written_out() -> None:
    scores = np.array([0.9, 0.4, 0.6, 0.4, 0.1])
    classes = np.array([1, 1, 0, 0, 0])
    weights = np.array([1.0, 2.0, 1.0, 3.0, 1.0])
    total = hits = 0.0
    for i in np.flatnonzero(classes):
        for j in np.flatnonzero(classes == 0):
            pair = weights[i] * weights[j]
            total += pair
            hits += pair * ((scores[i] > scores[j]) + (scores[i] == scores[j]) / 2)
    assert auc(np.stack([1 - scores, scores], axis=1), classes, weights) == pytest.approx(hits / total)


def test_area_counts_categories_alike() -> None:
    """c is common and scored badly; weighting makes it half of 'other', whatever its number."""
    task, labels = Task(("a",), ("a", "b", "c")), np.repeat([0, 1, 2], [10, 10, 90])
    scores = np.repeat([0.5, 0.1, 0.9], [10, 10, 90])
    probabilities = np.stack([1 - scores, scores], axis=1)
    found = auc(probabilities, task.classes_of(labels), image_weights(task, labels))
    assert found == pytest.approx(0.5)


def test_area_of_several_classes_is_the_mean_of_each_against_the_others() -> None:
    random = np.random.default_rng(0)
    classes, weights = random.integers(3, size=60), random.random(60)
    probabilities = random.dirichlet((1, 1, 1), 60)
    areas = []
    for index in range(3):
        one = np.stack([1 - probabilities[:, index], probabilities[:, index]], axis=1)
        areas.append(auc(one, (classes == index).astype(np.int64), weights))
    assert auc(probabilities, classes, weights) == pytest.approx(np.mean(areas))


def test_bits_of_a_cross_entropy() -> None:
    assert bits(math.log(2), 2) == pytest.approx(0)
    assert bits(0.0, 2) == 1
    assert bits(0.0, 4) == 2
    # Right with 90 %, and it says so: 1 - H(.1).
    entropy = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    assert bits(entropy, 2) == pytest.approx(0.531, abs=1e-3)
    assert bits(1.0, 2) < 0
