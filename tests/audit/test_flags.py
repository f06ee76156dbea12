import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from scotoma.audit import flags
from scotoma.audit.flags import (
    NUMBERS,
    below_chance_on_training,
    bigger_is_worse,
    collapsed,
    dependent_labels,
    depends_on_batch,
    duplicates,
    failed,
    still_rising,
    stochastic,
    too_few_test_images,
    too_few_validation_images,
    winner_below_floor,
)
from scotoma.runs.verdict import Attempt, Flag, Winner

Codes = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

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


def codes(images: int = 200) -> Codes:
    return np.random.default_rng(0).normal(size=(images, 4, 5, 5)).astype(np.float32)


def test_full_codes_are_not_collapsed() -> None:
    assert collapsed(codes()) is None


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_neither_scale_nor_shift_makes_a_code_collapsed(scale: float, shift: float) -> None:
    assert collapsed((codes() + np.float32(shift)) * np.float32(scale)) is None


def test_rectified_codes_and_channels_of_other_scales_are_not_collapsed() -> None:
    scales = np.array([1, 0.1, 0.03, 0.01], np.float32)[:, None, None]
    assert collapsed(np.maximum(codes() - 1, 0)) is None
    assert collapsed(codes() * scales) is None


@pytest.mark.parametrize("others", [1, 5])
def test_values_of_other_units_are_not_dead(others: int) -> None:
    """One value goes to 20,000, or is moved by an outlier; the others vary as they should."""
    random = np.random.default_rng(0)
    for large in (random.uniform(0, 20_000, 300), np.eye(300)[7] * 1e6):
        mixed = np.concatenate([large[:, None], random.uniform(0, 1, (300, others))], axis=1)
        assert collapsed(mixed.astype(np.float32)) is None


def test_equal_codes() -> None:
    equal = np.repeat(codes(1), 50, axis=0)
    said = "All 50 codes are equal: the encoder tells nothing of any image."
    assert collapsed(equal) == Flag("all-codes-equal", said)


@pytest.mark.parametrize("trembling", [0.0, 1e-4])
def test_dead_values(trembling: float) -> None:
    """One channel of four is constant, or nearly: 25 %; 5 of 100 values are no reason for a flag."""
    dead = codes()
    dead[:, 1] = 3 + trembling * dead[:, 1]
    said = (
        "25 % of the values of a code are the same for all images, or nearly so. The encoder is partly dead."
    )
    assert collapsed(dead) == Flag("dead-values", said)
    few = codes()
    few[:, 1, 0] = 3
    assert collapsed(few) is None


def test_values_that_only_rare_outliers_move() -> None:
    """Each value is the same for all images but one of 200, where it is 14 deviations away."""
    stuck = np.full((200, 100), 0.5, np.float32)
    stuck[np.arange(100), np.arange(100)] = 7
    said = "100 % of the values of a code are the same for 99 of 100 images. The encoder has collapsed."
    assert collapsed(stuck) == Flag("collapsed", said)


def test_codes_are_looked_at_in_parts_that_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    many = codes(20_000)
    many[:, 1], many[:, 2] = 3, 1000 + many[:, 2] / 100
    tracemalloc.start()
    found = collapsed(many)
    assert tracemalloc.get_traced_memory()[1] < 3.5 * NUMBERS * 8 + many.nbytes / 2
    tracemalloc.stop()
    assert found is not None and found.said.startswith("25 % of the values")
    for numbers in (1, 60_000, 10**9):
        monkeypatch.setattr(flags, "NUMBERS", numbers)
        assert collapsed(many) == found


IMAGES: Pixels = np.random.default_rng(1).integers(0, 256, (12, 1, 6, 6), np.uint8)


def plain(images: Pixels) -> Codes:
    made: Codes = images[:, :, ::2].astype(np.float32) / np.float32(255)
    return made


def normalised(images: Pixels) -> Codes:
    """Batch normalisation in training mode."""
    values = plain(images)
    made: Codes = (values - values.mean(axis=0)) / np.float32(values.std() + 1)
    return made


def by_place(images: Pixels) -> Codes:
    """The place in the batch is in the code."""
    values = plain(images)
    values[:, 0, 0, 0] += np.arange(len(values)) / 100
    return values


def alone_otherwise(images: Pixels) -> Codes:
    return plain(images) * np.float32(1.01 if len(images) == 1 else 1)


def rounding(images: Pixels) -> Codes:
    """Sums depend on the number of images a little."""
    return plain(images) * np.float32(1 + 1e-6 * len(images))


