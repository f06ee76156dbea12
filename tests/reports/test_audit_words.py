from dataclasses import replace

import pytest

from scotoma.reports.audit_words import in_order, points, probability, task_said
from scotoma.runs.verdict import Verdict
from tests.reports.audit_examples import (
    EXAMPLES,
    alone,
    inconclusive,
    leaks,
    none_found,
    with_failures,
    with_flags,
)

FLOOR = "50 % is guessing, 55.6 % is what knowing only the kept label gives"


def said(verdict: Verdict, name: str = "Male") -> str:
    (task,) = (each for each in verdict.tasks if each.task == name)
    return task_said(verdict, task)


def test_a_leak() -> None:
    assert said(leaks()) == (
        "`Male` leaks: the best of 44 attempts (`paper CNN, votes`, which learned from images that the "
        f"encoder was trained on) is right in 66.0 % of cases (95 % interval 64.6 to 67.4; {FLOOR}), against "
        "96.2 % on the original images. That is 10.4 points more than knowing only the kept label gives on "
        "the same images, at least 9.0 (one-sided p below 0.0001)."
    )


def test_no_leak_is_told_with_the_smallest_that_would_have_shown() -> None:
    assert said(none_found()) == (
        "No leak of `Male` was found at this power: the best of 44 attempts (`residual CNN`, which learned "
        "from images that the encoder was trained on) is right in 55.3 % of cases (95 % interval 53.9 to "
        f"56.7; {FLOOR}), against 96.2 % on the original images. A leak of 2.0 points is the smallest that "
        "these test images would have shown in four cases of five; smaller ones may be there."
    )


def test_what_is_open_is_told_with_its_power() -> None:
    assert said(inconclusive()) == (
        "Whether `Male` leaks is open: the best of 44 attempts (`residual CNN`, which learned from images "
        f"that the encoder was trained on) is right in 56.1 % of cases (95 % interval 49.0 to 63.2; "
        f"{FLOOR}), against 96.2 % on the original images. A leak of 12.1 points is the smallest "
        "that these test images would have shown in four cases of five."
    )


def test_several_hidden_tasks_and_classes() -> None:
    text = said(with_flags(), "Hair")
    assert "tells rightly which of 4 classes it is in 41.0 % of cases" in text
    assert text.endswith("(one-sided p below 0.0001, corrected for 3 hidden tasks).")


def test_without_kept_tasks_and_references_guessing_is_what_is_compared_with() -> None:
    assert said(alone()) == (
        "`Male` leaks: the best of 22 attempts (`paper CNN, votes`, which learned from all images that are "
        "not held out) is right in 56.0 % of cases (95 % interval 54.6 to 57.4; 50 % is guessing). That is "
        "6.0 points more than guessing gives on the same images, at least 4.6 (one-sided p below 0.0001)."
    )


def test_failed_attempts_are_not_counted() -> None:
    assert "the best of 41 attempts" in said(with_failures())
    assert (
        said(with_failures(), "Smiling")
        == "Whether `Smiling` can still be read is open: every attack failed."
    )
    hidden = replace(with_failures().tasks[1], role="hide")
    assert task_said(leaks(), hidden) == "Whether `Smiling` leaks is open: every attack failed."


@pytest.mark.parametrize(
    ("accuracy", "begins"),
    [
        (0.918, "`Smiling` can still be read: the best"),
        (0.80, "`Smiling` can still be read, but less well than before: the best"),
        (0.505, "`Smiling` was not read: the best"),
    ],
)
def test_what_is_kept(accuracy: float, begins: str) -> None:
    verdict = leaks()
    winner = verdict.tasks[1].winner
    assert winner is not None
    winner = replace(winner, accuracy=accuracy, low=accuracy - 0.014, high=accuracy + 0.014)
    assert task_said(verdict, replace(verdict.tasks[1], winner=winner)).startswith(begins)


def test_a_reference_that_was_still_rising_is_a_least() -> None:
    task = leaks().tasks[0]
    rising = replace(task.references[1], note="at least: still rising")
    text = task_said(leaks(), replace(task, references=(rising,)))
    assert "against at least 96.2 % on the original images" in text


def test_hidden_tasks_come_first() -> None:
    assert [each.task for each in in_order(with_flags())] == [
        "Male",
        "Hair",
        "Wearing_Lipstick",
        "Smiling",
        "Young",
    ]
    verdict = leaks()
    turned = replace(verdict, tasks=verdict.tasks[::-1])
    assert in_order(turned) == verdict.tasks


def test_numbers() -> None:
    assert points(0.104) == "+10.4" and points(-0.003) == "-0.3"
    assert [probability(p) for p in (9e-5, 0.0312, 0.5)] == ["< 0.0001", "0.031", "0.5"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_is_called_private(name: str) -> None:
    verdict = EXAMPLES[name]()
    assert not any("priva" in task_said(verdict, task).lower() for task in verdict.tasks)
