"""What follows from what the attackers said? The winner is looked at once; the others never."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from scotoma.audit import task_flags
from scotoma.audit.examples import Examples, Logits
from scotoma.audit.protocol import Said, winner_of
from scotoma.audit.suites import Attacker
from scotoma.data.tasks import Task
from scotoma.runs.leaks import LEVEL, MOST_MISSED, holm
from scotoma.runs.results import Role
from scotoma.runs.verdict import ORIGINALS, Attempt, Flag, Outcome, Reference, TaskVerdict, Winner
from scotoma.verification.significance import (
    bits_with_limit,
    paired_excess,
    true_positives_at,
)
from scotoma.verification.statistics import accuracy_interval, auc
from scotoma.verification.strata import Bools, Strata, Units


@dataclass(frozen=True, eq=False)
class Case:
    """A task with everything that its verdict rests on.

    `known_right` (test images,) says which test images somebody gets right who knows the kept labels only;
    `units` (test images,) which belong together, None if each is its own, as `choosing_units` says of the
    choosing half. `training_error` is that of the accuracy of an attacker who guesses, on the fewest of the
    images that training accuracies are taken on.
    """

    task: Task
    role: Role
    floor: float
    choosing: Examples
    choosing_units: Units | None
    test: Examples
    known_right: npt.NDArray[np.bool_]
    units: npt.NDArray[np.str_] | None
    training_error: float
    counts: Mapping[str, tuple[int, ...]]
    found: Sequence[list[Said] | Attempt]
    references: tuple[Reference, ...]
    code_length: float | None


def judge(
    cases: Sequence[Case], attackers: Sequence[Attacker], encoder_flags: Sequence[Flag], seed: int
) -> tuple[tuple[TaskVerdict, ...], tuple[Flag, ...]]:
    """The verdict on each task, and all flags: those of the encoder and those of the tasks.

    A hidden task *leaks* when Holm's correction over all hidden tasks leaves p at most .025. There is *no
    leak found* when it does not and no flag blocks that.
    """
    tests = sum(case.role == "hide" and winner_of(case.found) is not None for case in cases)
    winners = [look(case, seed, tests if case.role == "hide" else 1) for case in cases]
    hidden = [index for index, case in enumerate(cases) if case.role == "hide" and winners[index] is not None]
    corrected = holm([winner.p for index in hidden if (winner := winners[index]) is not None])
    p_values = dict(zip(hidden, corrected, strict=True))
    verdicts, said = [], list(encoder_flags)
    for index, case in enumerate(cases):
        winner = winners[index]
        if winner is not None:
            winner = replace(winner, p_holm=p_values.get(index, winner.p))
        raised = flags_of(case, winner, attackers, seed)
        said += raised
        blocking = [each.said for each in (*encoder_flags, *raised) if each.blocks]
        verdicts.append(_verdict(case, winner, blocking))
    return tuple(verdicts), tuple(said)


def look(case: Case, seed: int, tests: int = 1) -> Winner | None:
    """The one look at the test labels, with the winner; None where every attempt failed. So many `tests` are
    corrected for each other.
    """
    winner = winner_of(case.found)
    if winner is None:
        return None
    attempt, test = winner.attempt, case.test
    right = winner.test.argmax(axis=1) == test.classes
    interval = accuracy_interval(right, test.labels, case.task, case.units, seed)
    excess = paired_excess(right, case.known_right, test.labels, case.task, case.units, tests)
    losses = F.nll_loss(torch.from_numpy(winner.test), torch.from_numpy(test.classes), reduction="none")
    bits, bits_low = bits_with_limit(losses.numpy(), test.labels, case.task, case.units)
    return Winner(
        attempt.attacker,
        attempt.sees,
        attempt.seed,
        interval.estimate,
        interval.low,
        interval.high,
        excess.estimate,
        excess.low,
        excess.p,
        excess.p,
        excess.smallest_leak,
        auc(np.exp(winner.test), test.classes, test.weights),
        bits,
        bits_low,
        _true_positives(winner.test, test),
    )


def flags_of(case: Case, winner: Winner | None, attackers: Sequence[Attacker], seed: int) -> list[Flag]:
    """What makes the verdict on a task doubtful."""
    attempts = attempts_of(case)
    more_than = {each.name: each.more_than for each in attackers if each.more_than}
    found = [
        task_flags.failed(attempts),
        task_flags.below_chance_on_training(attempts, 1 / case.task.classes, case.training_error),
    ]
    if case.role == "hide":
        known = accuracy_interval(case.known_right, case.test.labels, case.task, case.units, seed)
        found.append(task_flags.dependent_labels(case.floor, known.low, 1 / case.task.classes))
        original = next((each for each in case.references if each.name == ORIGINALS), None)
        found.append(task_flags.originals_not_read(original, case.floor))
    if winner is not None:
        choosing = _Choosing.of(case)
        found += [
            task_flags.bigger_is_worse(attempts, more_than, choosing.error_of_difference),
            task_flags.still_rising(attempts, winner),
            task_flags.too_few_validation_images(len(choosing.right), choosing.error(winner.name)),
            task_flags.too_few_test_images(winner.smallest_leak),
            task_flags.winner_below_floor(winner, floor_is_guessing=case.floor == 1 / case.task.classes),
        ]
    return [replace(each, task=str(case.task)) for each in found if each is not None]


@dataclass(frozen=True, eq=False)
class _Choosing:
    """The half of the validation images that the winner is chosen by, and which of them each attempt got
    right, (images,), by its name.
    """

    task: Task
    strata: Strata
    right: Mapping[str, Bools]

    @staticmethod
    def of(case: Case) -> "_Choosing":
        half = case.choosing
        every = [one for each in case.found if isinstance(each, list) for one in each]
        right = {one.attempt.name: one.choosing.argmax(axis=1) == half.classes for one in every}
        strata = Strata.of(half.labels, case.task.category_weights(), case.choosing_units)
        return _Choosing(case.task, strata, right)

    def error(self, attempt: str) -> float:
        """Of the accuracy of somebody who finds what must not be missed. How much images agree that belong
        together is taken from an attempt.
        """
        accuracy = min(1 / self.task.classes + MOST_MISSED, 0.5)
        return self.strata.error_of(self._right(attempt), accuracy * (1 - accuracy))[0]

    def error_of_difference(self, one: Attempt, other: Attempt) -> tuple[float, float]:
        """Of two attempts' accuracies on the same images, and its degrees of freedom."""
        return self.strata.error_of(self._right(one.name) - self._right(other.name))

    def _right(self, attempt: str) -> npt.NDArray[np.float64]:
        return self.right[attempt].astype(np.float64)


def attempts_of(case: Case) -> tuple[Attempt, ...]:
    """Every attempt, the best on the choosing half first, those that failed last."""
    attempts: list[Attempt] = []
    for each in case.found:
        attempts += [said.attempt for said in each] if isinstance(each, list) else [each]
    return tuple(sorted(attempts, key=lambda each: -(each.choosing or 0.0)))


def _verdict(case: Case, winner: Winner | None, blocking: Sequence[str]) -> TaskVerdict:
    outcome: Outcome = "inconclusive"
    if winner is not None and winner.p_holm <= LEVEL:
        outcome = "leaks"
    elif winner is not None and not blocking:
        outcome = "no leak found"
    reasons = tuple(blocking) if outcome == "inconclusive" else ()
    if winner is None:
        reasons = ("every attack failed" if case.found else "too few images to learn from",)
    return TaskVerdict(
        str(case.task),
        case.role,
        case.task.class_names,
        case.floor,
        outcome,
        attempts_of(case),
        case.references,
        case.counts,
        winner,
        case.code_length,
        reasons,
    )


def _true_positives(logits: Logits, test: Examples) -> float | None:
    if logits.shape[1] != 2:
        return None
    return true_positives_at(logits[:, 1] - logits[:, 0], test.classes == 1)
