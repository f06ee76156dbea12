import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import combinations
from typing import cast

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from PIL import Image

from scotoma.reports import front as module
from scotoma.reports.drawing import PALETTE
from scotoma.reports.front import Front, FrontPoint, FrontReference, Measure, alpha_text, draw_front

SVG = "{http://www.w3.org/2000/svg}"
RISING = "hollow: an attacker was still rising, at least this"


def point(alpha: float, hidden: float, kept: float, task: str = "shirt", seed: int = 0) -> FrontPoint:
    """A point whose intervals reach two points to both sides."""
    around, kept_around = (Measure(each, each - 0.02, each + 0.02) for each in (hidden, kept))
    return FrontPoint(task, alpha, seed, around, kept_around)


FRONT = Front(
    ("shirt",),
    ("bag",),
    (point(0.0625, 0.6, 0.93), point(0.01, 0.57, 0.88), point(0.25, 0.66, 0.97)),
    (FrontReference("identity", "shirt", 0.87, 0.99), FrontReference("blur", "shirt", 0.81, 0.95)),
    {"shirt": 0.556},
)


def texts(front: Front) -> list[str]:
    svg = draw_front(front, "svg")
    return ["".join(each.itertext()) for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_points_are_named_and_axes_floor_and_references_explained() -> None:
    found = texts(FRONT)
    assert {"\N{GREEK SMALL LETTER ALPHA} 0.01", "\N{GREEK SMALL LETTER ALPHA} 0.0625"} <= set(found)
    assert "kept +bag: fresh attackers' test accuracy, balanced, %" in found
    assert "hidden: fresh attackers' test accuracy, balanced, %" in found
    assert "floor 55.6: what the kept labels alone tell" in found
    assert {"identity: original images", "blur: blurred images", "\N{MINUS SIGN}shirt"} <= set(found)
    assert RISING not in found and "mean over seeds" not in found
    assert not [each for each in found if each.startswith("Not drawn")]


def test_several_kept_tasks_are_said_to_be_a_mean_and_each_hidden_one_has_a_colour() -> None:
    both = (*FRONT.points, *(replace(each, task="coat") for each in FRONT.points))
    front = replace(FRONT, hide=("shirt", "coat"), keep=("bag", "sneaker"), points=both)
    found = texts(front)
    assert "mean of the kept tasks +bag +sneaker: fresh attackers' test accuracy, balanced, %" in found
    assert {"\N{MINUS SIGN}shirt", "\N{MINUS SIGN}coat"} <= set(found)
    colours = [colour in draw_front(front, "svg").decode() for colour in PALETTE[:3]]
    assert colours == [True, True, False]


def axes_of(front: Front, monkeypatch: pytest.MonkeyPatch) -> Axes:
    """What would be written as SVG."""
    drawn: list[Axes] = []

    def kept(figure: Figure) -> bytes:
        drawn.append(figure.axes[0])
        return b""

    monkeypatch.setattr(module, "_as_svg", kept)
    draw_front(front, "svg")
    return drawn[0]


def test_where_points_and_bars_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = axes_of(FRONT, monkeypatch)
    bars = [each.lines for each in drawn.containers if isinstance(each, ErrorbarContainer)]
    places = [np.asarray(line.get_data(), np.float64).ravel() for line, _, _ in bars]
    assert np.allclose(places, [(93, 60), (88, 57), (97, 66)])
    across, up = (each.get_segments()[0] for each in bars[0][2])
    assert np.allclose(across, [(91, 60), (95, 60)]) and np.allclose(up, [(93, 58), (93, 62)])
    lines = [(np.asarray(line.get_data(), np.float64), line.is_dashed()) for line in drawn.lines]
    joined = [data for data, _ in lines if data.shape == (2, 3)]
    assert np.allclose(joined, [[(88, 93, 97), (57, 60, 66)]])  # in the order of alpha
    floors = [data[1].tolist() for data, is_dashed in lines if is_dashed and data.size]
    assert np.allclose(floors, [(55.6, 55.6)])
    low, high = drawn.get_ylim()
    assert low < 55 and 87 < high < 95


def test_over_several_seeds_their_means_are_named_and_joined() -> None:
    seeds = (point(1, 0.6, 0.9), point(1, 0.64, 0.94, seed=1))
    assert module._means(seeds) == {1: pytest.approx((0.92, 0.62))}
    found = texts(replace(FRONT, points=seeds))
    assert "mean over seeds" in found
    assert found.count("\N{GREEK SMALL LETTER ALPHA} 1") == 1


def test_an_unfinished_attack_is_a_hollow_point_and_explained() -> None:
    rising = replace(FRONT, points=(replace(FRONT.points[0], rising=True), *FRONT.points[1:]))
    hollow = re.compile(rb'<use [^>]*style="fill: #ffffff; stroke: #d9541a[;"]')
    assert [len(hollow.findall(draw_front(front, "svg"))) for front in (FRONT, rising)] == [0, 1]
    assert RISING in texts(rising)
    original = replace(FRONT, references=(replace(FRONT.references[0], rising=True), *FRONT.references[1:]))
    assert len(hollow.findall(draw_front(original, "svg"))) == 1
    assert RISING in texts(original)


def test_what_is_absent_is_named_and_an_empty_front_is_still_a_picture() -> None:
    empty = replace(
        FRONT, points=(), references=(), floors={}, absent=("alpha 1 (failed)", "alpha 2 (missing)")
    )
    assert "Not drawn: alpha 1 (failed), alpha 2 (missing)." in texts(empty)
    many = replace(empty, absent=tuple(f"alpha {number} (failed)" for number in range(12)))
    said = [each for each in texts(many) if "(failed)" in each]
    assert len(said) == 3
    assert " ".join(said).count("(failed)") == 12


def test_names_are_text_neither_markup_nor_formulas() -> None:
    name = "<b>$x$ $y$</b>"
    points = tuple(replace(each, task=name) for each in FRONT.points)
    found = texts(replace(FRONT, hide=(name,), keep=(name,), points=points, absent=(name,)))
    assert f"\N{MINUS SIGN}{name}" in found
    assert f"kept +{name}: fresh attackers' test accuracy, balanced, %" in found
    assert f"Not drawn: {name}." in found


def test_equal_fronts_give_equal_bytes_without_a_date_and_settings_stay_untouched() -> None:
    before = dict(matplotlib.rcParams)
    svg = draw_front(FRONT, "svg")
    assert svg == draw_front(FRONT, "svg")
    assert draw_front(FRONT, "png") == draw_front(FRONT, "png")
    assert b"date" not in svg and b"<script" not in svg
    assert dict(matplotlib.rcParams) == before
    assert Image.open(io.BytesIO(draw_front(FRONT, "png"))).size == (1080, 799)


def test_names_of_near_points_do_not_cover_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    near = tuple(point(alpha, 0.6 + 0.001 * alpha, 0.93) for alpha in (1, 2, 3, 4))
    drawn = axes_of(replace(FRONT, points=near), monkeypatch)
    canvas = FigureCanvasAgg(cast(Figure, drawn.figure))
    boxes = [name.get_window_extent(canvas.get_renderer()) for name in drawn.texts]
    assert len(boxes) == 4
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]


@pytest.mark.parametrize(("alpha", "text"), [(1.0, "1"), (0.0625, "0.0625"), (1 / 3, "0.3333333333333333")])
def test_alphas_in_as_few_digits_as_tell_them(alpha: float, text: str) -> None:
    assert alpha_text(alpha) == text
