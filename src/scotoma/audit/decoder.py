"""What does a network make of codes that learns to draw the images that they were made from?"""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scotoma.audit.examples import Floats
from scotoma.audit.neural import is_map
from scotoma.audit.representations import by_channel, by_value
from scotoma.data.sampling import Rows, generator
from scotoma.errors import TIME_IS_UP, ScotomaError, TimeLimitReached
from scotoma.networks.adam import Adam, warming_up
from scotoma.networks.classifier import convolution_block
from scotoma.networks.first_weights import from_seed
from scotoma.networks.running_average import RunningAverage
from scotoma.runs.progress import Progress
from scotoma.runs.seeds import derive_seed

WIDTH, NARROWEST = 64, 16  # channels of maps of at most `SMALL` a side, and of large ones
SMALL = 8
HIDDEN = 512  # of the perceptron in front of codes that are no maps
FIRST_SIDE = 4  # of the map that it makes, at least
SOME = 256  # images that are decoded at a time

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class DecoderSettings:
    """Adam behind a warm-up at one rate; a running average of the weights is looked at and kept. `patience`
    looks without an error that is lower by the share `fall` end it.
    """

    rate: float = 2e-3
    batch: int = 64
    evaluate_every: int = 100
    patience: int = 5
    fall: float = 0.005
    max_iterations: int = 2000


SETTINGS = DecoderSettings()


@dataclass(frozen=True, eq=False)
class Pairs:
    """Codes (images, ...), and by place the images that they were made from, uint8 (images, channels, size,
    size).
    """

    codes: Floats
    images: Callable[[Rows], Pixels]

    def targets(self, places: Rows) -> Tensor:
        """Images in [0, 1]."""
        return unit(self.images(places))

    def at(self, places: Rows) -> "Pairs":
        """Some of them."""
        return Pairs(self.codes[places], lambda chosen: self.images(places[chosen]))


@dataclass(frozen=True, eq=False)
class Decoder:
    """A decoder that has learned: `decode` takes codes (images, ...) to images in [0, 1]. `rising` says that
    the error was still falling when the budget ended.
    """

    decode: Callable[[Floats], Tensor]
    iterations: int
    rising: bool


def unit(pixels: Pixels) -> Tensor:
    """Images in [0, 1], fp32."""
    return torch.from_numpy(pixels.astype(np.float32)) / 255


def decoder_for(shape: tuple[int, ...], channels: int, size: int) -> nn.Module:
    """Codes (batch, *shape) to images (batch, channels, size, size) in (0, 1).

    Codes that are maps pass two convolutions, then each doubling of the side (nearest neighbour) is followed
    by one more; the larger the maps, the fewer are their channels. In front of codes that are no maps a
    perceptron makes one.
    """
    layers: list[nn.Module] = []
    if is_map(shape):
        features, height = shape[0], max(shape[1:])
    else:
        doublings = max(int(math.log2(max(size / FIRST_SIDE, 1))), 0)
        features, height = WIDTH, -(-size // 2**doublings)
        layers += [nn.Flatten(), nn.Linear(math.prod(shape), HIDDEN, bias=False)]
        layers += [nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, features * height**2)]
        layers += [nn.Unflatten(1, (features, height, height))]
    width = _width(height)
    layers += [*convolution_block(features, width), *convolution_block(width, width)]
    while height < size:
        height *= 2
        layers += [nn.Upsample(scale_factor=2), *convolution_block(width, _width(height))]
        width = _width(height)
    # Sides that are no power of two times that of the code, and codes larger than images.
    layers += [nn.Upsample(size=(size, size), mode="bilinear"), nn.Conv2d(width, channels, 3, padding=1)]
    network = nn.Sequential(*layers, nn.Sigmoid())
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _width(side: int) -> int:
    return max(min(WIDTH, WIDTH * SMALL // side), NARROWEST)


def learn_decoder(
    training: Pairs,
    stopping: Pairs,
    seed: int,
    progress: Progress,
    settings: DecoderSettings = SETTINGS,
    *,
    deadline: float | None = None,
) -> Decoder:
    """Train a decoder from scratch by mean squared error, until that on the stopping images stops falling.

    Raises:
        ScotomaError: the error is no finite number.
        TimeLimitReached: the deadline, a reading of the monotonic clock in seconds, came first.
    """
    _, channels, size, _ = training.images(np.arange(1)).shape
    shape = training.codes.shape[1:]
    scale = (by_channel if is_map(shape) else by_value)(training.codes)
    first = derive_seed(seed, "initial weights of the decoder")
    student = _Student(from_seed(first, lambda: decoder_for(shape, channels, size)), settings)

    def decode(codes: Floats) -> Tensor:
        parts = (codes[start : start + SOME] for start in range(0, len(codes), SOME))
        return torch.cat([student.draw(torch.from_numpy(scale(part))) for part in parts])

    progress.start("decoder", settings.max_iterations)
    errors: list[float] = []
    try:
        while student.iteration < settings.max_iterations and not _saturated(errors, settings):
            updates = min(settings.evaluate_every, settings.max_iterations - student.iteration)
            for _ in range(updates):
                random = generator(seed, student.iteration)
                places = random.integers(len(training.codes), size=settings.batch)
                student.update(torch.from_numpy(scale(training.codes[places])), training.targets(places))
            errors.append(_error(decode, stopping))
            student.keep(lowest=errors[-1] <= min(errors))
            progress.advance(updates, error=errors[-1])
            if deadline is not None and time.monotonic() > deadline:
                raise TimeLimitReached(f"{TIME_IS_UP}: the decoder starts again.")
    finally:
        progress.stop()
    student.restore()
    return Decoder(decode, student.iteration, not _saturated(errors, settings))


class _Student:
    """A decoder in training, the running average of its weights, and the best average so far."""

    def __init__(self, network: nn.Module, settings: DecoderSettings) -> None:
        self.network, self.settings = network, settings
        self.average = RunningAverage(network)
        self.drawing = self.average.network.eval()
        self.optimiser = Adam(network.parameters(), settings.rate)
        self.iteration = 0
        self.best = copy.deepcopy(self.drawing.state_dict())

    def update(self, codes: Tensor, images: Tensor) -> None:
        self.optimiser.rate = warming_up(self.settings.rate, self.iteration)
        self.optimiser.zero_grad()
        F.mse_loss(self.network(codes), images).backward()
        self.optimiser.step()
        self.iteration += 1
        self.average.update(self.iteration)

    def keep(self, lowest: bool) -> None:
        if lowest:
            self.best = copy.deepcopy(self.drawing.state_dict())

    def restore(self) -> None:
        self.drawing.load_state_dict(self.best)

    @torch.inference_mode()
    def draw(self, codes: Tensor) -> Tensor:
        images: Tensor = self.drawing(codes)
        return images


def _error(decode: Callable[[Floats], Tensor], pairs: Pairs) -> float:
    total = 0.0
    for start in range(0, len(pairs.codes), SOME):
        places = np.arange(start, min(start + SOME, len(pairs.codes)))
        total += float((decode(pairs.codes[places]) - pairs.targets(places)).square().mean()) * len(places)
    error = total / len(pairs.codes)
    if not math.isfinite(error):
        raise ScotomaError("the decoder's error is not a finite number")
    return error


def _saturated(errors: list[float], settings: DecoderSettings) -> bool:
    before, recent = errors[: -settings.patience], errors[-settings.patience :]
    return bool(before) and min(recent) > min(before) * (1 - settings.fall)
