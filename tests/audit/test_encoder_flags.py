import tracemalloc
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from scotoma.audit import encoder_flags
from scotoma.audit.encoder_flags import NUMBERS, collapsed, depends_on_batch, duplicates, stochastic
from scotoma.runs.verdict import Flag

Codes = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


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
        monkeypatch.setattr(encoder_flags, "NUMBERS", numbers)
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


def beside_large_values(images: Pixels) -> Codes:
    """A small value is normalised over the batch; the others are large and all alike."""
    made = np.full((len(images), 8), 250, np.float32)
    values = images.mean(axis=(1, 2, 3))
    made[:, 0] = 0.005 * (values - values.mean()) / (values.std() + 1)
    return made


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
        (alone_otherwise, "alone (by 3.4 % of its size)"),
        (beside_large_values, "alone (by"),
        (Noisy(normalised, 0.01), "alone (by"),
    ],
)
def test_codes_that_depend_on_the_batch(encode: Callable[[Pixels], Codes], how: str) -> None:
    found = depends_on_batch(encode, IMAGES)
    assert found is not None
    assert (found.code, found.blocks) == (encoder_flags.BATCH_DEPENDENT, True)
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
    assert found is not None and found.code == encoder_flags.BATCH_DEPENDENT
    assert stochastic(encode, IMAGES) is None
    layer.eval()
    assert depends_on_batch(encode, IMAGES) is None


def test_an_encoder_that_repeats_itself() -> None:
    for encode in (plain, normalised, rounding):
        assert stochastic(encode, IMAGES) is None


def test_a_stochastic_encoder() -> None:
    found = stochastic(Noisy(plain, 0.1), IMAGES)
    assert found is not None
    assert (found.code, found.blocks) == (encoder_flags.STOCHASTIC, False)
    assert found.said.startswith("The same images encoded twice have different codes (by ")
    assert found.said.endswith(
        " % of their size). Who sees several codes of one image can average the difference away, so averages "
        "are attacked, too."
    )


def test_noise_beside_a_large_offset_is_seen() -> None:
    found = stochastic(Noisy(lambda images: np.float32(1000) + plain(images) / np.float32(100), 0.05), IMAGES)
    assert found is not None and found.code == encoder_flags.STOCHASTIC


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
