from collections.abc import Callable
from dataclasses import replace

import numpy as np

from scotoma.audit.task_flags import (
    below_chance_on_training,
    bigger_is_worse,
    dependent_labels,
    failed,
    originals_not_read,
    still_rising,
    too_few_test_images,
    too_few_validation_images,
    winner_below_floor,
)
from scotoma.runs.verdict import Attempt, Flag, Reference, Winner

DONE = Attempt("cnn", "same", 0, "done", 0.7, 0.6, 0.6, 1.0)
WINNER = Winner(
    attacker="cnn",
    sees="same",
    seed=0,
    accuracy=0.5,
    low=0.47,
    high=0.53,
    excess=-0.056,
    excess_low=-0.09,
    p=0.9,
    p_holm=0.9,
    smallest_leak=0.05,
    auc=0.5,
    bits=0.0,
    bits_low=0.0,
)


def test_an_attacker_below_chance_on_its_own_training_images() -> None:
    bad = replace(DONE, attacker="trees", seed=2, training=0.41)
    said = (
        "Worse than guessing (50.0 %) on their own training images: trees/same/2 41.0 %. Something is wrong "
        "with how they learn."
    )
    assert below_chance_on_training([DONE, bad], 0.5) == Flag("below-chance-on-training", said, blocks=True)
    assert below_chance_on_training([DONE, replace(bad, training=0.485)], 0.5) is None
    assert below_chance_on_training([bad], 0.5, error=0.04) is None
    assert below_chance_on_training([replace(bad, training=None)], 0.5) is None
    assert below_chance_on_training([bad], 0.4) is None


def off_by(error: float, freedom: float = 1e9) -> Callable[[Attempt, Attempt], tuple[float, float]]:
    return lambda large, small: (error, freedom)


def test_a_bigger_attacker_that_is_clearly_worse() -> None:
    small, big = replace(DONE, attacker="linear", choosing=0.65), replace(DONE, choosing=0.58)
    bigger = {"cnn": "linear"}
    said = (
        "Larger attackers are clearly worse than smaller ones: cnn 58.0 %, linear 65.0 % (same). The larger "
        "were not trained well."
    )
    expected = Flag("bigger-is-worse", said, blocks=True)
    assert bigger_is_worse([small, big], bigger, off_by(0.03)) == expected
    assert bigger_is_worse([small, big], bigger, off_by(0.04)) is None  # .07 is less than two errors
    assert bigger_is_worse([small, replace(big, choosing=0.63)], bigger, off_by(0.001)) is None  # 2 points
    assert bigger_is_worse([small, replace(big, choosing=0.9)], bigger, off_by(0.001)) is None
    # One good seed is enough; images seen must be the same; who failed is not compared.
    assert bigger_is_worse([small, big, replace(big, seed=1, choosing=0.66)], bigger, off_by(0.001)) is None
    assert bigger_is_worse([small, replace(big, sees="fresh")], bigger, off_by(0.001)) is None
    assert bigger_is_worse([small, replace(big, choosing=None)], bigger, off_by(0.001)) is None


def test_of_few_groups_a_bigger_attacker_must_be_worse_by_more() -> None:
    """.07 is 2.8 errors; with 5 degrees of freedom as rare as 2 of a normal distribution are 2.65, with 3
    3.31.
    """
    small, big = replace(DONE, attacker="linear", choosing=0.65), replace(DONE, choosing=0.58)
    assert bigger_is_worse([small, big], {"cnn": "linear"}, off_by(0.025, 5)) is not None
    assert bigger_is_worse([small, big], {"cnn": "linear"}, off_by(0.025, 3)) is None


def test_several_pairs_must_differ_more() -> None:
    """.07 is 2.33 errors: enough for one pair, of four pairs 2.53 are asked for."""
    small, big = replace(DONE, attacker="linear", choosing=0.65), replace(DONE, choosing=0.58)
    same = [replace(DONE, attacker=name, choosing=0.65) for name in ("a", "b", "c")]
    bigger = {"cnn": "linear", "a": "b", "b": "c", "c": "a"}
    assert bigger_is_worse([small, big], bigger, off_by(0.03)) is not None
    assert bigger_is_worse([small, big, *same], bigger, off_by(0.03)) is None
    assert bigger_is_worse([small, big, *same], bigger, off_by(0.027)) is not None


