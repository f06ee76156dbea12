"""Who runs the cells of a table or a figure? Processes of one thread each, as many side by side as there are
cores.

Two jobs of one thread beat one job of two threads. A verification takes its number of workers from the
threads that it may use, so it runs its attacks one after the other here.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from scotoma.data.photos import cores
from scotoma.errors import ScotomaError
from scotoma.experiments.cells import AttackCell, Cell, Places, arguments
from scotoma.runs.progress import Progress, Silent

LOGS = "logs"
_WAIT = 0.1  # seconds between two looks at the processes


@dataclass
class _Job:
    """One cell that is to be run, and its process once it is."""

    cell: Cell
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    output: IO[bytes] | None = None
    failure: str = ""


@dataclass
class Queue:
    """Cells that wait, that run, and that have ended."""

    places: Places
    waiting: list[_Job]
    running: list[_Job] = field(default_factory=list)
    ended: list[_Job] = field(default_factory=list)

    def start_ready(self, at_once: int) -> None:
        """Start cells in their order, an attack once its encoder is there."""
        for job in list(self.waiting):
            if len(self.running) >= at_once:
                return
            if self._is_ready(job):
                self.waiting.remove(job)
                self.running.append(job)
                _start(job, self.places)
            elif not self._may_get_ready(job):
                self.waiting.remove(job)
                job.failure = "there is no encoder to attack"
                self.ended.append(job)

    def collect_ended(self) -> int:
        """Take the processes that have ended from those that run; tells how many."""
        over = [job for job in self.running if job.process is not None and job.process.poll() is not None]
        for job in over:
            self.running.remove(job)
            self.ended.append(job)
            _end(job)
        return len(over)

    def interrupt(self) -> None:
        """Ask every process to stop as Ctrl-C does, so that it keeps its checkpoint, and wait for it."""
        for job in self.running:
            if job.process is not None and job.process.poll() is None:
                job.process.send_signal(signal.SIGINT)
        for job in self.running:
            if job.process is not None:
                job.process.wait()
            if job.output is not None:
                job.output.close()

    def _is_ready(self, job: _Job) -> bool:
        cell = job.cell
        return not isinstance(cell, AttackCell) or cell.encoder.file(self.places.out).is_file()

    def _may_get_ready(self, job: _Job) -> bool:
        cell = job.cell
        coming = [each.cell.label for each in (*self.waiting, *self.running)]
        return isinstance(cell, AttackCell) and cell.encoder.label in coming


def run_cells(
    cells: Sequence[Cell], places: Places, progress: Progress | None = None, at_once: int | None = None
) -> None:
    """Run every cell that is not done, each by its command; a failure does not stop the others.

    Args:
        cells: in the order in which they start.
        places: where images lie and run folders go; the folder is held by the caller, settings are written.
        progress: is shown cells.
        at_once: processes side by side; default: one a core.

    Raises:
        ScotomaError: some cells failed; tells each with the last line of its log.
        KeyboardInterrupt: after every process has stopped and kept what it had.
    """
    progress = progress or Silent()
    logs = places.out / LOGS
    logs.mkdir(exist_ok=True)
    todo = [cell for cell in cells if cell.state(places.out) != "done"]
    queue = Queue(places, [_Job(cell, logs / f"{cell.label.replace('/', '-')}.log") for cell in todo])
    progress.start("cells", len(cells))
    progress.advance(len(cells) - len(todo))
    try:
        with _stoppable():
            _run(queue, at_once or cores(), progress)
    finally:
        progress.stop()
    _require_sound(queue.ended)


def _run(queue: Queue, at_once: int, progress: Progress) -> None:
    shown = ""
    try:
        while queue.waiting or queue.running:
            before = len(queue.ended)
            queue.collect_ended()
            queue.start_ready(at_once)
            names = ", ".join(job.cell.label for job in queue.running)
            if names != shown or len(queue.ended) > before:
                progress.advance(len(queue.ended) - before, running=names)
                shown = names
            if queue.running:
                progress.advance(0)
                time.sleep(_WAIT)
    except KeyboardInterrupt:
        queue.interrupt()
        raise KeyboardInterrupt("The same command goes on: what has ended is kept.") from None


def _start(job: _Job, places: Places) -> None:
    job.output = job.log.open("wb")
    job.process = subprocess.Popen(
        [sys.executable, "-m", "scotoma", *arguments(job.cell.command(places))],
        stdin=subprocess.DEVNULL,
        stdout=job.output,
        stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # Ctrl-C in a terminal reaches this process only, which passes it on, once.
        start_new_session=True,
    )


def _end(job: _Job) -> None:
    if job.output is not None:
        job.output.close()
    if job.process is not None and job.process.returncode != 0:
        lines = job.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        said = lines[-1] if lines else f"ended with {job.process.returncode}"
        job.failure = f"{said} ({job.log})"


def _require_sound(ended: Sequence[_Job]) -> None:
    failed = [job for job in ended if job.failure]
    if failed:
        head = f"{len(failed)} of {len(ended)} cells failed; the same command tries them again:"
        raise ScotomaError("\n".join([head, *(f"  {job.cell.label}: {job.failure}" for job in failed)]))


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
