"""How much slower, and how far, do fresh attackers learn from encoded images? (Figure 1 of the paper)"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scotoma.experiments.artefact import MISSING, Artefact, percent, table
from scotoma.experiments.cells import Cell, read_results
from scotoma.experiments.scales import Scale
from scotoma.experiments.table1 import BASELINES, DIRECTIONS, OBJECTIVES, attack_of, pair_of
from scotoma.reports.findings import CHANCE, figures, headline
from scotoma.runs.results import Cell as Attack
from scotoma.runs.results import Results

# Which of Table 1's encoders are drawn, in the colours and dashes of the lines.
DRAWN = ("label-flip", "gan")
_LINES: dict[str, tuple[str, str]] = {
    "identity": ("#858b93", "-"),
    "blur": ("#858b93", "--"),
    "label-flip": ("#d9541a", "-"),
    "gan": ("#2f7fc1", "--"),
}
# Iterations are counted up to one accuracy, the same for an attacker and for identity's: this far from
# guessing to the best of the worse of both. To its own best, one that learns next to nothing is fast.
FAR = 0.9
_PANEL = (4.6, 3.2)  # inches


@dataclass(frozen=True)
class Curve:
    """Validation accuracy of one attacker. `level` is the accuracy up to which iterations are counted,
    `reached` the attacker's, `identity` those of the attacker of original images, `slower` their ratio.
    """

    encoder: str
    iterations: tuple[int, ...]
    accuracies: tuple[float, ...]
    best: float | None = None
    level: float | None = None
    reached: int | None = None
    identity: int | None = None
    slower: float | None = None


@dataclass(frozen=True)
class Panel:
    """The attackers of one task."""

    direction: str
    task: str
    hidden: bool
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Figure1:
    """All panels, of the first seed."""

    seed: int
    panels: tuple[Panel, ...]


def cells(scale: Scale, seeds: Sequence[int]) -> tuple[Cell, ...]:
    """The encoders of Table 1 that are drawn, of the first seed, and the attacks on them."""
    found: list[Cell] = []
    for objective in DRAWN:
        for direction in DIRECTIONS:
            attack = attack_of(scale, direction, objective, seeds[0], seeds[0])
            found += [attack.encoder, attack]
    return tuple(found)


def collect(scale: Scale, seeds: Sequence[int], out: Path) -> Figure1:
    """Read the curves."""
    seed = seeds[0]
    first = read_results(attack_of(scale, DIRECTIONS[0], OBJECTIVES[0], seed, seed), out)
    panels = []
    for direction in DIRECTIONS:
        encoders = {name: read_results(attack_of(scale, direction, name, seed, seed), out) for name in DRAWN}
        for task, hidden in zip(pair_of(scale, direction), (True, False), strict=True):
            attacks = {name: _attack(first, name, task) for name in BASELINES}
            attacks |= {name: _attack(results, "encoder", task) for name, results in encoders.items()}
            panels.append(Panel(direction, task, hidden, _curves(attacks)))
    return Figure1(seed, tuple(panels))


def markdown(found: Figure1) -> str:
    """How many iterations each attacker needed, in words and numbers; the curves are in the picture."""
    rows = []
    for panel in found.panels:
        sign = "-" if panel.hidden else "+"
        for curve in panel.curves:
            slower = MISSING if curve.slower is None else f"{curve.slower:.1f}"
            reached, identity = (
                MISSING if at is None else f"{at:,}" for at in (curve.reached, curve.identity)
            )
            measured = [percent(curve.best), percent(curve.level), reached, identity, slower]
            rows.append([panel.direction, f"{sign}{panel.task}", curve.encoder, *measured])
    heads = ["encoders", "task", "attacked", "best, validation", "level", "iterations", "identity's", "ratio"]
    lines = [
        "# Figure 1: fresh attackers learn",
        "",
        f"Seed {found.seed}. Iterations: how many an attacker, and that of original images, takes to the "
        f"level: {FAR:.0%} of the way from 50 % to the best of the worse of the two. Attackers are tested "
        "more often at the beginning, and a ratio is as coarse as that. The curves are in figure1.png.",
        "",
        table(heads, rows),
    ]
    return "\n".join(lines)


def picture(found: Figure1) -> bytes:
    """The curves as PNG: one panel a task, a logarithmic axis of iterations."""
    columns = 2
    rows = -(-len(found.panels) // columns)
    figure = Figure(figsize=(_PANEL[0] * columns, _PANEL[1] * rows), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    lines: dict[str, Line2D] = {}
    for number, panel in enumerate(found.panels):
        lines |= _draw(figure.add_subplot(rows, columns, number + 1), panel)
    if lines:  # one legend for all, beside the curves and not over them
        figure.legend(lines.values(), lines, loc="outside lower center", ncols=len(lines), frameon=False)
    drawn = io.BytesIO()
    canvas.print_png(drawn)
    return drawn.getvalue()


def common_level(accuracies: Sequence[float], original: Sequence[float], far: float = FAR) -> float | None:
    """The accuracy that two attackers both reach: chance + far (min(best, original's best) - chance); None
    where either is missing or never beat guessing.
    """
    if not accuracies or not original:
        return None
    best = min(max(accuracies), max(original))
    return CHANCE + far * (best - CHANCE) if best > CHANCE else None


def reached_at(iterations: Sequence[int], accuracies: Sequence[float], level: float) -> int:
    """The first iteration with at least an accuracy of `level`, which must be reached."""
    return next(at for at, value in zip(iterations, accuracies, strict=True) if value >= level)


def _attack(results: Results | None, encoder: str, task: str) -> Attack | None:
    cell = headline(results, encoder, task) if results else None
    return cell if figures(cell) else None


def _curves(attacks: Mapping[str, Attack | None]) -> tuple[Curve, ...]:
    drawn = {name: _drawn(attack) for name, attack in attacks.items()}
    original = drawn["identity"]
    return tuple(_curve(name, *points, *original) for name, points in drawn.items())


def _drawn(attack: Attack | None) -> tuple[tuple[int, ...], tuple[float, ...]]:
    # A logarithmic axis has no place for iteration 0.
    points = [point for point in attack.curve if point.iteration > 0] if attack else []
    return tuple(point.iteration for point in points), tuple(point.val_accuracy for point in points)


def _curve(
    name: str,
    iterations: tuple[int, ...],
    accuracies: tuple[float, ...],
    original_iterations: tuple[int, ...],
    original: tuple[float, ...],
) -> Curve:
    best = max(accuracies, default=None)
    level = common_level(accuracies, original)
    if level is None:
        return Curve(name, iterations, accuracies, best)
    reached, identity = (
        reached_at(iterations, accuracies, level),
        reached_at(original_iterations, original, level),
    )
    return Curve(name, iterations, accuracies, best, level, reached, identity, reached / identity)


def _draw(axes: Axes, panel: Panel) -> dict[str, Line2D]:
    """Draw a panel; returns its lines, by encoder."""
    lines: dict[str, Line2D] = {}
    for curve in panel.curves:
        colour, dashes = _LINES[curve.encoder]
        if curve.iterations:
            percents = [100 * value for value in curve.accuracies]
            (lines[curve.encoder],) = axes.plot(curve.iterations, percents, color=colour, linestyle=dashes)
    axes.set_xscale("log")
    axes.set_ylim(45, 101)
    axes.axhline(100 * CHANCE, color="#1d2026", linewidth=0.6, linestyle=":")
    said = "hidden" if panel.hidden else "kept"
    axes.set_title(f"{panel.task} ({said}; {panel.direction})", fontsize=10, parse_math=False)
    axes.set_xlabel("attacker's iterations", fontsize=8)
    axes.set_ylabel("validation accuracy, %", fontsize=8)
    return lines


FIGURE1_ARTEFACT = Artefact("figure1", cells, collect, markdown, picture)
