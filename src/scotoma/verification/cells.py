"""What is written down of one attack, and when may it be read instead of attacking again?"""

import time
from dataclasses import asdict, replace
from hashlib import blake2b
from json import dumps
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scotoma.data.sampling import Rows
from scotoma.data.splits import Split, parts_digest
from scotoma.data.table import CATEGORY, MISSING, ImageTable, Sides
from scotoma.data.tasks import Task
from scotoma.errors import InputError
from scotoma.metrics import image_weights
from scotoma.runs.file_names import file_name
from scotoma.runs.leaks import Excess
from scotoma.runs.results import Cell, Counts
from scotoma.runs.seeds import derive_seed
from scotoma.runs.settings import build, to_dict
from scotoma.runs.whole_files import read_checked_json, write_checked_json
from scotoma.verification.answers import answers_of, columns
from scotoma.verification.floors import Bools, floor_of, label_only_right
from scotoma.verification.plan import Subject, VerificationPlan
from scotoma.verification.protocol import Labels, Outcome
from scotoma.verification.settings import AttackSettings
from scotoma.verification.significance import paired_excess
from scotoma.verification.statistics import (
    accuracy_interval,
    auc,
    bits,
)

CELL_FORMAT = "scotoma-cell"
CELL_VERSION = 2
# Bytes. A cell tells what the attacker says of every test image, some hundred bytes each.
MOST_CELL = 1 << 30
# The folder of the cells in that of a verification run.
CELLS = "cells"


def cell_file(folder: Path, subject: str, task: str) -> Path:
    """Where a folder of cells keeps that of a subject and a task."""
    return folder / f"{file_name(subject)}--{file_name(task)}.json"


def read_predictions(path: Path, cell: Cell) -> dict[str, list[Any]] | None:
    """What the attacker of a cell says of every test image; None where there is no such file, or it failed.

    Raises:
        InputError: the file is broken, changed since it was written, of another version or of another cell.
    """
    if not path.exists():
        return None
    content = read_checked_json(path, CELL_FORMAT, CELL_VERSION, MOST_CELL)
    if build(Cell, content.get("cell", {}), str(path)) != cell:
        raise InputError(
            f"{path} is not the attack that results.json tells of. Put the original back, or delete both and "
            "give the same command again."
        )
    said: dict[str, list[Any]] | None = content.get("predictions")
    return said or None


