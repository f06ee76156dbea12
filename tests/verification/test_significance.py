import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binomtest, norm, t

from scotoma.data.tasks import Task
from scotoma.runs.leaks import Excess, holm
from scotoma.verification.significance import (
    bits_with_limit,
    guessing_error,
    paired_excess,
    true_positives_at,
)

Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int64]

TEN = tuple("abcdefghij")
TWO = Task(("yes",), ("no", "yes"), attribute="shown")
ONE_OF_TEN = Task(("j",), TEN)
TEN_CLASSES = Task(TEN[1:], TEN, attribute="letter")
Z = 1.959964


def exact_low(successes: int, trials: int) -> float:
    return float(binomtest(successes, trials).proportion_ci(0.95, method="exact").low)


def test_the_excess_written_out() -> None:
    """Two classes of 40; the other attacker is right on 30 and 10 of them, so that both terms count."""
    labels = np.repeat([0, 1], 40)
    known = np.concatenate([np.arange(40) < 30, np.arange(40) < 10])
    right = np.concatenate([np.arange(40) % 4 != 0, np.arange(40) % 2 == 0])
    estimate, error = 0.0, 0.0
    for category in (0, 1):
        one, other = (each[labels == category] for each in (right, known))
        gain = one.astype(int) - other.astype(int)
        mean = sum(gain) / 40
        estimate += mean / 2
        plain = sum((value - mean) ** 2 for value in gain) / 39 / 40
        share = sum(other) / 40
        a = [sum(one[other]) / sum(other), sum(one[~other]) / sum(~other)]
        low = [exact_low(int(sum(one[which])), int(sum(which))) for which in (other, ~other)]
        bounds = (share * (a[0] - low[0]) / Z) ** 2 + ((1 - share) * (a[1] - low[1]) / Z) ** 2
        exact = bounds + share * (1 - share) * ((a[0] - 1) - a[1]) ** 2 / 40
        error += max(plain, exact) / 4
    error = math.sqrt(error)
    found = paired_excess(right, known, labels, TWO)
    assert (found.estimate, found.error) == pytest.approx((estimate, error))
    assert found.low == pytest.approx(estimate - Z * error)
    assert found.p == pytest.approx(norm.sf(estimate / error))


def test_an_attacker_against_a_constant_one_has_clopper_and_pearson_s_bound() -> None:
    """All is right of a rare class, and nothing varies: the sample variance would be 0."""
    labels = np.repeat([0, 1], [10_000, 20])
    right = np.concatenate([np.zeros(10_000, bool), np.ones(20, bool)])
    found = paired_excess(right, labels == 1, labels, TWO)
    assert found.estimate == 0
    assert found.error * Z == pytest.approx((1 - exact_low(20, 20)) / 2)
    assert found.p == pytest.approx(0.5)


def test_categories_within_other_count_alike() -> None:
    labels = np.array([0, 1, 1, 1, 9, 9])
    right = np.array([True, False, False, False, True, True])
    # Of 'other' a and b have images, a quarter each; j, right on both, is half.
    found = paired_excess(right, np.zeros(6, bool), labels, Task(("j",), TEN))
    assert found.estimate == pytest.approx((1 / 18 * 1 + 1 / 2 * 1) / (2 / 18 + 1 / 2))


def test_equal_attackers_have_no_excess_and_an_error_that_is_not_0() -> None:
    labels = np.repeat([0, 1], 40)
    for right in (labels == 0, labels == 7, labels < 7):
        found = paired_excess(right, right, labels, TWO)
        assert (found.estimate, found.p) == (0, 0.5)
        assert 0 < found.error < 0.1
        assert found.low < 0 < found.smallest_leak < 0.3


def test_a_perfect_attacker_is_found_on_few_images() -> None:
    labels = np.repeat([0, 1], 10)
    found = paired_excess(np.ones(20, bool), labels == 0, labels, TWO)
    assert found.estimate == 0.5
    assert found.p < 1e-5
    assert 0.2 < found.low < 0.5


def test_nothing_to_compare_on() -> None:
    none = np.zeros(0, bool)
    with pytest.raises(ValueError) as error:
        paired_excess(none, none, np.zeros(0, int), TWO)
    assert str(error.value) == "there is no image to compare on"


def rejections(
    draw: Callable[[], tuple[Bools, Bools]],
    labels: Labels,
    task: Task,
    sets: int,
    units: npt.NDArray[np.str_] | None = None,
) -> float:
    """Share of simulated data sets in which the lower bound is above 0."""
    found = [paired_excess(*draw(), labels, task, units) for _ in range(sets)]
    assert all((each.low > 0) == (each.p < 0.025) for each in found)
    return float(np.mean([each.low > 0 for each in found]))


