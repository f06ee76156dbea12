"""Who runs the cells of a table or a figure? Processes of one thread each, as many side by side as there are
cores.

Two jobs of one thread beat one job of two threads, and what one thread trains does not depend on how many
cores there are. A verification takes its number of workers from the threads that it may use: it runs its
attacks one after the other, or several at a time where cores are left that no other cell can use yet. What
they find is the same.
"""

import ctypes
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scotoma.errors import TIME_IS_UP, ScotomaError, TimeLimitReached
from scotoma.experiments.cells import AttackCell, Cell, Places, arguments, write_settings
from scotoma.runs.progress import Progress, Silent
from scotoma.runs.threads import cores

LOGS = "logs"
_PR_SET_PDEATHSIG = 1  # of Linux's prctl
_WAIT = 0.1  # seconds between two looks at the processes
# Ends that the command line has explained (see cli/app.py). Others, such as death by a signal, it has not.
_TOLD = (1, 2, 130)


class CellsFailed(ScotomaError):
    """Some cells failed; `failures` says why, by label."""

    def __init__(self, failures: Mapping[str, str], cells: int, late: str = "") -> None:
        head = f"{len(failures)} of {cells} cells failed; the same command tries them again:"
        lines = [head, *(f"  {label}: {why}" for label, why in failures.items()), *([late] if late else [])]
        super().__init__("\n".join(lines))
        self.failures = dict(failures)


@dataclass(frozen=True)
class Running:
    """A cell and the process that makes it, whose words go into `log`."""

    cell: Cell
    log: Path
    process: "subprocess.Popen[bytes]"
    threads: int = 1

    def has_died(self) -> bool:
        """Whether an ended process did not come to an end of its own: killed, or gone without a word."""
        code = self.process.returncode
        return code != 0 and (code not in _TOLD or not self.last_line())

    def was_late(self) -> bool:
        """Whether it ended because its time limit was over."""
        return self.process.returncode == 1 and self.last_line().startswith(TIME_IS_UP)

    def last_line(self) -> str:
        """What it said last; empty if nothing."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def last_words(self) -> str:
        """What it said last: a line, or the head of a list with its first item."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
        items = [number for number in range(len(lines)) if _is_item(lines[number])]
        # The list may be followed by a line of advice.
        if not items or items[-1] < len(lines) - 2:
            return self.last_line()
        first = items[-1]
        while first > 0 and _is_item(lines[first - 1]):
            first -= 1
        more = ", ..." if items[-1] > first else ""
        return f"{lines[max(first - 1, 0)].strip()} {lines[first].strip()}{more}"

    def why(self) -> str:
        """Why it failed: its last words, behind how it died, if it did."""
        said = self.last_words()
        if self.has_died():
            said = f"{_ended(self.process.returncode)}; its last line: {self.last_line() or 'none'}"
        return f"{said} ({self.log})"


@dataclass
class Queue:
    """Cells that wait and that run, how many have ended, and of those that failed why, by label. Among those
    that wait are finished attacks on an encoder that is trained anew: they are finished still if it is the
    same again.

    Once `deadline`, a reading of the monotonic clock, is over no cell is started; those that run were given
    what was left as a time limit of their own, and wait again after it.

    A process that died is no verdict on its cell (the machine was short of memory, somebody killed it): the
    cell is started a second time, and has failed if that dies as well.
    """

    places: Places
    waiting: list[Cell]
    running: list[Running] = field(default_factory=list)
    ended: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    retried: set[str] = field(default_factory=set)
    deadline: float = math.inf

    def start_ready(self, at_once: int) -> None:
        """Start cells in their order, an attack once its encoder is there, as long as threads are free."""
        for cell in list(self.waiting):
            left = self.deadline - time.monotonic()
            free = at_once - sum(one.threads for one in self.running)
            if free <= 0 or left <= 0:
                return
            if not self._is_ready(cell):
                if not self._may_get_ready(cell):
                    self._end(cell, "there is no encoder to attack")
            elif cell.state(self.places.out) == "done":
                self._end(cell)
            elif why := _stale(cell, self.places.out):
                self._end(cell, why)
            else:
                threads = _share(cell, free, sum(map(self._is_ready, self.waiting)))
                self.waiting.remove(cell)
                self.running.append(_start(cell, self.places, left, threads))

    def collect_ended(self) -> None:
        """Take the processes that have ended from those that run."""
        for one in [each for each in self.running if each.process.poll() is not None]:
            self.running.remove(one)
            if one.was_late():
                self.waiting.append(one.cell)
                continue
            if one.has_died() and one.cell.label not in self.retried:
                self.retried.add(one.cell.label)
                self.waiting.insert(0, one.cell)
                continue
            self.ended += 1
            if one.process.returncode != 0:
                self.failures[one.cell.label] = one.why()

    def is_over(self) -> bool:
        """Whether nothing runs, and nothing is left to start, or no time for it."""
        return not self.running and (not self.waiting or time.monotonic() >= self.deadline)

    def interrupt(self) -> None:
        """Ask every process to stop as Ctrl-C does, so that it keeps its checkpoint, and wait for it."""
        for one in self.running:
            if one.process.poll() is None:
                one.process.send_signal(signal.SIGINT)
        for one in self.running:
            one.process.wait()

    def _end(self, cell: Cell, why: str = "") -> None:
        """Take a cell that is not started from those that wait; `why` if it has failed."""
        self.waiting.remove(cell)
        self.ended += 1
        if why:
            self.failures[cell.label] = why

    def _is_ready(self, cell: Cell) -> bool:
        return not isinstance(cell, AttackCell) or cell.encoder.file(self.places.out).is_file()

    def _may_get_ready(self, cell: Cell) -> bool:
        coming = [each.label for each in (*self.waiting, *(one.cell for one in self.running))]
        return isinstance(cell, AttackCell) and cell.encoder.label in coming


