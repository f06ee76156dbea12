"""Which attacks make a verification run, and what is written down of them?"""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from hashlib import blake2b
from json import dumps
from pathlib import Path
from threading import Event, Lock
from typing import Any, Literal
from urllib.parse import quote

import torch
from torch import Tensor, nn

from scotoma.data.augmentation import Preprocessing
from scotoma.data.sampling import require_every_category
from scotoma.data.splits import Split, split
from scotoma.data.table import ImageTable
from scotoma.data.tasks import Task, known_names
from scotoma.encoder_file import FrozenEncoder, SplitRecipe
from scotoma.errors import ScotomaError
from scotoma.metrics import image_weights
from scotoma.networks.baselines import Blur, Identity
from scotoma.networks.classifier import ClassifierSettings
from scotoma.networks.encoder import EncoderSettings
from scotoma.runs.progress import Progress, Silent
from scotoma.runs.results import Cell, Counts, EncoderSummary, Point, Role
from scotoma.runs.run_folder import read_json, write_json
from scotoma.runs.seeds import derive_seed
from scotoma.runs.settings import build, to_dict
from scotoma.verification.attackers import ON_CODES, ON_IMAGES, Attacker, build_network
from scotoma.verification.codes import Codes, encode_table
from scotoma.verification.protocol import Labels, Outcome, at_rate, attack
from scotoma.verification.settings import AttackSettings
from scotoma.verification.statistics import auc, balanced_accuracy_interval, bits, label_only_floor

CELL_FORMAT = "scotoma-cell"
CELL_VERSION = 1

BaselineName = Literal["identity", "blur"]


@dataclass(frozen=True, eq=False)
class Subject:
    """One frozen encoder under attack, its name in tables, and who attacks it."""

    name: str
    kind: Literal["trained", "identity", "blur", "other"]
    network: nn.Module
    code_shape: tuple[int, int, int]
    attacker: Attacker
    views: int
    digest: str
    training: dict[str, Any]

    def summary(self) -> EncoderSummary:
        """What results.json says of it."""
        return EncoderSummary(self.name, self.kind, self.digest, self.code_shape, self.training)


@dataclass(frozen=True)
class VerificationPlan:
    """Everything that decides what a verification run finds, beside encoders and images."""

    tasks: tuple[str, ...]
    hide: tuple[str, ...]
    keep: tuple[str, ...]
    encoder: EncoderSettings
    classifier: ClassifierSettings
    preprocessing: Preprocessing
    split: SplitRecipe
    attack: AttackSettings
    seed: int

    def role(self, task: str) -> Role:
        """What the encoder was asked to do with a task."""
        return "hide" if task in self.hide else "keep" if task in self.keep else "other"


def subjects_of(
    encoder: FrozenEncoder | None,
    baselines: Sequence[BaselineName],
    settings: EncoderSettings,
    attack: AttackSettings,
) -> list[Subject]:
    """The encoders under attack, in the order of the table: baselines first, as in Table 2."""
    subjects: list[Subject] = []
    if "identity" in baselines:
        identity = Identity(settings)
        # A crop of an image costs no encoding: every batch gets new ones.
        subjects.append(
            Subject("identity", "identity", identity, identity.code_shape, ON_IMAGES, 0, "identity", {})
        )
    if "blur" in baselines:
        blur = Blur(settings)
        digest = f"blur {blur.window} {blur.stride}"
        subjects.append(Subject("blur", "blur", blur, blur.code_shape, ON_CODES, attack.views, digest, {}))
    if encoder is not None:
        card = encoder.card
        # Names stay where the user put them: in the plan. An anonymous file tells none.
        about = dict(card.training) | {"hide": card.hide, "keep": card.keep}
        shape = card.encoder.code_shape
        subjects.append(
            Subject(
                "encoder", "trained", encoder.network, shape, ON_CODES, attack.views, encoder.digest, about
            )
        )
    return subjects


