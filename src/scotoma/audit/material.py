"""Which codes do attackers get? Every image encoded once for all of them, part by part."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from scotoma.audit.examples import Encoded, Examples, Floats
from scotoma.audit.targets import Target
from scotoma.data.augmentation import centre, random_crop
from scotoma.data.sampling import Rows, generator
from scotoma.data.splits import Split, in_first_half
from scotoma.data.table import MISSING, ImageTable
from scotoma.data.tasks import Task
from scotoma.metrics import image_weights
from scotoma.runs.progress import Progress
from scotoma.runs.seeds import derive_seed
from scotoma.runs.verdict import Sees
from scotoma.verification.codes import fill
from scotoma.verification.statistics import Interval, accuracy_interval

VIEWS = 8  # of a training image
VOTES = 4  # of a held-out one
FEWEST = 10  # images of every category that an attacker learns from
MOST_BYTES = 1 << 30  # of the views of training images
CHUNK = 1024  # images that are looked at together

Part = Literal["same", "fresh", "all", "stopping", "choosing", "test"]
HELD_OUT: tuple[Part, ...] = ("stopping", "choosing", "test")


@dataclass(frozen=True, eq=False)
class Material:
    """Codes by part, and the rows of the table that they belong to.

    "same" are images that the encoder was trained on and "fresh" others, which attackers learn from; "all"
    are both, where it is not known what the encoder was trained on. Of the validation images one half is for
    "stopping", the other for "choosing" the winner. `originals` are the images themselves where attackers
    ask for them, (images, ...) by part, in the shape of a code.
    """

    table: ImageTable
    rows: Mapping[Part, Rows]
    codes: Mapping[Part, Encoded]
    originals: Mapping[Part, Floats] = field(default_factory=dict)

    @property
    def arms(self) -> tuple[Sees, ...]:
        """On which images attackers learn."""
        arms: tuple[Sees, ...] = ("same", "fresh", "all")
        return tuple(arm for arm in arms if arm in self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one code."""
        return self.codes["test"].shape

    def examples(self, task: Task, part: Part) -> Examples:
        """The images of a part of which the label in a task is known."""
        labels = task.labels_in(self.table)[self.rows[part]]
        known = np.flatnonzero(labels != MISSING)
        codes, originals, labels = self.codes[part], self.originals.get(part), labels[known]
        if len(known) < len(codes.centre):
            codes = codes.some(known)
            originals = None if originals is None else originals[known]
        return Examples(codes, labels, task.classes_of(labels), image_weights(task, labels), originals)

    def known_rows(self, task: Task, part: Part) -> Rows:
        """Rows of the images that `examples` gives, in their order."""
        rows = self.rows[part]
        known: Rows = rows[task.labels_in(self.table)[rows] != MISSING]
        return known

    def counts(self, task: Task, part: Part) -> npt.NDArray[np.int64]:
        """Images of each category of a task in a part, (categories,)."""
        labels = task.labels_in(self.table)[self.known_rows(task, part)]
        return np.bincount(labels, minlength=len(task.categories))

    def has_enough(self, task: Task, sees: Sees) -> bool:
        """Whether every category has images to learn from; a small reserve may lack some."""
        return sees in self.arms and bool(self.counts(task, sees).min() >= FEWEST)

    def interval(self, task: Task, part: Part, right: npt.NDArray[np.bool_], seed: int = 0) -> Interval:
        """Balanced accuracy with its interval of who gets the images of `examples` right or not."""
        rows = self.known_rows(task, part)
        labels = task.labels_in(self.table)[rows]
        return accuracy_interval(right, labels, task, self.table.units_of(rows), seed)

    def digest(self) -> str:
        """32 hex characters over the images of each part, in their order: answers are kept by place."""
        keys = {part: self.table.keys[some].tolist() for part, some in self.rows.items()}
        return blake2b(json.dumps(keys, sort_keys=True).encode(), digest_size=16).hexdigest()


def rows_of_parts(
    table: ImageTable, parts: Split, arms: tuple[Sees, ...], task: Task, seed: int
) -> dict[Part, Rows]:
    """Rows by part, the validation images in halves that no unit stands in both of.

    Args:
        table: the images.
        parts: how they are divided.
        arms: ("same", "fresh") where the encoder was trained on these images, ("fresh",) where on others,
            ("all",) where nobody knows.
        task: both halves get as many images of each of its classes, as far as that can be.
        seed: decides the halves.
    """
    learned_from = np.concatenate([parts.training, parts.reserve])
    found: dict[Part, Rows] = {}
    if "same" in arms:
        found = {"same": parts.training, "fresh": parts.reserve}
        if not len(parts.reserve):
            del found["fresh"]
    else:
        found[arms[0]] = learned_from
    units = (table.keys if table.units is None else table.units)[parts.validation]
    labels = task.labels_in(table)[parts.validation]
    first = in_first_half(units, labels, derive_seed(seed, "halves"))
    return found | {
        "stopping": parts.validation[first],
        "choosing": parts.validation[~first],
        "test": parts.test,
    }