# 1,500 sets: a true level of 2.5 % gives more than 3.7 % in one case of 700.
SETS, MOST = 1500, 0.037


@pytest.mark.parametrize("said", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("constant", [0, 1])
@pytest.mark.parametrize("counts", [(40, 40), (380, 20), (190, 10)])
def test_guessing_is_rarely_a_leak(counts: tuple[int, int], constant: int, said: float) -> None:
    """An attacker says the second class for a share of images at random, the other one class for all."""
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], counts)
    known = labels == constant
    assert (
        rejections(lambda: ((random.random(len(labels)) < said) == labels, known), labels, TWO, SETS) < MOST
    )


@pytest.mark.parametrize("task", [ONE_OF_TEN, TEN_CLASSES])
def test_guessing_among_ten_categories_is_rarely_a_leak(task: Task) -> None:
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(10), 40)
    classes = task.classes_of(labels)
    found = rejections(
        lambda: (random.integers(task.classes, size=400) == classes, classes == 1), labels, task, SETS
    )
    assert 0.005 < found < MOST


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_copying_the_label_only_attacker_in_part_is_rarely_a_leak(share: float) -> None:
    """Kept is a: who knows that says no j of a, and j of all others. The attacker withdraws some of its j at
    random, of j (weight 1/2) 8/9 as often as of the eight others (weight 8/18), so that it gains nothing.
    """
    random = np.random.default_rng(2)
    labels = np.repeat(np.arange(10), 40)
    positive, kept = labels == 9, labels == 0
    known = kept | positive

    def draw() -> tuple[Bools, Bools]:
        withdrawn = random.random(400) < np.where(positive, 0.4, 0.4 * 9 / 8) * share
        return (withdrawn ^ positive) & ~kept | kept, known

    found = rejections(draw, labels, ONE_OF_TEN, SETS)
    assert found < MOST


@pytest.mark.parametrize("together", [0.0, 0.5, 1.0])
def test_guessing_by_groups_is_rarely_a_leak(together: float) -> None:
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(30) % 2, 8)
    units = np.repeat(np.arange(30), 8).astype(str)

    def draw() -> tuple[Bools, Bools]:
        of_group = np.repeat(random.random(30) < 0.5, 8)
        said = np.where(random.random(240) < together, of_group, random.random(240) < 0.5)
        return said == labels, labels == 0

    assert rejections(draw, labels, TWO, 800, units) < MOST
    if together == 1:
        assert rejections(draw, labels, TWO, 800) > 0.1  # the control: groups do matter


@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize(("people", "images"), [(2, 90), (3, 60), (3, 20), (4, 60), (6, 60), (8, 60)])
def test_guessing_by_a_few_people_of_one_class_is_rarely_a_leak(
    people: int, images: int, noise: float
) -> None:
    """The other class are single images. By luck an attacker is right on all these people, or nearly."""
    random = np.random.default_rng(12)
    labels = np.repeat([1, 0], [people * images, 500])
    units = np.concatenate([np.repeat(np.arange(people), images), people + np.arange(500)]).astype(str)

    def draw() -> tuple[Bools, Bools]:
        said = np.concatenate([np.repeat(random.random(people) < 0.5, images), random.random(500) < 0.5])
        return (said ^ (random.random(len(labels)) < noise)) == labels, labels == 0

    assert rejections(draw, labels, TWO, 150, units) < MOST


def test_twelve_people_of_one_class_may_show_a_leak() -> None:
    """The control: right on all of them, and on half of the other class."""
    labels = np.repeat([1, 0], [12 * 40, 500])
    units = np.concatenate([np.repeat(np.arange(12), 40), 12 + np.arange(500)]).astype(str)
    right = np.concatenate([np.ones(480, bool), np.arange(500) % 2 == 0])
    assert paired_excess(right, labels == 0, labels, TWO, units).low > 0
    half = np.concatenate([np.repeat(np.arange(12) % 2 == 0, 40), np.arange(500) % 2 == 0])
    assert paired_excess(half, labels == 0, labels, TWO, units).low < 0


def power(labels: Labels, task: Task, leak: float, tests: int) -> float:
    """How often an attacker who is so much better than guessing is found among so many hidden tasks, of which
    no other leaks.
    """
    random = np.random.default_rng(4)
    accuracy = 1 / task.classes + leak
    found = [
        paired_excess(random.random(len(labels)) < accuracy, labels == 0, labels, task).p for _ in range(400)
    ]
    return float(np.mean(np.array(found) <= 0.025 / tests))


