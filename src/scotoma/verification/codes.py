"""What does an attacker train on? Encoded images, computed once per encoder and shared by all its tasks."""

import math
import mmap
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
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
from scotoma.errors import ScotomaError
from scotoma.runs.progress import Progress
from scotoma.runs.threads import Workers, in_threads

# Bytes of codes that stay in memory; a mapped file is as fast as long as the system can keep it there, too.
IN_MEMORY = 2**30
# Where a time limit stops.
WHILE_ENCODING = "while images are encoded: codes are not kept, so it has to be longer than that takes."


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
        return self.encode(positions, random.random((len(positions), 4), dtype=np.float32))

    @torch.no_grad()
    def encode(self, positions: Rows, draws: npt.NDArray[np.float32]) -> Tensor:
        """The crops that `draws` (images, 4) stand for, encoded; see `random_crop`."""
        codes: Tensor = self.network(
            random_crop(self.pixels[self.rows[positions]], self.preprocessing, draws)
        )
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
    shape: tuple[int, int, int],
    preprocessing: Preprocessing,
    table: ImageTable,
    parts: Split,
    views: int,
    seed: int,
    progress: Progress,
    folder: Path,
) -> Codes:
    """Encode the training images in `views` random crops (0: afresh for each batch), the others once each.

    Threads share the images, and each computes in itself alone, so that codes do not depend on their number.
    Codes (channels, height, width) of `shape` that are too many for the memory lie in a file in `folder`.
    """
    network.eval()
    fresh = FreshViews(table.pixels, parts.training, network, preprocessing)
    stored = room((views, len(parts.training), *shape), folder)

    def fill_view(view: int) -> None:
        draws = generator(seed, view).random((len(parts.training), 4), dtype=np.float32)
        fill(stored[view], lambda positions: fresh.encode(positions, draws[positions]), progress)

    def centres(rows: Rows) -> Tensor:
        codes = room((len(rows), *shape), folder)
        pixels = table.pixels
        fill(codes, lambda places: encode_pixels(network, preprocessing, pixels, rows[places]), progress)
        return codes

    for view in range(views):
        fill_view(view)
    training = StoredViews(stored) if views else fresh
    return Codes(training, centres(parts.validation), centres(parts.test))


def room(shape: tuple[int, ...], folder: Path) -> Tensor:
    """Space for fp32 numbers: memory, or, beyond `IN_MEMORY` bytes, a file that is mapped into it.

    The file has no name and is gone with the process, however that ends.

    Raises:
        ScotomaError: the folder's disk has no such space left.
    """
    size = 4 * math.prod(shape)
    if size <= IN_MEMORY:
        return torch.empty(shape)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            # Space that is promised only would end the process when it turns out not to be there.
            os.posix_fallocate(file.fileno(), 0, size)
            return torch.frombuffer(mmap.mmap(file.fileno(), size), dtype=torch.float32).view(shape)
    except OSError as error:
        raise ScotomaError(
            f"The attackers' codes need {size / 2**30:.1f} GiB in {folder}: {error.strerror or error}. Make "
            "room, choose another folder, or lower 'views' in [verification]."
        ) from error


def fill(
    codes: Tensor,
    encode: Callable[[Rows], Tensor],
    progress: Progress,
    *,
    order: Rows | None = None,
    alone: bool = False,
) -> None:
    """Put into `codes` (images, ...) what `encode` makes of places in it, some at a time, in their own order
    or in `order`, which names each place once.

    Threads share the images, and each computes in itself alone; `alone` for an encoder that can be called by
    one only, which may compute as it likes.
    """
    every = np.arange(len(codes)) if order is None else order

    def work(rows: range) -> int:
        places = every[rows.start : rows.stop]
        codes[torch.from_numpy(places)] = encode(places)
        return len(rows)

    workers = Workers(chunk=ENCODE_BATCH, prepare=partial(torch.set_num_threads, 1))
    if alone:
        workers = Workers(chunk=ENCODE_BATCH, threads=1)
    threads = torch.get_num_threads()
    try:
        for count in in_threads(work, len(codes), "", workers=workers):
            progress.advance(count)
    finally:
        torch.set_num_threads(threads)
