import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from scotoma.reports.audit_charts import attempts_chart, found_chart, seconds_chart
from scotoma.runs.verdict import TaskVerdict
from tests.reports.audit_examples import EXAMPLES, alone, leaks, with_failures


def texts(svg: bytes) -> list[str]:
    """Every text of a drawing, which must be well-formed."""
    root = ElementTree.fromstring(svg)
    return ["".join(each.itertext()) for each in root.iter() if each.tag.endswith("}text")]


def male() -> TaskVerdict:
    return leaks().tasks[0]


def test_the_winner_stands_beside_floor_guessing_and_references() -> None:
    said = texts(found_chart(male()))
    rows = ["best attacker", "floor", "guessing", "shuffled labels", "original images", "blurred images"]
    assert [each for each in said if each in rows] == rows
    figures = ["66.0 [64.6, 67.4]", "55.6", "50.0", "49.7 [48.3, 51.1]", "96.2 [95.3, 96.9]"]
    assert [each for each in said if each in figures] == figures
    assert "logistic regression, still rising" in said


def test_what_is_not_there_is_said() -> None:
    assert texts(found_chart(male())).count("not available") == 1
    failed = texts(found_chart(with_failures().tasks[1]))
    assert failed.count("not available") == 2 and "every attack failed" in failed
    assert "not available" not in texts(found_chart(alone().tasks[0]))


def test_attackers_are_ranked_by_their_best_attempt() -> None:
    said = texts(attempts_chart(male()))
    names = [each for each in said if not re.fullmatch(r"[\d.]+", each)][:-1]
    assert names[0] == "balanced accuracy on the choosing half, %"
    best: dict[str, float] = {}
    for each in male().attempts:
        assert each.choosing is not None
        best[each.attacker] = max(best.get(each.attacker, 0.0), each.choosing)
    ranked = sorted(best, key=lambda name: -best[name])
    shown = [each for each in said if each in best]
    assert shown == ranked
    assert f"{100 * best[ranked[0]]:.1f}" in said


def test_failed_attempts_are_counted() -> None:
    assert any(each.endswith("2 failed") for each in texts(attempts_chart(with_failures().tasks[0])))
    only = replace(male(), attempts=(with_failures().tasks[1].attempts[0], male().attempts[0]))
    assert "1 failed" in texts(attempts_chart(only))


def test_bars_of_time_are_ranked() -> None:
    said = texts(seconds_chart({"MLP": 12.0, "residual CNN": 75.0, "boosted trees": 0.4}))
    assert said == ["residual CNN", "1 min 15 s", "MLP", "12 s", "boosted trees", "0 s"]


def test_names_are_no_mathematics_and_long_ones_are_cut() -> None:
    said = texts(seconds_chart({"$x$ <b>": 1.0, "a" * 30 + "b" * 30: 2.0}))
    assert "$x$ <b>" in said
    assert "a" * 25 + "\N{HORIZONTAL ELLIPSIS}" + "b" * 10 in said


@pytest.mark.parametrize("name", EXAMPLES)
def test_drawings_are_the_same_each_time_and_have_no_link(name: str) -> None:
    for task in EXAMPLES[name]().tasks:
        drawn = found_chart(task)
        assert drawn == found_chart(task)
        assert b"<script" not in drawn and b'href="http' not in drawn
