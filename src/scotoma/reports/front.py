"""What does hiding cost? The front of a sweep: accuracy on what is hidden over accuracy on what is kept.

One point an encoder, with both intervals, named by its alpha and joined in the order of alpha (over several
seeds by their means); beside it what attackers reach on the original images, and the floor, which no encoder
can get under.
"""

import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from statistics import fmean
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from scotoma.reports.drawing import PALETTE

_INK = "#1d2026"
_FAINT = "#858b93"
_MARKS = {"identity": "*", "blur": "D"}
# Inches: the axes, the room around them, and a line of text below or of the legend above.
_AXES = (6.35, 4.0)
_LEFT, _RIGHT, _FOOT, _HEAD = 0.65, 0.2, 0.55, 0.4
_LINE = 0.19
_TEXT = 8.5  # points
_LINE_LENGTH = 105  # characters
_DOTS = 150  # an inch, as PNG
_COLUMNS = 2  # of the legend
_TITLE = "Lower is better hidden, further right is better kept"
# What stands in the legend: text, colour, mark and, where that differs, what the mark is filled with.
_Entry = tuple[str, str, str, str | None]


@dataclass(frozen=True)
class Measure:
    """A balanced accuracy as a fraction, with the ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class FrontPoint:
    """One encoder and one of its hidden tasks; `kept` is the mean over the kept tasks. `rising`: an attacker
    was still improving when its budget ended.
    """

    task: str
    alpha: float
    seed: int
    hidden: Measure
    kept: Measure
    rising: bool = False


@dataclass(frozen=True)
class FrontReference:
    """The same on original ("identity") or blurred images ("blur")."""

    name: str
    task: str
    hidden: float
    kept: float
    rising: bool = False


@dataclass(frozen=True)
class Front:
    """Everything that is drawn. `absent` says what is not there and why, as in "alpha 1 (failed)"."""

    hide: tuple[str, ...]
    keep: tuple[str, ...]
    points: tuple[FrontPoint, ...]
    references: tuple[FrontReference, ...] = ()
    floors: Mapping[str, float] = field(default_factory=dict)
    absent: tuple[str, ...] = ()


def draw_front(front: Front, form: Literal["svg", "png"]) -> bytes:
    """Draw it on white; equal fronts give equal bytes."""
    below, entries = _below(front), _entries(front)
    foot = _FOOT + _LINE * len(below)
    width = _LEFT + _AXES[0] + _RIGHT
    height = foot + _AXES[1] + _LINE * -(-len(entries) // _COLUMNS) + _HEAD
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "scotoma", "font.size": _TEXT}):
        figure = Figure(figsize=(width, height), layout=None)
        place = (_LEFT / width, foot / height, _AXES[0] / width, _AXES[1] / height)
        axes = figure.add_axes(place)
        _draw(axes, front)
        _legend(axes, entries)
        title = figure.text(_LEFT / width, 1 - 0.25 / height, _TITLE)
        title.set(fontsize=10, color=_INK)
        for number, line in enumerate(reversed(below)):
            said = figure.text(_LEFT / width, (0.08 + _LINE * number) / height, line, color=_INK)
            said.set(fontsize=_TEXT - 0.5, parse_math=False)
        return _as_svg(figure) if form == "svg" else _as_png(figure)


def alpha_text(alpha: float) -> str:
    """A weight in as few digits as tell it: 1, 0.0625."""
    short = f"{alpha:g}"
    return short if float(short) == alpha else repr(alpha)


def _as_svg(figure: Figure) -> bytes:
    drawn = io.StringIO()
    nothing = {"Creator": None, "Date": None, "Format": None, "Type": None}
    FigureCanvasSVG(figure).print_svg(drawn, metadata=nothing)
    return drawn.getvalue().encode()


def _as_png(figure: Figure) -> bytes:
    drawn = io.BytesIO()
    figure.set_dpi(_DOTS)
    FigureCanvasAgg(figure).print_png(drawn)
    return drawn.getvalue()


def _below(front: Front) -> list[str]:
    if not front.absent:
        return []
    return textwrap.wrap(f"Not drawn: {', '.join(front.absent)}.", _LINE_LENGTH)


def _draw(axes: Axes, front: Front) -> None:
    _frame(axes, front)
    for number, task in enumerate(front.hide):
        colour = PALETTE[number % len(PALETTE)]
        points = [point for point in front.points if point.task == task]
        _floor(axes, front, task, colour)
        for each in front.references:
            if each.task == task:
                mark = _MARKS.get(each.name, "s")
                (drawn,) = axes.plot([100 * each.kept], [100 * each.hidden], mark, color=colour, zorder=2)
                drawn.set(markersize=9, markerfacecolor="white" if each.rising else colour)
        _errors(axes, points, colour, small=_has_seeds(front))
        means = _means(points)
        across, up = [[100 * place[side] for place in means.values()] for side in (0, 1)]
        axes.plot(across, up, "-", color=colour, linewidth=1.0, alpha=0.6, zorder=3)
        if _has_seeds(front):
            axes.plot(across, up, "s", color=colour, markersize=6.5, zorder=5)
    _name_points(axes, front)


def _frame(axes: Axes, front: Front) -> None:
    across = [value for point in front.points for value in (point.kept.low, point.kept.high)]
    across += [each.kept for each in front.references]
    up = [value for point in front.points for value in (point.hidden.low, point.hidden.high)]
    up += [*(each.hidden for each in front.references), *front.floors.values()]
    axes.set_xlim(*_range(across))
    axes.set_ylim(*_range(up))
    kept = "".join(f" +{name}" for name in front.keep)
    of = f"mean of the kept tasks{kept}" if len(front.keep) > 1 else f"kept{kept}"
    for set_label, text in ((axes.set_xlabel, of), (axes.set_ylabel, "hidden")):
        set_label(f"{text}: fresh attackers' test accuracy, balanced, %", color=_INK, parse_math=False)
    axes.tick_params(colors=_INK, labelsize=_TEXT, width=0.6)
    axes.grid(color=_FAINT, alpha=0.2, linewidth=0.6)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_FAINT)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """What an axis shows, in percent: all values with some room, and four points at least."""
    low, high = (100 * min(values), 100 * max(values)) if values else (50.0, 100.0)
    spare = max(4.0 - (high - low), 0.0) / 2
    room = 0.07 * max(high - low, 4.0)
    return low - spare - room, min(high + spare + room, 101.0)


def _floor(axes: Axes, front: Front, task: str, colour: str) -> None:
    if task in front.floors:
        # Tasks of one group share a floor: one line in ink is enough, more have the colours of their tasks.
        shared = len(set(front.floors.values())) == 1
        level = 100 * front.floors[task]
        axes.axhline(level, color=_INK if shared else colour, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)


def _has_seeds(front: Front) -> bool:
    return len({point.seed for point in front.points}) > 1


def _errors(axes: Axes, points: Sequence[FrontPoint], colour: str, small: bool) -> None:
    for point in points:
        kept, hidden = point.kept, point.hidden
        bars = axes.errorbar(
            [100 * kept.value],
            [100 * hidden.value],
            xerr=[[100 * (kept.value - kept.low)], [100 * (kept.high - kept.value)]],
            yerr=[[100 * (hidden.value - hidden.low)], [100 * (hidden.high - hidden.value)]],
            fmt="o",
            color=colour,
            markersize=4.0 if small else 5.5,
            elinewidth=0.8,
            markerfacecolor="white" if point.rising else colour,
            zorder=4,
        )
        for bar in bars[2]:
            bar.set_alpha(0.4 if small else 0.6)


def _means(points: Sequence[FrontPoint]) -> dict[float, tuple[float, float]]:
    """The middle of each alpha's seeds (kept, hidden), in the order of alpha."""
    found = {}
    for alpha in sorted({point.alpha for point in points}):
        seeds = [point for point in points if point.alpha == alpha]
        found[alpha] = fmean(each.kept.value for each in seeds), fmean(each.hidden.value for each in seeds)
    return found


