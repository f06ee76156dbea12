"""What turns an image into an encoded image? A stack of convolutions and poolings that ends in tanh (section
3.1).
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scotoma.errors import InputError
from scotoma.networks.location_norm import ChannelNorm, LocationNorm

Normalisation = Literal["location", "location-with-bias", "batch", "none"]


@dataclass(frozen=True)
class EncoderSettings:
    """The encoder's shape. Stage i has `convolutions[i]` 3x3 convolutions at stride 2**i; a 2x2 pooling
    separates two stages; every convolution has `widths[i]` output channels, but the very last one has
    `code_channels`.

    `code_bits` rounds every value of a code to the middle of one of 2**code_bits equal steps between -1 and
    1; 0 leaves it as it is, as in the paper. What an encoder does not remove it tends to hide in fine
    differences, where attackers find it after long training; rounding takes these away from everybody.

    `normalisation` follows every convolution but the last; `output_normalisation` stands before the final
    tanh (the unit variance constraint of section 3.1). 'location' is the paper's proposal for both.
    """

    size: int
    channels: int
    convolutions: tuple[int, ...]
    widths: tuple[int, ...]
    code_channels: int = 3
    code_bits: int = 0
    normalisation: Normalisation = "location"
    output_normalisation: Normalisation = "location"
    eps: float = 1e-5

    def __post_init__(self) -> None:
        problems = []
        if not self.convolutions or len(self.convolutions) != len(self.widths):
            problems.append(
                f"'convolutions' has {len(self.convolutions)} stages and 'widths' {len(self.widths)}: "
                "give as many of one as of the other, at least one"
            )
        elif min(*self.convolutions, *self.widths, self.code_channels) < 1:
            problems.append("'convolutions', 'widths' and 'code_channels' must all be at least 1")
        elif self.size < self.stride or self.size % self.stride:
            low = max(self.size // self.stride, 1) * self.stride
            problems.append(
                f"an image side of {self.size} pixels is not divisible by the encoder's stride of "
                f"{self.stride} ({len(self.convolutions) - 1} poolings): "
                f"the nearest sizes are {low} and {low + self.stride}"
            )
        if not 0 <= self.code_bits <= 16:
            problems.append(f"'code_bits' is {self.code_bits}: must be 1 to 16, or 0 for no rounding")
        if self.channels not in (1, 3):
            problems.append(f"'channels' is {self.channels}: images have 1 (gray) or 3 (RGB)")
        if not self.eps > 0:
            problems.append(f"'eps' is {self.eps}: must be above 0")
        if problems:
            raise InputError("encoder settings: " + "; ".join(problems))

    @property
    def stride(self) -> int:
        """Pixels from one code location to the next."""
        return int(2 ** (len(self.convolutions) - 1))

    @property
    def receptive_field(self) -> int:
        """Side in pixels of what one code location sees, computed layer by layer."""
        field, step = 1, 1
        for stage, count in enumerate(self.convolutions):
            if stage:
                field, step = field + step, 2 * step  # 2x2 pooling of stride 2
            field += 2 * step * count  # 3x3 convolutions
        return field

    @property
    def code_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of a code."""
        return (self.code_channels, self.size // self.stride, self.size // self.stride)


class Encoder(nn.Module):
    """E of equation (1): images (batch, channels, size, size) in [-1, 1] to codes (batch, code channels, h,
    w) in (-1, 1).

    Convolutions have no bias, their padded border is zero; with per-location normalisation after each of them
    no layer can become constant over images. In evaluation mode the population statistics are used, so that
    the code of an image depends on that image alone.
    """

    def __init__(self, settings: EncoderSettings) -> None:
        super().__init__()
        self.settings = settings
        self.features = _features(settings)
        self.output = _normalisation(
            settings.output_normalisation, settings.code_channels, settings.code_shape[-1], settings.eps
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """Codes in (-1, 1), rounded to `code_bits` where that is asked for."""
        codes = torch.tanh(self.before_tanh(images).float())
        return rounded(codes, self.settings.code_bits) if self.settings.code_bits else codes

    def before_tanh(self, images: Tensor) -> Tensor:
        """Normalised output of the last convolution: zero mean, unit variance over the population at every
        location.
        """
        output: Tensor = self.output(self.raw(images))
        return output

    def raw(self, images: Tensor) -> Tensor:
        """Output of the last convolution, not yet normalised."""
        features: Tensor = self.features(images.contiguous(memory_format=torch.channels_last))
        return features

    def normalisations(self) -> list[nn.Module]:
        """The normalisation layers in the order in which data passes them."""
        return [module for module in self.modules() if isinstance(module, LocationNorm | ChannelNorm)]


def rounded(codes: Tensor, bits: int) -> Tensor:
    """Codes in (-1, 1) moved to the middle of their step, of 2**bits steps.

    The gradient passes as if nothing had been rounded (straight-through estimator, Bengio et al., 2013).
    """
    steps = 2**bits
    step = ((codes.detach() + 1) * (steps / 2)).floor().clamp(0, steps - 1)
    # The difference is zero, so that the values are exact.
    exact: Tensor = (step + 0.5) * (2 / steps) - 1 + (codes - codes.detach())
    return exact


class Pooling(nn.Module):
    """Maximum of each 2x2 block: (batch, channels, height, width) to half of both sides, which are even."""

    def forward(self, x: Tensor) -> Tensor:
        """Pool; the values are those of nn.MaxPool2d(2)."""
        if torch.is_grad_enabled() and x.requires_grad:
            return F.max_pool2d(x, 2)
        # max_pool2d also notes where each maximum was. Where no gradient will ask for that, this is six times
        # as fast in channels_last.
        rows = torch.maximum(x[..., ::2], x[..., 1::2])
        return torch.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def _normalisation(kind: Normalisation, channels: int, side: int, eps: float) -> nn.Module:
    match kind:
        case "location" | "location-with-bias":
            return LocationNorm(channels, side, side, eps=eps, bias=kind == "location-with-bias")
        case "batch":
            return ChannelNorm(channels, eps=eps)
        case "none":
            return nn.Identity()


def _features(settings: EncoderSettings) -> nn.Sequential:
    """All convolutions; each but the last is followed by normalisation and ReLU."""
    layers: list[nn.Module] = []
    outputs = [
        (stage, width)
        for stage, (count, width) in enumerate(zip(settings.convolutions, settings.widths, strict=True))
        for _ in range(count)
    ]
    outputs[-1] = (outputs[-1][0], settings.code_channels)
    previous_stage, channels = 0, settings.channels
    for stage, width in outputs:
        if stage != previous_stage:
            # ReLU commutes with the maximum: pooling first gives the same values for a quarter of the work.
            layers.insert(len(layers) - 1, Pooling())
        convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        if not convolution.weight.is_meta:  # which has no values; drawing them would load torch's compiler
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        side = settings.size // 2**stage
        layers += [convolution, _normalisation(settings.normalisation, width, side, settings.eps), nn.ReLU()]
        previous_stage, channels = stage, width
    return nn.Sequential(*layers[:-2])
