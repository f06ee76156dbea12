"""How long has a run taken, over all the processes that worked on it?"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from scotoma.errors import InputError, ScotomaError
from scotoma.runs.settings import build
from scotoma.runs.whole_files import read_json, write_json

NAME = "time.json"


@dataclass(frozen=True)
class Elapsed:
    """When a run was begun, as ISO 8601, and the seconds that earlier processes worked on it."""

    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    seconds: float = 0.0


@dataclass(frozen=True)
class Clock:
    """What was spent before, and the reading of the monotonic clock as this process began."""

    before: Elapsed = field(default_factory=Elapsed)
    begun: float = field(default_factory=lambda: time.monotonic())

    def now(self) -> Elapsed:
        """The same with what was spent since."""
        spent = time.monotonic() - self.begun
        return Elapsed(self.before.started, round(self.before.seconds + spent, 1))


@contextmanager
def timed(folder: Path) -> Iterator[Clock]:
    """Measure the time that is spent on a run folder; what a process spent is kept however it ends, unless it
    is killed.
    """
    before = Elapsed()
    with suppress(InputError):  # without the file, or where it is damaged, time is counted from now
        before = build(Elapsed, read_json(folder / NAME), NAME)
    clock = Clock(before)
    try:
        yield clock
    finally:
        with suppress(ScotomaError):  # on a full disk there are other worries
            write_json(folder / NAME, vars(clock.now()))
