"""What is about to be trained, and how long will it take? What `train` says before it starts."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scotoma.data.table import ImageTable
    from scotoma.training.plan import TrainingPlan


def outline(table: "ImageTable", plan: "TrainingPlan", threads: int) -> Iterator[str]:
    """Lines on images, tasks, networks and iterations of a training run.

    Raises:
        InputError: the names to hide and keep make no tasks on these images.
    """
    from scotoma.data.splits import split

    hidden, kept = plan.tasks(table.categories)
    parts = split(table.keys, plan.split.seed, plan.split.fractions)
    shares = ", ".join(f"{len(rows):,} {part}" for part, rows in asdict(parts).items())
    yield f"images    {table.source}: {len(table):,} in {len(table.categories)} categories ({shares})"
    if table.left_out:
        yield f"          left out, as equal images stand in several categories: {len(table.left_out):,}"
    labels = table.labels[parts.training]
    for title, names in (("hide", plan.hide), ("keep", plan.keep)):
        counts = [int((labels == table.categories.index(name)).sum()) for name in names]
        counted = [f"{name} ({count:,} in training)" for name, count in zip(names, counts, strict=True)]
        yield f"{title}      {', '.join(counted) or 'nothing'}"
    yield from _networks(plan, [task.classes for task in (*hidden, *kept)])
    settings = plan.training
    yield (
        f"training  {settings.iterations:,} iterations after {settings.warm_up:,} of warm-up; "
        f"{settings.classifier_steps} + 1 updates each, on {len(hidden) + len(kept)} x {settings.batch} "
        f"images; {settings.objective}, {settings.precision}, threads: {threads}"
    )


def _networks(plan: "TrainingPlan", classes: list[int]) -> Iterator[str]:
    import torch

    from scotoma.networks.classifier import Classifier
    from scotoma.networks.encoder import Encoder

    shape = plan.encoder
    with torch.device("meta"):  # counted, not made
        encoder = Encoder(shape)
        classifiers = [Classifier(plan.classifier, shape.code_shape, count) for count in classes]
    numbers = sum(each.numel() for each in encoder.parameters())
    channels, height, width = shape.code_shape
    yield (
        f"encoder   {shape.size} x {shape.size} x {shape.channels} to {height} x {width} x {channels}, "
        f"{numbers:,} parameters; one output sees {shape.receptive_field} x {shape.receptive_field} pixels"
    )
    sizes = [sum(each.numel() for each in classifier.parameters()) for classifier in classifiers]
    yield f"against   {len(sizes)} classifiers, {' + '.join(f'{size:,}' for size in sizes)} parameters"


def about(seconds: float) -> str:
    """A duration as one says it: "about 40 seconds", "about 25 minutes", "about 3 hours", "about 12 days"."""
    for unit, length, most in (("second", 1, 90), ("minute", 60, 90), ("hour", 3600, 48)):
        count = seconds / length
        if count < most:
            # Nobody knows it to the second.
            whole = max(round(count / 5) * 5, 5) if unit == "second" else max(round(count), 1)
            return f"about {whole} {unit}{'' if whole == 1 else 's'}"
    return f"about {round(seconds / 86_400):,} days"