def _entries(front: Front) -> list[_Entry]:
    entries: list[_Entry] = [
        (f"\N{MINUS SIGN}{task}", PALETTE[number % len(PALETTE)], "o-", None)
        for number, task in enumerate(front.hide)
    ]
    if _has_seeds(front):
        entries.append(("mean over seeds", _FAINT, "s", None))
    if any([each.rising for each in front.points] + [each.rising for each in front.references]):
        entries.append(("hollow: an attacker was still rising, at least this", _FAINT, "o", "white"))
    said = {"identity": "identity: original images", "blur": "blur: blurred images"}
    for name in dict.fromkeys(each.name for each in front.references):
        entries.append((said.get(name, name), _FAINT, _MARKS.get(name, "s"), None))
    if front.floors:
        levels = ", ".join(f"{100 * level:.1f}" for level in sorted(set(front.floors.values())))
        entries.append((f"floor {levels}: what the kept labels alone tell", _INK, "--", None))
    return entries


def _legend(axes: Axes, entries: Sequence[_Entry]) -> None:
    """What colours and marks mean, above the axes: no point can be behind it."""
    for text, colour, mark, face in entries:
        (line,) = axes.plot([], [], mark, color=colour, label=text, markersize=6, linewidth=0.9)
        line.set_markerfacecolor(face or colour)
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=_COLUMNS,
        frameon=False,
        fontsize=_TEXT,
        labelcolor=_INK,
        borderaxespad=0.2,
        borderpad=0,
    )
    for label in legend.get_texts():
        label.set_parse_math(False)


