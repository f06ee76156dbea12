"""How does the fault campaign start a command, and how does it kill one with all that it has started?

Most of a tiny run is the seconds in which Python imports torch. So the campaign imports everything once and
runs a command in a copy of itself (a fork), which is killed as any process is. Only how Python ends is left
out by that: what disturbs a run's end, as Ctrl-C does, is tried on commands that are started anew.
"""

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Protocol, TextIO

from scotoma.cli import main

LOOK = 0.002  # seconds between two looks
ORPHANS = 60.0  # seconds that processes without their parent are given to end
_IMPORTED = (
    "scotoma.training.run",
    "scotoma.training.estimate",
    "scotoma.training.finished",
    "scotoma.verification.run",
    "scotoma.experiments.runner",
    "scotoma.experiments.sweep_shown",
    "scotoma.reports.table",
    "scotoma.reports.verdict",
)


class Process(Protocol):
    """What the campaign needs of a process: as `subprocess.Popen` has it."""

    pid: int

    def poll(self) -> int | None:
        """The exit code, or minus the signal; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The same, waited for."""

    def send_signal(self, sig: int) -> None:
        """Send it a signal, if it runs."""

    def kill(self) -> None:
        """Send it SIGKILL."""


class Copy:
    """A copy of this process that runs a command."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code, or minus the signal; None while it runs."""
        if self._code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if ended else None
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, waited for.

        Raises:
            TimeoutExpired: it did not end.
        """
        until = time.monotonic() + (timeout or float("inf"))
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            time.sleep(LOOK)
        return code

    def send_signal(self, sig: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """Send it SIGKILL."""
        self.send_signal(signal.SIGKILL)


def import_everything() -> None:
    """Import what commands import, so that copies need not. Nothing is computed: threads are not copied."""
    for name in _IMPORTED:
        import_module(name)


def start_copy(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    log: IO[bytes],
    before: Callable[[], None],
) -> Copy:
    """Run `scotoma ARGUMENTS` in a copy of this process; `before` runs in it first."""
    sys.stdout.flush()
    sys.stderr.flush()
    if pid := os.fork():
        return Copy(pid)
    code = 1
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.stdout, sys.stderr = (_words_into(log, number) for number in (1, 2))
        before()
        code = main(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def children(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have started."""
    found = [each for each in _processes() if _parent(each) == pid]
    return [each for one in found for each in (one, *children(one))]


def wait_for_orphans(pids: Sequence[int]) -> None:
    """Wait until processes have ended that were left by their parent.

    Raises:
        TimeoutError: some did not end.
    """
    until = time.monotonic() + ORPHANS
    while left := [pid for pid in pids if _parent(pid) is not None]:
        if time.monotonic() > until:
            raise TimeoutError(f"still running: {left}")
        time.sleep(10 * LOOK)


def _words_into(log: IO[bytes], number: int) -> TextIO:
    """The stream of a descriptor (1 is standard output, 2 is for errors) that now leads into a file."""
    os.dup2(log.fileno(), number)
    return open(number, "w", buffering=1, encoding="utf-8", closefd=False)


def _processes() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal()]


def _parent(pid: int) -> int | None:
    """Of a process that runs, and does not only wait for somebody to ask how it ended."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
        threads = len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return None
    # Its first thread may have ended while others still hold files open.
    return None if state == "Z" and threads < 2 else int(parent)