class Suite:
    """Every attack of a verification run: subjects x tasks. Cells that the folder holds are not run again."""

    def __init__(
        self,
        table: ImageTable,
        subjects: Sequence[Subject],
        plan: VerificationPlan,
        folder: Path,
        progress: Progress | None = None,
    ) -> None:
        known_names(plan.tasks, table.categories, "tasks")
        self.table, self.subjects, self.plan, self.folder = table, subjects, plan, folder
        self.progress = progress or Silent()
        self.parts: Split = split(table.keys, plan.split.seed, plan.split.fractions)
        self.tasks = [Task((name,), table.categories) for name in plan.tasks]
        rows = (self.parts.training, self.parts.validation, self.parts.test)
        self.labels = Labels(*(table.labels[each] for each in rows))
        require_every_category(asdict(self.labels), table.categories)
        self._data_digest = table.digest()
        self._progress_lock = Lock()
        self._stop = Event()

    def run(self, workers: int) -> tuple[Cell, ...]:
        """All cells, in the order of the table; `workers` attacks run side by side, one thread each."""
        (self.folder / "cells").mkdir(exist_ok=True)
        cells: dict[tuple[str, str], Cell] = {}
        for subject in self.subjects:
            open_tasks = []
            for task in self.tasks:
                finished = self._read_cell(subject, task)
                if finished is None:
                    open_tasks.append(task)
                else:
                    cells[subject.name, str(task)] = finished
            if open_tasks:
                done = self._attack_subject(subject, open_tasks, workers)
                cells |= {(cell.encoder, cell.task): cell for cell in done}
        return tuple(cells[subject.name, str(task)] for subject in self.subjects for task in self.tasks)

    def encode(self, subject: Subject) -> Codes:
        """Codes of all parts for one subject, with progress."""
        views = subject.views
        parts = self.parts
        images = views * len(parts.training) + len(parts.validation) + len(parts.test)
        self.progress.start(f"encoding with {subject.name}", images)
        seed = derive_seed(self.plan.seed, "views")
        try:
            return encode_table(
                subject.network, self.plan.preprocessing, self.table, parts, views, seed, self.progress
            )
        finally:
            self.progress.stop()

    def _attack_subject(self, subject: Subject, tasks: Sequence[Task], workers: int) -> list[Cell]:
        codes = self.encode(subject)
        self.progress.start(f"attacks on {subject.name}", len(tasks) * self.plan.attack.max_iterations)
        threads = torch.get_num_threads()
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            futures = [pool.submit(self._attack_cell, subject, codes, task) for task in tasks]
            try:
                return [future.result() for future in futures]
            except BaseException:
                # Ctrl-C: running attacks end at their next evaluation, those that wait never start.
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise
            finally:
                self.progress.stop()
                torch.set_num_threads(threads)

    def _attack_cell(self, subject: Subject, codes: Codes, task: Task) -> Cell:
        plan, started = self.plan, time.monotonic()
        settings = at_rate(plan.attack, subject.attacker.rate(plan.attack))
        seed = derive_seed(plan.seed, "attack", 0)
        network = build_network(
            subject.attacker, plan.encoder, plan.classifier, codes.shape, task.classes, seed
        )

        def watch(point: Point) -> None:
            if self._stop.is_set():
                raise KeyboardInterrupt
            with self._progress_lock:
                figure = f"{100 * point.val_accuracy:.1f}%"
                self.progress.advance(settings.evaluate_every, **{str(task): figure})

        try:
            outcome = attack(
                network, codes, self.labels, task, settings, seed, bf16=subject.attacker.bf16, watch=watch
            )
        except ScotomaError as error:
            cell, predictions = self._failed_cell(subject, task, settings, str(error), started), {}
        else:
            cell = self._cell(subject, task, settings, outcome, started)
            predictions = self._predictions(task, outcome.test_logits)
        with self._progress_lock:
            left = settings.max_iterations - cell.iterations
            self.progress.advance(max(left, 0))
        self._write_cell(subject, task, cell, predictions)
        return cell

    def _cell(
        self, subject: Subject, task: Task, settings: AttackSettings, outcome: Outcome, started: float
    ) -> Cell:
        labels = self.labels.test
        classes = task.classes_of(labels)
        weights = image_weights(task, labels)
        logits = outcome.test_logits.double()
        probability = logits.softmax(dim=1)[:, 1].numpy()
        correct = logits.argmax(dim=1).numpy() == classes
        interval = balanced_accuracy_interval(correct, labels, task)
        losses = torch.nn.functional.cross_entropy(logits, torch.from_numpy(classes), reduction="none")
        test_cross_entropy = float((losses.numpy() * weights).sum() / weights.sum())
        rising = "validation was still rising at the budget's end"
        return Cell(
            encoder=subject.name,
            task=str(task),
            role=self.plan.role(str(task)),
            attacker=subject.attacker.name,
            seed=self.plan.seed,
            state=outcome.state,
            val_accuracy=outcome.best.val_accuracy,
            test_accuracy=interval.estimate,
            test_low=interval.low,
            test_high=interval.high,
            floor=self._floor(task),
            auc=auc(probability, classes, weights),
            cross_entropy=test_cross_entropy,
            bits=bits(test_cross_entropy, task.classes),
            iterations=outcome.history[-1].iteration,
            seconds=round(time.monotonic() - started, 1),
            counts=self._counts(task),
            curve=outcome.history,
            settings=to_dict(settings),
            note="" if outcome.state == "done" else rising,
        )

    def _failed_cell(
        self, subject: Subject, task: Task, settings: AttackSettings, reason: str, started: float
    ) -> Cell:
        return Cell(
            encoder=subject.name,
            task=str(task),
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
            note=reason,
        )

    def _floor(self, task: Task) -> float:
        # Images of another group may show none of a kept category: then its label never comes.
        kept = [name for name in self.plan.keep if name in task.categories]
        return label_only_floor(task, kept, self.labels.training, self.labels.test)

    def _counts(self, task: Task) -> Counts:
        counts = []
        for labels in (self.labels.training, self.labels.validation, self.labels.test):
            positive = int((task.classes_of(labels) > 0).sum())
            counts += [positive, len(labels) - positive]
        return Counts(*counts)

    def _predictions(self, task: Task, logits: Tensor) -> dict[str, list[Any]]:
        rows = self.parts.test
        return {
            "key": self.table.keys[rows].tolist(),
            "category": [self.table.categories[label] for label in self.table.labels[rows]],
            "positive": (task.classes_of(self.table.labels[rows]) > 0).tolist(),
            "probability": [round(value, 6) for value in logits.double().softmax(dim=1)[:, 1].tolist()],
        }

    def _fingerprint(self, subject: Subject, task: Task) -> str:
        """What a cell depends on: the encoder, the images, the task and every setting but the other tasks."""
        plan = to_dict(self.plan)
        del plan["tasks"]
        about = [subject.digest, subject.attacker.name, str(task), plan, self._data_digest]
        return blake2b(dumps(about, sort_keys=True).encode(), digest_size=16).hexdigest()

    def _cell_path(self, subject: Subject, task: Task) -> Path:
        return self.folder / "cells" / f"{quote(subject.name, safe='')}--{quote(str(task), safe='')}.json"

    def _write_cell(
        self, subject: Subject, task: Task, cell: Cell, predictions: dict[str, list[Any]]
    ) -> None:
        content = {
            "format": CELL_FORMAT,
            "version": CELL_VERSION,
            "fingerprint": self._fingerprint(subject, task),
            "cell": asdict(cell),
            "predictions": predictions,
        }
        write_json(self._cell_path(subject, task), content)

    def _read_cell(self, subject: Subject, task: Task) -> Cell | None:
        path = self._cell_path(subject, task)
        if not path.exists():
            return None
        content = read_json(path, CELL_FORMAT, CELL_VERSION)
        if content.get("fingerprint") != self._fingerprint(subject, task):
            return None
        cell = build(Cell, content["cell"], str(path))
        return None if cell.state == "failed" else cell


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
