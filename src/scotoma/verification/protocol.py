"""How is one attribute attacked on one frozen encoder? Section 4.1, 'Verification Protocol'."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from scotoma.data.sampling import BalancedRows, Rows, generator
from scotoma.data.tasks import Task
from scotoma.errors import ScotomaError
from scotoma.metrics import balanced_accuracy, balanced_cross_entropy, image_weights, logits_of
from scotoma.objectives import cross_entropy
from scotoma.runs.results import Point, State
from scotoma.verification.calibration import Calibration, calibrate
from scotoma.verification.codes import Codes
from scotoma.verification.saturation import stage
from scotoma.verification.settings import AttackSettings


@dataclass(frozen=True, eq=False)
class Labels:
    """Categories of the images of each part, in the order of the codes."""

    training: Rows
    validation: Rows
    test: Rows


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished attack: its history, how it ended, and the chosen weights' calibrated logits on the test
    images.
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
    """Train `network` from scratch until validation saturates, drop the rate, train until it saturates again.

    Validation figures are those of calibrated logits (see `calibration`). The weights with the lowest
    validation cross-entropy are kept: the second rate starts from them, and with them and their calibration
    the test images are looked at, once. An attacker that is still improving when `max_iterations` is
    reached is 'inconclusive'.

    Raises:
        ScotomaError: a loss that is not finite.
    """
    student = _Student(network, codes, labels, task, settings, seed, bf16)
    history: list[Point] = []
    best: Point | None = None
    rate = settings.rate
    student.start_at(rate)
    while len(history) * settings.evaluate_every < settings.max_iterations:
        point = student.look(rate, *student.learn(len(history) * settings.evaluate_every))
        history.append(point)
        watch(point)
        if best is None or point.val_cross_entropy < best.val_cross_entropy:
            best, best_weights, calibration = point, _weights(network), student.calibration
        now = stage(history, settings)
        if now == "saturated":
            break
        if now == "second rate" and rate == settings.rate:
            rate *= settings.drop
            network.load_state_dict(best_weights)
            student.start_at(rate)
    assert best is not None  # max_iterations is at least 1
    network.load_state_dict(best_weights)
    done = stage(history, settings) == "saturated"
    test_logits = calibration(logits_of(network, codes.test, bf16=bf16))
    return Outcome(tuple(history), "done" if done else "inconclusive", best, test_logits)


class _Student:
    """The attacker between two looks at the validation images."""

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
        self.val_classes = torch.from_numpy(task.classes_of(labels.validation))
        self.val_weights = torch.from_numpy(image_weights(task, labels.validation))
        self.calibration = Calibration(1.0, torch.zeros(task.classes))
        network.train()

    def start_at(self, rate: float) -> None:
        """A new optimiser: moments of another rate, and of other weights, are forgotten."""
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=rate, fused=True)

    def learn(self, first: int) -> tuple[int, float]:
        """`evaluate_every` updates from iteration `first` on: iterations so far, and mean training
        cross-entropy.

        Batch t is a pure function of (seed, t).
        """
        total = torch.zeros(())
        last = min(first + self.settings.evaluate_every, self.settings.max_iterations)
        for number in range(first, last):
            random = generator(self.seed, number)
            positions, classes = self.rows.draw(self.settings.batch, random)
            batch = self.codes.training.draw(positions, random)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                logits = self.network(batch).float()
            loss = cross_entropy(logits, torch.from_numpy(classes))
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            total += loss.detach()
        return last, float(total) / (last - first)

    def look(self, rate: float, iteration: int, train_cross_entropy: float) -> Point:
        """The figures on the validation images, calibrated on them."""
        logits = logits_of(self.network, self.codes.validation, bf16=self.bf16)
        truth = self.val_classes, self.val_weights
        if not (math.isfinite(train_cross_entropy) and bool(logits.isfinite().all())):
            raise _Diverged(
                f"The attack became unstable before iteration {iteration}: its loss is not a finite number. "
                "Lower the attackers' 'rate' ('image_rate' on original images) in [verification]."
            )
        self.calibration = calibrate(logits, *truth)
        figures = (self.calibration(logits), *truth)
        val_cross_entropy, val_accuracy = balanced_cross_entropy(*figures), balanced_accuracy(*figures)
        return Point(iteration, rate, train_cross_entropy, val_cross_entropy, val_accuracy)


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def at_rate(settings: AttackSettings, rate: float) -> AttackSettings:
    """The same attack at another first rate."""
    return replace(settings, rate=rate)