def test_an_attacker_that_is_still_improving() -> None:
    rising = replace(DONE, state="inconclusive", seed=1)
    said = "Still improving when their time was up: cnn/same/1."
    assert still_rising([DONE, rising], WINNER) == Flag("still-rising", said, blocks=True)
    assert still_rising([rising], None) == Flag("still-rising", said, blocks=True)
    best = replace(WINNER, seed=1)
    assert still_rising([DONE, rising], best) == Flag(
        "still-rising", f"{said} The best attacker is one of them.", blocks=True
    )
    assert still_rising([DONE, replace(DONE, state="failed")], WINNER) is None


def test_too_few_validation_images() -> None:
    said = (
        "There are too few validation images to choose the best of 2 attempts: one that alone finds a leak "
        "of less than 11.9 points would be passed over in more than one case of five; 10 points are asked "
        "for."
    )
    # The difference of two independent ones has an error of .1414, of which four of five cases take .8416.
    assert too_few_validation_images(2, 0.1) == Flag("too-few-validation-images", said, blocks=True)
    assert too_few_validation_images(2, 0.084) is None  # 10.0 points
    assert too_few_validation_images(2, 0.1, limit=0.12) is None
    assert too_few_validation_images(1, 0.3) is None


def test_of_more_attempts_more_validation_images_are_needed() -> None:
    """The best of 20 that find nothing, and one that finds a leak, drawn 40,000 times."""
    random = np.random.default_rng(0)
    others = random.normal(size=(40000, 20)).max(axis=1)
    distance = float(np.quantile(others - random.normal(size=40000), 0.8))
    assert too_few_validation_images(21, 0.1 / (distance + 0.03)) is None
    assert too_few_validation_images(21, 0.1 / (distance - 0.03)) is not None


def test_too_few_test_images() -> None:
    said = (
        "There are too few test images: a leak of less than 14.2 points would be missed in more than one "
        "case of five; 10 points are asked for."
    )
    assert too_few_test_images(0.142) == Flag("too-few-test-images", said, blocks=True)
    assert too_few_test_images(0.1) is None
    assert too_few_test_images(0.142, limit=0.2) is None


def test_a_winner_below_the_floor() -> None:
    said = (
        "The best attacker (cnn, 50.0 %) is 5.6 points worse than somebody who knows the kept labels and "
        "nothing else. It cannot read the kept labels: the encoder does not keep them, or the attacker is "
        "weak. A leak of less than 10.6 points may be hidden below the floor."
    )
    assert winner_below_floor(WINNER) == Flag("winner-below-floor", said, blocks=True)
    small = winner_below_floor(replace(WINNER, smallest_leak=0.043))
    assert small == Flag("winner-below-floor", said.replace("10.6", "9.9"), blocks=False)
    # The interval is as wide above: -.056 + .06.
    assert winner_below_floor(replace(WINNER, excess_low=-0.116)) is None
    assert winner_below_floor(replace(WINNER, excess=0.02, excess_low=0.01)) is None
    assert winner_below_floor(WINNER, floor_is_guessing=True) == Flag(
        "winner-below-floor",
        "The best attacker (cnn, 50.0 %) is 5.6 points worse than guessing. That comes about by chance in "
        "one case of forty; or test images are unlike those that it learned from. A leak of less than 10.6 "
        "points may be hidden below the floor.",
        blocks=True,
    )


def test_originals_in_which_nothing_is_found() -> None:
    said = (
        "In the original images, too, attackers find no more than the kept labels tell (56.2 %, 95 % "
        "interval 55.0 to 57.3; floor 55.6 %): attackers like these find no leak, be there one or not."
    )
    original = Reference("original images", 0.5621, 0.55, 0.573)
    assert originals_not_read(original, 0.556) == Flag("originals-not-read", said, blocks=True)
    assert originals_not_read(original, 0.549) is None
    assert originals_not_read(Reference("original images", None, note="not available"), 0.556) is None
    assert originals_not_read(None, 0.556) is None


def test_kept_labels_that_tell_the_hidden_one() -> None:
    said = (
        "Who knows the kept labels alone is right in 72.5 %, guessing in 50.0 %: what is kept tells much of "
        "what is hidden, and no encoder can prevent that."
    )
    assert dependent_labels(0.725, 0.7, 0.5) == Flag("dependent-labels", said)
    assert dependent_labels(0.725, 0.55, 0.5) is None  # a few test images say nothing
    assert dependent_labels(10 / 18, 0.54, 0.5) is None
    assert dependent_labels(0.725, 0.7, 0.5, limit=0.3) is None


def test_an_attacker_that_failed() -> None:
    none = replace(DONE, state="failed", training=None, stopping=None, choosing=None, note="out of memory")
    said = "Attackers that failed: cnn/same/0 (out of memory)."
    assert failed([DONE, none]) == Flag("failed", said, blocks=True)
    assert failed([DONE, replace(DONE, state="inconclusive")]) is None
