import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from scotoma.reports.audit_table import references_table, verdict_said, verdict_table
from scotoma.runs.verdict import Reference, Verdict
from tests.reports.audit_examples import EXAMPLES, TOO_FEW, inconclusive, leaks, with_failures, with_flags


def printed(verdict: Verdict, width: int = 120, show: Callable[[Verdict], object] = verdict_table) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(show(verdict))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def test_the_table_as_printed() -> None:
    verdict = inconclusive()
    assert printed(verdict) == EXPECTED


def test_what_is_found_elsewhere_stands_in_a_table_of_its_own() -> None:
    verdict = leaks()
    task = verdict.tasks[0]
    found = (
        Reference("original images", 0.951, 0.94, 0.96),
        Reference("random encoder", None, note="no file"),
    )
    shown = printed(replace(verdict, tasks=(replace(task, references=found),)), show=references_table)
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if "│" in line]
    assert cells == [[f"-{task.task}", "95.1", "not available"]]
    assert references_table(replace(verdict, tasks=(replace(task, references=()),))) is None


def test_a_task_without_a_figure_says_so() -> None:
    text = printed(with_failures())
    assert "+Smiling" in text and "every attack failed" in text and "floor 50.0" in text


def test_names_are_no_markup() -> None:
    verdict = leaks()
    verdict = replace(verdict, tasks=(replace(verdict.tasks[0], task="[b]x[/b]"),))
    assert "-[b]x[/b]" in printed(verdict)


def test_flags_are_told_with_what_they_are_about() -> None:
    lines = verdict_said(with_flags()).splitlines()
    assert lines[5] == (
        "Flag stochastic: The same images encoded twice have different codes (by 3.1 % of their size)."
    )
    assert lines[6].startswith("Flag batch-dependent, rules out 'no leak found': An image has another code")
    assert lines[7] == f"Flag too-few-test-images (Male), rules out 'no leak found': {TOO_FEW.said}"
    assert lines[8].startswith("Flag dependent-labels (Wearing_Lipstick): Who knows")
    assert lines[-1] == "An empirical lower bound on leakage, no guarantee: other attackers may find more."


def test_a_reason_that_no_flag_tells_is_told() -> None:
    verdict = inconclusive()
    assert "Because:" not in verdict_said(verdict)
    bare = replace(verdict, flags=())
    assert f"\n  Because: {TOO_FEW.said}\n" in verdict_said(bare)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_fits_a_terminal_of_80_columns(name: str) -> None:
    for show in (verdict_table, references_table):
        text = printed(EXAMPLES[name](), width=80, show=show)
        assert max(map(len, text.splitlines())) <= 80


EXPECTED = """\
The best attacker of suite standard on test images: balanced accuracy in %
┏━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━┳━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━┓
┃ task     ┃ verdict            ┃ accuracy          ┃ above the floor ┃ bits   ┃ best attacker           ┃
┡━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━╇━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━┩
│ -Male    │ inconclusive       │ 56.1 [49.0, 63.2] │ +0.5, ≥ -7.8    │ 0.00   │ residual CNN            │
│          │ smallest seen 12.1 │ floor 55.6        │ p = 0.31        │ ≥ 0.00 │ on the encoder's images │
├──────────┼────────────────────┼───────────────────┼─────────────────┼────────┼─────────────────────────┤
│ +Smiling │ can be read        │ 90.2 [88.8, 91.6] │ +40.2, ≥ +38.8  │ 0.09   │ paper CNN, votes        │
│          │                    │ floor 50.0        │ p < 0.0001      │ ≥ 0.07 │ on the encoder's images │
└──────────┴────────────────────┴───────────────────┴─────────────────┴────────┴─────────────────────────┘
[95 % interval]; 50 is guessing; floor: what the kept labels alone give.
Above it: on the same test images, with lower bound and one-sided p (Holm's, if several are hidden).
'-' hidden, '+' kept.
"""
