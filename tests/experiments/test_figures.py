import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scotoma.experiments import figure1, figure3
from scotoma.experiments.artefact import table
from scotoma.experiments.grid import attacks_of
from scotoma.experiments.scales import Scale, load_scale
from scotoma.experiments.table1 import attack_of
from tests.experiments.examples import attack, curve, write_attacks


@pytest.fixture
def scale(tiny_scale: str) -> Scale:
    return load_scale(tiny_scale)


def test_iterations_to_an_accuracy_that_both_reach() -> None:
    # Chance .5, the best of the worse .9: the level is .86, from either side.
    worse, better = [0.6, 0.85, 0.87, 0.9], [0.7, 0.99]
    assert figure1.common_level(worse, better) == pytest.approx(0.86)
    assert figure1.common_level(better, worse) == pytest.approx(0.86)
    assert figure1.reached_at([10, 20, 30, 40], worse, 0.86) == 30
    assert figure1.common_level([0.5, 0.4], better) is None
    assert figure1.common_level([], better) is None
    assert figure1.common_level(worse, []) is None


def test_curves_and_how_much_slower(tmp_path: Path, scale: Scale) -> None:
    first = attack_of(scale, "-a +b", "label-flip", 0, 0)
    hide = first.tasks[0]
    clear = attack("identity", hide, 0.9, curve=curve({0: 0.5, 5: 0.6, 10: 0.89, 20: 0.9}))
    slow = attack("encoder", hide, 0.6, curve=curve({0: 0.5, 10: 0.51, 40: 0.6}))
    write_attacks(first, tmp_path, [clear, slow])
    found = figure1.collect(scale, (0,), tmp_path)
    assert [(panel.task, panel.hidden) for panel in found.panels] == [
        ("airport_terminal", True),
        ("office", False),
        ("office", True),
        ("airport_terminal", False),
    ]
    curves = {each.encoder: each for each in found.panels[0].curves}
    assert (curves["identity"].reached, curves["identity"].slower) == (10, 1.0)
    assert (curves["label-flip"].iterations, curves["label-flip"].reached) == ((10, 40), 40)
    # Not over the 10 iterations to identity's own best: it is at .59 after 5.
    assert curves["label-flip"].level == pytest.approx(0.59)
    assert (curves["label-flip"].identity, curves["label-flip"].slower) == (5, 8.0)
    assert curves["gan"].best is None
    # The baselines of the only attack that has them stand in both directions.
    assert found.panels[3].curves[0].best == 0.9
    shown = figure1.markdown(found)
    assert "| -a +b | -airport_terminal | label-flip | 60.0 | 59.0 | 40 | 5 | 8.0 |" in shown
    assert "| -a +b | -airport_terminal | gan | missing | missing | missing | missing | missing |" in shown
    assert Image.open(io.BytesIO(figure1.picture(found))).format == "PNG"


def test_pictures_and_accuracies(tmp_path: Path, scale: Scale) -> None:
    own, _ = attacks_of(scale, "-a", 0, 0)
    names = ("identity", "blur", "encoder")
    write_attacks(own, tmp_path, [attack(name, "airport_terminal", 0.6) for name in names])
    pixels = np.zeros((3, 8, 8, 3), np.uint8)
    pictures = {"original": pixels, "blur": pixels, "encoder": pixels}
    np.savez(own.folder(tmp_path) / "gallery.npz", category=np.array(["bar"] * 3), **pictures)  # type: ignore[arg-type]
    found = figure3.collect(scale, (0,), tmp_path)
    assert [(row.name, row.subject, row.gallery is not None) for row in found.rows[:4]] == [
        ("identity", "original", True),
        ("blur", "blur", True),
        ("-a", "encoder", True),
        ("-b", "encoder", False),
    ]
    assert found.rows[2].accuracies == {"a": 0.6}
    assert "keep it to yourself" in figure3.markdown(found)
    assert "| -a | airport_terminal | - | a 60.0 | yes |" in figure3.markdown(found)
    assert Image.open(io.BytesIO(figure3.picture(found))).format == "PNG"


def test_nothing_there_is_an_empty_picture(tmp_path: Path, scale: Scale) -> None:
    for figure in (figure1, figure3):
        found = figure.collect(scale, (0,), tmp_path)
        assert "missing" in figure.markdown(found)
        assert figure.picture(found)[:4] == b"\x89PNG"


def test_a_bar_in_a_name_is_no_column_of_a_table() -> None:
    assert table(["a|b"], [["c"]]) == "| a\\|b |\n| --- |\n| c |\n"
