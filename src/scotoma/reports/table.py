"""How does the table encoders x tasks look in a terminal?"""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from scotoma.reports.findings import examine, figures, headline, judged, role, shared_role, tasks
from scotoma.reports.verdict import guessing, percent
from scotoma.runs.results import EncoderSummary, Results, Role

SIGNS: dict[Role, str] = {"hide": "-", "keep": "+", "other": ""}
COLOURS: dict[Role, str] = {"hide": "red", "keep": "green", "other": ""}
# Said in the cell of a hidden task; "missing" and "failed" are said of every task.
_OUTCOMES = {"leaks": "still leaks", "no leak": "no leak found"}
_CAPTION = (
    "[95 % interval]; {}; floor: what the kept labels alone give\n"
    "'-' hidden, '+' kept. An empirical lower bound on leakage, no guarantee."
)


def results_table(results: Results) -> Table:
    """The attackers' test accuracies, one row an encoder, one column a task.

    A cell reads "66.0 [63.6, 68.3]", below it the floor and, for a hidden task, whether it leaks. Hidden
    tasks are red and signed "-", kept ones green and signed "+": in the heading, or, where encoders differ in
    their tasks, in the cells.
    """
    names = tasks(results)
    table = Table(
        title="Fresh attackers on encoded test images: balanced accuracy in %",
        caption=Text(_CAPTION.format(guessing(results))),
        title_justify="left",
        caption_justify="left",
        show_lines=True,
    )
    # A Text is no markup: a name such as "[b]" is printed as it is.
    table.add_column(Text("encoder"), overflow="fold")
    for task in names:
        meant = shared_role(results, task) or "other"
        table.add_column(Text(f"{SIGNS[meant]}{task}", style=COLOURS[meant]), overflow="fold")
    for encoder in results.encoders:
        table.add_row(Text(encoder.name), *(_cell(results, encoder, task) for task in names))
    return table


def _cell(results: Results, encoder: EncoderSummary, task: str) -> Group | Text:
    cell = headline(results, encoder.name, task)
    is_judged = encoder in judged(results)
    meant = role(results, encoder, task) if is_judged else "other"
    mark = f"({SIGNS[meant]}) " if meant != "other" and shared_role(results, task) is None else ""
    if cell is None:
        return Text(f"{mark}missing", style="bold yellow")
    if (found := figures(cell)) is None:
        return Text(f"{mark}failed", style="bold yellow")
    accuracy = f"{percent(found.test)} [{percent(found.low)}, {percent(found.high)}]"
    lines = [
        Text(f"{mark}{accuracy}", style=COLOURS[meant]),
        Text(f"floor {percent(cell.floor)}", style="dim"),
    ]
    if meant == "hide" and (said := _OUTCOMES.get(examine(results, encoder.name, task).outcome)):
        lines.append(Text(said, style="bold" if said == "still leaks" else ""))
    if cell.state == "inconclusive":
        lines.append(Text("inconclusive: still rising", style="bold yellow"))
    return Group(*lines)
