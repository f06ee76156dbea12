"""How is one attribute attacked on one frozen encoder? Section 4.1, 'Verification Protocol'."""

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
    """A finished attack: its history, how it ended, and the logits of the chosen weights on the test images."""

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

    The weights with the lowest validation cross-entropy are kept: the second rate starts from them, and with them the
    test images are looked at, once. An attacker that is still improving when `max_iterations` is reached is
    'inconclusive'.

    Raises:
        ScotomaError: a loss that is not finite.
    """
    balanced = BalancedRows(labels.training, np.arange(len(labels.training)), task)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.rate, fused=True)
    history: list[Point] = []
    best, best_weights, rate = None, _weights(network), settings.rate
    network.train()
    while len(history) * settings.evaluate_every < settings.max_iterations:
        train_loss = _train(network, optimiser, codes, balanced, settings, seed, len(history), bf16)
        point = _evaluate(network, codes, labels, task, rate, train_loss, len(history) + 1, settings)
        history.append(point)
        watch(point)
        if best is None or point.val_cross_entropy < best.val_cross_entropy:
            best, best_weights = point, _weights(network)
        now = stage(history, settings)
        if now == "saturated":
            break
        if now == "second rate" and rate == settings.rate:
            rate *= settings.drop
            network.load_state_dict(best_weights)
            optimiser = torch.optim.Adam(network.parameters(), lr=rate, fused=True)
    assert best is not None
    network.load_state_dict(best_weights)
    done = stage(history, settings) == "saturated"
    return Outcome(tuple(history), "done" if done else "inconclusive", best, logits_of(network, codes.test))


def _train(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    codes: Codes,
    balanced: BalancedRows,
    settings: AttackSettings,
    seed: int,
    evaluations: int,
    bf16: bool,
) -> float:
    """`evaluate_every` updates; mean training cross-entropy. Batch t is a pure function of (seed, t)."""
    total = torch.zeros(())
    first = evaluations * settings.evaluate_every
    last = min(first + settings.evaluate_every, settings.max_iterations)
    for number in range(first, last):
        random = generator(seed, number)
        positions, classes = balanced.draw(settings.batch, random)
        batch = codes.training.draw(positions, random)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = network(batch).float()
        loss = cross_entropy(logits, torch.from_numpy(classes))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += loss.detach()
    if not bool(total.isfinite()):
        raise _Diverged(
            f"The attack became unstable before iteration {last}: its loss is not a finite number. Lower the "
            "attackers' 'rate' in [verification]."
        )
    return float(total) / (last - first)


def _evaluate(
    network: nn.Module,
    codes: Codes,
    labels: Labels,
    task: Task,
    rate: float,
    train_loss: float,
    evaluations: int,
    settings: AttackSettings,
) -> Point:
    figures = (
        logits_of(network, codes.validation),
        torch.from_numpy(task.classes_of(labels.validation)),
        torch.from_numpy(image_weights(task, labels.validation)),
    )
    return Point(
        iteration=min(evaluations * settings.evaluate_every, settings.max_iterations),
        rate=rate,
        train_cross_entropy=train_loss,
        val_cross_entropy=balanced_cross_entropy(*figures),
        val_accuracy=balanced_accuracy(*figures),
    )


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def at_rate(settings: AttackSettings, rate: float) -> AttackSettings:
    """The same attack at another first rate."""
    return replace(settings, rate=rate)
