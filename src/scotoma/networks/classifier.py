"""What tries to read an attribute from encoded images? The classifier of section 3.1, one architecture for
all tasks.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scotoma.errors import InputError
from scotoma.networks.encoder import EncoderSettings, Pooling


@dataclass(frozen=True)
class ClassifierSettings:
    """Stage i has `convolutions[i]` 3x3 convolutions of `widths[i]` channels; a 2x2 pooling separates two
    stages. A hidden layer of `hidden` units and the logits follow. The same for training and for
    verification, unless verification is asked for another.
    """

    convolutions: tuple[int, ...] = (2, 2)
    widths: tuple[int, ...] = (32, 64)
    hidden: int = 128

    def __post_init__(self) -> None:
        if not self.convolutions or len(self.convolutions) != len(self.widths):
            raise InputError(
                f"classifier settings: 'convolutions' has {len(self.convolutions)} stages and 'widths' "
                f"{len(self.widths)}: give as many of one as of the other, at least one"
            )
        if min(*self.convolutions, *self.widths, self.hidden) < 1:
            raise InputError(
                "classifier settings: 'convolutions', 'widths' and 'hidden' must all be at least 1"
            )


class Classifier(nn.Module):
    """Phi of equation (1): codes (batch, channels, height, width) to logits (batch, classes).

    Convolutions with batch normalisation and ReLU, poolings, one hidden layer. Smaller codes than the
    poolings need are pooled as long as both sides allow it.
    """

    def __init__(self, settings: ClassifierSettings, code_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, height, width = code_shape
        for stage, (count, features) in enumerate(zip(settings.convolutions, settings.widths, strict=True)):
            if stage and min(height, width) > 1:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
                height, width = -(-height // 2), -(-width // 2)
            for _ in range(count):
                layers += convolution_block(channels, features)
                channels = features
        layers += [
            nn.Flatten(),
            nn.Linear(channels * height * width, settings.hidden, bias=False),
            nn.BatchNorm1d(settings.hidden),
            nn.ReLU(),
            nn.Linear(settings.hidden, classes),
        ]
        self.layers = nn.Sequential(*layers)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, codes: Tensor) -> Tensor:
        """Logits (batch, classes)."""
        logits: Tensor = self.layers(codes.contiguous(memory_format=torch.channels_last))
        return logits


class ImageClassifier(nn.Module):
    """The attacker on original images: the encoder's own stack of convolutions, with ordinary batch
    normalisation, in front of the classifier, trained end to end. A classifier made for codes would be weak
    on whole images, and every encoder would look useful beside it.
    """

    def __init__(self, encoder: EncoderSettings, settings: ClassifierSettings, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = encoder.channels
        for stage, (count, width) in enumerate(zip(encoder.convolutions, encoder.widths, strict=True)):
            if stage:
                layers.append(Pooling())
            for _ in range(count):
                layers += convolution_block(channels, width)
                channels = width
        self.stack = nn.Sequential(*layers)
        side = encoder.size // encoder.stride
        self.classifier = Classifier(settings, (channels, side, side), classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (batch, classes) of images (batch, channels, size, size)."""
        logits: Tensor = self.classifier(self.stack(images.contiguous(memory_format=torch.channels_last)))
        return logits


def convolution_block(channels: int, width: int) -> list[nn.Module]:
    """3x3 convolution, batch normalisation with scale and bias, ReLU."""
    return [
        nn.Conv2d(channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    ]
