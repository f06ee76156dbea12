"""How do the findings of a suite look: beside floors and references, attacker by attacker, and in seconds?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from scotoma.reports.audit_words import can_be_read, without_winner
from scotoma.reports.done import spent
from scotoma.reports.drawing import FAINT, INK, PALETTE, TEXT, adaptable_svg, plain_axes, short, style
from scotoma.reports.verdict import percent
from scotoma.runs.verdict import Attempt, Reference, Sees, TaskVerdict

NOT_AVAILABLE = "not available"
# Inches: charts that stand side by side and such as are as wide as the page, with the room for figures at the
# right, and their rows.
_HALF, _WHOLE, _RIGHT = 4.9, 9.0, 1.2
_ROW, _TALL_ROW, _HEAD, _FOOT, _NO_FOOT = 0.25, 0.36, 0.12, 0.45, 0.1
_LETTER, _SMALL_LETTER = 0.064, 0.052  # a letter of a row's name, and of what stands below it
_SMALL = TEXT - 1  # points
_LONGEST = 36  # characters
_MARKS: Mapping[Sees, str] = {"same": "o", "fresh": "o", "all": "s"}
_GUESSING, _FLOOR = (0, (1, 2)), (0, (4, 2))


@dataclass(frozen=True)
class _Dot:
    """A row of the first chart; fractions, None where the figure is not there."""

    name: str
    below: str
    value: float | None
    low: float | None
    high: float | None
    colour: str = FAINT


def found_chart(task: TaskVerdict) -> bytes:
    """The winner of a task beside floor, guessing and references, as SVG: a dot each, with its interval."""
    dots = _dots(task)
    with style():
        left = max(_room(dot.name for dot in dots), _room((dot.below for dot in dots), _SMALL_LETTER))
        figure, axes = _rows(len(dots), _TALL_ROW, _HALF, left)
        known = [value for dot in dots for value in (dot.value, dot.low, dot.high) if value is not None]
        _percent_axis(axes, known, "balanced accuracy on test images, %")
        axes.axvline(100 * task.floor, color=INK, linewidth=0.8, linestyle=_FLOOR, zorder=1)
        axes.axvline(100 * task.chance, color=INK, linewidth=0.8, linestyle=_GUESSING, zorder=1)
        for row, dot in enumerate(dots):
            _name(axes, row, dot.name, dot.below)
            _draw_dot(axes, row, dot)
        return adaptable_svg(figure)


def attempts_chart(task: TaskVerdict) -> bytes:
    """Every attempt's accuracy on the choosing half, one row an attacker, the best first, as SVG."""
    rows = _by_attacker(task.attempts)
    with style():
        figure, axes = _rows(len(rows), _ROW, _WHOLE, _room(rows))
        known = [each.choosing for each in task.attempts if each.choosing is not None]
        _percent_axis(axes, [*known, task.chance], "balanced accuracy on the choosing half, %")
        axes.axvline(100 * task.chance, color=INK, linewidth=0.8, linestyle=_GUESSING, zorder=1)
        for row, (name, attempts) in enumerate(rows.items()):
            _name(axes, row, name)
            _draw_attempts(axes, row, attempts, task)
        return adaptable_svg(figure)


def seconds_chart(seconds: Mapping[str, float]) -> bytes:
    """Where the time went: a bar for each attacker, the longest first, as SVG."""
    ranked = sorted(seconds.items(), key=lambda item: -item[1])
    with style():
        figure, axes = _rows(len(ranked), _ROW, _WHOLE, _room(seconds), _NO_FOOT)
        longest = max(seconds.values(), default=0.0) or 1.0
        axes.set_xlim(0, longest)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        for row, (name, spent_on) in enumerate(ranked):
            _name(axes, row, name)
            axes.barh([row], [spent_on], height=0.62, color=PALETTE[1])
            _figure_beside(axes, row, spent(spent_on))
        return adaptable_svg(figure)


def _room(names: Iterable[str], letter: float = _LETTER) -> float:
    """What the longest name needs at the left, in inches."""
    return 0.25 + letter * min(max(map(len, names), default=0), _LONGEST)


def _rows(rows: int, height: float, wide: float, left: float, foot: float = _FOOT) -> tuple[Figure, Axes]:
    """Axes whose rows are 0, 1, ... from the top; all sizes are inches."""
    tall = _HEAD + height * rows + foot
    figure = Figure(figsize=(wide, tall), layout=None)
    place = (left / wide, foot / tall, (wide - left - _RIGHT) / wide, height * rows / tall)
    axes = figure.add_axes(place)
    plain_axes(axes)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    return figure, axes


