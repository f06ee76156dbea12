"""What is about to be trained, and how long will it take? What `train` says before it starts."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from scotoma.data.table import ImageTable
    from scotoma.training.plan import TrainingPlan


def outline(table: "ImageTable", plan: "TrainingPlan", threads: int) -> Iterator[str]:
    """Lines on images, tasks, networks and iterations of a training run.

    Raises:
        InputError: the names to hide and keep make no tasks on these images.
    """
    from scotoma.data.splits import divide
    from scotoma.runs.words import left_out

    hidden, kept = plan.tasks(table.attributes)
    parts = divide(table, plan.split)
    shares = ", ".join(f"{len(rows):,} {part}" for part, rows in asdict(parts).items())
    groups = f" in {len(table.categories)} categories" if table.categories else ""
    yield f"images    {table.source}: {len(table):,}{groups} ({shares})"
    if table.left_out:
        yield f"          left out, as equal images stand in several categories: {len(table.left_out):,}"
    if table.skipped:
        yield f"          {left_out(table.skipped)}"
    for note in table.notes:
        yield f"          {note}"
    if kept_together := _kept_together(table):
        yield f"          never on two sides: {kept_together}"
    for title, names in (("hide", plan.hide), ("keep", plan.keep)):
        counted = [_counted(table, name, parts.training) for name in names]
        yield f"{title}      {', '.join(counted) or 'nothing'}"
    for name, attribute in table.attributes.items():
        if attribute.about:
            yield f"          {name}: {attribute.about}"
    yield from _networks(plan, [task.classes for task in (*hidden, *kept)])
    settings = plan.training
    yield (
        f"training  {settings.iterations:,} iterations after {settings.warm_up:,} of warm-up; "
        f"{settings.classifier_steps} + 1 updates each, on {len(hidden) + len(kept)} x {settings.batch} "
        f"images; {settings.objective}, {settings.precision}, threads: {threads}"
    )


def floors(table: "ImageTable", plan: "TrainingPlan") -> Iterator[str]:
    """Two lines for each hidden task: what the kept labels alone tell, and what leak the test images show."""
    import numpy as np

    from scotoma.data.splits import divide
    from scotoma.data.table import MISSING
    from scotoma.data.tasks import attack_tasks
    from scotoma.verification.floors import floor_of, label_only_right
    from scotoma.verification.significance import paired_excess

    parts = divide(table, plan.split)
    for task in attack_tasks(plan.hide, table.attributes):
        rows = parts.test[task.labels_in(table)[parts.test] != MISSING]
        labels, units = task.labels_in(table)[rows], table.units_of(rows)
        right = label_only_right(task, plan.keep, table, parts)
        found, chance = 100 * floor_of(task, labels, right), 100 / task.classes
        yield f"floor     {task}: {found:.1f} % with the kept labels alone, {chance:.1f} % by guessing"
        counts = np.bincount(task.classes_of(labels), minlength=task.classes)
        # Of an attacker who errs on other images than the kept labels do.
        smallest = paired_excess(right, right, labels, task, units, len(plan.hide)).smallest_leak
        yield (
            f"tests     {task}: {' / '.join(f'{count:,}' for count in counts)} test images show a leak of "
            f"{100 * smallest:.1f} points in four cases of five"
        )


def _kept_together(table: "ImageTable") -> str:
    sides = table.sides
    said = [f"images of one {sides.group_by}"] if sides.group_by else []
    said += ["nearly equal images"] if sides.near_duplicates else []
    said += [f"parts as the column {sides.column} gives them"] if sides.column else []
    said += ["parts as lists of files give them"] if sides.files else []
    return ", ".join(said)


def _counted(table: "ImageTable", name: str, rows: "npt.NDArray[np.int64]") -> str:
    """A category or attribute with the counts of its classes among some images."""
    if table.categories:
        count = int((table.labels[rows] == table.categories.index(name)).sum())
        return f"{name} ({count:,} in training)"
    attribute = table.attributes[name]
    counts = [int((attribute.labels[rows] == label).sum()) for label in range(len(attribute.values))]
    shown = ", ".join(f"{value}: {count:,}" for value, count in zip(attribute.values, counts, strict=True))
    return f"{name} ({shown} in training)"


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
    noun = "classifier" if len(sizes) == 1 else "classifiers"
    yield f"against   {len(sizes)} {noun}, {' + '.join(f'{size:,}' for size in sizes)} parameters"


def about(seconds: float) -> str:
    """A duration as one says it: "about 40 seconds", "about 25 minutes", "about 3 hours", "about 12 days"."""
    for unit, length, most in (("second", 1, 90), ("minute", 60, 90), ("hour", 3600, 48)):
        count = seconds / length
        if count < most:
            # Nobody knows it to the second.
            whole = max(round(count / 5) * 5, 5) if unit == "second" else max(round(count), 1)
            return f"about {whole} {unit}{'' if whole == 1 else 's'}"
    return f"about {round(seconds / 86_400):,} days"
