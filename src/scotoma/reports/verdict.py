"""What came out, in two sentences that somebody reads who has never heard of a classifier?

Nothing is claimed that the cells do not carry: *still leaks* needs one attacker above the floor, *no leak
found* needs every attacker on a hidden task to be done and none above it; all else is said to be open.
"""

from scotoma.reports.findings import (
    CHANCE,
    Finding,
    examine,
    headline,
    judged,
    reference,
    with_role,
)
from scotoma.runs.results import Cell, EncoderSummary, Results


def verdict(results: Results) -> str:
    """Two sentences of plain words: what of the hidden still leaks, and can the kept still be recognised?

    With several encoders there is one line of two sentences for each, opened by the encoder's name. Names of
    tasks and encoders stand in backticks.
    """
    encoders = judged(results)
    if not encoders:
        return "Only references were attacked, there is no encoder to judge."
    if len(encoders) == 1:
        return encoder_verdict(results, encoders[0])
    return "\n".join(f"`{each.name}`: {encoder_verdict(results, each)}" for each in encoders)


def encoder_verdict(results: Results, encoder: EncoderSummary) -> str:
    """The two sentences on one encoder."""
    hidden = with_role(results, encoder, "hide")
    kept = with_role(results, encoder, "keep")
    first = [
        _hidden(results, examine(results, encoder.name, task), len(kept), explained=index == 0)
        for index, task in enumerate(hidden)
    ]
    second = [_kept(results, encoder, task) for task in kept]
    return (
        _sentence(first or ["no task was named to be hidden"])
        + " "
        + _sentence(second or ["no task was named to be kept"])
    )


def percent(fraction: float) -> str:
    """A fraction as a percentage with one decimal, without the sign."""
    return f"{100 * fraction:.1f}"


def _sentence(clauses: list[str]) -> str:
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}."


def _hidden(results: Results, finding: Finding, kept: int, explained: bool) -> str:
    task, cell = f"`{finding.task}`", finding.cell
    if cell is None:
        return f"whether {task} leaks is open: it was not attacked"
    if finding.outcome == "failed":
        return f"whether {task} leaks is open: an attack on it failed"
    figures = f"{_figures(cell, kept, explained)}{_against(results, finding.task, 'the original images')}"
    finds = f"a fresh attacker finds out whether an encoded image shows it in {figures}"
    if finding.outcome == "leaks":
        rising = ", and it was still improving when its budget ended" if cell.state == "inconclusive" else ""
        return f"{task} still leaks: {finds}{rising}"
    if finding.outcome == "no leak":
        return f"no leak of {task} was found: {finds}"
    rising = "a fresh attacker was still improving when its budget ended, right in"
    return f"whether {task} leaks is open: {rising} {figures}"


def _figures(cell: Cell, kept: int, explained: bool) -> str:
    interval = f"95 % interval {percent(cell.test_low)} to {percent(cell.test_high)}"
    if not explained:
        return f"{percent(cell.test_accuracy)} % of cases ({interval}; floor {percent(cell.floor)} %)"
    meaning = "50 % is guessing"
    if percent(cell.floor) != percent(CHANCE):
        labels = "label" if kept == 1 else "labels"
        meaning += f", {percent(cell.floor)} % is what knowing only the kept {labels} gives"
    return f"{percent(cell.test_accuracy)} % of cases ({interval}; {meaning})"


def _kept(results: Results, encoder: EncoderSummary, task: str) -> str:
    cell, name = headline(results, encoder.name, task), f"`{task}`"
    if cell is None or cell.state == "failed":
        why = "it was not tested" if cell is None else "the test failed"
        return f"whether {name} can still be recognised is open: {why}"
    against = _against(results, task, "originals")
    if cell.test_low > CHANCE:
        original = reference(results, task)
        worse = original is not None and cell.test_high < original.test_low
        how = ", but less well than before: in" if worse else " in"
        least = "at least " if cell.state == "inconclusive" else ""
        return f"{name} can still be recognised{how} {least}{percent(cell.test_accuracy)} % of cases{against}"
    interval = f"95 % interval {percent(cell.test_low)} to {percent(cell.test_high)}; 50 % is guessing"
    figures = f"{percent(cell.test_accuracy)} % of cases ({interval}){against}"
    if cell.state == "inconclusive":
        rising = "a fresh classifier was still improving when its budget ended, right in"
        return f"whether {name} can still be recognised is open: {rising} {figures}"
    return f"{name} can no longer be recognised: a fresh classifier is right in {figures}"


def _against(results: Results, task: str, what: str) -> str:
    cell = reference(results, task)
    if cell is None:
        return ""
    least = "at least " if cell.state == "inconclusive" else ""
    return f", against {least}{percent(cell.test_accuracy)} % on {what}"