def _percent_axis(axes: Axes, fractions: Sequence[float], said: str) -> None:
    """From a little below the least to a little above the most, four points at least."""
    low, high = 100 * min(fractions), 100 * max(fractions)
    room = max(0.06 * (high - low), (4 - (high - low)) / 2, 0.5)
    axes.set_xlim(max(low - room, -1.0), min(high + room, 101.0))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel(said, color=INK, fontsize=TEXT)
    axes.grid(axis="x", color=FAINT, alpha=0.25, linewidth=0.6)


def _dots(task: TaskVerdict) -> list[_Dot]:
    colour = PALETTE[2] if task.role == "keep" and can_be_read(task) else PALETTE[0]
    winner = task.winner
    best = _Dot("best attacker", without_winner(task), None, None, None, colour)
    if winner is not None:
        best = _Dot("best attacker", winner.attacker, winner.accuracy, winner.low, winner.high, colour)
    floor = _Dot("floor", "the kept labels alone", task.floor, None, None, INK)
    guessing = _Dot("guessing", f"one of {len(task.classes)} classes", task.chance, None, None, INK)
    return [best, floor, guessing, *map(_reference, task.references)]


def _reference(each: Reference) -> _Dot:
    at_least = ", still rising" if each.note.startswith("at least") else ""
    return _Dot(each.name, f"{each.attacker}{at_least}", each.accuracy, each.low, each.high)


def _draw_dot(axes: Axes, row: int, dot: _Dot) -> None:
    if dot.value is None:
        _figure_beside(axes, row, NOT_AVAILABLE)
        return
    said = percent(dot.value)
    if dot.low is not None and dot.high is not None:
        span = [100 * dot.low, 100 * dot.high]
        axes.plot(span, [row, row], color=dot.colour, linewidth=2.2, alpha=0.55, zorder=2)
        said = f"{said} [{percent(dot.low)}, {percent(dot.high)}]"
    mark = "|" if dot.colour == INK else "o"
    axes.plot([100 * dot.value], [row], mark, color=dot.colour, markersize=5.5, markeredgewidth=1.4, zorder=3)
    _figure_beside(axes, row, said)


def _by_attacker(attempts: Sequence[Attempt]) -> dict[str, list[Attempt]]:
    """Attempts by attacker, the attacker with the best attempt first."""
    found: dict[str, list[Attempt]] = {}
    for each in sorted(attempts, key=lambda each: -(each.choosing or 0.0)):
        found.setdefault(each.attacker, []).append(each)
    return found


def _draw_attempts(axes: Axes, row: int, attempts: Sequence[Attempt], task: TaskVerdict) -> None:
    """Marks filled for the encoder's training images, hollow for fresh ones; the winner is ringed."""
    winner = task.winner
    won = winner and (winner.attacker, winner.sees, winner.seed)
    for each in attempts:
        if each.choosing is None:
            continue
        is_winner = (each.attacker, each.sees, each.seed) == won
        colour = PALETTE[0] if is_winner else PALETTE[1]
        mark = "^" if each.state == "inconclusive" else _MARKS[each.sees]
        above = 5 if is_winner else 3
        (drawn,) = axes.plot([100 * each.choosing], [row], mark, color=colour, markersize=5.5, zorder=above)
        drawn.set(markerfacecolor="none" if each.sees == "fresh" else colour, alpha=0.85, clip_on=False)
        if is_winner:
            axes.plot([100 * each.choosing], [row], "o", color=INK, markersize=10, fillstyle="none", zorder=4)
    failed = sum(each.state == "failed" for each in attempts)
    best = max((each.choosing for each in attempts if each.choosing is not None), default=None)
    said = [] if best is None else [percent(best)]
    _figure_beside(axes, row, ", ".join([*said, *([f"{failed} failed"] if failed else [])]))


def _name(axes: Axes, row: int, name: str, below: str = "") -> None:
    lift = 0.17 if below else 0.0
    _write(axes, 0, row - lift, short(name, _LONGEST), TEXT, INK)
    if below:
        _write(axes, 0, row + 0.24, short(below, _LONGEST), _SMALL, FAINT)


def _figure_beside(axes: Axes, row: int, said: str) -> None:
    _write(axes, 1, row, said, TEXT, FAINT if said == NOT_AVAILABLE else INK)


def _write(axes: Axes, side: Literal[0, 1], row: float, said: str, size: float, colour: str) -> None:
    """Beside the axes: left of them (0) or right of them (1)."""
    place = axes.annotate(
        said,
        (side, row),
        (-8, 0) if side == 0 else (8, 0),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        ha="right" if side == 0 else "left",
        va="center",
    )
    place.set(fontsize=size, color=colour, parse_math=False)
