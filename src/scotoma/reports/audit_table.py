"""How does the verdict of a suite look in a terminal: a table, and below it plain words?"""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from scotoma.reports.audit_words import (
    SEES,
    can_be_read,
    in_order,
    points,
    probability,
    rules_out,
    task_said,
    without_winner,
)
from scotoma.reports.table import COLOURS, SIGNS
from scotoma.reports.verdict import CAUTION, guessing_said, percent
from scotoma.runs.verdict import TaskVerdict, Verdict, Winner

_CAPTION = (
    "[95 % interval]; {}; floor: what the kept labels alone give.\n"
    "Above it: on the same test images, with lower bound and one-sided p (Holm's, if several are hidden).\n"
    "'-' hidden, '+' kept."
)


def verdict_table(found: Verdict) -> Table:
    """One row a task: what was found, the best attacker's accuracy, how far it is above the floor."""
    chances = {task.task: task.chance for task in found.tasks}
    table = Table(
        title=f"The best attacker of suite {found.suite} on test images: balanced accuracy in %",
        caption=Text(_CAPTION.format(guessing_said(chances))),
        title_justify="left",
        caption_justify="left",
        show_lines=True,
    )
    for heading in ("task", "verdict", "accuracy", "above the floor", "bits", "best attacker"):
        table.add_column(heading, overflow="fold")
    for task in in_order(found):
        table.add_row(*_row(task))
    return table


def references_table(found: Verdict) -> Table | None:
    """One row a task: what is found of it elsewhere, in original images for one; None where nobody looked."""
    names = list(dict.fromkeys(each.name for task in found.tasks for each in task.references))
    if not names:
        return None
    table = Table(
        title="Beside it: balanced accuracy in % of",
        caption="Best of logistic regression and the paper's CNN; shuffled labels: the former.",
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("task", *names):
        table.add_column(heading, overflow="fold")
    for task in in_order(found):
        there = {each.name: each.accuracy for each in task.references}
        figures = (there.get(name) for name in names)
        shown = ("not available" if figure is None else percent(figure) for figure in figures)
        table.add_row(Text(f"{SIGNS[task.role]}{task.task}", style=COLOURS[task.role]), *shown)
    return table


def verdict_said(found: Verdict) -> str:
    """A line of plain words for each task, the reasons for what is open, every flag, and the caution."""
    lines = []
    told_below = {flag.said for flag in found.flags}
    for task in in_order(found):
        lines.append(task_said(found, task))
        if task.winner is not None:
            lines += [f"  Because: {reason}" for reason in task.reasons if reason not in told_below]
    for flag in found.flags:
        about = f" ({flag.task})" if flag.task else ""
        blocks = ", rules out 'no leak found'" if rules_out(found, flag) else ""
        lines.append(f"Flag {flag.code}{about}{blocks}: {flag.said}")
    return "\n".join([*lines, CAUTION])


def _row(task: TaskVerdict) -> tuple[Text | Group, ...]:
    # A Text is no markup: a name such as "[b]" is printed as it is.
    name = Text(f"{SIGNS[task.role]}{task.task}", style=COLOURS[task.role])
    said = _outcome(task)
    if task.winner is None:
        return name, said, Text(f"floor {percent(task.floor)}", style="dim"), Text(), Text(), Text()
    return name, said, *_figures(task, task.winner)


def _outcome(task: TaskVerdict) -> Group | Text:
    if task.winner is None:
        return Text(without_winner(task), style="bold yellow")
    if task.role != "hide":
        return Text("can be read" if can_be_read(task) else "was not read")
    if task.outcome == "leaks":
        return Text("leaks", style="bold")
    smallest = Text(f"smallest seen {100 * task.winner.smallest_leak:.1f}", style="dim")
    if task.outcome == "no leak found":
        return Group(Text("no leak found"), smallest)
    return Group(Text("inconclusive", style="bold yellow"), smallest)


def _figures(task: TaskVerdict, winner: Winner) -> tuple[Group, ...]:
    interval = f"{percent(winner.accuracy)} [{percent(winner.low)}, {percent(winner.high)}]"
    p = probability(winner.p_holm)
    return (
        Group(Text(interval, style=COLOURS[task.role]), Text(f"floor {percent(task.floor)}", style="dim")),
        Group(
            Text(f"{points(winner.excess)}, \N{GREATER-THAN OR EQUAL TO} {points(winner.excess_low)}"),
            Text(f"p {p if p.startswith('<') else f'= {p}'}", style="dim"),
        ),
        Group(
            Text(f"{max(0.0, winner.bits):.2f}"),
            Text(f"\N{GREATER-THAN OR EQUAL TO} {max(0.0, winner.bits_low):.2f}"),
        ),
        Group(Text(winner.attacker), Text(f"on {SEES[winner.sees]} images", style="dim")),
    )
