"""What did a suite of attackers find, on one screen?"""

from rich.table import Table
from rich.text import Text

from scotoma.reports.table import SIGNS
from scotoma.reports.verdict import percent
from scotoma.runs.verdict import Reference, TaskVerdict, Verdict, Winner

_SEES = {
    "same": "images that the encoder was trained on",
    "fresh": "images that the encoder has not seen",
    "all": "all images that are not held out",
}


def verdict_table(found: Verdict) -> Table:
    """A row for each task: the winner, its test accuracy with its interval, and what it is to be compared
    with.
    """
    names = list(dict.fromkeys(each.name for task in found.tasks for each in task.references))
    title = f"{found.target.name} against suite {found.suite}; balanced accuracy in %"
    table = Table(title=Text(title), title_justify="left")
    for name in ("task", "strongest attacker", "test [95 %]", "floor", "over the floor", "p"):
        table.add_column(name, justify="left" if name in ("task", "strongest attacker") else "right")
    for name in names:
        table.add_column(Text(name), justify="right")
    table.add_column("found")
    for task in found.tasks:
        told = {each.name: _reference(each) for each in task.references}
        table.add_row(
            Text(f"{SIGNS[task.role]}{task.task}"),
            *_winner(task, task.winner),
            *(told.get(name, "") for name in names),
            task.outcome if task.role == "hide" else outcome_of_kept(task),
        )
    return table


def verdict_said(found: Verdict) -> str:
    """The verdict in sentences, then what makes it doubtful. Names of tasks stand in backticks."""
    lines = [_said(task) for task in found.tasks if task.role == "hide"]
    lines += [f"`{task.task}` {outcome_of_kept(task)}." for task in found.tasks if task.role == "keep"]
    lines += [f"! {f'`{flag.task}`: ' if flag.task else ''}{flag.said}" for flag in found.flags]
    lines.append("An empirical lower bound on leakage, no guarantee.")
    return "\n".join(lines)


def outcome_of_kept(task: TaskVerdict) -> str:
    """Whether a task that is kept, or was not named, can be read."""
    return {"leaks": "can be read", "no leak found": "cannot be read", "inconclusive": "is open"}[
        task.outcome
    ]


def _said(task: TaskVerdict) -> str:
    winner = task.winner
    if winner is None:
        return f"Whether `{task.task}` leaks is open: {'; '.join(task.reasons)}."
    attacker = f"{winner.attacker} (seed {winner.seed}, learned from {_SEES[winner.sees]})"
    figures = (
        f"{attacker} is right in {percent(winner.accuracy)} % "
        f"[{percent(winner.low)}, {percent(winner.high)}], "
        f"{100 * winner.excess:+.1f} points over what the kept labels tell ({percent(task.floor)} %)"
    )
    if task.outcome == "leaks":
        return f"`{task.task}` leaks: {figures}."
    least = f"{100 * winner.smallest_leak:.1f} points"
    if task.outcome == "no leak found":
        return f"No leak of `{task.task}` found at this power: {figures}. A leak of {least} would have shown."
    return f"Whether `{task.task}` leaks is inconclusive: {figures}. Why: {' '.join(task.reasons)}"


def _winner(task: TaskVerdict, winner: Winner | None) -> tuple[str, str, str, str, str]:
    if winner is None:
        return "all failed", "", percent(task.floor), "", ""
    p = f"{winner.p_holm:.2g}" if winner.p_holm >= 1e-4 else "< 0.0001"
    return (
        winner.attacker,
        f"{percent(winner.accuracy)} [{percent(winner.low)}, {percent(winner.high)}]",
        percent(task.floor),
        f"{100 * winner.excess:+.1f}",
        p,
    )


def _reference(reference: Reference) -> str:
    return "not available" if reference.accuracy is None else percent(reference.accuracy)
