"""How fast, and how far, does an attacker learn a task from each encoder? (Figure 1 of the paper)

One panel a task, one line an encoder: validation accuracy over the attacker's iterations. Lines are named at
their ends, differ in colour and dashes, and have the same contrast on white and on black; text follows the
reader's scheme.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from scotoma.reports.drawing import FAINT, INK, PALETTE, TEXT, adaptable_svg, plain_axes, short, style
from scotoma.reports.findings import CHANCE, headline, shared_role, tasks
from scotoma.reports.verdict import percent
from scotoma.runs.results import Cell, Results

Dashes = str | tuple[int, tuple[float, ...]]

_DASHES: tuple[Dashes, ...] = ("-", (0, (5, 1.6)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
_REFERENCES: dict[str, tuple[str, Dashes]] = {
    "identity": ("#858b93", "-"),
    "blur": ("#858b93", (0, (4, 1.5))),
}
# Inches: a panel with its texts, the room at its left, the height of the axes.
_PANEL = (4.5, 3.1)
_LEFT = 0.4
_HEIGHT = 2.1


def attack_curves(results: Results, only: Sequence[str] | None = None) -> bytes:
    """Draw the attackers' validation accuracy as SVG.

    Args:
        results: the run.
        only: the tasks to draw, in this order; all by default, two panels a row.

    Returns:
        The file. It has no script and no link, and reads on a light and on a dark background.
    """
    chosen = tuple(tasks(results) if only is None else only)
    columns = min(2, len(chosen)) or 1
    rows = -(-len(chosen) // columns) or 1
    with style():
        figure = Figure(figsize=(_PANEL[0] * columns, _PANEL[1] * rows), layout=None)
        for index, task in enumerate(chosen):
            _panel(_axes(figure, rows, columns, index, _margin(results)), results, task)
        return adaptable_svg(figure)


@dataclass(frozen=True)
class _Line:
    """One attacker's curve: the points that a logarithmic axis can show, accuracies in percent."""

    cell: Cell
    colour: str
    dashes: Dashes
    iterations: list[int]
    accuracies: list[float]


@dataclass
class _Label:
    """A name at the right of a panel: where its line ends, and where the name has room (in percent)."""

    text: str
    colour: str
    at: float
    placed: float = 0.0


def _margin(results: Results) -> float:
    """Room for the longest name at the right, in inches."""
    longest = max([len(each.name) for each in results.encoders] + [len("floor 55.6")])
    return 0.35 + 0.075 * min(longest, 24)


def _axes(figure: Figure, rows: int, columns: int, index: int, margin: float) -> Axes:
    width, height = _PANEL[0] * columns, _PANEL[1] * rows
    row, column = divmod(index, columns)
    left = (_PANEL[0] * column + _LEFT) / width
    bottom = (_PANEL[1] * (rows - 1 - row) + 0.45) / height
    return figure.add_axes((left, bottom, (_PANEL[0] - _LEFT - margin) / width, _HEIGHT / height))