@pytest.mark.parametrize("tests", [1, 3, 10])
@pytest.mark.parametrize(
    ("counts", "task"),
    [((30, 30), TWO), ((100, 100), TWO), ((500, 500), TWO), ((380, 40), TWO), ((40,) * 10, TEN_CLASSES)],
)
def test_the_smallest_leak_is_found_in_four_cases_of_five(
    counts: tuple[int, ...], task: Task, tests: int
) -> None:
    """Whether the winner guesses or, on codes that tell nothing, says what the kept labels tell."""
    labels = np.repeat(np.arange(len(counts)), counts)
    known = labels == 0
    constant = paired_excess(known, known, labels, task, tests=tests).smallest_leak
    guesses = np.random.default_rng(4).random(len(labels)) < 1 / task.classes
    guessing = paired_excess(guesses, known, labels, task, tests=tests).smallest_leak
    assert constant == pytest.approx(guessing, rel=0.15)
    assert 0.77 < power(labels, task, constant, tests) < 0.89


def test_the_smallest_leak_is_no_smaller_than_the_winner_s_error_allows() -> None:
    """Who is right just where the other one is wrong varies more than who errs independently of it."""
    labels = np.repeat([0, 1], 200)
    known = np.tile(np.arange(200) % 2 == 0, 2)
    found = paired_excess(~known, known, labels, TWO)
    assert found.smallest_leak == pytest.approx((Z + 0.841621) * found.error)
    three = paired_excess(~known, known, labels, TWO, tests=3)
    assert three.smallest_leak == pytest.approx((norm.isf(0.025 / 3) + 0.841621) * found.error)
    assert (three.low, three.p, three.error) == (found.low, found.p, found.error)


def test_groups_raise_the_smallest_leak_of_codes_that_tell_nothing() -> None:
    """Nothing varies, so that each of forty groups of ten counts for one image."""
    labels = np.repeat([0, 1], 200)
    known = labels == 0
    grouped = paired_excess(known, known, labels, TWO, np.repeat(np.arange(40), 10).astype(str))
    once = paired_excess(known[::10], known[::10], labels[::10], TWO)
    assert grouped.smallest_leak == pytest.approx(once.smallest_leak, rel=0.05)
    assert grouped.smallest_leak > 3 * paired_excess(known, known, labels, TWO).smallest_leak


def test_images_that_are_groups_of_their_own_are_as_without_groups_but_for_student_s_t() -> None:
    labels, right = np.repeat([0, 1], 60), np.tile(np.arange(60) < 36, 2)
    plain = paired_excess(right, labels == 0, labels, TWO)
    single = paired_excess(right, labels == 0, labels, TWO, np.arange(120).astype(str))
    assert (single.estimate, single.error) == pytest.approx((plain.estimate, plain.error))
    assert single.p == pytest.approx(t.sf(plain.estimate / plain.error, 118))


def test_groups_never_narrow_the_interval() -> None:
    random = np.random.default_rng(6)
    labels = np.repeat([0, 1], 60)
    for _ in range(100):
        right, units = random.random(120) < random.random(), random.integers(30, size=120).astype(str)
        plain, grouped = (paired_excess(right, labels == 0, labels, TWO, each) for each in (None, units))
        assert grouped.error >= plain.error * (1 - 1e-12)
        assert grouped.low <= plain.low


def test_ten_copies_of_each_image_are_as_good_as_one() -> None:
    """The design effect of equal images is their number, but for that of images less one."""
    random = np.random.default_rng(7)
    labels, right = np.repeat([0, 1], 50), random.random(100) < 0.6
    once = paired_excess(right, labels == 0, labels, TWO)
    copied = [np.repeat(each, 10) for each in (right, labels == 0, labels)]
    units = np.repeat(np.arange(100), 10).astype(str)
    ten = paired_excess(copied[0], copied[1], copied[2], TWO, units)
    assert ten.error == pytest.approx(once.error, rel=0.03)
    assert paired_excess(copied[0], copied[1], copied[2], TWO).error < once.error / 3


def test_one_group_proves_nothing() -> None:
    labels = np.repeat([0, 1], 40)
    found = paired_excess(np.ones(80, bool), labels == 0, labels, TWO, np.full(80, "x"))
    assert found.estimate == 0.5
    assert found.p > 0.025
    assert found.low < 0
    assert found.smallest_leak == 1


def test_holm_s_example() -> None:
    # Four times the smallest, three times the next, and never less than what came before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.6, 0.9]) == (1.0, 1.0)
    assert holm([0.02]) == (0.02,)
    assert holm([]) == ()