class CellFolder:
    """The cells of a verification run: made from outcomes, and kept in one file for each subject and task.

    `data_digest` names the images with what the encoder hides and keeps of them.
    """

    def __init__(self, folder: Path, table: ImageTable, parts: Split, plan: VerificationPlan) -> None:
        self.folder, self.table, self.test_rows, self.plan = folder, table, parts.test, plan
        self._parts = parts
        self._right_by_label: dict[Task, Bools] = {}
        self._lock = Lock()  # attacks on several tasks end at once
        self.data_digest = table.digest([*plan.hide, *plan.keep])
        # Where nothing else decides on sides, parts follow from images and seed.
        self._sides = [table.sides.recorded(), parts_digest(table, parts)] if table.sides != Sides() else []

    def labels(self, task: Task) -> Labels:
        """The categories of the images of each part in a task."""
        labels, parts = task.labels_in(self.table), self._parts
        return Labels(labels[parts.training], labels[parts.validation], labels[parts.test])

    def found(
        self, subject: Subject, task: Task, settings: AttackSettings, outcome: Outcome, started: float
    ) -> Cell:
        """The cell of a finished attack; `started` is a reading of the monotonic clock, in seconds."""
        rows = self._known_test_rows(task)
        labels = task.labels_in(self.table)[rows]
        classes = task.classes_of(labels)
        weights = image_weights(task, labels)
        logits = outcome.test_logits.double()
        right = logits.argmax(dim=1).numpy() == classes
        units = self.table.units_of(rows)
        interval = accuracy_interval(right, labels, task, units, derive_seed(self.plan.seed, "bootstrap"))
        losses = F.cross_entropy(logits, torch.from_numpy(classes), reduction="none")
        test_cross_entropy = float((losses.numpy() * weights).sum() / weights.sum())
        rising = "validation was still rising at the budget's end"
        return replace(
            self._without_figures(subject, task, settings, started),
            state=outcome.state,
            val_accuracy=outcome.best.val_accuracy,
            test_accuracy=interval.estimate,
            test_low=interval.low,
            test_high=interval.high,
            auc=auc(logits.softmax(dim=1).numpy(), classes, weights),
            cross_entropy=test_cross_entropy,
            bits=bits(test_cross_entropy, task.classes),
            iterations=outcome.history[-1].iteration,
            curve=outcome.history,
            note="" if outcome.state == "done" else rising,
            excess=self._excess(task, right),
        )

    def failed(
        self, subject: Subject, task: Task, settings: AttackSettings, reason: str, started: float
    ) -> Cell:
        """The cell of an attack that ended without figures."""
        return replace(self._without_figures(subject, task, settings, started), note=reason)

    def write(self, subject: Subject, task: Task, cell: Cell, test_logits: Tensor | None) -> None:
        """Keep a cell, and what the attacker says of every test image; a failed one says nothing."""
        content = {
            "format": CELL_FORMAT,
            "version": CELL_VERSION,
            "fingerprint": self._fingerprint(subject, task),
            "cell": asdict(cell),
            "predictions": {} if test_logits is None else self._predictions(task, test_logits),
        }
        write_checked_json(self._path(subject, task), content)

    def read(self, subject: Subject, task: Task) -> Cell | None:
        """The cell that is there, unless it failed or belongs to other settings, images or another encoder.

        Raises:
            InputError: the file is broken, changed since it was written, or of another version.
        """
        path = self._path(subject, task)
        if not path.exists():
            return None
        content = read_checked_json(path, CELL_FORMAT, CELL_VERSION, MOST_CELL)
        if content.get("fingerprint") != self._fingerprint(subject, task):
            return None
        cell = build(Cell, content.get("cell", {}), str(path))
        if cell.excess is None and (said := content.get("predictions")):  # of an earlier version
            cell = replace(cell, excess=self._excess(task, answers_of(said, str(path)).right))
        return None if cell.state == "failed" else cell

    def _without_figures(
        self, subject: Subject, task: Task, settings: AttackSettings, started: float
    ) -> Cell:
        return Cell(
            encoder=subject.name,
            task=str(task),
            classes=task.class_names,
            role=self.plan.role(str(task)),
            attacker=subject.attacker.name,
            seed=self.plan.seed,
            state="failed",
            val_accuracy=None,
            test_accuracy=None,
            test_low=None,
            test_high=None,
            floor=self._floor(task),
            auc=None,
            cross_entropy=None,
            bits=None,
            iterations=0,
            seconds=round(time.monotonic() - started, 1),
            counts=self._counts(task),
            curve=(),
            settings=to_dict(settings),
        )

    def _known_test_rows(self, task: Task) -> Rows:
        """Rows of the test images of which the label is known: on the others no attacker can be judged."""
        rows: Rows = self.test_rows[task.labels_in(self.table)[self.test_rows] != MISSING]
        return rows

    def _known_right(self, task: Task) -> Bools:
        """Which of these somebody gets right who knows the kept labels only; found once a task."""
        with self._lock:
            if task not in self._right_by_label:
                right = label_only_right(task, self.plan.keep, self.table, self._parts)
                self._right_by_label[task] = right
            return self._right_by_label[task]

    def _excess(self, task: Task, right: Bools) -> Excess:
        """Of who gets these of the test images right over who knows the kept labels only."""
        rows = self._known_test_rows(task)
        labels, units = task.labels_in(self.table)[rows], self.table.units_of(rows)
        tests = len(self.plan.hide) if self.plan.role(str(task)) == "hide" else 1
        return paired_excess(right, self._known_right(task), labels, task, units, tests)

    def _floor(self, task: Task) -> float:
        labels = task.labels_in(self.table)[self._known_test_rows(task)]
        return floor_of(task, labels, self._known_right(task))

    def _counts(self, task: Task) -> Counts:
        counts = []
        for labels in asdict(self.labels(task)).values():
            classes = task.classes_of(labels)
            counts.append(tuple(np.bincount(classes[classes >= 0], minlength=task.classes).tolist()))
        return Counts(*counts)

    def _predictions(self, task: Task, logits: Tensor) -> dict[str, list[Any]]:
        """What the attacker says of every test image."""
        probabilities = logits.double().softmax(dim=1).numpy()
        return columns(self.table, self._known_test_rows(task), task, probabilities)

    def _fingerprint(self, subject: Subject, task: Task) -> str:
        """What a cell depends on: the encoder, the images, the task and every setting but the other tasks."""
        plan = to_dict(self.plan)
        del plan["tasks"]
        about = [subject.digest, subject.attacker.name, str(task), plan, self.data_digest]
        if task.attribute != CATEGORY:
            about.append(self.table.digest([task.attribute]))
        about += self._sides
        return blake2b(dumps(about, sort_keys=True).encode(), digest_size=16).hexdigest()

    def _path(self, subject: Subject, task: Task) -> Path:
        return cell_file(self.folder, subject.name, str(task))
