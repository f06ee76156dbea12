from dataclasses import replace
from typing import Any

import pytest

from scotoma.reports.findings import (
    examine,
    headline,
    in_training_accuracy,
    judged,
    overall,
    p_value,
    reference,
    role,
    shared_role,
    tasks,
    with_role,
)
from scotoma.runs.leaks import Excess
from scotoma.runs.results import Cell, EncoderSummary, Results
from tests.reports.examples import NOTHING, beyond, cell, changed, lacking, results, without


def with_cells(*cells: Cell) -> Results:
    made = lacking(results(), "encoder", "shirt")
    return replace(made, cells=(*made.cells, *cells))


def test_tasks_stand_hidden_first_then_kept_then_others() -> None:
    made = results()
    assert tasks(replace(made, cells=made.cells[::-1])) == ("shirt", "bag", "coat")


def test_only_identity_and_blur_are_references() -> None:
    foreign = EncoderSummary("noise", "other", "00", (1, 7, 7))
    made = replace(results(), encoders=(*results().encoders, foreign))
    assert [each.name for each in judged(made)] == ["encoder", "noise"]


def test_the_headline_is_chosen_on_validation_not_on_test() -> None:
    strong = cell("encoder", "shirt", attacker="large", val_accuracy=0.71, test_accuracy=0.62)
    lucky = cell("encoder", "shirt", attacker="small", val_accuracy=0.64, test_accuracy=0.72)
    assert headline(with_cells(lucky, strong), "encoder", "shirt") == strong


def test_a_failed_attacker_stands_only_alone() -> None:
    failed = cell("encoder", "shirt", "failed")
    done = cell("encoder", "shirt", val_accuracy=0.6)
    assert headline(with_cells(failed, done), "encoder", "shirt") == done
    assert headline(with_cells(failed), "encoder", "shirt") == failed
    assert headline(with_cells(), "encoder", "shirt") is None


FOUND, NOTHING_FOUND = beyond(0.06), beyond(0.01)


@pytest.mark.parametrize(
    ("state", "excess", "expected"),
    [
        ("done", 0.0196, "leaks"),
        ("done", 0.0195, "no leak"),
        ("done", -0.0195, "no leak"),
        ("done", -0.0603, "inconclusive"),
        ("inconclusive", 0.0196, "leaks"),
        ("inconclusive", 0.0195, "inconclusive"),
        ("failed", None, "failed"),
    ],
)
def test_a_leak_is_more_than_luck_beyond_what_the_kept_labels_tell(
    state: str, excess: float | None, expected: str
) -> None:
    """1.96 standard errors of a point each."""
    made = changed(
        results(), "encoder", "shirt", state=state, excess=None if excess is None else beyond(excess, 0.01)
    )
    assert examine(made, "encoder", "shirt").outcome == expected


@pytest.mark.parametrize(
    ("state", "low", "expected"),
    [
        ("done", 0.5561, "leaks"),
        ("done", 0.556, "no leak"),
        ("inconclusive", 0.5561, "leaks"),
        ("inconclusive", 0.556, "inconclusive"),
    ],
)
def test_where_no_comparison_is_recorded_a_leak_is_an_interval_above_the_floor(
    state: str, low: float, expected: str
) -> None:
    old = {"state": state, "test_low": low, "test_high": 0.656, "floor": 0.556, "excess": None}
    assert examine(changed(results(), "encoder", "shirt", **old), "encoder", "shirt").outcome == expected


def test_hidden_tasks_are_corrected_for_each_other_but_not_for_kept_ones_or_other_encoders() -> None:
    """1.96 standard errors and a little more are enough for one task, 2.24 for one of two."""
    made = changed(results(), "encoder", "shirt", excess=beyond(0.021, 0.01))
    made = changed(made, "identity", "coat", role="hide", excess=NOTHING_FOUND)
    assert examine(made, "encoder", "shirt").outcome == "leaks"
    assert p_value(made, cell_of(made, "shirt")) == pytest.approx(0.01786, abs=1e-5)
    two = changed(made, "encoder", "coat", role="hide", excess=NOTHING_FOUND)
    assert examine(two, "encoder", "shirt").outcome == "no leak"
    assert p_value(two, cell_of(two, "shirt")) == pytest.approx(2 * 0.01786, abs=2e-5)
    # Beside one that leaks for certain only one is left to be corrected for.
    certain = changed(two, "encoder", "coat", excess=FOUND)
    assert examine(certain, "encoder", "shirt").outcome == "leaks"
    assert p_value(changed(two, "encoder", "shirt", excess=None), cell("encoder", "bag")) == pytest.approx(0)
    old = changed(two, "encoder", "shirt", excess=None)
    assert p_value(old, cell_of(old, "shirt")) is None


