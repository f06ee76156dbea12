"""What else was found on request, as a part of the page on an audit?"""

import base64
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from scotoma.reports.line_plot import Line, line_plot
from scotoma.reports.page import environment
from scotoma.runs.more import More, Reconstruction, Sweep, Sweeps

MORE = "more.json"
PICTURE = "reconstruction.png"
_TEMPLATE = "more.html.j2"
_ACROSS = {"labels": "share of the labelled images", "compute": "share of the standard budget of iterations"}


def more_section(folder: Path) -> str | None:
    """The HTML of a section on what `folder/more.json` holds, with the picture beside it; None where there
    is no such file, or nothing in it.

    Classes are those of the page on a verification (`report.html.j2`). Nothing in it is loaded from
    elsewhere.

    Raises:
        InputError: `more.json` is broken.
    """
    path = Path(folder) / MORE
    if not path.is_file():
        return None
    found = More.read(path)
    if not (found.others or found.reconstruction or found.sweeps or found.missing):
        return None
    pages = environment()
    pages.filters |= {"by_class": _by_class, "share": _share}
    return pages.get_template(_TEMPLATE).render(
        missing=found.missing,
        others=found.others,
        reconstruction=found.reconstruction,
        strip=_strip(Path(folder) / PICTURE, found.reconstruction),
        sweeps=found.sweeps,
        plots=_plots(found.sweeps) if found.sweeps else [],
    )


def _plots(sweeps: Sweeps) -> list[tuple[str, Markup]]:
    """A caption and a drawing for each task and what is swept over."""
    panels: dict[tuple[str, str], list[Sweep]] = {}
    for curve in sweeps.curves:
        panels.setdefault((curve.task, curve.over), []).append(curve)
    return [
        (_caption(over, curves), _plot(f"{task}: by {over}", over, curves))
        for (task, over), curves in panels.items()
    ]


def _plot(title: str, over: str, curves: Sequence[Sweep]) -> Markup:
    amounts = sorted({point.amount for curve in curves for point in curve.points})
    return line_plot(
        title,
        [_line(curve) for curve in curves],
        [(amount, _share(amount, over)) for amount in amounts],
        curves[0].chance,
        _ACROSS[over],
    )


def _line(curve: Sweep) -> Line:
    there = [(point.amount, point.accuracy) for point in curve.points if point.accuracy is not None]
    return Line(
        curve.attacker,
        tuple(amount for amount, _ in there),
        tuple((found.value, found.low, found.high) for _, found in there),
    )


def _caption(over: str, curves: Sequence[Sweep]) -> str:
    images = max(point.images for curve in curves for point in curve.points)
    if over == "labels":
        return f"100 % are {images:,} images; dashed: guessing."
    return f"{images:,} labelled images; dashed: guessing."


def _share(amount: float, over: str) -> str:
    """A share of labels in percent; a budget as a multiple or a fraction."""
    if over == "labels":
        return f"{100 * amount:.3g} %"
    return f"{amount:g}" if amount >= 1 else f"1/{1 / amount:g}"


def _by_class(counts: tuple[int, ...]) -> str:
    return " / ".join(f"{count:,}" for count in counts)


def _strip(path: Path, found: Reconstruction | None) -> str | None:
    if found is None or found.note or not path.is_file():
        return None
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
