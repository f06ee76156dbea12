"""How is the encoder kept from collapsing to a constant? Per-location normalisation (section 3.2 of the
paper).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LocationNorm(nn.Module):
    """Zero mean and unit variance over the batch for every (channel, row, column) separately.

        y[b, c, i, j] = (x[b, c, i, j] - mean[c, i, j]) / sqrt(variance[c, i, j] + eps)

    Training mode takes mean and (biased) variance over the batch and follows mean and unbiased variance in
    the buffers `mean` and `variance`; evaluation mode uses the buffers, the population statistics. There is
    no learnable scale or bias, unless `bias` asks for one value per channel *after* the normalisation: the
    ablation of section 4.2 (in front of it, a bias would be cancelled).

    Evaluation in `torch.inference_mode()` writes over its input, if that is fp32: nobody asks for it again,
    and passing through memory once less is worth a tenth of an encoding.

    Shapes: input and output (batch, channels, height, width), either memory format.

    Args:
        channels, height, width: size of the activations; each location has its own statistics.
        eps: added to the variance; decides what a dead location becomes.
        momentum: weight of the current batch in the running statistics.
        bias: add a learnable bias per channel after the normalisation.
    """

    mean: Tensor
    variance: Tensor

    def __init__(
        self,
        channels: int,
        height: int,
        width: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        # (height, width, channels), the order in which channels_last activations lie in memory: flattening is
        # a view.
        self.register_buffer("mean", torch.zeros(height, width, channels))
        self.register_buffer("variance", torch.ones(height, width, channels))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (batch, channels, height, width)."""
        last = x.permute(0, 2, 3, 1)
        if torch.is_inference_mode_enabled() and not self.training and x.dtype == torch.float32:
            scale = (self.variance + self.eps).rsqrt()
            shift = -self.mean * scale
            torch.addcmul(shift if self.bias is None else shift + self.bias, last, scale, out=last)
            return x
        # F.batch_norm on the flattened activations treats every location as a feature of its own; written out
        # with mean and variance it costs five times as much.
        y = F.batch_norm(
            last.flatten(1),
            self.mean.view(-1),
            self.variance.view(-1),
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
        )
        y = y.view(last.shape).permute(0, 3, 1, 2)
        return y if self.bias is None else y + self.bias.to(y.dtype).view(1, -1, 1, 1)

    def extra_repr(self) -> str:
        """Size and settings, for printing."""
        height, width, channels = self.mean.shape
        return f"{channels}, {height}, {width}, eps={self.eps}, bias={self.bias is not None}"


class ChannelNorm(nn.BatchNorm2d):
    """Ordinary batch normalisation without scale and bias: the 'batch' row of the normalisation study.

    Statistics are taken over batch, rows and columns, which lets the encoder be constant over images but
    different over locations; the paper shows that it then collapses.
    """

    def __init__(self, channels: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(channels, eps=eps, momentum=momentum, affine=False)
