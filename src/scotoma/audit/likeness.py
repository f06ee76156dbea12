"""How like is one image to another? Peak signal-to-noise ratio and structural similarity."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from scotoma.runs.more import Measured

WINDOW, SIGMA = 11, 1.5
# (K1 L)**2 and (K2 L)**2 for a range of values L of 1.
C1, C2 = 0.01**2, 0.03**2
SMALLEST_ERROR = 1e-10  # images that are the same have 100 dB
Z = 1.96


def psnr(images: Tensor, others: Tensor) -> Tensor:
    """10 log10 (1 / mean squared error) of each image, in dB; (images, channels, height, width) in [0, 1] to
    (images,).
    """
    errors = (images.double() - others.double()).square().mean(dim=(1, 2, 3))
    return -10 * errors.clamp(min=SMALLEST_ERROR).log10()


def ssim(images: Tensor, others: Tensor) -> Tensor:
    """Mean structural similarity of each image (Wang et al., 2004): (images, channels, height, width) in
    [0, 1] to (images,).

    With mean m, variance v and covariance c under a Gaussian window of 11 pixels a side and a deviation of
    1.5 (a smaller window where the image is smaller), it is the mean over places and channels of

        (2 m1 m2 + C1) (2 c + C2) / ((m1**2 + m2**2 + C1) (v1 + v2 + C2))
    """
    one, other = images.double(), others.double()
    window = _window(min(one.shape[2:]))

    def local(maps: Tensor) -> Tensor:
        channels = maps.shape[1]
        across = F.conv2d(maps, window.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
        return F.conv2d(across, window.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)

    mean1, mean2 = local(one), local(other)
    # Rounding can leave a variance of nothing below 0.
    variance1 = (local(one.square()) - mean1.square()).clamp(min=0)
    variance2 = (local(other.square()) - mean2.square()).clamp(min=0)
    covariance = local(one * other) - mean1 * mean2
    similar = (2 * mean1 * mean2 + C1) * (2 * covariance + C2)
    similar /= (mean1.square() + mean2.square() + C1) * (variance1 + variance2 + C2)
    return similar.mean(dim=(1, 2, 3))


def mean_over_images(values: Tensor) -> Measured:
    """The mean of (images,) with the interval of the normal distribution."""
    mean = float(values.mean())
    error = float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Measured(mean, mean - Z * error, mean + Z * error)


def _window(side: int) -> Tensor:
    width = min(WINDOW, side if side % 2 else side - 1)
    places = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    weights = torch.exp(-places.square() / (2 * SIGMA**2))
    return weights / weights.sum()
