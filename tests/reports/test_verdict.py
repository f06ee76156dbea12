from dataclasses import replace
from typing import Any

import pytest

from scotoma.reports.findings import overall
from scotoma.reports.verdict import CAUTION, caution, guessing, verdict
from scotoma.runs.results import Results
from tests.reports.examples import beyond, cell, changed, lacking, results, without

KEPT = "`bag` can still be recognised in 98.1 % of cases, against 98.9 % on originals."
HIDDEN = (
    "`shirt` still leaks: a fresh attacker rightly tells whether an encoded image shows it in 66.0 % of "
    "cases (95 % interval 63.6 to 68.3; 50 % is guessing, 55.6 % is what knowing only the kept label gives), "
    "against 86.9 % on the original images."
)
BELOW: dict[str, Any] = {
    "test_accuracy": 0.562,
    "test_low": 0.541,
    "test_high": 0.583,
    "excess": beyond(0.006),
}
POWER = "; a leak of 4.0 points would have shown in four cases of five"
# As results of earlier versions tell it.
OLD = BELOW | {"excess": None}


def second_hidden(made: Results, **changes: Any) -> Results:
    """The run with `coat` hidden as well."""
    return changed(replace(made, hide=("shirt", "coat")), "encoder", "coat", role="hide", **changes)


def test_a_leak_and_a_kept_task() -> None:
    assert verdict(results()) == f"{HIDDEN} {KEPT}"


def test_no_leak_is_said_only_of_a_finished_attack_that_is_not_above_the_floor() -> None:
    assert verdict(changed(results(), "encoder", "shirt", **BELOW)) == (
        "No leak of `shirt` was found: a fresh attacker rightly tells whether an encoded image shows it "
        "in 56.2 % "
        "of cases (95 % interval 54.1 to 58.3; 50 % is guessing, 55.6 % is what knowing only the "
        "kept label gives), "
        f"against 86.9 % on the original images{POWER}. {KEPT}"
    )


def test_an_attack_that_finds_nothing_in_the_originals_leaves_it_open() -> None:
    made = changed(changed(results(), "encoder", "shirt", **BELOW), "identity", "shirt", **BELOW)
    assert overall(made, made.encoders[-1]) == "inconclusive"
    assert verdict(made) == (
        "Whether `shirt` leaks is open: the same attack finds no more than the floor in the original images, "
        "so that it would show no leak; a fresh attacker rightly tells whether an encoded image shows it in "
        "56.2 % of cases (95 % interval 54.1 to 58.3; 50 % is guessing, 55.6 % is what knowing only the kept "
        f"label gives), against 56.2 % on the original images. {KEPT}"
    )


def test_a_leak_within_the_interval_is_shown_by_the_same_images() -> None:
    made = changed(results(), "encoder", "shirt", **(BELOW | {"excess": beyond(0.0061, 0.002)}))
    assert overall(made, made.encoders[-1]) == "leaks"
    assert verdict(made) == (
        "`shirt` still leaks: a fresh attacker rightly tells whether an encoded image shows it in 56.2 % of "
        "cases (95 % interval 54.1 to 58.3; 50 % is guessing, 55.6 % is what knowing only the kept label "
        "gives), against 86.9 % on the original images, 0.6 points above the floor on the same images (at "
        f"least 0.2). {KEPT}"
    )


def test_an_attacker_far_below_the_floor_leaves_it_open() -> None:
    """It is worse than somebody who reads the kept labels only, so that a weak one is no proof."""
    made = changed(results(), "encoder", "shirt", **(BELOW | {"excess": beyond(-0.061, 0.0311)}))
    assert overall(made, made.encoders[-1]) == "inconclusive"
    assert verdict(made).startswith(
        "Whether `shirt` leaks is open: the attacker is clearly worse than somebody who knows the kept "
        "labels only, and a leak of 10 points may be hidden below the floor; a fresh attacker rightly tells "
        "whether an encoded image shows it in 56.2 % of cases (95 % interval 54.1 to 58.3; "
    )
    # Not clearly worse; and of 10 points less than one is hidden.
    for excess in (beyond(-0.061, 0.0312), beyond(-0.059, 0.01)):
        near = changed(results(), "encoder", "shirt", **(BELOW | {"excess": excess}))
        assert overall(near, near.encoders[-1]) == "no leak"
    for low, high, expected in (
        (0.455, 0.555, "inconclusive"),
        (0.457, 0.555, "no leak"),
        (0.455, 0.557, "no leak"),
    ):
        old = changed(results(), "encoder", "shirt", **(OLD | {"test_low": low, "test_high": high}))
        assert overall(old, old.encoders[-1]) == expected


