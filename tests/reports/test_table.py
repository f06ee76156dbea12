import io
from dataclasses import replace
from typing import Literal

from rich.console import Console
from rich.table import Table

from scotoma.reports.table import results_table
from tests.reports.examples import beyond, cell, changed, lacking, results


def printed(table: Table, width: int = 120, colours: bool = False) -> str:
    file = io.StringIO()
    system: Literal["standard"] | None = "standard" if colours else None
    console = Console(file=file, width=width, force_terminal=colours, color_system=system)
    console.print(table)
    return file.getvalue()


def test_the_table_as_printed() -> None:
    made = lacking(changed(results(), "encoder", "bag", state="inconclusive"), "blur", "coat")
    made = changed(made, "blur", "bag", state="failed")
    text = printed(results_table(made))
    assert [line.rstrip() for line in text.splitlines()] == EXPECTED.splitlines()


def test_hidden_is_red_and_kept_is_green_in_the_rows_of_trained_encoders_only() -> None:
    text = printed(results_table(results()), colours=True)
    assert "\x1b[1;31m-shirt" in text and "\x1b[1;32m+bag" in text
    assert "\x1b[31m66.0 [63.6, 68.3]" in text and "\x1b[32m98.1 [97.5, 98.6]" in text
    assert "\x1b[31m86.9" not in text


def test_signs_stand_in_the_cells_where_encoders_differ_in_their_tasks() -> None:
    made = results()
    made = replace(
        made,
        encoders=(
            *made.encoders,
            replace(made.encoders[2], name="second", training={"hide": ["shirt", "bag"]}),
        ),
        cells=(*made.cells, replace(cell("encoder", "bag"), encoder="second", role="hide")),
    )
    text = printed(results_table(made))
    assert "(+) 98.1 [97.5, 98.6]" in text and "(-) 98.1 [97.5, 98.6]" in text
    assert "-shirt" in text and "+bag" not in text and "-bag" not in text


def test_no_leak_found_is_said() -> None:
    text = printed(results_table(changed(results(), "encoder", "shirt", excess=beyond(0.0))))
    assert "no leak found" in text and "still leaks" not in text


def test_what_guessing_reaches_is_said_of_tasks_with_more_classes() -> None:
    made = results()
    for encoder in made.encoders:
        made = changed(made, encoder.name, "shirt", classes=("black", "blond", "brown", "red"))
    said = "[95 % interval]; guessing reaches 25 on shirt, 50 on bag, 50 on coat; floor: what the kept labels"
    assert said in " ".join(printed(results_table(made)).split())


def test_names_are_no_markup() -> None:
    made = changed(replace(results(), hide=("[b]x[/b]",)), "encoder", "shirt", task="[b]x[/b]")
    assert "-[b]x[/b]" in printed(results_table(made))


EXPECTED = """\
Fresh attackers on encoded test images: balanced accuracy in %
┏━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┓
┃ encoder  ┃ -shirt            ┃ +bag                       ┃ coat              ┃
┡━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━┩
│ identity │ 86.9 [85.5, 88.2] │ 98.9 [98.4, 99.3]          │ 93.2 [92.1, 94.2] │
│          │ floor 55.6        │ floor 50.0                 │ floor 55.6        │
├──────────┼───────────────────┼────────────────────────────┼───────────────────┤
│ blur     │ 81.2 [79.6, 82.7] │ failed                     │ missing           │
│          │ floor 55.6        │                            │                   │
├──────────┼───────────────────┼────────────────────────────┼───────────────────┤
│ encoder  │ 66.0 [63.6, 68.3] │ 98.1 [97.5, 98.6]          │ 77.1 [75.3, 78.8] │
│          │ floor 55.6        │ floor 50.0                 │ floor 55.6        │
│          │ still leaks       │ inconclusive: still rising │                   │
└──────────┴───────────────────┴────────────────────────────┴───────────────────┘
[95 % interval]; 50 is guessing; floor: what the kept labels alone give
'-' hidden, '+' kept. An empirical lower bound on leakage, no guarantee.
"""
