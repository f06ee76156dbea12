"""What does somebody read who was not there when a suite of attackers tried an encoder?

The page is made from `verdict.json`, and `more.json` if that is there, and nothing else.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from scotoma.reports.audit_charts import NOT_AVAILABLE, attempts_chart, found_chart, seconds_chart
from scotoma.reports.audit_words import (
    LEARNED_ON,
    SEES,
    WORDS,
    can_be_read,
    in_order,
    points,
    probability,
    rules_out,
    task_said,
    tasks_with,
    without_winner,
)
from scotoma.reports.done import described, spent, what_an_audit_did
from scotoma.reports.drawing import inline
from scotoma.reports.page import MINUS, environment
from scotoma.reports.verdict import guessing_said
from scotoma.runs.results import Role
from scotoma.runs.verdict import Reference, Sees, TaskVerdict, Verdict, Winner

_TEMPLATE = "audit.html.j2"


def render_verdict(verdict: Verdict, more: str | None = None) -> str:
    """The HTML of a report on the verdict of a suite; `more` is a section on what else was found, as HTML."""
    pages = environment()
    pages.filters |= {
        "described": described,
        "points": _points,
        "probability": probability,
        "without_winner": without_winner,
    }
    seconds = _seconds(verdict.run)
    return pages.get_template(_TEMPLATE).render(
        verdict=verdict,
        tasks=[_Shown.of(verdict, task) for task in in_order(verdict)],
        told=_told(verdict),
        sees=SEES,
        learned_on=LEARNED_ON,
        arms=_arms(verdict),
        blocking=sum(rules_out(verdict, flag) for flag in verdict.flags),
        rules_out=lambda flag: rules_out(verdict, flag),
        guessing=guessing_said({task.task: task.chance for task in verdict.tasks}),
        seconds=inline(seconds_chart(seconds), "Seconds of each attacker") if seconds else None,
        spent_in_all=spent(sum(seconds.values())),
        groups=what_an_audit_did(verdict),
        tested=max((sum(task.counts.get("test", ())) for task in verdict.tasks), default=0),
        skipped=verdict.run.get("not_applicable") or [],
        more=None if more is None else Markup(more),
    )


@dataclass(frozen=True)
class _Told:
    """One card at the top: its class and word, a sentence for each task in it, reasons, and whether it says
    how far figures on what is hidden go.
    """

    style: str
    word: str
    sentences: list[str]
    reasons: tuple[str, ...] = ()
    cautious: bool = False


@dataclass(frozen=True)
class _Shown:
    """A task with its drawings, and the winner's figures as they are written."""

    task: TaskVerdict
    role: Role
    found: Markup
    attempts: Markup | None
    missing: list[str]
    figures: Mapping[str, str] | None

    @staticmethod
    def of(verdict: Verdict, task: TaskVerdict) -> "_Shown":
        """Everything that the page shows of a task."""
        beside = f"Accuracy of the best attacker on {task.task} beside floor, guessing and references"
        every = f"Accuracy of every attempt on {task.task} on the choosing half"
        has_figures = any(each.choosing is not None for each in task.attempts)
        return _Shown(
            task=task,
            role=task.role,
            found=inline(found_chart(task), beside),
            attempts=inline(attempts_chart(task), every) if has_figures else None,
            missing=[_absent(each) for each in task.references if each.accuracy is None],
            figures=None if task.winner is None else _figures(task, task.winner),
        )


def _told(verdict: Verdict) -> list[_Told]:
    """A card for each hidden task, one for what is kept, one for the rest."""
    styles = {"leaks": "leaks", "no leak found": "no-leak", "inconclusive": "inconclusive"}
    cards = [
        _Told(
            styles[task.outcome],
            WORDS[task.outcome],
            [task_said(verdict, task)],
            _reasons(verdict, task),
            cautious=True,
        )
        for task in tasks_with(verdict, "hide")
    ]
    if not cards:
        cards = [_Told("", WORDS["nothing hidden"], ["No task was named to be hidden."])]
    if kept := tasks_with(verdict, "keep"):
        read = [can_be_read(task) for task in kept]
        word = "Can still be read" if all(read) else "Cannot all be read" if len(read) > 1 else "Not read"
        word = "Open" if None in read else word
        style = "no-leak" if all(read) else "inconclusive"
        cards.append(_Told(style, word, [task_said(verdict, task) for task in kept]))
    if others := tasks_with(verdict, "other"):
        cards.append(_Told("", "Neither hidden nor kept", [task_said(verdict, task) for task in others]))
    return cards


def _reasons(verdict: Verdict, task: TaskVerdict) -> tuple[str, ...]:
    """Why a task is open; where nobody has a figure, the sentence says so already."""
    return () if task.winner is None or task.outcome != "inconclusive" else task.reasons


def _points(difference: float) -> str:
    return points(difference).replace("-", MINUS)


def _absent(each: Reference) -> str:
    """Why a reference cannot be had."""
    why = each.note.removeprefix(NOT_AVAILABLE).removeprefix(": ")
    return f"{each.name}, {NOT_AVAILABLE}: {why}." if why else f"{each.name}: {NOT_AVAILABLE}."


def _figures(task: TaskVerdict, winner: Winner) -> Mapping[str, str]:
    """The winner's figures in words; bits below 0 are shown as 0."""
    most = math.log2(len(task.classes))
    length = task.code_length
    return {
        "auc": f"{winner.auc:.3f}",
        "bits": f"{max(0.0, winner.bits):.2f}",
        "bits_low": f"{max(0.0, winner.bits_low):.2f}",
        "tpr": NOT_AVAILABLE if winner.tpr is None else f"{100 * winner.tpr:.1f} %",
        "code_length": "not taken" if length is None else f"{length:.2f} of {most:.2f}",
    }


def _arms(verdict: Verdict) -> list[Sees]:
    """Which images attackers learned from, in the order of the words for them."""
    there = {each.sees for task in verdict.tasks for each in task.attempts}
    return [sees for sees in SEES if sees in there]


def _seconds(run: Mapping[str, Any]) -> dict[str, float]:
    """What a run records of the seconds of its attackers; nothing where it does not."""
    recorded = run.get("seconds_by_attacker")
    if not isinstance(recorded, Mapping):
        return {}
    return {
        name: float(value) for name, value in recorded.items() if isinstance(value, int | float) and value > 0
    }
