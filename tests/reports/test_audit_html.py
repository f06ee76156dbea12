import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from scotoma.reports.audit_html import render_verdict
from scotoma.reports.html import write_report
from scotoma.runs.verdict import Attempt, Flag, Reference, Verdict
from tests.reports.audit_examples import (
    EXAMPLES,
    leaks,
    none_found,
    verdict,
    write_audit,
)
from tests.reports.test_html import read

MINUS = "\N{MINUS SIGN}"


@cache
def page_of(name: str) -> str:
    """The page of an example."""
    return render_verdict(EXAMPLES[name]())


def words(made: Verdict | str) -> str:
    """The texts of a page, or of that of an example, in their order, without what stands in drawings."""
    page = page_of(made) if isinstance(made, str) else render_verdict(made)
    page = re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)
    return " ".join(read(page).texts).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_page_is_one_file_without_script_link_or_foreign_part(name: str) -> None:
    page = page_of(name)
    reader = read(page)
    assert not re.search(r"https?:|<script|<link|@import|javascript:|url\((?!#)|<iframe|<object", page)
    sources = [value or "" for _, name, value in reader.attributes if name in ("src", "href", "xlink:href")]
    assert all(each.startswith("#") for each in sources)
    assert not [name for _, name, _ in reader.attributes if name.startswith("on")]
    assert "priva" not in page.lower()
    assert "an empirical lower bound on leakage, no guarantee" in page


def test_the_parts_stand_in_the_order_in_which_they_are_read() -> None:
    page = page_of("flags")
    assert re.findall(r"<h2>([^<]*)</h2>", page) == [
        "Beside floors and references",
        "Flags",
        "Every attacker",
        "The winners in figures",
        "Where the time went",
        "What was done",
        "Limits",
    ]
    assert page.index("<h1>") < page.index('class="verdict inconclusive"') < page.index("<h2>")


@pytest.mark.parametrize(
    ("made", "style", "begins"),
    [
        ("leaks", "leaks", "Leaks Male leaks: the best of 44 attempts"),
        ("none", "no-leak", "No leak found at this power No leak of Male was found at this power:"),
        ("inconclusive", "inconclusive", "Inconclusive Whether Male leaks is open:"),
    ],
)
def test_the_verdict_stands_first(made: str, style: str, begins: str) -> None:
    page = page_of(made)
    assert re.findall(r'<section class="verdict ([^"]*)"', page) == [style, "no-leak"]
    assert begins in words(made)
    assert "Can still be read Smiling can still be read: the best" in words(made)


def test_the_smallest_leak_and_the_reasons_are_said() -> None:
    assert "A leak of 2.0 points is the smallest that these test images would have shown" in words(
        none_found()
    )
    text = words("inconclusive")
    assert "Nothing can be concluded because: There are too few test images" in text
    assert "Nothing can be concluded" not in words("leaks")


def test_flags_are_shown_with_what_they_are_about() -> None:
    text = words("flags")
    assert "5 flags, of which 2 rule out “no leak found”: see below ." in text
    assert "\N{BLACK FLAG} stochastic the encoder The same images encoded twice" in text
    assert "\N{BLACK FLAG} too few test images Male · rules out “no leak found” There are too few" in text
    assert "1 flag, which rules out “no leak found”: see below ." in words("inconclusive")
    mild = replace(leaks(), flags=(Flag("duplicates", "14 images are there twice."),))
    assert "1 flag: see below ." in words(mild)
    assert "None of the checks found anything that makes the verdict doubtful." in words("leaks")
    assert len(re.findall('<div class="flag">', page_of("flags"))) == 3
    assert len(re.findall('<div class="flag blocks">', page_of("flags"))) == 2


def test_references_that_are_not_there_are_explained() -> None:
    assert "random encoder, not available: how the encoder is built is not known." in words("leaks")
    bare = replace(leaks().tasks[0], references=(Reference("utility", None),))
    assert "utility: not available." in words(verdict(bare))
    assert "No references were asked for." in words("alone")


