import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.signal import convolve2d

from scotoma.audit.likeness import mean_over_images, psnr, ssim


def pictures(seed: int, side: int = 16, channels: int = 2) -> torch.Tensor:
    return torch.rand(3, channels, side, side, generator=torch.Generator().manual_seed(seed))


Image = npt.NDArray[np.float64]


def ssim_again(image: Image, other: Image, width: int) -> float:
    """Of one channel, from the formula, with a window of two dimensions."""
    places = np.arange(width) - width // 2
    window = np.exp(-(places[:, None] ** 2 + places[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    mean1, mean2 = (convolve2d(each, window, mode="valid") for each in (image, other))
    variance1, variance2 = (
        convolve2d(each**2, window, mode="valid") - mean**2 for each, mean in ((image, mean1), (other, mean2))
    )
    covariance = convolve2d(image * other, window, mode="valid") - mean1 * mean2
    luminance = (2 * mean1 * mean2 + 1e-4) / (mean1**2 + mean2**2 + 1e-4)
    structure = (2 * covariance + 9e-4) / (variance1 + variance2 + 9e-4)
    return float((luminance * structure).mean())


@pytest.mark.parametrize(("side", "width"), [(16, 11), (11, 11), (8, 7), (1, 1)])
def test_ssim_is_what_wang_et_al_define(side: int, width: int) -> None:
    one, other = pictures(0, side), pictures(1, side) * 0.5
    other += 0.4 * one
    expected = [
        np.mean([ssim_again(*pair, width) for pair in zip(a.numpy(), b.numpy(), strict=True)])
        for a, b in zip(one.double(), other.double(), strict=True)
    ]
    assert ssim(one, other).numpy() == pytest.approx(expected, abs=1e-9)


def test_ssim_of_an_image_with_itself_is_one_and_with_its_negative_below_zero() -> None:
    one = pictures(0)
    assert ssim(one, one).numpy() == pytest.approx(1)
    assert float(ssim(one, 1 - one).max()) < 0
    flat = torch.full((1, 1, 12, 12), 0.3)
    assert float(ssim(flat, flat)) == pytest.approx(1)


def test_psnr_is_the_logarithm_of_the_error() -> None:
    one = torch.zeros(2, 1, 4, 4)
    other = torch.stack([torch.full((1, 4, 4), 0.1), torch.full((1, 4, 4), 0.5)])
    assert psnr(one, other).numpy() == pytest.approx([20, -20 * math.log10(0.5)])
    assert float(psnr(one, one)[0]) == pytest.approx(100)


def test_the_mean_has_the_interval_of_its_standard_error() -> None:
    found = mean_over_images(torch.tensor([1.0, 2.0, 3.0, 6.0]))
    error = np.std([1, 2, 3, 6], ddof=1) / 2
    assert (found.value, found.low, found.high) == pytest.approx((3, 3 - 1.96 * error, 3 + 1.96 * error))
    assert mean_over_images(torch.tensor([4.0])).low == 4
