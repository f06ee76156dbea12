from dataclasses import replace

import pytest

from scotoma.runs.results import Point
from scotoma.verification.saturation import saturated, stage
from scotoma.verification.settings import AttackSettings

SETTINGS = AttackSettings(rate=1e-3, evaluate_every=10, patience=3, rise=0.01)


def points(accuracies: list[float], rate: float = 1e-3, cross_entropy: float = 0.6) -> list[Point]:
    return [
        Point(10 * number, rate, 0.5, cross_entropy, accuracy)
        for number, accuracy in enumerate(accuracies, 1)
    ]


def falling(cross_entropies: list[float], rate: float = 1e-3) -> list[Point]:
    flat = points([0.6] * len(cross_entropies), rate)
    return [replace(point, val_cross_entropy=ce) for point, ce in zip(flat, cross_entropies, strict=True)]


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([], False),
        ([0.6] * 3, False),  # nothing to compare the last three with
        ([0.6] * 4, True),
        ([0.5, 0.6, 0.7, 0.8, 0.9], False),
        ([0.6, 0.605, 0.608, 0.610], True),  # a rise of no more than `rise`
        ([0.6, 0.6, 0.6, 0.611], False),
        ([0.6, 0.7, 0.6, 0.6, 0.6], True),  # worse than before is no improvement
        ([0.6, 0.7, 0.6, 0.6, 0.711], False),  # better than the best before, not than the last
        ([0.6, 0.75, 0.6, 0.6, 0.711], True),
    ],
)
def test_saturation_by_accuracy(accuracies: list[float], expected: bool) -> None:
    assert saturated(points(accuracies), SETTINGS) is expected


@pytest.mark.parametrize(
    ("cross_entropies", "expected"),
    [
        ([0.6, 0.6, 0.6, 0.6], True),
        ([0.6, 0.6, 0.6, 0.589], False),
        ([0.6, 0.598, 0.595, 0.591], True),
        ([0.6, 0.7, 0.8, 0.9], True),
    ],
)
def test_saturation_by_cross_entropy(cross_entropies: list[float], expected: bool) -> None:
    """An attacker that is about to break an encoder lowers its cross-entropy first."""
    assert saturated(falling(cross_entropies), SETTINGS) is expected


def test_the_stages_of_an_attack() -> None:
    flat = points([0.6] * 4)
    assert stage([], SETTINGS) == "first rate"
    assert stage(flat[:3], SETTINGS) == "first rate"
    assert stage(flat, SETTINGS) == "second rate"
    second = points([0.6] * 4, rate=1e-4)
    assert stage(flat + second[:3], SETTINGS) == "second rate"
    assert stage(flat + second, SETTINGS) == "saturated"


def test_the_second_rate_is_judged_by_its_own_points() -> None:
    """After the drop the accuracy jumps; the jump counts neither as rising for ever nor as nothing."""
    flat, jump = points([0.6] * 4), points([0.8] * 3, rate=1e-4)
    assert stage(flat + jump, SETTINGS) == "second rate"
    assert stage(flat + points([0.8] * 4, rate=1e-4), SETTINGS) == "saturated"
    assert stage(flat + points([0.8, 0.8, 0.8, 0.85], rate=1e-4), SETTINGS) == "second rate"


def test_the_rule_looks_at_the_history_alone() -> None:
    history = points([0.6] * 4) + points([0.6] * 4, rate=1e-4)
    copies = [replace(point) for point in history]
    assert stage(history, SETTINGS) == stage(copies, SETTINGS) == "saturated"
    assert stage(history, replace(SETTINGS, patience=4)) == "first rate"
