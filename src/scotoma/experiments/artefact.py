"""What makes a table or a figure of the paper? Cells to run, and functions that show what they left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from scotoma.experiments.cells import Cell, Places
from scotoma.experiments.same import require_same_images
from scotoma.experiments.scales import Scale
from scotoma.runs.settings import to_dict
from scotoma.runs.whole_files import write_bytes, write_json
from scotoma.verification.statistics import Interval

FORMAT = "scotoma-reproduction"
VERSION = 1
MISSING = "missing"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Artefact(Generic[Result]):
    """`collect` reads run folders only, and what is not there it leaves out; `picture` draws a PNG."""

    name: str
    cells: Callable[[Scale, Sequence[int]], tuple[Cell, ...]]
    collect: Callable[[Scale, Sequence[int], Path], Result]
    markdown: Callable[[Result], str]
    picture: Callable[[Result], bytes] | None = None


def write_artefact(artefact: Artefact[Any], scale: Scale, seeds: Sequence[int], places: Places) -> str:
    """Collect what is there and write it as `OUT/<artefact>.md` and `.json` (and `.png`).

    Returns:
        The Markdown.

    Raises:
        InputError: runs found different images; what was written before is left as it is.
    """
    out = places.out
    require_same_images(artefact.cells(scale, seeds), out)
    result = artefact.collect(scale, seeds, out)
    text = artefact.markdown(result)
    cells = [
        {"name": cell.label, "state": cell.state(out), "command": cell.command(places)}
        for cell in artefact.cells(scale, seeds)
    ]
    about = {"artefact": artefact.name, "scale": scale.name, "seeds": list(seeds)}
    content = {"format": FORMAT, "version": VERSION, **about, "result": to_dict(result), "cells": cells}
    write_json(out / f"{artefact.name}.json", content)
    write_bytes(out / f"{artefact.name}.md", text.encode())
    if artefact.picture is not None:
        write_bytes(out / f"{artefact.name}.png", artefact.picture(result))
    return text


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, the first column at the left, the others at the right."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in escaped) + "\n"


def percent(value: float | None) -> str:
    """A fraction as percent with one decimal; `missing` where there is none."""
    return MISSING if value is None else f"{100 * value:.1f}"


def points(difference: Interval) -> str:
    """A difference of fractions in points, with its interval."""
    estimate, low, high = (
        f"{100 * each:+.1f}" for each in (difference.estimate, difference.low, difference.high)
    )
    return f"{estimate} [{low}, {high}]"


def beside(value: float | None, paper: float | None) -> str:
    """Our figure with the paper's beside it in brackets."""
    return percent(value) if paper is None else f"{percent(value)} ({100 * paper:.1f})"