def run_cells(
    cells: Sequence[Cell],
    places: Places,
    progress: Progress | None = None,
    at_once: int | None = None,
    deadline: float = math.inf,
) -> None:
    """Run every cell that is not done, each by its command; a failure does not stop the others, and a process
    that dies is started once more.

    Args:
        cells: in the order in which they start.
        places: where images lie and run folders go; the folder is held by the caller, settings are written.
        progress: is shown cells.
        at_once: threads of all processes together; default: one a core.
        deadline: a reading of the monotonic clock, in seconds, at which cells stop and none is started any
            more.

    Raises:
        CellsFailed: tells each cell that failed with the last line of its log.
        TimeLimitReached: cells are left, and none has failed.
        KeyboardInterrupt: after every process has stopped and kept what it had.
    """
    progress = progress or Silent()
    (places.out / LOGS).mkdir(exist_ok=True)
    todo = _todo(cells, places.out)
    queue = Queue(places, todo.copy(), deadline=deadline)
    progress.start("cells", len(cells))
    progress.advance(len(cells) - len(todo))
    try:
        with _stoppable():
            _run(queue, at_once or cores(), progress)
    finally:
        progress.stop()
    late = f"{TIME_IS_UP}: {queue.ended} of {len(todo)} cells have ended." if queue.waiting else ""
    if queue.failures:
        raise CellsFailed(queue.failures, len(todo), late)
    if late:
        raise TimeLimitReached(late)


def try_cells(
    cells: Sequence[Cell], places: Places, progress: Progress | None = None, deadline: float = math.inf
) -> CellsFailed | None:
    """Write the settings of cells and run them.

    Returns:
        The failures, to be told after what the others found; None where there were none.

    Raises:
        TimeLimitReached: the deadline, a reading of the monotonic clock, came first.
    """
    write_settings(cells, places.out)
    try:
        run_cells(cells, places, progress, deadline=deadline)
    except CellsFailed as failures:
        return failures
    return None


def _todo(cells: Sequence[Cell], out: Path) -> list[Cell]:
    """Cells that are not done, and the attacks on encoders among them."""
    labels = {cell.label for cell in cells if cell.state(out) != "done"}
    return [
        cell
        for cell in cells
        if cell.label in labels or (isinstance(cell, AttackCell) and cell.encoder.label in labels)
    ]


def _stale(cell: Cell, out: Path) -> str:
    """What is wrong where an attack was begun on another encoder than lies there now; empty if nothing is."""
    if not isinstance(cell, AttackCell) or not cell.is_stale(out):
        return ""
    return (
        f"{cell.folder(out)} holds attacks on another encoder than {cell.encoder.file(out)} is now: remove "
        "this folder, and the same command attacks anew"
    )


def _run(queue: Queue, at_once: int, progress: Progress) -> None:
    shown = ""
    try:
        while not queue.is_over():
            before = queue.ended
            queue.collect_ended()
            queue.start_ready(at_once)
            names = ", ".join(one.cell.label for one in queue.running)
            if names != shown or queue.ended > before:
                progress.advance(queue.ended - before, running=names or "nothing")
                shown = names
            if queue.running:
                progress.advance(0)
                time.sleep(_WAIT)
    except KeyboardInterrupt:
        queue.interrupt()
        raise KeyboardInterrupt("The same command goes on: what has ended is kept.") from None


def _share(cell: Cell, free: int, ready: int) -> int:
    """How many of the free threads a cell gets where so many cells could start: one at least, and none that
    it cannot use.
    """
    return max(min(free // ready, cell.attacks), 1) if isinstance(cell, AttackCell) else 1


def _start(cell: Cell, places: Places, left: float, threads: int) -> Running:
    """Start a cell; `left` are the seconds that it may take."""
    limit = [] if math.isinf(left) else ["--time-limit", f"{left:.3f}s"]
    log = places.out / LOGS / f"{cell.label.replace('/', '-')}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "scotoma", *arguments(cell.command(places)), *limit],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            # Ctrl-C in a terminal reaches this process only, which passes it on, once.
            start_new_session=True,
            preexec_fn=_stop_with_parent if sys.platform == "linux" else None,
        )
    return Running(cell, log, process, threads)


def _stop_with_parent() -> None:
    """Ask the kernel for a SIGINT when the process that started this one dies, however it dies: else a cell
    would go on by itself and hold its folder.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _is_item(line: str) -> bool:
    """Whether a line is one of a list in a message."""
    return line.startswith("  ") and not line.startswith("   ")


def _ended(code: int) -> str:
    """How a process died that said nothing of it."""
    if code >= 0:
        return f"ended with {code}, twice"
    try:
        return f"killed by {signal.Signals(-code).name}, twice"
    except ValueError:  # a signal without a name, such as SIGRTMIN + 1
        return f"killed by signal {-code}, twice"


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGINT and SIGTERM stop the cells, even in a shell's background, where SIGINT is ignored, by
    children too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[signal.Signals, Any] = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
