"""What does an attacker train on? Encoded images, computed once per encoder and shared by all its tasks."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from scotoma.data.augmentation import Preprocessing, random_crop
from scotoma.data.sampling import Rows, generator
from scotoma.data.splits import Split
from scotoma.data.table import ImageTable
from scotoma.encoder_file import ENCODE_BATCH, encode_pixels
from scotoma.runs.progress import Progress


class TrainingCodes(Protocol):
    """Augmented encodings of the training images."""

    def draw(self, positions: Rows, random: np.random.Generator) -> Tensor:
        """One random view (batch, channels, height, width) of each image, given by its place in the training
        part.
        """


@dataclass(frozen=True, eq=False)
class StoredViews:
    """Several augmented encodings of every training image: views (views, images, channels, height, width),
    fp32.
    """

    views: Tensor

    def draw(self, positions: Rows, random: np.random.Generator) -> Tensor:
        """A stored view each, chosen at random."""
        chosen = random.integers(len(self.views), size=len(positions))
        return self.views[torch.from_numpy(chosen), torch.from_numpy(positions)]


@dataclass(frozen=True, eq=False)
class FreshViews:
    """Every batch is cropped and encoded anew: for original images, where that costs nothing, and to measure
    what stored views lose.
    """

    pixels: npt.NDArray[np.uint8]
    rows: Rows
    network: nn.Module
    preprocessing: Preprocessing

    def draw(self, positions: Rows, random: np.random.Generator) -> Tensor:
        """A new random crop each, encoded."""
        draws = random.random((len(positions), 4), dtype=np.float32)
        images = random_crop(self.pixels[self.rows[positions]], self.preprocessing, draws)
        with torch.no_grad():
            codes: Tensor = self.network(images)
        return codes


@dataclass(frozen=True, eq=False)
class Codes:
    """What attackers on one encoder see: training views, and one centre-cropped code of each other image."""

    training: TrainingCodes
    validation: Tensor
    test: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of a code."""
        channels, height, width = self.validation.shape[1:]
        return channels, height, width


def encode_table(
    network: nn.Module,
    preprocessing: Preprocessing,
    table: ImageTable,
    parts: Split,
    views: int,
    seed: int,
    progress: Progress,
) -> Codes:
    """Encode the training images in `views` random crops (0: afresh for each batch), the others once each."""
    network.eval()
    fresh = FreshViews(table.pixels, parts.training, network, preprocessing)
    positions = np.arange(len(parts.training))
    stored = []
    for view in range(views):
        random = generator(seed, view)
        starts = range(0, len(positions), ENCODE_BATCH)
        stored.append(torch.cat([fresh.draw(positions[s : s + ENCODE_BATCH], random) for s in starts]))
        progress.advance(len(positions))
    held_out = [
        encode_pixels(network, preprocessing, table.pixels[rows]) for rows in (parts.validation, parts.test)
    ]
    progress.advance(len(parts.validation) + len(parts.test))
    return Codes(StoredViews(torch.stack(stored)) if views else fresh, *held_out)
