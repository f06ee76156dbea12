"""How is one attacker trained and judged, without a look at the test labels?"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import log_softmax

from scotoma.audit.examples import Encoded, Examples, Logits, Occasion
from scotoma.audit.material import Material
from scotoma.audit.suites import Attacker, Committee
from scotoma.data.tasks import Task
from scotoma.errors import ScotomaError
from scotoma.metrics import balanced_accuracy, balanced_cross_entropy
from scotoma.runs.verdict import Attempt, Sees
from scotoma.verification.calibration import calibrate

DECIMALS = 6
# Images on which the accuracy on own training images is taken, as many of each class as there are: of a
# random choice a rare class would have few.
MOST_TRAINING = 4000


@dataclass(frozen=True, eq=False)
class Said:
    """What an attacker says of the images of the choosing half and of the test part of which the label is
    known: calibrated log-probabilities (images, classes). `cross_entropy` is that on the choosing half, in
    nats.
    """

    attempt: Attempt
    cross_entropy: float
    choosing: Logits
    test: Logits


def attack_once(
    attacker: Attacker, material: Material, sees: Sees, occasion: Occasion, number: int
) -> list[Said]:
    """Train one attacker, calibrate it on the stopping half, and let it speak of the other images.

    Test codes are read, test labels are not. Further ways to read with what was learned ("votes") are
    attempts of their own.

    Raises:
        ScotomaError: the attacker cannot go on (a loss that is not finite).
    """
    begun = time.monotonic()
    task = occasion.task
    training, stopping = material.examples(task, sees), material.examples(task, "stopping")
    learned = attacker.learn(training, stopping, occasion)
    choosing, test = material.examples(task, "choosing"), material.examples(task, "test")
    some = training.at_most(MOST_TRAINING)
    found = []
    reads: Mapping[str, Callable[[Encoded], Logits]] = {"": learned.read, **learned.also}
    for name, read in reads.items():
        raw = _finite(read)
        of_stopping = raw(stopping.codes)
        calibrated = _calibration(of_stopping, stopping)
        said = {part: calibrated(raw(each.codes)) for part, each in (("choosing", choosing), ("test", test))}
        attempt = Attempt(
            attacker=f"{attacker.name}, {name}" if name else attacker.name,
            sees=sees,
            seed=number,
            state="inconclusive" if learned.rising else "done",
            # As it learned: where there is nothing to find, calibration turns what it says round by chance.
            training=_accuracy(raw(some.codes), some),
            stopping=_accuracy(calibrated(of_stopping), stopping),
            choosing=_accuracy(said["choosing"], choosing),
            seconds=0.0 if name else round(time.monotonic() - begun, 1),
            details=dict(learned.details),
            note="validation was still rising at the budget's end" if learned.rising else "",
        )
        found.append(Said(attempt, _cross_entropy(said["choosing"], choosing), **said))
    return found


def together(
    committee: Committee, sees: Sees, found: Sequence[list[Said] | Attempt], material: Material, task: Task
) -> list[Said]:
    """What the members say together that learned from the same images: the mean of their log-probabilities.
    Nothing where there are fewer than two.
    """
    members = [
        one
        for each in found
        if isinstance(each, list)
        # Other ways to read with what was learned are no members of their own.
        for one in each[:1]
        if one.attempt.sees == sees and one.attempt.attacker in (committee.members or (one.attempt.attacker,))
    ]
    if len(members) < 2:
        return []
    choosing, test = (
        _normalised(np.mean([getattr(each, part) for each in members], axis=0))
        for part in ("choosing", "test")
    )
    examples = material.examples(task, "choosing")
    attempt = Attempt(
        attacker=committee.name,
        sees=sees,
        seed=0,
        state="done",
        training=None,
        stopping=None,
        choosing=_accuracy(choosing, examples),
        seconds=0.0,
        details={"members": len(members)},
    )
    return [Said(attempt, _cross_entropy(choosing, examples), choosing, test)]


def failed(attacker: Attacker, sees: Sees, number: int, reason: str, seconds: float) -> Attempt:
    """The attempt of an attacker that could not go on."""
    return Attempt(attacker.name, sees, number, "failed", None, None, None, round(seconds, 1), note=reason)


def winner_of(found: Sequence[list[Said] | Attempt]) -> Said | None:
    """The highest accuracy on the choosing half; of equal ones the lowest cross-entropy. None where every
    attempt failed.
    """
    said = [one for each in found if isinstance(each, list) for one in each]
    return max(said, key=lambda each: (each.attempt.choosing or 0.0, -each.cross_entropy), default=None)


def _normalised(logits: Logits) -> Logits:
    said: Logits = log_softmax(logits, axis=1)
    return said


def _finite(read: Callable[[Encoded], Logits]) -> Callable[[Encoded], Logits]:
    def raw(codes: Encoded) -> Logits:
        logits = np.asarray(read(codes), np.float64)
        if not np.isfinite(logits).all():
            raise ScotomaError("it says numbers that are not finite")
        return logits

    return raw


def _calibration(of_stopping: Logits, stopping: Examples) -> Callable[[Logits], Logits]:
    """Logits to calibrated log-probabilities, as those of the stopping half teach."""
    # Decision values of any scale: brought to one that calibration starts well from.
    there = torch.from_numpy(of_stopping)
    scale = float(there.std()) or 1.0
    fitted = calibrate(there / scale, torch.from_numpy(stopping.classes), torch.from_numpy(stopping.weights))

    def calibrated(logits: Logits) -> Logits:
        # Rounded as they are kept: what is read again gives the same verdict.
        said: Logits = fitted(torch.from_numpy(logits) / scale).log_softmax(dim=1).numpy().round(DECIMALS)
        return said

    return calibrated


def _accuracy(logits: Logits, examples: Examples) -> float:
    return balanced_accuracy(*_tensors(logits, examples))


def _cross_entropy(logits: Logits, examples: Examples) -> float:
    return balanced_cross_entropy(*_tensors(logits, examples))


def _tensors(logits: Logits, examples: Examples) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return (
        torch.from_numpy(logits),
        torch.from_numpy(examples.classes),
        torch.from_numpy(examples.weights),
    )
