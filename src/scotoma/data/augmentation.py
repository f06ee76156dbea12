"""How does a stored image become the encoder's input? Random scale and crop in training, a centre crop
otherwise.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from scotoma.errors import InputError


@dataclass(frozen=True)
class Preprocessing:
    """Images are stored as squares of `stored_side` pixels and enter the encoder as squares of `size` pixels.

    Evaluation cuts the central `size` pixels. Training cuts a square of `size` times a random factor between
    `scale_low` and `scale_high`, at a random place, and resizes it; `flip` mirrors every other image. A
    square larger than what is stored repeats the border. Pixels are scaled from 0..255 to -1..1.
    """

    size: int
    stored_side: int
    channels: int
    scale_low: float = 0.85
    scale_high: float = 1.1
    flip: bool = True

    def __post_init__(self) -> None:
        if self.stored_side < self.size:
            raise InputError(
                f"'stored_side' is {self.stored_side} pixels, less than the encoder's 'size' of {self.size}: "
                "store at least what is encoded"
            )
        if not 0 < self.scale_low <= self.scale_high:
            raise InputError(
                f"'scale_low' {self.scale_low} and 'scale_high' {self.scale_high}: need 0 < low <= high"
            )

    def require_stored(self, pixels: npt.NDArray[np.uint8]) -> None:
        """Check that images are stored as these settings say; another side would be cropped somewhere else.

        Raises:
            InputError: another shape or type.
        """
        wanted = (self.stored_side, self.stored_side, self.channels)
        if pixels.shape[1:] != wanted or pixels.dtype != np.uint8:
            raise InputError(
                f"the images are {pixels.dtype} of shape {pixels.shape}; this encoder takes uint8 of shape "
                f"(images, {', '.join(map(str, wanted))})"
            )


def centre_crop(pixels: npt.NDArray[np.uint8], settings: Preprocessing) -> Tensor:
    """Evaluation input (batch, channels, size, size) in [-1, 1] from stored (batch, side, side, channels)
    uint8.
    """
    return _scaled(centre(pixels, settings))


def centre(pixels: npt.NDArray[np.uint8], settings: Preprocessing) -> npt.NDArray[np.uint8]:
    """The central (batch, size, size, channels) of stored (batch, side, side, channels), a view."""
    settings.require_stored(pixels)
    margin = (settings.stored_side - settings.size) // 2
    return pixels[:, margin : margin + settings.size, margin : margin + settings.size]


def random_crop(
    pixels: npt.NDArray[np.uint8], settings: Preprocessing, draws: npt.NDArray[np.float32]
) -> Tensor:
    """Training input (batch, channels, size, size) in [-1, 1] from stored (batch, side, side, channels)
    uint8.

    `draws` (batch, 4) are uniform in [0, 1): scale, horizontal and vertical place, mirror. Bilinear; the
    factors are close to 1, so that no low-pass filter is needed.
    """
    settings.require_stored(pixels)
    stored, size = settings.stored_side, settings.size
    scale, across, down, mirror = torch.from_numpy(draws).unbind(1)
    side = size * (settings.scale_low + (settings.scale_high - settings.scale_low) * scale)
    # grid_sample's coordinates: -1 and 1 are the borders of the stored image.
    half, room = side / stored, 1 - side / stored
    signed = torch.where(mirror < 0.5, -half, half) if settings.flip else half
    pixel = (2 * torch.arange(size) + 1) / size - 1
    grid = torch.empty(len(pixels), size, size, 2)
    grid[..., 0] = (signed[:, None] * pixel + ((2 * across - 1) * room)[:, None])[:, None, :]
    grid[..., 1] = (half[:, None] * pixel + ((2 * down - 1) * room)[:, None])[:, :, None]
    return F.grid_sample(_scaled(pixels), grid, padding_mode="border", align_corners=False)


def _scaled(pixels: npt.NDArray[np.uint8]) -> Tensor:
    # A copy in fp32, as stored images may be read-only. Their (batch, height, width, channels) order is
    # channels_last: permuting is a view.
    images = torch.from_numpy(pixels.astype(np.float32, order="C")).permute(0, 3, 1, 2)
    return images.div_(127.5).sub_(1)