def test_of_several_hidden_tasks_one_interval_above_the_floor_may_be_luck() -> None:
    luck = {"test_low": 0.5570, "excess": beyond(0.0285, 0.0142)}  # p .0224
    made = changed(results(), "encoder", "shirt", **(BELOW | luck))
    assert overall(made, made.encoders[-1]) == "leaks"
    two = second_hidden(made, **BELOW)
    assert overall(two, two.encoders[-1]) == "no leak"
    assert verdict(two).startswith(
        "No leak of `shirt` was found: a fresh attacker rightly tells whether an encoded image shows it in "
        "56.2 % of cases (95 % interval 55.7 to 58.3; 50 % is guessing, 55.6 % is what knowing only the kept "
        "label gives), against 86.9 % on the original images; what is above the floor may be luck (one-sided "
        f"p 0.045, corrected for all hidden tasks){POWER}; no leak of `coat` was found: "
    )


def test_too_few_test_images_leave_it_open() -> None:
    few = BELOW | {"excess": beyond(0.006, 0.036, smallest_leak=0.101)}
    made = changed(results(), "encoder", "shirt", **few)
    assert overall(made, made.encoders[-1]) == "inconclusive"
    assert verdict(made).startswith(
        "Whether `shirt` leaks is open: there are too few test images, a leak of 10.1 points would be missed "
        "in one case of five; a fresh attacker rightly tells whether an encoded image shows it in 56.2 % of "
        "cases (95 % interval 54.1 to 58.3; "
    )
    enough = BELOW | {"excess": beyond(0.006, 0.036, smallest_leak=0.1)}
    made = changed(results(), "encoder", "shirt", **enough)
    assert overall(made, made.encoders[-1]) == "no leak"


def test_too_few_test_images_of_an_earlier_version_leave_it_open() -> None:
    made = changed(results(), "encoder", "shirt", **(OLD | {"test_low": 0.45, "test_high": 0.66}))
    assert overall(made, made.encoders[-1]) == "inconclusive"
    assert verdict(made).startswith(
        "Whether `shirt` leaks is open: there are too few test images, a leak of 10 points may be among "
        "them; "
        "a fresh attacker rightly tells whether an encoded image shows it in 56.2 % of cases (95 % interval "
        "45.0 to 66.0; "
    )
    made = changed(results(), "encoder", "shirt", **(OLD | {"test_low": 0.45, "test_high": 0.65}))
    assert overall(made, made.encoders[-1]) == "no leak"


def test_images_that_are_not_those_of_training_are_said_to_be() -> None:
    def said(data: dict[str, object]) -> str:
        return caution(replace(results(), run={"data": data}))

    assert said({}) == said({"same_as_training": True}) == CAUTION
    assert said({"same_as_training": False}) == (
        "An empirical lower bound on leakage, no guarantee: other attackers may find more. These are not "
        "exactly the images that the encoder was trained on, or not with the same labels: test images may be "
        "among those that it has seen."
    )


def test_a_rising_attacker_below_the_floor_leaves_it_open() -> None:
    assert verdict(changed(results(), "encoder", "shirt", state="inconclusive", **BELOW)) == (
        "Whether `shirt` leaks is open: a fresh attacker was still improving when its budget ended, "
        "right in 56.2 % "
        "of cases (95 % interval 54.1 to 58.3; 50 % is guessing, 55.6 % is what knowing only the "
        "kept label gives), "
        f"against 86.9 % on the original images. {KEPT}"
    )
    few = BELOW | {"excess": beyond(0.006, 0.036, smallest_leak=0.271)}
    assert (
        "against 86.9 % on the original images; there are too few test images, a leak of 27.1 points would "
        f"be missed in one case of five. {KEPT}"
    ) in verdict(changed(results(), "encoder", "shirt", state="inconclusive", **few))