def cell_of(made: Results, task: str) -> Cell:
    found = headline(made, "encoder", task)
    assert found is not None
    return found


def test_the_attacker_that_is_strongest_on_validation_decides() -> None:
    below = cell("encoder", "shirt", val_accuracy=0.7, excess=NOTHING_FOUND)
    above = cell("encoder", "shirt", val_accuracy=0.6, excess=FOUND)
    found = examine(with_cells(below, above), "encoder", "shirt")
    assert (found.outcome, found.cell) == ("no leak", below)
    strong = replace(above, val_accuracy=0.8)
    found = examine(with_cells(below, strong), "encoder", "shirt")
    assert (found.outcome, found.cell) == ("leaks", strong)


@pytest.mark.parametrize("state", ["inconclusive", "failed"])
def test_no_leak_needs_every_attacker_to_be_done(state: str) -> None:
    below = cell("encoder", "shirt", excess=NOTHING_FOUND)
    changes: dict[str, Any] = (NOTHING if state == "failed" else {}) | {"state": state}
    other = replace(below, **changes)
    assert examine(with_cells(below, below), "encoder", "shirt").outcome == "no leak"
    assert examine(with_cells(below, other), "encoder", "shirt").outcome == state


def test_what_was_not_attacked_is_missing_not_fine() -> None:
    made = lacking(results(), "encoder", "shirt")
    assert examine(made, "encoder", "shirt").outcome == "missing"
    assert overall(made, judged(made)[0]) == "inconclusive"


@pytest.mark.parametrize(
    ("excess", "state", "expected"),
    [
        (FOUND, "done", "leaks"),
        (NOTHING_FOUND, "done", "no leak"),
        (NOTHING_FOUND, "inconclusive", "inconclusive"),
        (None, "failed", "inconclusive"),
    ],
)
def test_the_worst_hidden_task_decides_about_an_encoder(
    excess: Excess | None, state: str, expected: str
) -> None:
    made = changed(results(), "encoder", "shirt", excess=NOTHING_FOUND)
    made = changed(made, "encoder", "coat", role="hide", excess=excess, state=state)
    assert overall(made, judged(made)[0]) == expected


def test_an_encoder_that_hides_nothing_gets_no_verdict_on_hiding() -> None:
    made = changed(replace(results(), hide=()), "encoder", "shirt", role="other")
    assert overall(made, judged(made)[0]) == "nothing hidden"


def test_without_a_cell_the_role_comes_from_training_then_from_the_run() -> None:
    trained = EncoderSummary("other", "trained", "00", (3, 7, 7), {"hide": ["coat"], "keep": []})
    foreign = EncoderSummary("noise", "other", "00", (1, 7, 7))
    made = results()
    assert [role(made, trained, task) for task in ("coat", "shirt", "bag")] == ["hide", "other", "other"]
    assert with_role(made, foreign, "hide") == ("shirt",)


def test_a_task_with_different_roles_has_no_shared_one() -> None:
    made = results()
    second = replace(made.encoders[2], name="second")
    twice = replace(
        made,
        encoders=(*made.encoders, second),
        cells=(*made.cells, replace(cell("encoder", "bag"), encoder="second", role="hide")),
    )
    assert shared_role(twice, "bag") is None
    assert shared_role(made, "bag") == "keep"


def test_the_reference_is_the_attack_on_the_original_images() -> None:
    made = results()
    assert reference(made, "shirt") == cell("identity", "shirt")
    assert reference(without(made, "identity"), "shirt") is None
    assert reference(changed(made, "identity", "shirt", state="failed"), "shirt") is None


def test_in_training_accuracy_is_read_where_recorded() -> None:
    made = results()
    assert in_training_accuracy(made, made.encoders[2], "shirt") == 0.672
    assert in_training_accuracy(made, made.encoders[2], "coat") is None
    assert in_training_accuracy(made, made.encoders[0], "shirt") is None


def test_the_only_hidden_task_of_an_anonymous_encoder_is_known_without_its_name() -> None:
    made = results()
    anonymous = replace(made.encoders[2], training={"hidden": {"hidden 1": 0.61}})
    assert in_training_accuracy(made, anonymous, "shirt") == 0.61
    two = replace(made.encoders[2], training={"hidden": {"hidden 1": 0.61, "hidden 2": 0.58}})
    assert in_training_accuracy(made, two, "shirt") is None