def _panel(axes: Axes, results: Results, task: str) -> None:
    lines = _lines(results, task)
    _frame(axes, lines)
    meant = shared_role(results, task)
    sign = {"hide": "\N{MINUS SIGN}", "keep": "+"}.get(meant or "", "")
    said = {"hide": " (hidden)", "keep": " (kept)"}.get(meant or "", "")
    title = axes.set_title(f"{sign}{task}{said}", loc="left", pad=19)
    title.set(fontsize=10, fontweight="bold", color=INK, parse_math=False)
    labels = []
    for floor in sorted({round(line.cell.floor, 3) for line in lines}):
        axes.axhline(100 * floor, color=INK, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
        labels.append(_Label(f"floor {percent(floor)}", INK, 100 * floor))
    for line in lines:
        _draw(axes, line)
        failed = " (failed)" if line.cell.state == "failed" else ""
        labels.append(_Label(f"{short(line.cell.encoder)}{failed}", line.colour, line.accuracies[-1]))
    _write(axes, labels)


def _lines(results: Results, task: str) -> list[_Line]:
    """The curves of a task; an encoder has the same colour and dashes in every panel."""
    lines = []
    trained = 0
    for encoder in results.encoders:
        if encoder.kind in _REFERENCES:
            colour, dashes = _REFERENCES[encoder.kind]
        else:
            colour = PALETTE[trained % len(PALETTE)]
            dashes = _DASHES[trained // len(PALETTE) % len(_DASHES)]
            trained += 1
        cell = headline(results, encoder.name, task)
        points = [point for point in cell.curve if point.iteration > 0] if cell else []
        if cell and points:
            iterations = [point.iteration for point in points]
            lines.append(
                _Line(cell, colour, dashes, iterations, [100 * each.val_accuracy for each in points])
            )
    return lines


def _frame(axes: Axes, lines: Sequence[_Line]) -> None:
    first = min((line.iterations[0] for line in lines), default=100)
    last = max((line.iterations[-1] for line in lines), default=1000)
    last = max(last, first + 1)
    lowest = min((min(line.accuracies) for line in lines), default=100 * CHANCE)
    guessing = min((100 * line.cell.chance for line in lines), default=100 * CHANCE)
    axes.set_ylim(min(guessing - 2, lowest - 1), 101)
    axes.set_xscale("log")
    axes.set_xlim(first * 0.9, last * 1.05)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5) if last / first < 300 else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _thousands(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("attacker's iterations", color=INK, fontsize=TEXT)
    axes.text(0, 1.035, "validation accuracy, %", transform=axes.transAxes, fontsize=TEXT, color=INK)
    axes.grid(axis="y", color=FAINT, alpha=0.25, linewidth=0.6)
    plain_axes(axes)


def _draw(axes: Axes, line: _Line) -> None:
    colour, end = line.colour, (line.iterations[-1], line.accuracies[-1])
    axes.plot(line.iterations, line.accuracies, color=colour, linestyle=line.dashes, linewidth=1.7, zorder=3)
    # The level that was reached, carried to the edge, so that lines of different length compare.
    edge = axes.get_xlim()[1]
    axes.plot([end[0], edge], [end[1], end[1]], color=colour, linewidth=0.6, alpha=0.6, zorder=2)
    curve = line.cell.curve
    drops = [after for before, after in pairwise(curve) if after.rate < before.rate]
    for drop in drops:
        level = 100 * drop.val_accuracy
        axes.plot([drop.iteration], [level], "v", color=colour, markersize=6, clip_on=False, zorder=4)
    filled = "none" if line.cell.state == "inconclusive" else colour
    mark = "X" if line.cell.state == "failed" else "o"
    (last,) = axes.plot([end[0]], [end[1]], mark, color=colour, clip_on=False, zorder=4)
    last.set(markerfacecolor=filled, markersize=5.5)


def _write(axes: Axes, labels: list[_Label]) -> None:
    """Name the lines at the right, moved apart where they would overlap, with leaders to their levels."""
    low, high = axes.get_ylim()
    gap = (TEXT * 1.25) / (72 * _HEIGHT) * (high - low)
    _spread(labels, low, high, gap)
    beside = axes.get_yaxis_transform()  # x in widths of the panel, y in percent
    for label in labels:
        path = (1.0, 1.04, 1.075), (label.at, label.placed, label.placed)
        axes.plot(*path, color=label.colour, linewidth=1.4, transform=beside, clip_on=False)
        place = axes.text(1.1, label.placed, label.text, transform=beside, va="center_baseline", ha="left")
        place.set(fontsize=TEXT, color=INK, parse_math=False)


def _spread(labels: list[_Label], low: float, high: float, gap: float) -> None:
    """Place labels at least `gap` apart and inside the panel, in the order of their lines."""
    labels.sort(key=lambda label: label.at)
    room = low
    for label in labels:
        label.placed = max(label.at, room)
        room = label.placed + gap
    ceiling = high
    for label in reversed(labels):
        label.placed = min(label.placed, ceiling)
        ceiling = label.placed - gap


def _thousands(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