def test_a_rising_attacker_above_the_floor_is_a_leak() -> None:
    made = changed(results(), "encoder", "shirt", state="inconclusive")
    rising = HIDDEN.replace("images.", "images, and it was still improving when its budget ended.")
    assert verdict(made) == f"{rising} {KEPT}"


def test_a_failed_and_a_missing_attack_leave_it_open() -> None:
    assert verdict(changed(results(), "encoder", "shirt", state="failed")) == (
        f"Whether `shirt` leaks is open: an attack on it failed. {KEPT}"
    )
    assert verdict(lacking(results(), "encoder", "shirt")) == (
        f"Whether `shirt` leaks is open: it was not attacked. {KEPT}"
    )


def test_without_identity_nothing_is_compared() -> None:
    assert verdict(without(results(), "identity")) == (
        HIDDEN.replace(", against 86.9 % on the original images", "")
        + " `bag` can still be recognised in 98.1 % of cases."
    )


def test_no_leak_says_where_nobody_tried_the_originals() -> None:
    made = changed(without(results(), "identity"), "encoder", "shirt", **BELOW)
    assert verdict(made).startswith("No leak of `shirt` was found: ")
    untested = "gives) (whether the same attack finds it in the original images was not tested)"
    assert f"{untested}{POWER}. " in verdict(made)
    old = changed(without(results(), "identity"), "encoder", "shirt", **OLD)
    assert f"{untested}. " in verdict(old)


def test_an_unfinished_attack_on_the_originals_is_at_least() -> None:
    made = changed(results(), "identity", "shirt", state="inconclusive")
    assert "against at least 86.9 % on the original images" in verdict(made)


def test_a_floor_at_chance_is_not_explained_twice() -> None:
    text = verdict(changed(results(), "encoder", "shirt", floor=0.5))
    assert "(95 % interval 63.6 to 68.3; 50 % is guessing), against" in text


def test_several_hidden_tasks_are_each_judged() -> None:
    assert verdict(second_hidden(results(), **BELOW)) == (
        f"{HIDDEN[:-1]}; no leak of `coat` was found: a fresh attacker rightly tells whether an encoded "
        "image shows it in "
        "56.2 % of cases (95 % interval 54.1 to 58.3; floor 55.6 %), against 93.2 % on the original images"
        f"{POWER}. {KEPT}"
    )


def test_a_missing_second_task_is_said_in_the_middle_of_the_sentence() -> None:
    made = lacking(replace(results(), hide=("shirt", "coat")), "encoder", "coat")
    made = replace(made, encoders=tuple(replace(each, training={}) for each in made.encoders))
    assert verdict(made) == f"{HIDDEN[:-1]}; whether `coat` leaks is open: it was not attacked. {KEPT}"


def test_several_kept_labels_are_plural() -> None:
    text = verdict(changed(replace(results(), keep=("bag", "coat")), "encoder", "coat", role="keep"))
    assert "55.6 % is what knowing only the kept labels gives" in text
    assert text.endswith(
        f"{KEPT[:-1]}; `coat` can still be recognised, but less well than before: in 77.1 % of cases, "
        "against 93.2 % on originals."
    )


def test_nothing_kept_and_nothing_hidden_are_said() -> None:
    nothing = changed(replace(results(), keep=()), "encoder", "bag", role="other")
    nothing = replace(nothing, encoders=tuple(replace(each, training={}) for each in nothing.encoders))
    assert verdict(nothing).endswith("on the original images. No task was named to be kept.")
    nothing = changed(replace(nothing, hide=()), "encoder", "shirt", role="other")
    assert verdict(nothing) == "No task was named to be hidden. No task was named to be kept."


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"state": "inconclusive"},
            "`bag` can still be recognised in at least 98.1 % of cases, against 98.9 % on originals.",
        ),
        (
            {"test_accuracy": 0.51, "test_low": 0.49, "test_high": 0.53},
            "`bag` was not recognised: a fresh classifier is right in 51.0 % of cases "
            "(95 % interval 49.0 to 53.0; 50 % is guessing), against 98.9 % on originals.",
        ),
        (
            {"test_accuracy": 0.51, "test_low": 0.49, "test_high": 0.53, "state": "inconclusive"},
            "Whether `bag` can still be recognised is open: a fresh classifier was still improving when "
            "its budget "
            "ended, right in 51.0 % of cases (95 % interval 49.0 to 53.0; 50 % is guessing), "
            "against 98.9 % on originals.",
        ),
        ({"state": "failed"}, "Whether `bag` can still be recognised is open: the test failed."),
    ],
)
def test_the_kept_task_in_every_state(changes: dict[str, Any], expected: str) -> None:
    assert verdict(changed(results(), "encoder", "bag", **changes)) == f"{HIDDEN} {expected}"


