"""What did a suite of attackers find, in sentences that somebody reads who has never heard of a classifier?

Nothing is claimed that the verdict does not carry: *no leak found* is said with the smallest leak that these
test images would have shown, *inconclusive* with its reasons.
"""

import math
from collections.abc import Mapping, Sequence

from scotoma.reports.verdict import percent
from scotoma.runs.results import Role
from scotoma.runs.verdict import ORIGINALS, Flag, Reference, Sees, TaskVerdict, Verdict, Winner

WORDS = {
    "leaks": "Leaks",
    "no leak found": "No leak found at this power",
    "inconclusive": "Inconclusive",
    "nothing hidden": "Nothing was to be hidden",
}
# On which images an attacker learned: in a table, and in a sentence.
SEES: Mapping[Sees, str] = {"same": "the encoder's", "fresh": "fresh", "all": "all"}
LEARNED_ON: Mapping[Sees, str] = {
    "same": "images that the encoder was trained on",
    "fresh": "images that the encoder has not seen",
    "all": "all images that are not held out",
}
_ROLES: Sequence[Role] = ("hide", "keep", "other")


def in_order(verdict: Verdict) -> tuple[TaskVerdict, ...]:
    """Hidden tasks first, then kept ones, then the others."""
    return tuple(sorted(verdict.tasks, key=lambda task: _ROLES.index(task.role)))


def tasks_with(verdict: Verdict, role: Role) -> tuple[TaskVerdict, ...]:
    """The tasks with a role."""
    return tuple(task for task in verdict.tasks if task.role == role)


def without_winner(task: TaskVerdict) -> str:
    """Why a task has no winner."""
    return task.reasons[0] if task.reasons else "every attack failed"


def task_said(verdict: Verdict, task: TaskVerdict) -> str:
    """What was found of one task, in one to three sentences. Names stand in backticks."""
    if task.role == "hide":
        return _hidden(verdict, task)
    return _kept(verdict, task) if task.role == "keep" else _other(verdict, task)


def points(difference: float) -> str:
    """A difference of accuracies in points, with its sign."""
    return f"{round(100 * difference, 1) + 0.0:+.1f}"  # no -0.0


def probability(p: float) -> str:
    """A p-value in two digits: "0.031", or "< 0.0001"."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def original(task: TaskVerdict) -> Reference | None:
    """What attackers reach on the original images, where that is known."""
    found = (each for each in task.references if each.name == ORIGINALS and each.accuracy is not None)
    return next(found, None)


def can_be_read(task: TaskVerdict) -> bool | None:
    """Whether an attacker is better than guessing; None where none has a figure."""
    return None if task.winner is None else task.winner.low > task.chance


def rules_out(verdict: Verdict, flag: Flag) -> bool:
    """Whether a flag stands against 'no leak found': of a task that is not hidden nobody would say that."""
    hidden = {task.task for task in tasks_with(verdict, "hide")}
    return flag.blocks and (not flag.task or flag.task in hidden)


def _hidden(verdict: Verdict, task: TaskVerdict) -> str:
    name, winner = f"`{task.task}`", task.winner
    if winner is None:
        return f"Whether {name} leaks is open: {' '.join(task.reasons) or 'no attacker has a figure'}."
    finds = f"{_best(verdict, task, winner)}{_against(task)}."
    if task.outcome == "leaks":
        hidden = len(tasks_with(verdict, "hide"))
        corrected = f", corrected for {hidden} hidden tasks" if hidden > 1 else ""
        more = (
            f"That is {100 * winner.excess:.1f} points more than {_known(verdict)} on the same images, at "
            f"least {100 * winner.excess_low:.1f} (one-sided p {_p_said(winner.p_holm)}{corrected})."
        )
        return f"{name} leaks: {finds} {more}"
    power = (
        f"A leak of {100 * winner.smallest_leak:.1f} points is the smallest that these test images would "
        "have shown in four cases of five"
    )
    if task.outcome == "no leak found":
        return f"No leak of {name} was found at this power: {finds} {power}; smaller ones may be there."
    return f"Whether {name} leaks is open: {finds} {power}."


def _kept(verdict: Verdict, task: TaskVerdict) -> str:
    name, winner = f"`{task.task}`", task.winner
    if winner is None:
        return f"Whether {name} can still be read is open: {' '.join(task.reasons) or 'no figure'}."
    cases = f"{_best(verdict, task, winner)}{_against(task)}."
    if not can_be_read(task):
        return f"{name} was not read: {cases}"
    before = original(task)
    worse = before is not None and before.low is not None and winner.high < before.low
    return f"{name} can still be read{', but less well than before' if worse else ''}: {cases}"


def _other(verdict: Verdict, task: TaskVerdict) -> str:
    name, winner = f"`{task.task}`", task.winner
    if winner is None:
        return f"{name}, neither hidden nor kept, is open: {' '.join(task.reasons) or 'no figure'}."
    found = "can be read" if can_be_read(task) else "was not read"
    return f"{name}, neither hidden nor kept, {found}: {_best(verdict, task, winner)}{_against(task)}."


def _best(verdict: Verdict, task: TaskVerdict, winner: Winner) -> str:
    """Who is best, and in how many cases it is right."""
    done = sum(each.state != "failed" for each in task.attempts)
    among = f"the best of {done} attempts" if done > 1 else "the only attempt"
    several = len(task.classes) > 2
    tells = f"tells rightly which of {len(task.classes)} classes it is" if several else "is right"
    interval = f"95 % interval {percent(winner.low)} to {percent(winner.high)}"
    return (
        f"{among} (`{winner.attacker}`, which learned from {LEARNED_ON[winner.sees]}) {tells} in "
        f"{percent(winner.accuracy)} % of cases ({interval}; {_floor(verdict, task)})"
    )


def _floor(verdict: Verdict, task: TaskVerdict) -> str:
    guess = f"{100 * task.chance:.3g} % is guessing"
    if percent(task.floor) == percent(task.chance) or math.isclose(task.floor, task.chance):
        return guess
    return f"{guess}, {percent(task.floor)} % is what {_known(verdict)}"


def _known(verdict: Verdict) -> str:
    labels = "label" if len(verdict.keep) == 1 else "labels"
    return f"knowing only the kept {labels} gives" if verdict.keep else "guessing gives"


def _p_said(p: float) -> str:
    return "below 0.0001" if p < 1e-4 else probability(p)


def _against(task: TaskVerdict) -> str:
    before = original(task)
    if before is None or before.accuracy is None:
        return ""
    least = "at least " if before.note.startswith("at least") else ""
    return f", against {least}{percent(before.accuracy)} % on the original images"
