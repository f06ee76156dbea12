from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scotoma.audit.examples import Encoded, Examples, Labels, Logits
from scotoma.audit.judge import Case, _Choosing, judge
from scotoma.audit.protocol import Said
from scotoma.audit.suites import Attacker
from scotoma.data.tasks import Task
from scotoma.metrics import image_weights
from scotoma.runs.verdict import Attempt, Flag, Reference

TASK = Task(("yes",), ("no", "yes"))
CLASSES = np.repeat([0, 1], 400)
CHOOSING = np.repeat([0, 1], 500)
NO_FLAGS: Sequence[Flag] = ()


def logits(classes: Labels, right: int) -> Logits:
    """Of an attacker who is right on so many of the first images of each of two classes of as many images."""
    correct = np.tile(np.arange(len(classes) // 2) < right, 2)
    told = np.where(correct, classes, 1 - classes)
    found: Logits = np.log(np.where(np.eye(2)[told] == 1, 0.9, 0.1))
    return found


def said(right: int, choosing: float, attacker: str = "one", **changes: Any) -> list[Said]:
    """An attacker that is right on so many of each class, with `choosing` accuracy on the choosing half."""
    attempt = Attempt(attacker, "all", 0, "done", 0.9, choosing, choosing, 1.0)
    of_half = logits(CHOOSING, round(500 * choosing))
    return [Said(replace(attempt, **changes), 0.5, of_half, logits(CLASSES, right))]


def case(*found: list[Said] | Attempt, name: str = "yes", **changes: Any) -> Case:
    task = Task((name,), ("no", name))
    made = Case(
        task,
        "hide",
        0.5,
        examples(CHOOSING),
        None,
        examples(CLASSES),
        CLASSES == 0,
        None,
        0.01,
        {"test": (400, 400)},
        found,
        (),
        None,
    )
    return replace(made, **changes)


def examples(classes: Labels) -> Examples:
    """Images of these classes, with codes that nobody looks at."""
    codes = Encoded(np.zeros((len(classes), 1), np.float32), np.zeros((0, len(classes), 1), np.float32))
    return Examples(codes, classes, classes, image_weights(TASK, classes))


def outcome(*cases: Case, attackers: Sequence[Attacker] = (), flags: Sequence[Flag] = NO_FLAGS) -> list[str]:
    return [each.outcome for each in judge(cases, attackers, flags, 0)[0]]


def test_the_best_on_the_choosing_half_wins_whatever_it_reaches_on_the_test_images() -> None:
    (verdict,), _ = judge([case(said(240, 0.7, "a"), said(390, 0.6, "b"))], (), (), 0)
    assert verdict.winner is not None
    assert verdict.winner.attacker == "a"
    assert verdict.winner.accuracy == pytest.approx(0.6)
    assert [each.attacker for each in verdict.attempts] == ["a", "b"]


def test_what_is_over_the_floor_by_more_than_luck_leaks_and_what_is_not_does_not() -> None:
    assert outcome(case(said(240, 0.6))) == ["leaks"]
    assert outcome(case(said(202, 0.505))) == ["no leak found"]


def test_what_the_kept_labels_tell_is_no_leak() -> None:
    # Both are right on the same images: seven of ten of each class.
    known = np.tile(np.arange(400) < 280, 2)
    there = case(said(280, 0.7), known_right=known, floor=0.7)
    assert outcome(there) == ["no leak found"]
    (verdict,), flags = judge([there], (), (), 0)
    assert verdict.winner is not None
    assert verdict.winner.excess == pytest.approx(0)
    assert [each.code for each in flags] == ["dependent-labels"]


def test_several_hidden_tasks_are_corrected_for_each_other_but_not_for_kept_ones() -> None:
    # Alone this excess has a p of about 0.012; of three hidden tasks three times that is too much.
    weak = said(216, 0.54)
    (alone,), _ = judge([case(weak)], (), (), 0)
    assert alone.winner is not None
    assert 0.025 / 3 < alone.winner.p < 0.025
    nothing = said(200, 0.5)
    three, _ = judge([case(weak, name="a"), case(nothing, name="b"), case(nothing, name="c")], (), (), 0)
    assert three[0].winner is not None
    assert three[0].winner.p_holm == pytest.approx(3 * alone.winner.p)
    assert [each.outcome for each in three] == ["no leak found"] * 3
    kept = [case(nothing, name=name, role="keep") for name in ("b", "c")]
    assert outcome(case(weak, name="a"), *kept)[0] == "leaks"


def test_a_flag_that_blocks_leaves_it_open_but_hides_no_leak() -> None:
    flag = Flag("batch-dependent", "Codes depend on the batch.", blocks=True)
    assert outcome(case(said(200, 0.5)), flags=[flag]) == ["inconclusive"]
    assert outcome(case(said(240, 0.6)), flags=[flag]) == ["leaks"]
    (verdict,), _ = judge([case(said(200, 0.5))], (), [flag], 0)
    assert verdict.reasons == ("Codes depend on the batch.",)


def test_attackers_that_find_nothing_in_the_originals_find_no_leak() -> None:
    nothing = case(said(200, 0.5))
    blind, seeing = (
        (Reference("blurred images", 0.9, 0.88, 0.92), Reference("original images", *found))
        for found in ((0.52, 0.5, 0.54), (0.7, 0.68, 0.72))
    )
    assert outcome(replace(nothing, references=blind)) == ["inconclusive"]
    assert outcome(replace(nothing, references=seeing)) == ["no leak found"]
    kept = replace(nothing, role="keep", references=blind)
    assert judge([kept], (), (), 0)[1] == ()


def test_validation_images_of_several_classes_are_asked_for_by_what_they_have_to_show() -> None:
    """Of ten classes 10 points are 20 % of right answers, an error of .4 over the root of the images."""
    labels = np.repeat(np.arange(10), 12)
    task = Task(tuple("bcdefghij"), tuple("abcdefghij"), attribute="x")
    codes = Encoded(np.zeros((120, 1), np.float32), np.zeros((0, 120, 1), np.float32))
    half = Examples(codes, labels, labels, image_weights(task, labels))
    # Right on two of the twelve images of each class.
    told = np.where(np.tile(np.arange(12) < 2, 10), labels, (labels + 1) % 10)
    found = [replace(said(200, 0.5)[0], choosing=np.eye(10)[told])]
    choosing = _Choosing.of(case(found, choosing=half, task=task))
    assert choosing.error("one/all/0") == pytest.approx(0.4 / 120**0.5)


def test_a_flag_of_one_task_names_it_and_blocks_no_other() -> None:
    rising = said(200, 0.5, state="inconclusive")
    verdicts, flags = judge([case(rising, name="a"), case(said(200, 0.5), name="b")], (), (), 0)
    assert [each.outcome for each in verdicts] == ["inconclusive", "no leak found"]
    assert [(each.code, each.task) for each in flags] == [("still-rising", "a")]


def test_a_larger_attacker_that_is_clearly_worse_is_flagged() -> None:
    large = Attacker("large", lambda *_: None, more_than="small")  # type: ignore[arg-type]
    found = case(said(200, 0.5, "large"), said(200, 0.6, "small"))
    assert [each.code for each in judge([found], [large], (), 0)[1]] == ["bigger-is-worse"]
    # In twenty groups of fifty images these ten points are two whole groups.
    groups = np.repeat(np.arange(20), 50)
    assert outcome(replace(found, choosing_units=groups), attackers=[large]) == ["inconclusive"]
    assert "bigger-is-worse" not in {
        each.code for each in judge([replace(found, choosing_units=groups)], [large], (), 0)[1]
    }


def test_of_too_few_validation_images_nothing_follows() -> None:
    """Of three attempts on 40 images: the error is 7.9 points, and 10 are 1.3 of it."""
    found = [said(200, 0.5, name) for name in "abc"]
    half = np.repeat([0, 1], 20)
    few = [[replace(one, choosing=logits(half, 10))] for (one,) in found]
    small = case(*few, choosing=examples(half))
    (verdict,), flags = judge([small], (), (), 0)
    assert verdict.outcome == "inconclusive"
    assert [(each.code, each.task) for each in flags] == [("too-few-validation-images", "yes")]
    assert outcome(case(few[0], choosing=examples(half))) == ["no leak found"]
    # So are a thousand that come in few groups, whose images agree.
    grouped = case(*found, choosing_units=np.repeat(np.arange(20), 50))
    assert outcome(grouped) == ["inconclusive"]
    assert outcome(case(*found)) == ["no leak found"]


def test_figures_of_the_winner_are_those_of_what_it_says() -> None:
    (verdict,), _ = judge([case(said(300, 0.75))], (), (), 0)
    winner = verdict.winner
    assert winner is not None
    assert winner.accuracy == pytest.approx(0.75)
    assert winner.low < 0.75 < winner.high
    # Three of four with nine tenths of certainty, one of four wrongly so.
    entropy = -(0.75 * np.log2(0.9) + 0.25 * np.log2(0.1))
    assert winner.bits == pytest.approx(1 - entropy)
    assert winner.bits_low < winner.bits
    assert winner.auc == pytest.approx(0.75)
    assert winner.tpr is None


def test_of_too_few_test_images_nothing_follows() -> None:
    few = case(said(200, 0.5))
    rows = np.r_[190:210, 590:610]  # half of each class right
    test = examples(CLASSES[rows])
    found = [replace(few.found[0][0], test=few.found[0][0].test[rows])]  # type: ignore[index]
    small = replace(few, test=test, found=[found], known_right=CLASSES[rows] == 0)
    (verdict,), flags = judge([small], (), (), 0)
    assert verdict.outcome == "inconclusive"
    assert "too-few-test-images" in {each.code for each in flags}


def test_codes_that_tell_nothing_need_as_many_test_images_as_others() -> None:
    """The winner says on 60 images what the kept labels tell, and its errors say nothing of the power."""
    nothing = case(said(400, 0.5))
    rows = np.r_[0:30, 400:430]
    test = examples(CLASSES[rows])
    told = np.tile(np.log([0.9, 0.1]), (60, 1))
    found = [replace(nothing.found[0][0], test=told)]  # type: ignore[index]
    small = replace(nothing, test=test, found=[found], known_right=CLASSES[rows] == 0)
    (verdict,), flags = judge([small], (), (), 0)
    assert verdict.winner is not None
    assert (verdict.winner.excess, verdict.outcome) == (0, "inconclusive")
    assert [each.said for each in flags] == [
        "There are too few test images: a leak of less than 19.6 points would be missed in more than one "
        "case of five; 10 points are asked for."
    ]


def test_the_smallest_leak_is_corrected_for_hidden_tasks_but_not_for_kept_or_failed_ones() -> None:
    def smallest(*cases: Case) -> float:
        winner = judge(cases, (), (), 0)[0][0].winner
        assert winner is not None
        return winner.smallest_leak

    one, other = case(said(200, 0.5), name="a"), case(said(200, 0.5), name="b")
    alone = smallest(one)
    failed = Attempt("one", "all", 0, "failed", None, None, None, 1.0, note="lost")
    assert smallest(one, replace(other, role="keep")) == alone
    assert smallest(one, replace(other, found=[failed])) == alone
    assert smallest(one, other) == pytest.approx(
        alone * (2.241403 + 0.841621) / (1.959964 + 0.841621), rel=0.01
    )
