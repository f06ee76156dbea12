import pytest

from scotoma.experiments.statistics import is_above_zero, mean, mean_of_tasks, t_interval, with_shared
from scotoma.verification.statistics import Interval


def test_mean_leaves_out_what_is_missing() -> None:
    assert mean([0.5, None, 1.0]) == 0.75
    assert mean([None]) is None


def test_t_interval() -> None:
    found = t_interval([1.0, 3.0])
    # n = 2: s = sqrt 2, t = 12.7062, half = t s / sqrt 2 = t.
    assert found is not None
    assert (found.estimate, found.low, found.high) == pytest.approx((2, 2 - 12.7062, 2 + 12.7062), abs=1e-4)
    assert t_interval([1.0]) is None


def test_mean_of_tasks() -> None:
    found = mean_of_tasks([Interval(0.6, 0.57, 0.64), Interval(0.8, 0.76, 0.83)])
    # Below: sqrt(.03 ** 2 + .04 ** 2) / 2; above: sqrt(.04 ** 2 + .03 ** 2) / 2.
    assert (found.estimate, found.low, found.high) == pytest.approx((0.7, 0.675, 0.725))
    alone = mean_of_tasks([Interval(0.6, 0.5, 0.64)])
    assert (alone.estimate, alone.low, alone.high) == pytest.approx((0.6, 0.5, 0.64))


def test_the_error_of_what_all_seeds_share_is_added() -> None:
    # Below: sqrt(.12 ** 2 + .05 ** 2); above: sqrt(.12 ** 2 + .09 ** 2).
    found = with_shared(Interval(0.1, -0.02, 0.22), Interval(0.7, 0.65, 0.79))
    assert (found.estimate, found.low, found.high) == pytest.approx((0.1, 0.1 - 0.13, 0.1 + 0.15))


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        (Interval(2, 1, 3), "holds"),
        (Interval(0, -1, 1), "not decided"),
        (Interval(-2, -3, -1), "does not hold"),
        (None, "missing"),
    ],
)
def test_verdicts(interval: Interval | None, verdict: str) -> None:
    assert is_above_zero(interval) == verdict
