import numpy as np
import pytest
import torch

from scotoma.data.augmentation import Preprocessing, centre_crop, random_crop
from scotoma.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 12, 12, 3), dtype=np.uint8)


def draws(scale: float, across: float, down: float, mirror: float, count: int = 6) -> np.ndarray:
    return np.tile(np.array([scale, across, down, mirror], np.float32), (count, 1))


def test_the_centre_crop_is_the_middle_in_plus_minus_one() -> None:
    images = centre_crop(PIXELS, Preprocessing(8, 12, 3))
    assert images.shape == (6, 3, 8, 8) and images.dtype == torch.float32
    expected = PIXELS[3, 2 + 5, 2 + 1, 2] / 127.5 - 1
    assert float(images[3, 2, 5, 1]) == pytest.approx(expected, abs=1e-6)
    extremes = centre_crop(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1), Preprocessing(1, 1, 1))
    assert extremes.flatten().tolist() == [-1, 1]


def test_cropping_changes_no_stored_pixel() -> None:
    before = PIXELS.copy()
    centre_crop(PIXELS, Preprocessing(12, 12, 3))
    random_crop(PIXELS, Preprocessing(12, 12, 3), draws(0.5, 0.5, 0.5, 0.5))
    assert (before == PIXELS).all()


@pytest.mark.parametrize(
    ("across", "down", "left", "top"), [(0, 0, 0, 0), (0.5, 0, 2, 0), (0.25, 0.75, 1, 3)]
)
def test_a_random_crop_at_scale_1_is_a_window_of_the_stored_image(
    across: float, down: float, left: int, top: int
) -> None:
    settings = Preprocessing(8, 12, 3, scale_low=1, scale_high=1, flip=False)
    images = random_crop(PIXELS, settings, draws(0.3, across, down, 0.1))
    window = torch.from_numpy(PIXELS[:, top : top + 8, left : left + 8]).permute(0, 3, 1, 2) / 127.5 - 1
    torch.testing.assert_close(images, window, atol=2e-5, rtol=0)


def test_evaluation_is_the_central_random_crop() -> None:
    settings = Preprocessing(8, 12, 3, scale_low=1, scale_high=1, flip=False)
    middle = random_crop(PIXELS, settings, draws(0, 0.5, 0.5, 0))
    torch.testing.assert_close(middle, centre_crop(PIXELS, settings), atol=2e-5, rtol=0)


def test_half_of_the_images_are_mirrored_where_that_is_wanted() -> None:
    settings = Preprocessing(8, 12, 3, scale_low=1, scale_high=1, flip=True)
    straight = random_crop(PIXELS, settings, draws(0, 0.5, 0.5, 0.5))
    mirrored = random_crop(PIXELS, settings, draws(0, 0.5, 0.5, 0.49))
    torch.testing.assert_close(straight, centre_crop(PIXELS, settings), atol=2e-5, rtol=0)
    torch.testing.assert_close(mirrored, straight.flip(3), atol=2e-5, rtol=0)


def test_the_scale_is_between_its_bounds() -> None:
    """A ramp over the columns tells the side of the square that was cut."""
    ramp = np.tile(np.arange(12, dtype=np.uint8) * 20, (2, 12, 1))[..., None]
    settings = Preprocessing(8, 12, 1, scale_low=0.5, scale_high=1.25, flip=False)
    for draw, scale in ((0.0, 0.5), (0.5, 0.875), (1.0, 1.25)):
        images = random_crop(ramp, settings, draws(draw, 0.5, 0.5, 0, count=2))
        step = (images[0, 0, 4, 4] - images[0, 0, 4, 3]) * 127.5 / 20
        assert float(step) == pytest.approx(scale, abs=1e-4)


def test_a_square_larger_than_what_is_stored_repeats_the_border() -> None:
    settings = Preprocessing(12, 12, 3, scale_low=2, scale_high=2, flip=False)
    images = random_crop(PIXELS, settings, draws(0, 0.5, 0.5, 0))
    corner = torch.from_numpy(PIXELS[:, 0, 0]) / 127.5 - 1
    torch.testing.assert_close(images[:, :, 0, 0], corner, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            (16, 12, 3),
            "'stored_side' is 12 pixels, less than the encoder's 'size' of 16: "
            "store at least what is encoded",
        ),
        ((8, 12, 3, 1.2, 1.1), "'scale_low' 1.2 and 'scale_high' 1.1: need 0 < low <= high"),
        ((8, 12, 3, 0.0, 1.1), "'scale_low' 0.0 and 'scale_high' 1.1: need 0 < low <= high"),
    ],
)
def test_impossible_preprocessing(values: tuple[float, ...], message: str) -> None:
    with pytest.raises(InputError) as error:
        Preprocessing(*values)  # type: ignore[arg-type]
    assert str(error.value) == message


@pytest.mark.parametrize("training", [False, True])
def test_images_that_are_stored_otherwise_are_refused(training: bool) -> None:
    settings = Preprocessing(8, 10, 3)
    with pytest.raises(InputError) as error:
        random_crop(PIXELS, settings, draws(0, 0, 0, 0)) if training else centre_crop(PIXELS, settings)
    assert str(error.value) == (
        "the images are uint8 of shape (6, 12, 12, 3); this encoder takes uint8 of shape (images, 10, 10, 3)"
    )


def test_stored_images_may_be_read_only() -> None:
    """As those of the cache are; torch warns of arrays that it could write to, once in a process."""
    pixels = PIXELS.copy()
    pixels.setflags(write=False)
    torch.set_warn_always(True)
    try:
        centre_crop(pixels, Preprocessing(12, 12, 3))
        random_crop(pixels, Preprocessing(8, 12, 3), draws(0, 0, 0, 0))
    finally:
        torch.set_warn_always(False)
