"""What do the trials of a fault campaign share? Jobs run undisturbed, runs caught in the middle, counts."""

import math
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from fault_jobs import Job, differences, environment, make_jobs
from fault_processes import LOOK, Process, children, start_copy, wait_for_orphans

LIMIT = 300.0  # seconds
ATTEMPTS = 8
# How a trial may end.
IDENTICAL, DIFFERENT, WRONG = "identical", "different", "not as it should"


@dataclass(frozen=True)
class Trial:
    """One disturbed run. `moment` is in seconds from the first file that it wrote, where one was drawn."""

    fault: str
    job: str
    ended: str
    moment: float = 0.0
    in_time: bool = True
    detail: str = ""


@dataclass(frozen=True)
class Caught:
    """A run in the middle; `in_time` unless it had always ended before."""

    folder: Path
    process: Process
    moment: float
    in_time: bool


@dataclass
class Campaign:
    """All that trials share: the jobs; of undisturbed runs what they left, in files of which sizes, and the
    seconds that they wrote for. No trial begins after `until`, a reading of the monotonic clock. `copies`:
    commands may run in copies of this process.
    """

    work: Path
    random: random.Random
    jobs: tuple[Job, ...] = ()
    whole: dict[str, dict[str, str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, list[int]] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    until: float = math.inf
    copies: bool = False

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.until

    def prepare(self) -> None:
        """Run every job undisturbed."""
        self.jobs = make_jobs(self.work)
        for job in self.jobs:
            with self.folder() as folder:
                process = self.start(job, folder)
                begun = self.wait(process, lambda job=job, folder=folder: job.begun(folder))  # type: ignore[misc]
                over = self.wait(process, lambda job=job, folder=folder: job.over(folder))  # type: ignore[misc]
                if process.wait(LIMIT) != 0:
                    raise SystemExit(f"The undisturbed {job.name} failed:\n{self.said()}")
                self.whole[job.name], self.seconds[job.name] = job.content(folder), over - begun
                self.sizes[job.name] = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
                if job.name == "training":
                    shutil.copy(folder / "run/encoder.safetensors", self.work)
            print(f"undisturbed {job.name}: writes for {self.seconds[job.name]:.2f} s", flush=True)

    def add(self, trial: Trial) -> None:
        """Note a trial, and say so."""
        self.trials.append(trial)
        print(
            f"{len(self.trials):4} {trial.fault:16}{trial.job:14}{trial.ended:18}{trial.detail}",
            flush=True,
        )

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty folder, gone afterwards."""
        with tempfile.TemporaryDirectory(dir=self.work) as name:
            yield Path(name)

    def start(
        self, job: Job, folder: Path, before: Callable[[], None] | None = None, anew: bool = False
    ) -> Process:
        """Start the job's command; `before` runs in the new process first. It is no copy if it is `anew`."""

        def prepare() -> None:
            # A shell may have told its children to ignore Ctrl-C, as those in the background.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if before is not None:
                before()

        with (self.work / "log").open("wb") as log:
            if self.copies and not anew:
                return start_copy(job.arguments, folder, environment(folder), log, prepare)
            return subprocess.Popen(
                job.command,
                cwd=folder,
                env=environment(folder),
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=prepare,
            )

    def said(self) -> str:
        """What the process that was started last has said."""
        return (self.work / "log").read_text(errors="replace")

    def wait(self, process: Process, happened: Callable[[], bool]) -> float:
        """Wait until something happened, or the process has ended; when that was."""
        until = time.monotonic() + LIMIT
        while process.poll() is None and not happened() and time.monotonic() < until:
            time.sleep(LOOK)
        return time.monotonic()

    @contextmanager
    def caught(self, job: Job, share: float, anew: bool = False) -> Iterator[Caught]:
        """The job in a folder of its own, a share of its time after it began to write.

        Where it has ended by then, the machine has become faster: its time is corrected, and it starts anew.
        """
        for attempt in range(ATTEMPTS):
            with self.folder() as folder:
                process = self.start(job, folder, anew=anew)
                begun = self.wait(process, lambda: job.begun(folder))
                moment = share * self.seconds[job.name]
                ended = self.wait(process, lambda: time.monotonic() >= begun + moment)  # noqa: B023
                in_time = process.poll() is None and not job.over(folder)
                if in_time or attempt == ATTEMPTS - 1:
                    yield Caught(folder, process, moment, in_time)
                    return
                kill_all(process, True)
                self.seconds[job.name] = min(ended - begun, 0.9 * self.seconds[job.name])

    def resumed(self, job: Job, folder: Path) -> tuple[str, str]:
        """Give the command again: how that ended, and what is to be said of it."""
        if self.start(job, folder).wait(LIMIT) != 0:
            return WRONG, f"the same command failed: {self.said().strip()[-500:]}"
        differ = differences(self.whole[job.name], job.content(folder))
        return (DIFFERENT, ", ".join(differ)) if differ else (IDENTICAL, "")

    def complaint(self, process: Process, codes: tuple[int, ...], told: str) -> str:
        """What is wrong with how a disturbed process ended; nothing if it is as it should be."""
        code, said = process.wait(LIMIT), self.said()
        if code in codes and told in said and "Traceback" not in said and "Exception ignored" not in said:
            return ""
        return f"exit code {code}, said: {said.strip()[-1500:]}"


def kill_all(process: Process, others: bool) -> None:
    """SIGKILL for a process, and for those that it has started, or these may end by themselves."""
    started = children(process.pid)
    process.kill()
    process.wait()
    for pid in started if others else ():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for_orphans(started)


def counts(trials: list[Trial]) -> list[dict[str, str | int]]:
    """How many trials there were of each fault and job, how many came in time, and how they ended."""
    found: list[dict[str, str | int]] = []
    for fault, job in dict.fromkeys((each.fault, each.job) for each in trials):
        some = [each for each in trials if (each.fault, each.job) == (fault, job)]
        ends = Counter(each.ended for each in some)
        numbers = {"trials": len(some), "in time": sum(each.in_time for each in some)}
        numbers |= {end: ends[end] for end in (IDENTICAL, DIFFERENT, WRONG)}
        found.append({"fault": fault, "job": job, **numbers})
    return found


def table(trials: list[Trial]) -> str:
    """The counts as lines."""
    head = f"{'fault':16}{'job':14}{'trials':>8}{'in time':>9}{IDENTICAL:>11}{DIFFERENT:>11}{WRONG:>18}"
    lines = [
        "{fault:16}{job:14}{trials:8}{in time:9}{identical:11}{different:11}{not as it should:18}".format(
            **each
        )
        for each in counts(trials)
    ]
    return "\n".join([head, *lines])
