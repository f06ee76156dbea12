import numpy as np
import pytest

from scotoma.experiments.grid import Measured
from scotoma.experiments.paper import TABLE2
from scotoma.experiments.scales import LETTERS, PAPER_ROWS
from scotoma.experiments.statements import (
    easier_costs_more,
    easier_is_harder,
    every_statement,
    hides_more_than_blur,
    keeping_costs_little,
    keeping_helps,
    more_kept_less_private,
    more_kept_more_useful,
)
from scotoma.experiments.statistics import t_interval


def measured(test: float, half: float = 0.01, floor: float = 0.5) -> Measured:
    return Measured(test, test - half, test + half, floor, "done")


def papers_grid(half: float = 0.005) -> dict[tuple[str, str], Measured]:
    return {
        (row, letter): measured(value, half)
        for row, values in TABLE2.items()
        for letter, value in zip(LETTERS, values, strict=True)
    }


def test_the_papers_own_table_agrees_with_its_statements() -> None:
    verdicts = {each.said: each.verdict for each in every_statement(PAPER_ROWS, [papers_grid()])}
    assert verdicts["-a hides a more than blur does"] == "holds"
    assert verdicts["tasks that are easier on original images are harder to hide"] == "holds"
    assert verdicts["hiding a task that is easier costs the other tasks more"] == "holds"
    assert verdicts["d is solved better under -a +d than under -a"] == "holds"
    assert verdicts["a is less than 5 points easier under -a +b than under -a"] == "holds"
    assert verdicts["a is less than 5 points easier under -a +b,c,e than under -a"] == "not decided"
    assert verdicts["-a +b,c,e leaves d, f, g, h more useful than -a +b,e"] == "holds"
    assert verdicts["a is easier under -a +b,c,e than under -a +b,e, beyond the floor"] == "holds"
    assert len(verdicts) == 23


@pytest.mark.parametrize(
    ("hidden", "verdict"), [(0.6, "holds"), (0.82, "does not hold"), (0.71, "not decided")]
)
def test_blur(hidden: float, verdict: str) -> None:
    grid = {("blur", "a"): measured(0.7), ("-a", "a"): measured(hidden)}
    found = hides_more_than_blur("a", [grid])
    assert found.verdict == verdict
    assert found.numbers == pytest.approx({"blur": 0.7, "-a": hidden})
    assert found.difference is not None
    half = np.hypot(0.01, 0.01)
    assert found.difference.low == pytest.approx(0.7 - hidden - half)


def test_seeds_give_students_interval() -> None:
    grids = [{("-a +b", "b"): measured(value), ("-a", "b"): measured(0.7)} for value in (0.76, 0.8)]
    found = keeping_helps("-a +b", "b", grids)
    # Differences .06 and .10: mean .08, half = 12.7062 * .02.
    assert found.difference is not None
    assert found.difference.low == pytest.approx(0.08 - 12.7062 * 0.02, abs=1e-5)
    assert found.verdict == "not decided"


def test_blur_is_one_figure_for_all_seeds_whose_error_widens_the_interval() -> None:
    blur = Measured(0.7, 0.65, 0.73, 0.5, "done")
    grids = [{("blur", "a"): blur, ("-a", "a"): measured(value)} for value in (0.6, 0.64)]
    found = hides_more_than_blur("a", grids)
    # Differences .10 and .06: mean .08, Student's half 12.7062 * .02; blur reaches .05 down and .03 up.
    half = 12.7062 * 0.02
    assert found.difference is not None
    assert (found.difference.low, found.difference.high) == pytest.approx(
        (0.08 - np.hypot(half, 0.05), 0.08 + np.hypot(half, 0.03)), abs=1e-5
    )


def test_intervals_against_blur_hold_the_truth_as_often_as_they_say() -> None:
    """Three seeds of an encoder that hides as blur does; all figures err by a point."""
    random, held, by_students = np.random.default_rng(1), 0, 0
    for _ in range(500):
        blur, *encoders = 0.7 + random.normal(0, 0.01, 4)
        baseline = measured(blur, 1.959964 * 0.01)
        grids = [{("blur", "a"): baseline, ("-a", "a"): measured(each)} for each in encoders]
        found = hides_more_than_blur("a", grids).difference
        alone = t_interval([blur - each for each in encoders])
        assert found is not None and alone is not None
        held += found.low <= 0 <= found.high
        by_students += alone.low <= 0 <= alone.high
    assert 0.94 < held / 500 < 0.98
    assert by_students / 500 < 0.85


def test_easiest_and_costs() -> None:
    grid = {("identity", each): measured(value) for each, value in (("a", 0.9), ("b", 0.99))}
    for row, own, others in (("-a", 0.6, 0.9), ("-b", 0.8, 0.7)):
        grid |= {(row, letter): measured(own if row == f"-{letter}" else others) for letter in LETTERS}
    hardest, costs = easier_is_harder(["a", "b"], [grid]), easier_costs_more(["a", "b"], [grid])
    assert (hardest.verdict, costs.verdict) == ("holds", "holds")
    assert hardest.numbers["rank correlation"] == pytest.approx(1)
    assert hardest.difference is not None and hardest.difference.estimate == pytest.approx(0.2)
    assert costs.difference is not None and costs.difference.estimate == pytest.approx(0.2)


def test_keeping_and_the_floor() -> None:
    grid = {("-a", "a"): measured(0.6), ("-a +b", "a"): measured(0.63)}
    little = keeping_costs_little("-a +b", [grid])
    assert little.difference is not None and little.difference.estimate == pytest.approx(0.02)
    assert little.verdict == "holds"
    grid[("-a +b,c", "a")] = measured(0.7, floor=0.57)
    more = more_kept_less_private("-a +b", "-a +b,c", [grid])
    assert more.difference is not None and more.difference.estimate == pytest.approx(0)
    assert more.verdict == "not decided"


def test_figures_beside_a_difference_are_of_the_same_seeds() -> None:
    whole = {("-a", "a"): measured(0.6), ("-a +b", "a"): measured(0.63)}
    part = {("-a +b", "a"): measured(0.93)}
    found = keeping_costs_little("-a +b", [whole, part])
    assert found.difference is not None and found.difference.estimate == pytest.approx(0.02)
    assert sorted(found.numbers.values()) == pytest.approx([0.6, 0.63])
    assert list(keeping_costs_little("-a +b", [part]).numbers.values()) == [0.93]


def test_utility_is_the_mean_over_tasks_that_are_free_in_both_rows() -> None:
    grid = {("-a +b", letter): measured(0.7) for letter in LETTERS}
    grid |= {("-a +b,c", letter): measured(0.8 if letter in "defgh" else 0.1) for letter in LETTERS}
    found = more_kept_more_useful("-a +b", "-a +b,c", [grid])
    assert found.difference is not None
    assert found.difference.estimate == pytest.approx(0.1)
    error = np.hypot(0.01, 0.01) / np.sqrt(5)
    assert found.difference.high == pytest.approx(0.1 + error)
    del grid["-a +b", "h"]
    assert more_kept_more_useful("-a +b", "-a +b,c", [grid]).verdict == "missing"


def test_nothing_there_is_missing_throughout() -> None:
    assert {each.verdict for each in every_statement(PAPER_ROWS, [{}])} == {"missing"}
