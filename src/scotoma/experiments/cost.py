"""What would an artefact cost here? Encoders are timed as `scotoma train` times them, before anything is run.

Encoders of equal shape differ by what they do, not by how long an image takes: one of each kind (keeping
something or not) is timed, on one thread, and the others follow from their numbers of images. Processor time
is counted: other programs on the machine make no core slower.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from scotoma.data.images import open_images
from scotoma.data.table import ImageTable, by_category
from scotoma.experiments.cells import EncoderCell, Places
from scotoma.presets import Preset, load_preset
from scotoma.runs.progress import Progress
from scotoma.runs.threads import cores
from scotoma.runs.words import counted
from scotoma.training.estimate import estimate_seconds
from scotoma.training.plan import TrainingPlan

# Stand for images that are not here: enough for every part of the split to hold each category.
_RANDOM = 24


@dataclass(frozen=True)
class Cost:
    """One encoder: iterations, images that pass through it in training, and hours on one core."""

    label: str
    iterations: int
    images: int
    hours: float


def cost_of(cells: Sequence[EncoderCell], places: Places, progress: Progress | None = None) -> list[Cost]:
    """The cost of each encoder; on random pixels where images were not named. Takes some iterations' time."""
    tables: dict[tuple[str, ...], ImageTable] = {}
    seconds: dict[bool, float] = {}  # of one image in training, by whether something is kept
    costs = []
    for cell in cells:
        preset = load_preset(cell.preset, cell.settings(), cell.label)
        images = images_in_training(cell, preset)
        kind = bool(cell.keep)
        if kind not in seconds:
            group = cell.group.categories
            if group not in tables:
                tables[group] = _table(cell, preset, places, progress)
            plan = preset.plan(cell.hide, cell.keep, cell.seed)
            seconds[kind] = _estimate(tables[group], plan) / images
        costs.append(Cost(cell.label, preset.training.iterations, images, seconds[kind] * images / 3600))
    return costs


def images_in_training(cell: EncoderCell, preset: Preset) -> int:
    """Images that the encoder sees: every head's batch, in each update of classifiers and encoder."""
    settings = preset.training
    heads = len(cell.hide) + (1 if cell.keep else 0)
    updates = settings.warm_up + settings.iterations * (settings.classifier_steps + 1)
    return heads * settings.batch * updates


def report(costs: Sequence[Cost]) -> list[str]:
    """A line for each encoder, or for those that cost the same, and all together on this machine's cores."""
    alike: dict[str, list[str]] = {}
    for each in costs:
        takes = (
            f"{each.iterations:,} iterations, {each.images:,} images, about {_hours(each.hours)} on a core"
        )
        alike.setdefault(takes, []).append(each.label)
    lines = [
        f"{same[0]}: {takes}" if len(same) == 1 else f"{len(same)} encoders ({same[0]}, ...): {takes} each"
        for takes, same in alike.items()
    ]
    total = sum(each.hours for each in costs)
    together = max(total / cores(), max((each.hours for each in costs), default=0.0))
    return [
        *lines,
        f"In all {_hours(total)} of one core, {_hours(together)} on {counted(cores(), 'core')}, for the "
        "encoders alone: how long attackers take to saturate is not known before.",
    ]


def _estimate(table: ImageTable, plan: TrainingPlan) -> float:
    """Seconds on a core that does nothing else: those of the clock, times the share of it that was ours."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        clock, processor = time.perf_counter(), time.process_time()
        # A probe's or a checkpoint's share is small; saving time here matters more than a percent there.
        seconds = estimate_seconds(table, replace(plan, training=replace(plan.training, probe_every=0)))
        share = (time.process_time() - processor) / (time.perf_counter() - clock)
        return seconds * min(share, 1.0)
    finally:
        torch.set_num_threads(threads)


def _table(cell: EncoderCell, preset: Preset, places: Places, progress: Progress | None) -> ImageTable:
    side, channels = preset.images.stored_side, preset.encoder.channels
    categories = cell.group.categories
    if places.data is not None:
        return open_images(places.data, side, channels, categories=categories, progress=progress)
    count = _RANDOM * len(categories)
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, channels), np.uint8)
    labels = np.repeat(np.arange(len(categories), dtype=np.int64), _RANDOM)
    keys = np.array([f"{number:032x}" for number in range(count)])
    return ImageTable(pixels, keys, by_category(tuple(sorted(categories)), labels), "random pixels")


def _hours(hours: float) -> str:
    if hours < 1:
        return f"{60 * hours:.0f} minutes"
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:,.0f} days"
