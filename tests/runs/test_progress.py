import io

import pytest
from rich.console import Console

from scotoma.errors import TimeLimitReached
from scotoma.runs import progress
from scotoma.runs.progress import LineProgress, Progress, RichProgress, Silent, show_figures, until, watched


def console(terminal: bool = False) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, force_terminal=terminal, width=160, color_system=None), text


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_lines_tell_the_start_the_way_and_the_end(clock: Clock) -> None:
    out, text = console()
    lines = LineProgress(out, seconds=10)
    lines.start("training [x]", 100)
    clock.now += 5
    lines.advance(10, hidden=0.5)
    clock.now += 5
    lines.advance(10, kept=0.9)
    clock.now += 30
    lines.advance(80)
    lines.stop()
    lines.stop()
    assert text.getvalue().splitlines() == [
        "training [x]: 100 to do",
        "training [x]: 20/100, 2.0/s, 0:00:40 left, hidden 0.500  kept 0.900",
        "training [x]: 100/100, 2.5/s, hidden 0.500  kept 0.900",
        "training [x]: 100/100, 2.5/s, hidden 0.500  kept 0.900",
    ]


def test_a_new_stretch_ends_the_old_one_and_forgets_its_figures(clock: Clock) -> None:
    out, text = console()
    lines = LineProgress(out, seconds=1e9)
    lines.advance()  # before any start: ignored
    lines.start("a", 2)
    clock.now += 1
    lines.advance(1, loss=1.0)
    lines.start("b", 1)
    clock.now += 1
    lines.advance()
    lines.stop()
    assert text.getvalue().splitlines() == [
        "a: 2 to do",
        "a: 1/2, 1.0/s, 0:00:01 left, loss 1.000",
        "b: 1 to do",
        "b: 1/1, 1.0/s",
    ]


def test_a_bar_shows_count_and_figures_as_they_are_written() -> None:
    out, text = console(terminal=True)
    bar = RichProgress(out)
    bar.advance()  # before any start: ignored
    bar.start("attack", 4)
    bar.advance(3, task="[bold]bag", accuracy=0.93751)
    bar.stop()
    bar.stop()
    shown = text.getvalue()
    assert "attack" in shown
    assert "3/4" in shown
    assert "task [bold]bag  accuracy 0.938" in shown


def test_figures_keep_small_numbers_readable() -> None:
    assert show_figures({"rate": 1e-5, "zero": 0.0, "step": 1000, "val_accuracy": 0.25, "state": "done"}) == (
        "rate 1.0e-05  zero 0.000  step 1000  val_accuracy 0.250  state done"
    )


def test_the_output_decides_between_bar_and_lines() -> None:
    assert isinstance(watched(console(terminal=True)[0]), RichProgress)
    assert isinstance(watched(console()[0]), LineProgress)


def test_silence_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    silent: Progress = Silent()
    silent.start("a", 1)
    silent.advance(1, x=1.0)
    silent.stop()
    assert capsys.readouterr() == ("", "")


def test_a_deadline_ends_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("scotoma.runs.progress.time.monotonic", lambda: clock[0])
    silent = Silent()
    assert until(None, silent, "") is silent
    limited = until(2.0, silent, "while it works.")
    limited.start("work", 9)
    limited.advance(5)
    clock[0] = 2.0
    with pytest.raises(TimeLimitReached, match=r"^The time limit is reached while it works\.$"):
        limited.advance(1)