def test_holm_keeps_the_chance_of_any_wrong_rejection() -> None:
    p = np.random.default_rng(8).random((4000, 3))
    wrong = np.mean([min(holm(each.tolist())) < 0.025 for each in p])
    assert wrong == pytest.approx(0.025, abs=0.008)
    assert np.mean(p.min(axis=1) < 0.025) > 0.06


def test_true_positives_at_one_false_alarm_in_a_hundred() -> None:
    negatives = np.arange(1000.0)  # ten of them are above 989
    positives = np.array([990.0, 989.5, 989.0, 5.0])
    positive = np.repeat([False, True], [1000, 4])
    assert true_positives_at(np.concatenate([negatives, positives]), positive) == 0.5
    assert true_positives_at(np.concatenate([negatives, positives]), positive, 0.1) == 0.75
    assert true_positives_at(np.concatenate([negatives, positives]), positive, 1.0) == 1


def test_equal_scores_are_false_alarms_together() -> None:
    """Twenty negatives share the highest score: none may be above, nor the positives that share it."""
    scores = np.concatenate([np.zeros(980), np.ones(20), [1.0, 1.0, 2.0]])
    positive = np.arange(1003) >= 1000
    assert true_positives_at(scores, positive) == pytest.approx(1 / 3)
    assert true_positives_at(np.zeros(1003), positive) == 0


def test_true_positives_are_not_told_of_too_few_images() -> None:
    assert true_positives_at(np.zeros(1000), np.arange(1000) >= 999) is None
    assert true_positives_at(np.zeros(1000), np.zeros(1000, bool)) is None
    assert true_positives_at(np.zeros(1001), np.arange(1001) >= 1000) is not None


def test_bits_written_out() -> None:
    losses = np.array([0.1, 0.3, 0.2, 0.5, 0.9, 0.4])
    labels = np.array([0, 0, 0, 1, 1, 1])
    means, variances = (0.2, 0.6), (0.01, 0.07)
    error = math.sqrt((variances[0] / 3 + variances[1] / 3) / 4)
    found, low = bits_with_limit(losses, labels, TWO)
    assert found == pytest.approx(1 - sum(means) / 2 / math.log(2))
    assert low == pytest.approx(found - Z * error / math.log(2))


@pytest.mark.parametrize(("rare", "most"), [(50, 0.06), (500, 0.035)])
def test_the_limit_of_bits_holds(rare: int, most: float) -> None:
    """Codes that say the class with 80 %, and an attacker that knows how sure it may be."""
    random = np.random.default_rng(9)
    labels = np.repeat([0, 1], [500, rare])
    true = 1 + 0.8 * math.log2(0.8) + 0.2 * math.log2(0.2)
    above = 0
    for _ in range(2000):
        losses = -np.log(np.where(random.random(len(labels)) < 0.8, 0.8, 0.2))
        above += bits_with_limit(losses, labels, TWO)[1] > true
    assert 0.01 < above / 2000 < most


def test_guessing_tells_0_bits() -> None:
    labels = np.repeat(np.arange(10), 5)
    assert bits_with_limit(np.full(50, math.log(10)), labels, TEN_CLASSES) == pytest.approx((0, 0), abs=1e-9)


def test_groups_and_single_images_lower_the_limit_of_bits() -> None:
    random = np.random.default_rng(10)
    losses, labels = np.repeat(random.random(20), 5), np.repeat([0, 1], 50)
    plain = bits_with_limit(losses, labels, TWO)
    grouped = bits_with_limit(losses, labels, TWO, np.repeat(np.arange(20), 5).astype(str))
    assert grouped[0] == plain[0]
    assert grouped[0] - grouped[1] > 2 * (plain[0] - plain[1])
    lonely = bits_with_limit(np.array([0.2, 0.2, 0.8]), np.array([0, 0, 1]), TWO)
    assert lonely[1] < lonely[0]


def test_the_error_of_guessing() -> None:
    labels = np.repeat([0, 1], [25, 100])
    assert guessing_error(labels, TWO) == pytest.approx(math.sqrt(0.25 / 25 + 0.25 / 100) / 2)
    random = np.random.default_rng(11)
    labels = np.repeat(np.arange(10), 20)
    weights = TEN_CLASSES.category_weights()[labels] / 20
    drawn = [(weights * (random.random(200) < 0.1)).sum() for _ in range(2000)]
    assert guessing_error(labels, TEN_CLASSES) == pytest.approx(np.std(drawn), rel=0.1)


def test_an_excess_is_plain_numbers() -> None:
    labels = np.repeat([0, 1], 5)
    found = paired_excess(labels == 0, labels == 1, labels, TWO)
    assert isinstance(found, Excess)
    assert {type(value) for value in vars(found).values()} == {float}
