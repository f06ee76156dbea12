"""How does an accuracy grow with what an attacker is given? Lines with intervals, as SVG of a page."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from scotoma.reports.drawing import PALETTE

WIDTH, HEIGHT = 440, 280
LEFT, RIGHT, TOP, BOTTOM = 40, 14, 40, 42  # pixels around the axes
DASHES = ("", "6 3", "2 3", "8 3 2 3")

Place = Callable[[float], float]


@dataclass(frozen=True)
class Line:
    """A named line: amounts, ascending and above 0, and (accuracy, low, high) for each, fractions."""

    name: str
    amounts: tuple[float, ...]
    accuracies: tuple[tuple[float, float, float], ...]


def line_plot(
    title: str, lines: Sequence[Line], ticks: Sequence[tuple[float, str]], chance: float, across: str
) -> Markup:
    """Draw lines over a logarithmic axis with these ticks, and what guessing gives as a dashed line.

    The colours have the same contrast on white and on the dark page; text has the colour of the text around.
    """
    amounts = [math.log(amount) for amount, _ in ticks]
    first, last = min(amounts), max(max(amounts), min(amounts) + 1e-9)
    lowest = min([chance, *(low for line in lines for _, low, _ in line.accuracies)])
    floor = math.floor(lowest * 10) / 10

    def x(amount: float) -> float:
        return LEFT + (math.log(amount) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(accuracy: float) -> float:
        return HEIGHT - BOTTOM - (accuracy - floor) / (1 - floor) * (HEIGHT - TOP - BOTTOM)

    said = escape(f"{title}: accuracy over {across}")
    drawn = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}" font-size="11" '
        'font-family="system-ui, sans-serif" fill="currentColor">',
        f'<text x="{LEFT}" y="14" font-size="13" font-weight="bold">{escape(title)}</text>',
    ]
    drawn += _grid(floor, y)
    for amount, label in ticks:
        drawn.append(_text(x(amount), HEIGHT - BOTTOM + 16, label, "middle"))
    drawn.append(_text((WIDTH + LEFT) / 2, HEIGHT - 8, across, "middle"))
    drawn.append(_path([(LEFT, y(chance)), (WIDTH - RIGHT, y(chance))], "currentColor", "3 3", 1))
    for index, line in enumerate(lines):
        colour, dashes = PALETTE[index % len(PALETTE)], DASHES[index % len(DASHES)]
        drawn += _line([x(each) for each in line.amounts], line, y, colour, dashes)
        start = LEFT + index * (WIDTH - LEFT - RIGHT) / max(len(lines), 1)
        drawn.append(_path([(start, 28), (start + 18, 28)], colour, dashes, 2))
        drawn.append(_text(start + 22, 32, line.name, "start"))
    return Markup("\n".join([*drawn, "</svg>"]))


def _grid(floor: float, y: Place) -> list[str]:
    drawn = []
    for tenth in range(round(floor * 10), 11):
        level = y(tenth / 10)
        drawn.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{level:.1f}" y2="{level:.1f}" stroke="currentColor" '
            'opacity="0.15"/>'
        )
        drawn.append(_text(LEFT - 6, level + 4, str(10 * tenth), "end"))
    return drawn


def _line(places: Sequence[float], line: Line, y: Place, colour: str, dashes: str) -> list[str]:
    middle = [(place, y(each[0])) for place, each in zip(places, line.accuracies, strict=True)]
    drawn = [_path(middle, colour, dashes, 2)]
    for place, (accuracy, low, high) in zip(places, line.accuracies, strict=True):
        drawn.append(_path([(place, y(low)), (place, y(high))], colour, "", 1.2))
        drawn.append(f'<circle cx="{place:.1f}" cy="{y(accuracy):.1f}" r="3" fill="{colour}"/>')
    return drawn


def _path(points: Sequence[tuple[float, float]], colour: str, dashes: str, width: float) -> str:
    placed = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{placed}" fill="none" stroke="{colour}" stroke-width="{width:g}"{dashed}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
