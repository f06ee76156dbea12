import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from scotoma.audit import filters
from scotoma.audit.filters import FORMS, Filter, read_filter
from scotoma.errors import InputError


def images(count: int = 3, channels: int = 3, size: int = 10) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, channels, size, size), np.uint8)


def window_mean(image: npt.NDArray[np.uint8], rows: range, columns: range) -> float:
    inside = [
        float(image[row, column])
        for row in rows
        for column in columns
        if 0 <= row < len(image) and 0 <= column < len(image)
    ]
    return sum(inside) / len(inside) / 127.5 - 1


def test_identity_is_every_pixel_from_minus_1_to_1() -> None:
    pixels = np.array([0, 51, 255], np.uint8).reshape(3, 1, 1, 1)
    assert filters.identity(pixels).ravel() == pytest.approx([-1, -0.6, 1])
    assert filters.identity(pixels).dtype == np.float32


@pytest.mark.parametrize("window", [1, 3, 4, 10])
def test_blur_averages_the_real_pixels_around_each(window: int) -> None:
    pixels = images()
    codes = filters.blur(pixels, window)
    assert codes.shape == pixels.shape and codes.dtype == np.float32
    for row, column in ((0, 0), (0, 9), (5, 4), (9, 9)):
        first = row - window // 2, column - window // 2
        around = [range(each, each + window) for each in first]
        assert codes[1, 2, row, column] == pytest.approx(window_mean(pixels[1, 2], *around), abs=1e-6)
    assert np.array_equal(filters.blur(pixels, 1), filters.identity(pixels))


@pytest.mark.parametrize(("side", "blocks"), [(1, 10), (2, 5), (4, 3), (10, 1)])
def test_blocks_hold_their_mean(side: int, blocks: int) -> None:
    pixels = images()
    small = filters.downsample(pixels, side)
    assert small.shape == (3, 3, blocks, blocks)
    for row, column in ((0, 0), (9, 9), (3, 8)):
        block = row // side, column // side
        mean = window_mean(pixels[2, 0], *(range(each * side, each * side + side) for each in block))
        assert small[2, 0, *block] == pytest.approx(mean, abs=1e-6)
    assert np.array_equal(Filter("pixelate", side).encode(pixels), small)


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    pixels = images(20, 1, 32)
    added = filters.noise(pixels, 0.5) - filters.identity(pixels)
    assert added.mean() == pytest.approx(0, abs=0.02) and added.std() == pytest.approx(0.5, abs=0.02)
    # Of different images, and of the values of one, it is independent.
    between = np.corrcoef(added.reshape(20, -1))
    assert np.abs(between - np.eye(20)).max() < 0.15


def test_noise_follows_from_the_image_and_the_release_alone() -> None:
    pixels = images()
    alone = np.concatenate([filters.noise(pixels[row : row + 1], 0.5) for row in (2, 0, 1)])
    assert np.array_equal(alone[[1, 2, 0]], filters.noise(pixels, 0.5))
    again = Filter("noise", 0.5).again()
    assert again is not None
    assert np.array_equal(again(pixels, 0), filters.noise(pixels, 0.5))
    assert np.array_equal(again(pixels, 7), again(pixels, 7))
    apart = (again(pixels, 0) - again(pixels, 1)).std()
    assert apart == pytest.approx(0.5 * 2**0.5, abs=0.05)
    assert Filter("blur", 8).again() is None


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_what_other_programs_make_of_it(channels: int) -> None:
    smooth = np.linspace(0, 255, 16 * 16 * channels).reshape(1, channels, 16, 16).astype(np.uint8)
    codes = filters.jpeg(smooth, 30)
    picture = Image.fromarray(smooth[0].transpose(1, 2, 0).squeeze())
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=30, subsampling="4:2:0")
    decoded = np.asarray(Image.open(file)).reshape(16, 16, channels).transpose(2, 0, 1)
    assert codes.shape == smooth.shape
    assert codes[0] == pytest.approx(decoded / 127.5 - 1, abs=2 / 127.5)


def test_lower_quality_leaves_less() -> None:
    pixels = images(4, 3, 32)
    errors = [np.abs(filters.jpeg(pixels, each) - filters.identity(pixels)).mean() for each in (95, 40, 5)]
    assert 0 < errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize("form", FORMS.values())
def test_an_image_is_filtered_by_itself(form: str) -> None:
    made, pixels = read_filter(form, 10), images()
    together = made.encode(pixels)
    assert together.dtype == np.float32 and np.isfinite(together).all() and len(together) == 3
    for row in range(3):
        assert np.array_equal(made.encode(pixels[row : row + 1])[0], together[row])


def test_filters_are_named_by_a_word_and_a_number() -> None:
    labels = {each: str(read_filter(each)) for each in (*FORMS.values(), "noise=2", "jpeg=95", "blur=1e1")}
    assert labels == {
        "identity": "identity",
        "blur=8": "blur 8",
        "pixelate=8": "pixelate 8",
        "downsample=8": "downsample 8",
        "noise=0.5": "noise 0.5",
        "jpeg=10": "jpeg 10",
        "noise=2": "noise 2",
        "jpeg=95": "jpeg 95",
        "blur=1e1": "blur 10",
    }


def test_the_digest_names_filter_number_and_shape() -> None:
    made = [
        Filter("blur", 8).digest(16, 1),
        Filter("blur", 8).digest(16, 3),
        Filter("blur", 8).digest(8, 1),
        Filter("blur", 4).digest(16, 1),
        Filter("pixelate", 8).digest(16, 1),
    ]
    assert len(set(made)) == 5 and {len(each) for each in made} == {32}
    assert made[0] == read_filter("blur=8", 16).digest(16, 1)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            "blur",
            "'blur': blur needs a number. It is a whole number from 1 to 16, the side of the averaged window "
            "in pixels: blur=8.",
        ),
        (
            "pixelate=17",
            "'pixelate=17': '17' cannot be the number of pixelate. It is a whole number from 1 to 16, the "
            "side of a block in pixels: pixelate=8.",
        ),
        (
            "downsample=2.5",
            "'downsample=2.5': '2.5' cannot be the number of downsample. It is a whole number from 1 to 16, "
            "how many times smaller the image gets: downsample=8.",
        ),
        (
            "noise=nan",
            "'noise=nan': 'nan' cannot be the number of noise. It is a number above 0, the standard "
            "deviation of the noise, where pixels go from -1 to 1: noise=0.5.",
        ),
        (
            "noise=0",
            "'noise=0': '0' cannot be the number of noise. It is a number above 0, the standard deviation "
            "of the noise, where pixels go from -1 to 1: noise=0.5.",
        ),
        (
            "jpeg=96",
            "'jpeg=96': '96' cannot be the number of jpeg. It is a whole number from 1 to 95, the quality: "
            "jpeg=10.",
        ),
        ("identity=1", "'identity=1': identity takes no number, write identity."),
    ],
)
def test_numbers_that_no_filter_has_are_refused(named: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read_filter(named, 16)
    assert str(error.value) == message
