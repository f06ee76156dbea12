"""How does a long step say how far it is?

A step takes a `Progress` (or None) and tells it what it does; who watches decides how that looks: a bar in a
terminal, a line now and then in a log, nothing.
"""

import time
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from scotoma.errors import TIME_IS_UP, TimeLimitReached

Figure = float | int | str


class Progress(Protocol):
    """What a long step calls: start, then advance as often as it likes, then stop."""

    def start(self, description: str, total: int) -> None:
        """Begin a stretch of `total` equal units; an earlier stretch ends."""

    def advance(self, n: int = 1, **figures: Figure) -> None:
        """Tell that `n` more units are done; `figures` replace those of the same name."""

    def stop(self) -> None:
        """End the stretch, done or not. Calling it twice does no harm."""


class Silent:
    """Says nothing."""

    def start(self, description: str, total: int) -> None:
        """Ignored."""

    def advance(self, n: int = 1, **figures: Figure) -> None:
        """Ignored."""

    def stop(self) -> None:
        """Ignored."""


class RichProgress:
    """A bar with rate, time left and figures, for a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bars: Bars | None = None
        self._task = TaskID(0)
        self._figures: dict[str, Figure] = {}

    def start(self, description: str, total: int) -> None:
        """Show a new bar."""
        self.stop()
        self._figures = {}
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeElapsedColumn(),
            TextColumn("gone,"),
            TimeRemainingColumn(),
            TextColumn("left"),
            # Escaped by markup=False: names of categories are the user's and may hold brackets.
            TextColumn("{task.fields[figures]}", markup=False),
            console=self._console,
            refresh_per_second=4,
        )
        self._task = self._bars.add_task(description, total=total, figures="")
        self._bars.start()

    def advance(self, n: int = 1, **figures: Figure) -> None:
        """Move the bar and show the figures behind it."""
        if self._bars is None:
            return
        self._figures.update(figures)
        self._bars.update(self._task, advance=n, figures=show_figures(self._figures))

    def stop(self) -> None:
        """Leave the bar as it stands."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


class LineProgress:
    """A line at the start, at the end and every so many seconds between, for logs."""

    def __init__(self, console: Console | None = None, seconds: float = 30.0) -> None:
        self._console = console or Console(stderr=True)
        self._seconds = seconds
        self._running = False

    def start(self, description: str, total: int) -> None:
        """Print what begins."""
        self.stop()
        self._description, self._total, self._done = description, total, 0
        self._figures: dict[str, Figure] = {}
        self._started = self._printed = time.monotonic()
        self._running = True
        self._print(f"{description}: {total} to do")

    def advance(self, n: int = 1, **figures: Figure) -> None:
        """Count; print when the last line is old enough."""
        if not self._running:
            return
        self._done += n
        self._figures.update(figures)
        if time.monotonic() - self._printed >= self._seconds:
            self._report()

    def stop(self) -> None:
        """Print the last state."""
        if self._running:
            self._running = False
            self._report()

    def _report(self) -> None:
        self._printed = time.monotonic()
        elapsed = max(self._printed - self._started, 1e-9)
        rate = self._done / elapsed
        left = f", {_clock((self._total - self._done) / rate)} left" if 0 < self._done < self._total else ""
        figures = f", {show_figures(self._figures)}" if self._figures else ""
        self._print(f"{self._description}: {self._done}/{self._total}, {rate:.1f}/s{left}{figures}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Limited:
    """Tells another progress, and ends the step once a time is over: a reading of the monotonic clock."""

    def __init__(self, progress: Progress, deadline: float, why: str) -> None:
        self._progress, self._deadline, self._why = progress, deadline, why

    def start(self, description: str, total: int) -> None:
        """As the other."""
        self._progress.start(description, total)

    def advance(self, n: int = 1, **figures: Figure) -> None:
        """As the other.

        Raises:
            TimeLimitReached: the time is over.
        """
        self._progress.advance(n, **figures)
        if time.monotonic() >= self._deadline:
            raise TimeLimitReached(f"{TIME_IS_UP} {self._why}")

    def stop(self) -> None:
        """As the other."""
        self._progress.stop()


def until(deadline: float | None, progress: Progress, why: str) -> Progress:
    """A progress that ends its step at the deadline, if there is one; `why` goes on in the message."""
    return progress if deadline is None else Limited(progress, deadline, why)


def watched(console: Console | None = None) -> Progress:
    """The progress that suits where the output goes: a bar in a terminal, lines otherwise."""
    console = console or Console(stderr=True)
    return RichProgress(console) if console.is_terminal else LineProgress(console)


def show_figures(figures: dict[str, Figure]) -> str:
    """Names and values in one line; fractions with three decimals, tiny ones with an exponent."""
    return "  ".join(f"{name} {_show(value)}" for name, value in figures.items())


def _show(value: Figure) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if value == 0 or abs(value) >= 1e-3 else f"{value:.1e}"
    return str(value)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


class _RateColumn(ProgressColumn):
    """Units a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "-/s")
