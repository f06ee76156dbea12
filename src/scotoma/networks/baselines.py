"""What does an encoder compare with? The original image and the paper's naive blur, behind the encoder's
interface.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from scotoma.networks.encoder import EncoderSettings


class Identity(nn.Module):
    """The original image (batch, channels, size, size): row 1 of Table 2."""

    def __init__(self, encoder: EncoderSettings) -> None:
        super().__init__()
        self.code_shape = (encoder.channels, encoder.size, encoder.size)

    def forward(self, images: Tensor) -> Tensor:
        """The images themselves."""
        return images


class Blur(nn.Module):
    """Box average a little wider than the encoder's receptive field, at the encoder's stride: row 2 of Table
    2.

    The window is 15/14 of the receptive field, centred on what the encoder's outputs are centred on (the
    paper: 120 pixels for a field of 112, stride 8). Windows that reach over the border average the real
    pixels in them. Images (batch, channels, size, size) to codes (batch, channels, size / stride, size /
    stride).
    """

    def __init__(self, encoder: EncoderSettings) -> None:
        super().__init__()
        self.stride = encoder.stride
        # Window minus stride must be even for the windows to be centred.
        margin = round((encoder.receptive_field * 15 / 14 - self.stride) / 2)
        self.window = self.stride + 2 * margin
        side = encoder.size // self.stride
        self.code_shape = (encoder.channels, side, side)

    def forward(self, images: Tensor) -> Tensor:
        """Averages of the real pixels in each window."""
        return F.avg_pool2d(
            images,
            self.window,
            self.stride,
            padding=(self.window - self.stride) // 2,
            count_include_pad=False,
        )
