"""How is one attribute attacked on one frozen encoder? Section 4.1, 'Verification Protocol'."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from scotoma.data.sampling import BalancedRows, Rows, generator
from scotoma.data.table import MISSING
from scotoma.data.tasks import Task
from scotoma.errors import ScotomaError
from scotoma.metrics import balanced_accuracy, balanced_cross_entropy, image_weights, logits_of
from scotoma.networks.adam import Adam, warming_up
from scotoma.networks.running_average import RunningAverage
from scotoma.objectives import cross_entropy
from scotoma.runs.results import Point, State
from scotoma.verification.calibration import Calibration, calibrate
from scotoma.verification.codes import Codes
from scotoma.verification.saturation import stage
from scotoma.verification.settings import AttackSettings

FIRST_LOOK = 16  # iterations before it, with the schedule 'averaged'

Weights = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Labels:
    """Categories of the images of each part, in the order of the codes."""

    training: Rows
    validation: Rows
    test: Rows


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished attack: its history, how it ended, and the chosen weights' calibrated logits on the test
    images of which the label is known.
    """

    history: tuple[Point, ...]
    state: State
    best: Point
    test_logits: Tensor


class _Diverged(ScotomaError):
    """The attacker's loss is not a finite number."""


def attack(
    network: nn.Module,
    codes: Codes,
    labels: Labels,
    task: Task,
    settings: AttackSettings,
    seed: int,
    *,
    bf16: bool = False,
    watch: Callable[[Point], None] = lambda point: None,
) -> Outcome:
    """Train `network` from scratch until validation saturates, as `settings.schedule` says.

    'literal': at the given rate, then, from the best weights, at the dropped one. 'averaged': at the given
    rate alone; what is looked at and kept is a running average of the weights.

    Validation figures are those of calibrated logits (see `calibration`). The weights with the lowest
    validation cross-entropy are kept: with them and their calibration the test images are looked at, once. An
    attacker that is still improving when `max_iterations` is reached is 'inconclusive'.

    Raises:
        ScotomaError: a loss that is not finite.
    """
    student = _Student(network, codes, labels, task, settings, seed, bf16)
    while student.iteration < settings.max_iterations:
        watch(student.advance())
        now = stage(student.history, settings)
        if now == "saturated":
            break
        if now == "second rate" and student.rate == settings.rate:
            student.go_on_at(settings.rate * settings.drop)
    network.load_state_dict(student.best_weights)
    done = stage(student.history, settings) == "saturated"
    test_logits = student.calibration(logits_of(network, codes.test, bf16=bf16)[_known(labels.test)])
    return Outcome(tuple(student.history), "done" if done else "inconclusive", student.best, test_logits)


class _Student:
    """An attacker in training: its history, and its best weights so far."""

    best: Point
    best_weights: Weights
    calibration: Calibration

    def __init__(
        self,
        network: nn.Module,
        codes: Codes,
        labels: Labels,
        task: Task,
        settings: AttackSettings,
        seed: int,
        bf16: bool,
    ) -> None:
        self.network, self.codes, self.settings, self.seed, self.bf16 = network, codes, settings, seed, bf16
        self.rows = BalancedRows(labels.training, np.arange(len(labels.training)), task)
        self.val_known = _known(labels.validation)
        known = labels.validation[self.val_known.numpy()]
        self.val_classes = torch.from_numpy(task.classes_of(known))
        self.val_weights = torch.from_numpy(image_weights(task, known))
        self.history: list[Point] = []
        self.iteration = 0
        self._start_at(settings.rate)

    def go_on_at(self, rate: float) -> None:
        """From the best weights, at another rate."""
        self.network.load_state_dict(self.best_weights)
        self._start_at(rate)

    def advance(self) -> Point:
        """Some updates and a look at the validation images."""
        left = self.settings.max_iterations - self.iteration
        train_cross_entropy = self._learn(min(self._updates_to_a_look(), left))
        point = self._look(train_cross_entropy)
        self.history.append(point)
        return point

    def _updates_to_a_look(self) -> int:
        every = self.settings.evaluate_every
        if self.settings.schedule == "literal":
            return every
        # A quick learner is at its best before the first regular look: each of the first comes at twice the
        # iterations of the one before.
        return min(every, max(FIRST_LOOK, self.iteration))

    def _start_at(self, rate: float) -> None:
        """A new optimiser: moments of another rate, and of other weights, are forgotten."""
        self.rate = rate
        self.network.train()
        self.optimiser = Adam(self.network.parameters(), rate)
        self.average = RunningAverage(self.network) if self.settings.schedule == "averaged" else None
        # What is looked at and kept: the network itself, or the average of what it was lately.
        self.looked_at = self.average.network if self.average else self.network

    def _learn(self, updates: int) -> float:
        """So many updates; returns their mean training cross-entropy.

        Batch t is a pure function of (seed, t).
        """
        total = torch.zeros(())
        for _ in range(updates):
            random = generator(self.seed, self.iteration)
            positions, classes = self.rows.draw(self.settings.batch, random)
            batch = self.codes.training.draw(positions, random)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                logits = self.network(batch).float()
            loss = cross_entropy(logits, torch.from_numpy(classes))
            self.optimiser.zero_grad()
            loss.backward()
            if self.average:
                self.optimiser.rate = warming_up(self.rate, self.iteration)
            self.optimiser.step()
            self.iteration += 1
            if self.average:
                self.average.update(self.iteration)
            total += loss.detach()
        return float(total) / updates

    def _look(self, train_cross_entropy: float) -> Point:
        """The figures on the validation images, calibrated on them."""
        logits = logits_of(self.looked_at, self.codes.validation, bf16=self.bf16)[self.val_known]
        truth = self.val_classes, self.val_weights
        if not (math.isfinite(train_cross_entropy) and bool(logits.isfinite().all())):
            raise _Diverged(
                f"The attack became unstable before iteration {self.iteration}: its loss is not a finite "
                "number. Lower the attackers' 'rate' ('image_rate' on original images) in [verification]."
            )
        calibration = calibrate(logits, *truth)
        figures = (calibration(logits), *truth)
        val_cross_entropy, val_accuracy = balanced_cross_entropy(*figures), balanced_accuracy(*figures)
        point = Point(self.iteration, self.rate, train_cross_entropy, val_cross_entropy, val_accuracy)
        if not self.history or val_cross_entropy < self.best.val_cross_entropy:
            self.best, self.best_weights, self.calibration = point, _weights(self.looked_at), calibration
        return point


def _known(labels: Rows) -> Tensor:
    """Places of the images of which the label is not missing."""
    return torch.from_numpy(np.flatnonzero(labels != MISSING))


def _weights(network: nn.Module) -> Weights:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def at_rate(settings: AttackSettings, rate: float) -> AttackSettings:
    """The same attack at another first rate."""
    return replace(settings, rate=rate)
