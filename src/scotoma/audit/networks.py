"""Of which layers are the networks that attack codes of any shape?"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scotoma.networks.classifier import Classifier, ClassifierSettings, convolution_block

LARGEST = 16  # side of the maps that the last two stages begin with: larger codes are pooled before
FIRST = 16  # channels of a map of full size


def stages_before(side: int) -> int:
    """Poolings that bring maps down to a side of at most `LARGEST`."""
    count = 0
    while -(-side // 2**count) > LARGEST:
        count += 1
    return count


def classifier_for(shape: tuple[int, ...], classes: int) -> nn.Module:
    """The paper's classifier (section 3.1) for codes (channels, height, width) of any size: two stages of two
    convolutions, with a stage of one convolution in front for each pooling that large codes need first.
    """
    channels, height, width = shape
    before = stages_before(max(height, width))
    settings = ClassifierSettings(
        convolutions=(*[1] * before, 2, 2), widths=(*[FIRST] * before, 32, 64), hidden=128
    )
    return Classifier(settings, (channels, height, width), classes)


def perceptron(shape: tuple[int, ...], width: int, classes: int) -> nn.Module:
    """Two hidden layers with batch normalisation on codes (batch, ...)."""
    return nn.Sequential(
        nn.Flatten(),
        *_hidden(int(torch.Size(shape).numel()), width),
        *_hidden(width, width),
        nn.Linear(width, classes),
    )


class ResidualNetwork(nn.Module):
    """Codes (batch, channels, height, width) to logits (batch, classes): four residual blocks (He et al.,
    2016) in two stages, the second twice as wide, then a hidden layer that sees every place.
    """

    def __init__(self, shape: tuple[int, ...], width: int, classes: int) -> None:
        super().__init__()
        channels, height, breadth = shape
        layers: list[nn.Module] = []
        for _ in range(stages_before(max(height, breadth))):
            layers += [*convolution_block(channels, FIRST), nn.MaxPool2d(2, ceil_mode=True)]
            channels, height, breadth = FIRST, -(-height // 2), -(-breadth // 2)
        layers += convolution_block(channels, width)
        layers += [Block(width, width), Block(width, width), nn.MaxPool2d(2, ceil_mode=True)]
        layers += [Block(width, 2 * width), Block(2 * width, 2 * width)]
        places = -(-height // 2) * -(-breadth // 2)
        layers += [nn.Flatten(), *_hidden(2 * width * places, 4 * width), nn.Linear(4 * width, classes)]
        self.layers = nn.Sequential(*layers)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, codes: Tensor) -> Tensor:
        """Logits (batch, classes)."""
        logits: Tensor = self.layers(codes.contiguous(memory_format=torch.channels_last))
        return logits


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *convolution_block(channels, width),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        same = channels == width
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels, width, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (batch, channels, height, width) to (batch, width, height, width)."""
        return F.relu(self.shortcut(maps) + self.convolutions(maps))


def _hidden(values: int, width: int) -> list[nn.Module]:
    return [nn.Linear(values, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