@dataclass(frozen=True)
class _Box:
    """Room on the picture, in points of print."""

    left: float
    low: float
    right: float
    high: float

    def overlap(self, other: "_Box") -> float:
        """The area that two boxes share."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        tall = min(self.high, other.high) - max(self.low, other.low)
        return max(wide, 0.0) * max(tall, 0.0)


def _name_points(axes: Axes, front: Front) -> None:
    """Write its alpha beside every point, where it covers least of points and of other names."""
    named = [(task, alpha, place) for task in front.hide for alpha, place in _means_of(front, task).items()]
    scale = 72 / axes.figure.dpi
    drawn = [(point.kept.value, point.hidden.value) for point in front.points]
    drawn += [(each.kept, each.hidden) for each in front.references]
    taken = [_around(axes, place, scale) for place in drawn]
    for _, alpha, place in named:
        text = f"\N{GREEK SMALL LETTER ALPHA} {alpha_text(alpha)}"
        x, y = axes.transData.transform((100 * place[0], 100 * place[1])) * scale
        wide, tall = 0.58 * _TEXT * len(text), 1.1 * _TEXT
        # Beside the point, first of all at the lower right: there are fewest lines.
        tried = [
            _Box(x + right, y + up, x + right + wide, y + up + tall)
            for up, right in product((-tall - 3, 4, -tall / 2, -2 * tall - 3, tall + 4), (6, -wide - 6))
        ]
        best = min(tried, key=lambda box: sum(box.overlap(other) for other in taken))
        taken.append(best)
        axes.annotate(
            text,
            (100 * place[0], 100 * place[1]),
            (best.left - x, best.low - y),
            textcoords="offset points",
            fontsize=_TEXT,
            color=_INK,
            parse_math=False,
            bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
            # A name may stand nearer to another point than to its own.
            arrowprops={"arrowstyle": "-", "color": _INK, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3},
            zorder=6,
        )


def _means_of(front: Front, task: str) -> dict[float, tuple[float, float]]:
    return _means([point for point in front.points if point.task == task])


def _around(axes: Axes, place: tuple[float, float], scale: float) -> _Box:
    x, y = axes.transData.transform((100 * place[0], 100 * place[1])) * scale
    return _Box(x - 5, y - 5, x + 5, y + 5)
