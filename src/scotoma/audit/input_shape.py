"""In which form does an encoder that is not ours take images?"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Scaling = Literal["bytes", "unit", "signed"]
Layout = Literal["nchw", "nhwc"]

SCALINGS = "bytes (0 to 255), unit (0 to 1) or signed (-1 to 1)"


@dataclass(frozen=True)
class ShapeFlags:
    """What a user says of the images that an encoder takes; None where nothing was said.

    size: pixels a side. channels: 1 (gray) or 3 (RGB). scaling: whether pixels go from 0 to 255, from 0 to 1
    or from -1 to 1. layout: (batch, channels, height, width) or (batch, height, width, channels).
    """

    size: int | None = None
    channels: int | None = None
    scaling: Scaling | None = None
    layout: Layout | None = None

    def given(self, *names: str) -> list[str]:
        """Which of these flags were given, as the command line writes them."""
        return [f"--{name}" for name in names if getattr(self, name) is not None]


def present(pixels: npt.NDArray[np.uint8], scaling: Scaling, layout: Layout) -> npt.NDArray[Any]:
    """A copy of uint8 images (batch, channels, height, width) in the form that is asked for: uint8 for bytes,
    else fp32.
    """
    ordered = np.array(pixels.transpose(0, 2, 3, 1) if layout == "nhwc" else pixels, order="C")
    if scaling == "bytes":
        return ordered
    values = ordered.astype(np.float32)
    return values / np.float32(255) if scaling == "unit" else values / np.float32(127.5) - np.float32(1)