def test_a_kept_task_that_was_not_tested() -> None:
    assert verdict(lacking(results(), "encoder", "bag")) == (
        f"{HIDDEN} Whether `bag` can still be recognised is open: it was not tested."
    )


def test_several_encoders_get_a_line_each() -> None:
    made = results()
    second = [replace(cell("encoder", task), encoder="second") for task in ("shirt", "bag")]
    made = replace(
        made,
        encoders=(*made.encoders, replace(made.encoders[2], name="second")),
        cells=(*made.cells, replace(second[0], **BELOW), second[1]),
    )
    first_line, second_line = verdict(made).split("\n")
    assert first_line == f"`encoder`: {HIDDEN} {KEPT}"
    assert second_line.startswith("`second`: No leak of `shirt` was found: a fresh attacker")


FOUR = ("black", "blond", "brown", "red")


def of_four(made: Results, task: str = "shirt", **changes: Any) -> Results:
    """The run as if a task had four classes."""
    for encoder in made.encoders:
        made = changed(made, encoder.name, task, classes=FOUR)
    return changed(made, "encoder", task, **changes)


def test_of_four_classes_25_is_guessing() -> None:
    assert verdict(of_four(results(), floor=0.4)) == (
        "`shirt` still leaks: a fresh attacker rightly tells which of 4 classes an encoded image shows in "
        "66.0 % of cases (95 % interval 63.6 to 68.3; 25 % is guessing, 40.0 % is what knowing only the kept "
        f"label gives), against 86.9 % on the original images. {KEPT}"
    )
    below: dict[str, Any] = {
        "test_accuracy": 0.27,
        "test_low": 0.24,
        "test_high": 0.3,
        "floor": 0.25,
        "excess": beyond(0.02),
    }
    assert verdict(of_four(results(), **below)) == (
        "No leak of `shirt` was found: a fresh attacker rightly tells which of 4 classes an encoded image "
        "shows in 27.0 % of cases (95 % interval 24.0 to 30.0; 25 % is guessing), against 86.9 % on the "
        f"original images{POWER}. {KEPT}"
    )


def test_a_kept_attribute_of_four_classes_is_held_against_its_own_guessing() -> None:
    """40 % would be worse than guessing between two."""
    some: dict[str, Any] = {"test_accuracy": 0.4, "test_low": 0.35, "test_high": 0.45}
    assert verdict(of_four(results(), "bag", **some)).endswith(
        " `bag` can still be recognised, but less well than before: in 40.0 % of cases, against 98.9 % on "
        "originals."
    )
    none: dict[str, Any] = {"test_accuracy": 0.26, "test_low": 0.22, "test_high": 0.3}
    assert verdict(of_four(results(), "bag", **none)).endswith(
        " `bag` was not recognised: a fresh classifier is right in 26.0 % of cases (95 % interval "
        "22.0 to 30.0; 25 % is guessing), against 98.9 % on originals."
    )


def test_guessing_in_words() -> None:
    assert guessing(results()) == "50 is guessing"
    assert guessing(replace(results(), cells=())) == "50 is guessing"
    only = replace(results(), cells=tuple(each for each in results().cells if each.task == "shirt"))
    assert guessing(of_four(only)) == "25 is guessing"
    assert guessing(of_four(results())) == "guessing reaches 25 on shirt, 50 on bag, 50 on coat"
    three = changed(only, "identity", "shirt", classes=FOUR[:3])
    three = changed(changed(three, "blur", "shirt", classes=FOUR[:3]), "encoder", "shirt", classes=FOUR[:3])
    assert guessing(three) == "33.3 is guessing"


def test_references_alone_get_no_verdict() -> None:
    assert verdict(without(results(), "encoder")) == (
        "Only references were attacked, there is no encoder to judge."
    )
