from dataclasses import replace

import pytest

from scotoma.reports.findings import (
    examine,
    headline,
    in_training_accuracy,
    judged,
    overall,
    reference,
    role,
    shared_role,
    tasks,
    with_role,
)
from scotoma.runs.results import Cell, EncoderSummary, Results
from tests.reports.examples import cell, changed, lacking, results, without


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


@pytest.mark.parametrize(
    ("state", "low", "expected"),
    [
        ("done", 0.5561, "leaks"),
        ("done", 0.556, "no leak"),
        ("done", 0.49, "no leak"),
        ("inconclusive", 0.5561, "leaks"),
        ("inconclusive", 0.556, "inconclusive"),
        ("failed", None, "failed"),
    ],
)
def test_a_leak_is_an_interval_above_the_floor(state: str, low: float | None, expected: str) -> None:
    high = None if low is None else 0.656
    made = changed(results(), "encoder", "shirt", state=state, test_low=low, test_high=high, floor=0.556)
    assert examine(made, "encoder", "shirt").outcome == expected


def test_one_attacker_above_the_floor_is_a_leak_though_a_stronger_one_on_validation_is_not() -> None:
    below = cell("encoder", "shirt", val_accuracy=0.7, test_low=0.5)
    above = cell("encoder", "shirt", val_accuracy=0.6, test_low=0.6)
    found = examine(with_cells(below, above), "encoder", "shirt")
    assert (found.outcome, found.cell) == ("leaks", above)


@pytest.mark.parametrize("state", ["inconclusive", "failed"])
def test_no_leak_needs_every_attacker_to_be_done(state: str) -> None:
    below = cell("encoder", "shirt", test_low=0.5, test_high=0.6)
    other = replace(below, state=state)  # type: ignore[arg-type]
    assert examine(with_cells(below, below), "encoder", "shirt").outcome == "no leak"
    assert examine(with_cells(below, other), "encoder", "shirt").outcome == state


def test_what_was_not_attacked_is_missing_not_fine() -> None:
    made = lacking(results(), "encoder", "shirt")
    assert examine(made, "encoder", "shirt").outcome == "missing"
    assert overall(made, judged(made)[0]) == "inconclusive"


@pytest.mark.parametrize(
    ("low", "state", "expected"),
    [
        (0.6, "done", "leaks"),
        (0.5, "done", "no leak"),
        (0.5, "inconclusive", "inconclusive"),
        (0.5, "failed", "inconclusive"),
    ],
)
def test_the_worst_hidden_task_decides_about_an_encoder(low: float, state: str, expected: str) -> None:
    made = changed(results(), "encoder", "shirt", test_low=0.5, test_high=0.6)
    made = changed(made, "encoder", "coat", role="hide", test_low=low, test_high=0.62, state=state)
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
