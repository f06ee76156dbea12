import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import matplotlib
import pytest
from matplotlib._pylab_helpers import Gcf

from scotoma.reports import curves, drawing
from scotoma.reports.curves import attack_curves
from tests.reports.examples import changed, results

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: bytes) -> list[str]:
    return ["".join(each.itertext()) for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_one_panel_a_task_with_every_encoder_named_and_the_floor_drawn() -> None:
    found = texts(attack_curves(results()))
    assert [each for each in found if "(" in each or each == "coat"] == [
        "\N{MINUS SIGN}shirt (hidden)",
        "+bag (kept)",
        "coat",
    ]
    assert [found.count(each) for each in ("identity", "blur", "encoder")] == [3, 3, 3]
    assert (found.count("floor 55.6"), found.count("floor 50.0")) == (2, 1)


def test_only_the_chosen_tasks_are_drawn() -> None:
    found = texts(attack_curves(results(), ["bag"]))
    assert "+bag (kept)" in found and "coat" not in found


def test_the_drawing_has_no_script_and_no_link_and_takes_the_readers_colours() -> None:
    svg = attack_curves(results()).decode()
    assert set(re.findall(r"https?://[^\"]*", svg)) == {
        "http://www.w3.org/1999/xlink",
        "http://www.w3.org/2000/svg",
    }
    assert "<script" not in svg and "#010203" not in svg
    assert "currentColor" in svg and "prefers-color-scheme:dark" in svg


def test_equal_results_give_equal_bytes_and_settings_and_pyplot_stay_untouched() -> None:
    before = dict(matplotlib.rcParams)
    assert attack_curves(results()) == attack_curves(results())
    assert dict(matplotlib.rcParams) == before
    assert Gcf.get_all_fig_managers() == []


def test_a_rate_drop_is_marked_where_the_rate_is_lower_for_the_first_time() -> None:
    made = results()
    flat = tuple(
        replace(cell, curve=tuple(replace(point, rate=1e-4) for point in cell.curve)) for cell in made.cells
    )
    drawn, undropped = (
        attack_curves(each, ["shirt"]).count(b"<use") for each in (made, replace(made, cells=flat))
    )
    assert drawn == undropped + 3


def test_an_unfinished_attacker_ends_in_an_open_circle() -> None:
    def hollow(state: str) -> int:
        svg = attack_curves(changed(results(), "encoder", "shirt", state=state), ["shirt"])
        return len(re.findall(rb'<use [^>]*style="fill-opacity: 0; stroke: #d9541a"', svg))

    assert hollow("done") == 0
    assert hollow("inconclusive") == 1


def test_a_failed_attacker_is_named_so() -> None:
    assert "encoder (failed)" in texts(attack_curves(changed(results(), "encoder", "shirt", state="failed")))


def test_names_are_text_neither_markup_nor_formulas() -> None:
    made = changed(results(), "encoder", "coat", task="<b>$x$</b>")
    assert "<b>$x$</b>" in texts(attack_curves(made))


def test_a_run_without_curves_still_gives_a_picture() -> None:
    made = results()
    empty = replace(made, cells=tuple(replace(cell, curve=()) for cell in made.cells))
    assert "\N{MINUS SIGN}shirt (hidden)" in texts(attack_curves(empty))
    assert texts(attack_curves(replace(made, hide=(), keep=(), cells=(), encoders=()))) == []


def test_a_panel_reaches_down_to_guessing() -> None:
    """Of four classes guessing is 25 %: a floor near it must be seen, though no line goes down to it."""
    made = results()
    for encoder in made.encoders:
        classes = ("black", "blond", "brown", "red")
        made = changed(made, encoder.name, "shirt", classes=classes, floor=0.26)
    ticks = {text for text in texts(attack_curves(made, ["shirt"])) if text.isdigit()}
    assert "30" in ticks or "40" in ticks
    two = {text for text in texts(attack_curves(results(), ["shirt"])) if text.isdigit()}
    assert {int(text) for text in two if len(text) == 2} <= set(range(50, 100))


def test_labels_keep_their_distance_their_order_and_stay_inside() -> None:
    labels = [curves._Label(str(at), "#000000", at) for at in (99.0, 98.5, 50.0, 98.9, 49.0)]
    curves._spread(labels, 48, 101, 5)
    placed = [label.placed for label in labels]
    assert [label.at for label in labels] == [49.0, 50.0, 98.5, 98.9, 99.0]
    assert placed == [49.0, 54.0, 91.0, 96.0, 101.0]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", [*drawing.PALETTE, *(colour for colour, _ in curves._REFERENCES.values())])
def test_lines_have_contrast_on_white_and_on_the_dark_page(colour: str) -> None:
    for page in ("#ffffff", "#191c21"):
        light, dark = sorted((luminance(colour), luminance(page)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3
