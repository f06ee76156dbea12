"""How do drawings of a report look alike, read on white and on black, and stand in one page?"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Colours that differ for any colour vision, with a contrast of 3:1 or more on white and on the dark page.
PALETTE = ("#d9541a", "#2f7fc1", "#0f9b74", "#a865c9", "#a5822a", "#d0558f")
# Stands for the colour of the text around the figure; replaced after drawing.
INK = "#010203"
FAINT = "#8a8f98"
TEXT = 8.5  # points

_SCHEMES = (
    "<style>.scotoma-curves{color:#1d2026}"
    "@media (prefers-color-scheme:dark){.scotoma-curves{color:#e4e6ea}}</style>"
)


@contextmanager
def style() -> Iterator[None]:
    """Within it figures are made and drawn: texts stay texts, equal figures give equal bytes."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "scotoma", "font.size": TEXT}):
        yield


def adaptable_svg(figure: Figure) -> bytes:
    """A figure as SVG without prologue, script or link; text and ink in the reader's colour and typeface."""
    figure.patch.set_alpha(0)
    drawn = io.StringIO()
    nothing = {"Creator": None, "Date": None, "Format": None, "Type": None}
    with style():
        FigureCanvasSVG(figure).print_svg(drawn, metadata=nothing)
    svg = drawn.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", svg)
    # Several pictures stand on one page: their rules and group names must not meet.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg).replace(
        "*{stroke-linejoin", ".scotoma-curves *{stroke-linejoin"
    )
    opening, rest = svg.split(">", 1)
    return f'{opening} class="scotoma-curves">{_SCHEMES}{rest}'.encode()


def inline(svg: bytes, named: str) -> Markup:
    """A drawing as an element of a page, which needs no namespaces; screen readers get its name."""
    element = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg.decode())
    # The drawing is made here and its texts are escaped by matplotlib.
    return Markup(element.replace("<svg", f'<svg role="img" aria-label="{escape(named)}"', 1))


def plain_axes(axes: Axes) -> None:
    """Two faint axes, small ticks, nothing behind them."""
    axes.set_facecolor("none")
    axes.tick_params(colors=INK, labelsize=TEXT, width=0.6, which="both")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(FAINT)


def short(name: str, most: int = 24) -> str:
    """A name in at most so many characters: its beginning and its end."""
    if len(name) <= most:
        return name
    return f"{name[: most - 11]}\N{HORIZONTAL ELLIPSIS}{name[-10:]}"
