import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scotoma.errors import InputError
from scotoma.reports.line_plot import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, line_plot
from scotoma.reports.more import more_section
from scotoma.runs.more import Measured, More, Others, Reconstruction, Sweep, SweepPoint, Sweeps
from tests.runs.test_more import OTHERS, RECONSTRUCTION, SWEEPS

FOUND = (
    More({}, {})
    .with_piece("others", OTHERS, "a", 1)
    .with_piece("reconstruction", RECONSTRUCTION, "b", 1)
    .with_piece("sweeps", SWEEPS, "c", 1)
)
PNG = b"\x89PNG some picture"


class Balanced(HTMLParser):
    """Checks that elements end in the order in which they begin."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "img":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """What ends itself."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def section(folder: Path, found: More) -> str:
    found.write(folder / "more.json")
    made = more_section(folder)
    assert made is not None
    parser = Balanced()
    parser.feed(made)
    assert parser.open == []
    return made


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_without_a_file_or_without_a_piece_there_is_no_section(tmp_path: Path) -> None:
    assert more_section(tmp_path) is None
    More({}, {}).write(tmp_path / "more.json")
    assert more_section(tmp_path) is None


def test_every_piece_is_told_and_marked_exploratory(tmp_path: Path) -> None:
    (tmp_path / "reconstruction.png").write_bytes(PNG)
    html = section(tmp_path, FOUND)
    said = text(html)
    assert "Exploratory : nothing here is corrected" in said
    assert "young 40 / 60 70.0 [60.0, 80.0] 50.0 CNN" in said
    assert "old 9 / 1 - 50.0" in said
    assert "male smile: no smile 30 / 21 70.0 [60.0, 80.0] 50.0" in said
    assert "in 900 iterations, to draw images from codes; it was still improving" in said
    assert "decoder 20.00 [19.00, 21.00] 0.700 [0.600, 0.800]" in said
    assert "old - 50.0 failed" in said
    assert "male CNN 1/4 900 1,000 70.0 [60.0, 80.0]" in said
    assert f"data:image/png;base64,{base64.b64encode(PNG).decode()}" in html
    assert "http" not in html and "<script" not in html


def test_pieces_that_are_not_there_are_not_mentioned(tmp_path: Path) -> None:
    said = text(section(tmp_path, FOUND.without(["reconstruction", "sweeps"])))
    assert "What nobody named" in said
    assert "Images drawn" not in said
    assert "How much an attacker needs" not in said
    alone = replace(OTHERS, tasks=(), within=())
    assert "Every category or attribute was named." in text(
        section(tmp_path, More({}, {}).with_piece("others", Others((), ()), "a", 1))
    )
    assert alone == Others((), ())


def test_codes_without_images_say_so_and_show_no_picture(tmp_path: Path) -> None:
    (tmp_path / "reconstruction.png").write_bytes(PNG)
    nothing = Reconstruction((), (), note="not available: there are codes only, no images")
    html = section(tmp_path, More({}, {}).with_piece("reconstruction", nothing, "b", 1))
    assert "not available: there are codes only, no images" in text(html)
    assert "<img" not in html


def test_names_are_escaped(tmp_path: Path) -> None:
    tasks = (replace(OTHERS.tasks[0], task="<b>&"),)
    curves = (replace(SWEEPS.curves[0], task="<i>", attacker="<u>"),)
    found = FOUND.with_piece("others", Others(tasks, ()), "a", 1)
    html = section(tmp_path, found.with_piece("sweeps", Sweeps(curves), "c", 1))
    assert "&lt;b&gt;&amp;" in html
    assert "<i>" not in html and "<u>" not in html


def test_a_panel_for_each_task_and_kind_of_sweep(tmp_path: Path) -> None:
    some = Measured(0.7, 0.6, 0.8)
    points = tuple(SweepPoint(share, round(1000 * share), 0, some) for share in (0.01, 0.3, 1.0))
    failed = replace(points[1], accuracy=None, note="unstable")
    labels = tuple(
        Sweep(task, 0.5, name, "labels", points if name == "linear" else (points[0], failed, points[2]))
        for task in ("male", "young")
        for name in ("linear", "CNN")
    )
    html = section(tmp_path, More({}, {}).with_piece("sweeps", Sweeps((*labels, *SWEEPS.curves)), "c", 1))
    assert re.findall(r'aria-label="([^"]*)"', html) == [
        "male: by labels: accuracy over share of the labelled images",
        "young: by labels: accuracy over share of the labelled images",
        "male: by compute: accuracy over share of the standard budget of iterations",
    ]
    assert html.count("<circle") == 2 * (3 + 2) + 1
    assert "100 % are 1,000 images; dashed: guessing." in html
    assert "unstable" in html
    for tick in ("1 %", "30 %", "100 %", "1/4"):
        assert f">{tick}</text>" in html


def test_a_broken_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "more.json").write_text("{")
    with pytest.raises(InputError, match=r"more\.json"):
        more_section(tmp_path)


def test_lines_stand_where_their_figures_say() -> None:
    line = Line("mine", (0.01, 0.1, 1.0), ((0.5, 0.4, 0.6), (0.75, 0.7, 0.8), (1.0, 0.9, 1.0)))
    svg = str(line_plot("title", [line], [(0.01, "1"), (1.0, "100")], 0.5, "labels"))
    places = [tuple(map(float, each)) for each in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', svg)]
    low, high = HEIGHT - BOTTOM, TOP
    right = WIDTH - RIGHT
    assert [x for x, _ in places] == pytest.approx([LEFT, (LEFT + right) / 2, right], abs=0.06)
    scale = (low - high) / 0.6
    assert [y for _, y in places] == pytest.approx([low - 0.1 * scale, low - 0.35 * scale, high], abs=0.06)
