"""What came out, in two sentences that somebody reads who has never heard of a classifier?

Nothing is claimed that the cells do not carry: *still leaks* needs an attacker above the floor, *no leak
found* what `findings.examine` asks for; all else is said to be open.
"""

from collections.abc import Mapping
from typing import Any

from scotoma.reports.findings import (
    Figures,
    Finding,
    examine,
    figures,
    headline,
    is_too_open,
    judged,
    p_value,
    reference,
    with_role,
)
from scotoma.runs.leaks import MOST_MISSED
from scotoma.runs.results import Cell, EncoderSummary, Results

CAUTION = "An empirical lower bound on leakage, no guarantee: other attackers may find more."
OTHER_IMAGES = (
    "These are not exactly the images that the encoder was trained on, or not with the same labels: test "
    "images may be among those that it has seen."
)
OTHER_NETWORKS = "The attackers' networks are of another size than the adversaries of training were."


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


def caution(results: Results) -> str:
    """What a verdict does not say."""
    return " ".join([CAUTION, *differences(results)])


def differences(results: Results) -> list[str]:
    """What to say where an encoder was judged by other images than those of its training, with other labels,
    or by attackers of another size than its adversary's.
    """
    if not judged(results):
        return []
    data: Any = results.run.get("data")
    settings: Any = results.run.get("settings")
    trained: Any = results.run.get("classifier_of_training")
    said = []
    if isinstance(data, Mapping) and data.get("same_as_training") is False:
        said.append(OTHER_IMAGES)
    if trained is not None and isinstance(settings, Mapping) and settings.get("classifier") != trained:
        said.append(OTHER_NETWORKS)
    return said


def guessing(results: Results) -> str:
    """What guessing reaches, in words: "50 is guessing", or task by task where they differ."""
    return guessing_said({cell.task: cell.chance for cell in results.cells})


def guessing_said(chances: Mapping[str, float]) -> str:
    """The same of tasks by name, each with the balanced accuracy of guessing."""
    said = {task: f"{100 * chance:.3g}" for task, chance in chances.items()}
    if len(set(said.values())) <= 1:
        return f"{next(iter(said.values()), '50')} is guessing"
    return "guessing reaches " + ", ".join(f"{chance} on {task}" for task, chance in said.items())


def percent(fraction: float) -> str:
    """A fraction as a percentage with one decimal, without the sign."""
    return f"{100 * fraction:.1f}"


def _sentence(clauses: list[str]) -> str:
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}."


def _hidden(results: Results, finding: Finding, kept: int, explained: bool) -> str:
    task, cell, found = f"`{finding.task}`", finding.cell, figures(finding.cell)
    if cell is None:
        return f"whether {task} leaks is open: it was not attacked"
    if found is None or finding.outcome == "failed":
        return f"whether {task} leaks is open: an attack on it failed"
    cases = f"{percent(found.test)} % of cases ({_interval(found)}; {_floor(cell, kept, explained)})"
    cases += _against(results, finding.task, "the original images")
    what = "whether an encoded image shows it"
    if len(cell.classes) > 2:
        what = f"which of {len(cell.classes)} classes an encoded image shows"
    finds = f"a fresh attacker rightly tells {what} in {cases}"
    if finding.outcome == "leaks":
        rising = ", and it was still improving when its budget ended" if cell.state == "inconclusive" else ""
        return f"{task} still leaks: {finds}{_more(cell, found)}{rising}"
    if finding.outcome == "no leak":
        untested = ""
        if reference(results, finding.task) is None:
            untested = " (whether the same attack finds it in the original images was not tested)"
        return f"no leak of {task} was found: {finds}{untested}{_luck(results, cell, found)}{_power(cell)}"
    if finding.doubt == "still rising":
        rising = "a fresh attacker was still improving when its budget ended, right in"
        few = f"; {_few(cell)}" if is_too_open(cell) else ""
        return f"whether {task} leaks is open: {rising} {cases}{few}"
    if finding.doubt == "too few test images":
        why = _few(cell)
    elif finding.doubt == "below the floor":
        why = (
            "the attacker is clearly worse than somebody who knows the kept labels only, and a leak of "
            f"{100 * MOST_MISSED:.0f} points may be hidden below the floor"
        )
    else:
        why = (
            "the same attack finds no more than the floor in the original images, so that it would show no "
            "leak"
        )
    return f"whether {task} leaks is open: {why}; {finds}"


def _more(cell: Cell, found: Figures) -> str:
    """Why there is a leak though the interval covers the floor."""
    if cell.excess is None or found.low > cell.floor:
        return ""
    more, least = (100 * each for each in (cell.excess.estimate, cell.excess.low))
    return f", {more:.1f} points above the floor on the same images (at least {least:.1f})"


def _luck(results: Results, cell: Cell, found: Figures) -> str:
    """Why there is no leak though the interval lies above the floor."""
    p = p_value(results, cell)
    if p is None or found.low <= cell.floor:
        return ""
    return f"; what is above the floor may be luck (one-sided p {p:.2g}, corrected for all hidden tasks)"


def _power(cell: Cell) -> str:
    if cell.excess is None:
        return ""
    return f"; a leak of {100 * cell.excess.smallest_leak:.1f} points would have shown in four cases of five"


def _few(cell: Cell) -> str:
    if cell.excess is None:
        return f"there are too few test images, a leak of {100 * MOST_MISSED:.0f} points may be among them"
    return (
        f"there are too few test images, a leak of {100 * cell.excess.smallest_leak:.1f} points would be "
        "missed in one case of five"
    )


def _interval(found: Figures) -> str:
    return f"95 % interval {percent(found.low)} to {percent(found.high)}"


def _floor(cell: Cell, kept: int, explained: bool) -> str:
    if not explained:
        return f"floor {percent(cell.floor)} %"
    guess = f"{100 * cell.chance:.3g} % is guessing"
    if percent(cell.floor) == percent(cell.chance):
        return guess
    labels = "label" if kept == 1 else "labels"
    return f"{guess}, {percent(cell.floor)} % is what knowing only the kept {labels} gives"


def _kept(results: Results, encoder: EncoderSummary, task: str) -> str:
    name = f"`{task}`"
    cell = headline(results, encoder.name, task)
    found = figures(cell)
    if cell is None or found is None:
        why = "it was not tested" if cell is None else "the test failed"
        return f"whether {name} can still be recognised is open: {why}"
    against = _against(results, task, "originals")
    if found.low > cell.chance:
        original = figures(reference(results, task))
        worse = original is not None and found.high < original.low
        how = ", but less well than before: in" if worse else " in"
        least = "at least " if cell.state == "inconclusive" else ""
        return f"{name} can still be recognised{how} {least}{percent(found.test)} % of cases{against}"
    guess = f"{100 * cell.chance:.3g} % is guessing"
    cases = f"{percent(found.test)} % of cases ({_interval(found)}; {guess}){against}"
    if cell.state == "inconclusive":
        rising = "a fresh classifier was still improving when its budget ended, right in"
        return f"whether {name} can still be recognised is open: {rising} {cases}"
    return f"{name} was not recognised: a fresh classifier is right in {cases}"


def _against(results: Results, task: str, what: str) -> str:
    cell = reference(results, task)
    found = figures(cell)
    if cell is None or found is None:
        return ""
    least = "at least " if cell.state == "inconclusive" and found.test < 1 else ""
    return f", against {least}{percent(found.test)} % on {what}"