def encode_parts(
    target: Target, table: ImageTable, rows: Mapping[Part, Rows], seed: int, progress: Progress
) -> Material:
    """Encode every image as it is released, and in random crops, the same for the same seed.

    Images come in a random order: rows of a folder are sorted by category, and of an encoder that looks at
    the batch (batch normalisation left in training mode) the company would tell the label.
    """
    one = _encode(target, table, rows["test"][:1], None)
    training = sum(len(rows) for part, rows in rows.items() if part not in HELD_OUT)
    views = min(VIEWS, MOST_BYTES // max(training * one.nbytes, 1))
    count = {part: min(VOTES, views) if part in HELD_OUT else views for part in rows}
    progress.start(f"encoding with {target.name}", sum(len(rows[part]) * (1 + count[part]) for part in rows))
    try:
        codes = {}
        for part, some in rows.items():
            # As released, then in crops.
            stored = np.empty((1 + count[part], len(some), *one.shape[1:]), np.float32)
            shuffled = generator(derive_seed(seed, f"order {part}"), 0).permutation(len(some))
            _fill(stored[0], target, table, some, shuffled, None, progress)
            for view in range(count[part]):
                seed_of_view = derive_seed(seed, f"views {part}", view)
                draws = generator(seed_of_view, 0).random((len(some), 4), dtype=np.float32)
                _fill(stored[1 + view], target, table, some, shuffled, draws, progress)
            codes[part] = Encoded(stored[0], stored[1:])
    finally:
        progress.stop()
    return Material(table, rows, codes)


def originals_of(target: Target, material: Material) -> dict[Part, Floats]:
    """The images that an encoder gets, by part, in the shape of its codes (channels, height, width): the mean
    of the pixels at each place, colours in turn for the channels, from -1 to 1. Only of images that attackers
    learn from or stop by.
    """
    channels, height, width = material.shape
    colours = np.arange(channels) % target.preprocessing.channels

    def at_places(rows: Rows) -> Floats:
        images = torch.from_numpy(cropped(material.table.pixels[rows], target, None)).float()
        pooled = F.adaptive_avg_pool2d(images, (height, width)) / 127.5 - 1
        found: Floats = pooled[:, colours].numpy()
        return found

    shown: dict[Part, Floats] = {}
    for part, rows in material.rows.items():
        if part not in ("choosing", "test"):
            chunks = [at_places(rows[start : start + CHUNK]) for start in range(0, len(rows), CHUNK)]
            shown[part] = np.concatenate(chunks)
    return shown


def split_codes(codes: Floats, table: ImageTable, rows: Mapping[Part, Rows]) -> Material:
    """The parts of codes that somebody has computed: no views of them can be made."""
    return Material(
        table,
        rows,
        {
            part: Encoded(codes[some], np.empty((0, len(some), *codes.shape[1:]), np.float32))
            for part, some in rows.items()
        },
    )


def _fill(
    codes: Floats,
    target: Target,
    table: ImageTable,
    rows: Rows,
    order: Rows,
    draws: npt.NDArray[np.float32] | None,
    progress: Progress,
) -> None:
    def encode(places: Rows) -> torch.Tensor:
        some = None if draws is None else draws[places]
        return torch.from_numpy(_encode(target, table, rows[places], some))

    fill(torch.from_numpy(codes), encode, progress, order=order, alone=not target.side_by_side)


def _encode(target: Target, table: ImageTable, rows: Rows, draws: npt.NDArray[np.float32] | None) -> Floats:
    return target.encode(cropped(table.pixels[rows], target, draws))


def cropped(
    pixels: npt.NDArray[np.uint8], target: Target, draws: npt.NDArray[np.float32] | None
) -> npt.NDArray[np.uint8]:
    """Stored images (images, side, side, channels) as a target takes them, (images, channels, size, size):
    the centre, or the crops that `draws` (images, 4) stand for, rounded to whole levels.
    """
    if draws is None:
        return np.ascontiguousarray(centre(pixels, target.preprocessing).transpose(0, 3, 1, 2))
    crops = random_crop(pixels, target.preprocessing, draws)
    levels: npt.NDArray[np.uint8] = crops.add(1).mul(127.5).round().clamp(0, 255).byte().numpy()
    return levels