class Noisy:
    """Adds noise of a given size to what an encoder makes, other noise in each call."""

    def __init__(self, encode: Callable[[Pixels], Codes], size: float) -> None:
        self.encode, self.size = encode, size
        self.random = np.random.default_rng(2)

    def __call__(self, images: Pixels) -> Codes:
        made = self.encode(images)
        return made + np.float32(self.size) * self.random.normal(size=made.shape).astype(np.float32)


@pytest.mark.parametrize("encode", [plain, rounding, Noisy(plain, 0.1), lambda images: 0 * plain(images)])
def test_an_encoder_that_takes_each_image_for_itself(encode: Callable[[Pixels], Codes]) -> None:
    assert depends_on_batch(encode, IMAGES) is None


@pytest.mark.parametrize(
    ("encode", "how"),
    [
        (normalised, "alone (by"),
        (by_place, "(by"),
        (alone_otherwise, "alone (by 1 % of its size)"),
        (Noisy(normalised, 0.01), "alone (by"),
    ],
)
def test_codes_that_depend_on_the_batch(encode: Callable[[Pixels], Codes], how: str) -> None:
    found = depends_on_batch(encode, IMAGES)
    assert found is not None
    assert (found.code, found.blocks) == (flags.BATCH_DEPENDENT, True)
    assert found.said.startswith("An image has another code when it is encoded ")
    assert how in found.said
    assert found.said.endswith(
        "of its size): codes depend on the batch. Usual reason: batch normalisation left in training mode."
    )


def test_batch_normalisation_of_torch_in_both_modes() -> None:
    layer = torch.nn.BatchNorm2d(1)

    @torch.no_grad()
    def encode(images: Pixels) -> Codes:
        made: Codes = layer(torch.from_numpy(images).float()).numpy()
        return made

    found = depends_on_batch(encode, IMAGES)
    assert found is not None and found.code == flags.BATCH_DEPENDENT
    assert stochastic(encode, IMAGES) is None
    layer.eval()
    assert depends_on_batch(encode, IMAGES) is None


def test_an_encoder_that_repeats_itself() -> None:
    for encode in (plain, normalised, rounding):
        assert stochastic(encode, IMAGES) is None


def test_a_stochastic_encoder() -> None:
    found = stochastic(Noisy(plain, 0.1), IMAGES)
    assert found is not None
    assert (found.code, found.blocks) == (flags.STOCHASTIC, False)
    assert found.said.startswith("The same images encoded twice have different codes (by ")
    assert found.said.endswith(
        " % of their size). Who sees several codes of one image can average the difference away, so averages "
        "are attacked, too."
    )


def keys(*names: str) -> npt.NDArray[np.str_]:
    return np.array(names, "<U32")


def test_images_that_are_on_both_sides() -> None:
    parts = {
        "training": keys("a", "b", "c"),
        "reserve": keys("d"),
        "validation": keys("e", "d"),
        "test": keys("f", "a", "g"),
    }
    said = (
        "2 of 5 validation and test images are also among those that attackers learn from. An attacker that "
        "remembers them looks better than it is."
    )
    assert duplicates(parts) == Flag("duplicates", said)


def test_codes_that_are_on_both_sides() -> None:
    parts = {"training": keys("a", "b", "c"), "test": keys("a", "a", "d", "b")}
    said = (
        "3 of 4 validation and test codes equal one that attackers learn from; 4 different ones are there in "
        "all. Codes of few values are equal by nature, which is no fault. Where the same image stands there "
        "twice, an attacker that remembers it looks better than it is: --group-by keeps rows together."
    )
    assert duplicates(parts, codes=True) == Flag("duplicates", said)
    assert duplicates({"training": keys("a", "b"), "test": keys("c")}, codes=True) is None
    # Another flag says that all codes are equal, and equal images are another matter.
    equal = {"training": keys("a", "a"), "test": keys("a")}
    assert duplicates(equal, codes=True) is None
    assert duplicates(equal) is not None


def test_images_that_are_twice_on_one_side_only() -> None:
    parts = {"training": keys("a", "a"), "reserve": keys("a"), "validation": keys("b"), "test": keys("b")}
    assert duplicates(parts) is None
    assert duplicates({"training": keys("a")}) is None


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
        "weak."
    )
    assert winner_below_floor(WINNER) == Flag("winner-below-floor", said, blocks=True)
    # The interval is as wide above: -.056 + .06.
    assert winner_below_floor(replace(WINNER, excess_low=-0.116)) is None
    assert winner_below_floor(replace(WINNER, excess=0.02, excess_low=0.01)) is None
    assert winner_below_floor(WINNER, floor_is_guessing=True) == Flag(
        "winner-below-floor",
        "The best attacker (cnn, 50.0 %) is 5.6 points worse than guessing. That comes about by chance in "
        "one case of forty; or test images are unlike those that it learned from.",
        blocks=True,
    )


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
