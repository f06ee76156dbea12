"""Has an attacker stopped improving? A pure function of its recorded history (section 4.1: 'till
saturation').
"""

from collections.abc import Sequence
from typing import Literal

from scotoma.runs.results import Point
from scotoma.verification.settings import AttackSettings

Stage = Literal["first rate", "second rate", "saturated"]


def saturated(points: Sequence[Point], settings: AttackSettings) -> bool:
    """No improvement worth the name during the last `patience` times `evaluate_every` iterations at one rate.

    Improvement: the best validation accuracy is exceeded by more than `rise`, or the lowest validation
    cross-entropy undercut by more than `rise` nats. Both are watched: an attacker that is about to break an
    encoder often lowers its cross-entropy long before its accuracy moves.
    """
    if not points:
        return False
    waited_since = points[-1].iteration - settings.patience * settings.evaluate_every
    before = [point for point in points if point.iteration <= waited_since]
    recent = points[len(before) :]
    if not before:
        return False
    accuracy_rises = _best_accuracy(recent) > _best_accuracy(before) + settings.rise
    cross_entropy_falls = _lowest_cross_entropy(recent) < _lowest_cross_entropy(before) - settings.rise
    return not (accuracy_rises or cross_entropy_falls)


def stage(history: Sequence[Point], settings: AttackSettings) -> Stage:
    """Where an attacker stands: at its first rate, dropped to the second, or saturated at both.

    The schedule 'averaged' has no second rate: saturated at the first, it is saturated.

    The rule looks at the history alone, so that a reader of `results.json` can apply it again.
    """
    first = [point for point in history if point.rate == history[0].rate]
    second = history[len(first) :]
    if not saturated(first, settings):
        return "first rate"
    if settings.schedule == "averaged":
        return "saturated"
    return "saturated" if saturated(second, settings) else "second rate"


def _best_accuracy(points: Sequence[Point]) -> float:
    return max(point.val_accuracy for point in points)


def _lowest_cross_entropy(points: Sequence[Point]) -> float:
    return min(point.val_cross_entropy for point in points)