def test_every_attempt_is_in_the_table() -> None:
    first = replace(
        leaks().tasks[0].attempts[0], training=0.7412, stopping=0.6631, choosing=0.664, seconds=71.2
    )
    rising = replace(first, state="inconclusive", note="validation was still rising", sees="fresh", seed=2)
    failed = Attempt("MLP", "all", 0, "failed", None, None, None, 3.2, note="The loss is not finite.")
    text = words(verdict(replace(leaks().tasks[0], attempts=(first, rising, failed))))
    figures = "74.1 66.3 66.4 1 min 11 s"
    assert f"paper CNN, votes the encoder's {first.seed} {figures} done iterations 2,400; rate 0.002" in text
    assert (
        f"paper CNN, votes fresh 2 {figures} inconclusive iterations 2,400; rate 0.002; validation was"
        in text
    )
    assert "MLP all 0 – – – 3 s failed The loss is not finite." in text  # noqa: RUF001
    assert "3 attempts on Male, the best first" in text
    assert len(re.findall(r'<td class="details">', page_of("leaks"))) == 88


def test_the_winners_in_figures() -> None:
    text = words("leaks")
    row = f"{MINUS}Male paper CNN, votes the encoder's, 1 66.0 64.6 to 67.4 +10.4 +9.0 < 0.0001 < 0.0001"
    assert f"{row} 0.700 0.09 0.07 3.4 % 0.93 of 1.00" in text
    row = f"56.1 49.0 to 63.2 +0.5 {MINUS}7.8 0.31 0.31 0.601 0.00 0.00 not available 0.93 of 1.00"
    assert row in words("inconclusive")
    assert "0.93 of 2.00" in words("flags")
    assert "not taken" in words("alone")
    assert "+Smiling every attack failed" in words("failures")


def test_time_that_is_not_recorded_is_said_to_be() -> None:
    assert "Time of one thread, over all tasks, images and seeds: 32 min 55 s in all." in words("leaks")
    for run in ({}, {"seconds_by_attacker": {"MLP": 0.0}}, {"seconds_by_attacker": "none"}):
        assert "The seconds of the attackers are not recorded." in words(replace(leaks(), run=run))


def test_what_was_done_and_attacked() -> None:
    text = words("leaks")
    assert "command scotoma verify encoder.onnx --suite standard" in text
    assert "What was attacked name encoder.onnx kind ONNX file digest 93ce4417aa02" in text
    assert "Images Male same 4,210 / 5,668; fresh 902 / 1,139;" in text
    assert "seconds by attacker" not in text
    assert "The figures hold for images like the 4,997 test images" in text


def test_a_kept_task_that_is_not_read_and_one_that_is_open() -> None:
    kept = leaks().tasks[1]
    assert kept.winner is not None
    lost = replace(kept, winner=replace(kept.winner, accuracy=0.505, low=0.49, high=0.52))
    assert "Not read Smiling was not read:" in words(verdict(lost))
    assert "Nothing was to be hidden No task was named to be hidden." in words(verdict(lost))
    assert "Cannot all be read Smiling" in words(verdict(kept, replace(lost, task="Young")))
    assert "Open Whether Smiling can still be read is open: every attack failed." in words("failures")


def test_attackers_that_do_not_apply_are_named() -> None:
    made = leaks()
    skipped = {**made.run, "not_applicable": ["residual CNN", "paper CNN"]}
    assert "Not applicable to these codes: residual CNN; paper CNN." in words(replace(made, run=skipped))


def test_names_are_escaped_everywhere() -> None:
    evil = '<b>"x"</b>'
    task = leaks().tasks[0]
    assert task.winner is not None
    attempts = tuple(replace(each, attacker=evil, note=evil, details={evil: evil}) for each in task.attempts)
    task = replace(
        task,
        task=evil,
        attempts=attempts,
        winner=replace(task.winner, attacker=evil),
        references=(Reference(evil, None, note=evil), Reference(evil, 0.6, 0.5, 0.7, evil)),
        reasons=(evil,),
        outcome="inconclusive",
    )
    made = verdict(task, flags=(Flag(evil, evil, True, evil),))
    made = replace(
        made,
        run={"command": evil, "seconds_by_attacker": {evil: 3.0}, "not_applicable": [evil]},
        target=replace(made.target, name=evil, kind=evil, about={evil: evil}),
    )
    page = render_verdict(made)
    assert "<b>" not in page and "&lt;b&gt;" in page
    read(page)


def test_the_page_is_written_where_the_verdict_is(tmp_path: Path) -> None:
    run = write_audit(tmp_path / "run")
    out = write_report(run, tmp_path / "new" / "report.html")
    assert out.read_text(encoding="utf-8") == page_of("leaks")
