"""What else do codes tell: tasks that nobody named, and what is hidden once the kept label is known?"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from scotoma.audit.cells import Attempts
from scotoma.audit.examples import Labels, Logits
from scotoma.audit.material import FEWEST, HELD_OUT, Material, Part
from scotoma.audit.protocol import Said, winner_of
from scotoma.audit.queue import Crew, jobs_of, make_attempts
from scotoma.audit.suites import Attacker
from scotoma.data.sampling import Rows
from scotoma.data.table import ImageTable
from scotoma.data.tasks import Task, attack_tasks
from scotoma.metrics import image_weights
from scotoma.runs.more import Measured, OtherTask, Within
from scotoma.runs.seeds import derive_seed
from scotoma.runs.verdict import Attempt
from scotoma.verification.calibration import calibrate
from scotoma.verification.statistics import accuracy_interval

TOO_FEW = 20  # test images of a class


def other_tasks(table: ImageTable, named: Sequence[Task]) -> list[Task]:
    """Every category or attribute of a table that is no task yet."""
    taken = {str(task) for task in named}
    names = [name for name in table.categories or table.attributes if name not in taken]
    return attack_tasks(names, table.attributes) if names else []


def attack_others(
    tasks: Sequence[Task],
    attackers: Sequence[Attacker],
    material: Material,
    attempts: Attempts,
    seed: int,
    crew: Crew,
) -> tuple[OtherTask, ...]:
    """Attack tasks by some attackers, on all arms; the best on the choosing half is looked at once."""
    notes = {str(task): lacking(material, task) for task in tasks}
    enough = [task for task in tasks if not notes[str(task)]]
    jobs = jobs_of(attackers, enough, material, seeds=1)
    seed = derive_seed(seed, "others")
    made = make_attempts(jobs, material, attempts, seed, crew, "tasks that were not named")
    found: dict[str, list[list[Said] | Attempt]] = {str(task): [] for task in tasks}
    for job, each in zip(jobs, made, strict=True):
        found[str(job.task)].append(each)
    return tuple(_other(task, found[str(task)], material, notes[str(task)]) for task in tasks)


def lacking(material: Material, task: Task) -> str:
    """Why a task cannot be attacked: a part with too few images of a category; "" where there are enough."""
    for part in material.rows:
        counts = material.counts(task, part)
        fewest = 1 if part in HELD_OUT else FEWEST
        if counts.min() < fewest:
            name = task.categories[int(counts.argmin())]
            return f"too few images: {counts.min()} of {name} in the {part} part, {fewest} are needed"
    return ""


def within_classes(
    hidden: Mapping[Task, Said], kept: Sequence[Task], material: Material
) -> tuple[Within, ...]:
    """How well each hidden task is told by its winner, among test images of one class of each kept task."""
    return tuple(
        _within(task, said, kept_task, number, material)
        for task, said in hidden.items()
        for kept_task in kept
        for number in range(kept_task.classes)
    )


def _other(task: Task, found: Sequence[list[Said] | Attempt], material: Material, note: str) -> OtherTask:
    test = material.examples(task, "test")
    counts = tuple(np.bincount(test.classes, minlength=task.classes).tolist())
    winner = winner_of(found)
    if winner is None:
        return OtherTask(str(task), task.class_names, counts, None, note=note or "every attack failed")
    interval = material.interval(task, "test", winner.test.argmax(axis=1) == test.classes)
    rising = "at least: still rising" if winner.attempt.state == "inconclusive" else ""
    accuracy = Measured(interval.estimate, interval.low, interval.high)
    return OtherTask(str(task), task.class_names, counts, accuracy, winner.attempt.attacker, rising)


def _within(task: Task, said: Said, kept: Task, number: int, material: Material) -> Within:
    rows = {part: _rows(material, task, kept, number, part) for part in ("choosing", "test")}
    labels = {part: task.labels_in(material.table)[each[0]] for part, each in rows.items()}
    classes = {part: task.classes_of(each) for part, each in labels.items()}
    count = {part: np.bincount(each, minlength=task.classes) for part, each in classes.items()}
    about = (str(task), str(kept), kept.class_names[number], task.class_names, tuple(count["test"].tolist()))
    if count["test"].min() < TOO_FEW or count["choosing"].min() < 1:
        return Within(*about, None, note=f"too few: fewer than {TOO_FEW} test images of a class")
    weights = image_weights(_of_present(task, labels["choosing"]), _renumbered(labels["choosing"]))
    logits = {part: _told(said, part)[rows[part][1]] for part in rows}
    # Where the kept label is known, other odds hold than among all images.
    calibrated = calibrate(
        torch.from_numpy(logits["choosing"]), torch.from_numpy(classes["choosing"]), torch.from_numpy(weights)
    )
    told = calibrated(torch.from_numpy(logits["test"])).argmax(dim=1).numpy()
    interval = accuracy_interval(
        told == classes["test"],
        _renumbered(labels["test"]),
        _of_present(task, labels["test"]),
        material.table.units_of(rows["test"][0]),
        seed=0,
    )
    accuracy = Measured(interval.estimate, interval.low, interval.high)
    return Within(*about, accuracy, said.attempt.attacker)


def _rows(material: Material, task: Task, kept: Task, number: int, part: Part) -> tuple[Rows, Rows]:
    """Images of a part that are of one class of the kept task, as rows of the table, and their places among
    those of which the label in the task is known.
    """
    known = material.known_rows(task, part)
    places = np.flatnonzero(kept.classes_of(kept.labels_in(material.table)[known]) == number)
    return known[places], places


def _told(said: Said, part: str) -> Logits:
    return said.choosing if part == "choosing" else said.test


def _of_present(task: Task, labels: Labels) -> Task:
    """The same task among the categories that there are, so that its classes go on to count alike."""
    present = tuple(task.categories[index] for index in np.unique(labels))
    return Task(task.names, present, attribute=task.attribute)


def _renumbered(labels: Labels) -> Labels:
    """Labels as numbers of the categories that there are."""
    found: Labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return found
