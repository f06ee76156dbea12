"""Does a run that was disturbed end as one that was not? Kills, full disks, Ctrl-C, two at once.

    python benchmarks/faults.py [--kills 100] [--seed 0] [--faults kill full] [--out faults.json]

Each trial disturbs a tiny training, cache building or verification in a folder of its own, then gives the
same command again, and compares every file with those of an undisturbed run, bit by bit, but for recorded
times. Kills (SIGKILL) come at random moments from the first file written to the last. A disk is a small file
system in memory, which needs the right to mount; without that the size of files is limited, and the folder's
permissions are taken away. The exit code is 1 if any trial did not end as it should.
"""

import argparse
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fault_disks import Disk, find_disk
from fault_jobs import Job, differences, environment, make_jobs

from scotoma.runs.run_folder import write_json

LIMIT = 300.0  # seconds
LOOK = 0.002
ATTEMPTS = 8
Process = subprocess.Popen[bytes]
FAULTS = ("kill", "ctrl-c", "two", "full", "read-only")
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
    seconds that they wrote for.
    """

    work: Path
    random: random.Random
    jobs: tuple[Job, ...] = ()
    whole: dict[str, dict[str, str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, list[int]] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)

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

    def start(self, job: Job, folder: Path, before: Callable[[], None] | None = None) -> Process:
        """Start the job's command; `before` runs in the new process first."""

        def prepare() -> None:
            # A shell may have told its children to ignore Ctrl-C, as those in the background.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if before is not None:
                before()

        with (self.work / "log").open("wb") as log:
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
    def caught(self, job: Job, share: float) -> Iterator[Caught]:
        """The job in a folder of its own, a share of its time after it began to write.

        Where it has ended by then, the machine has become faster: its time is corrected, and it starts anew.
        """
        for attempt in range(ATTEMPTS):
            with self.folder() as folder:
                process = self.start(job, folder)
                begun = self.wait(process, lambda: job.begun(folder))
                moment = share * self.seconds[job.name]
                ended = self.wait(process, lambda: time.monotonic() >= begun + moment)  # noqa: B023
                in_time = process.poll() is None and not job.over(folder)
                if in_time or attempt == ATTEMPTS - 1:
                    yield Caught(folder, process, moment, in_time)
                    return
                process.kill()
                process.wait()
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


def main() -> None:
    """Run the campaign, print counts, write every trial."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="SIGKILLs in all; other faults: a tenth each")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=FAULTS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        campaign = Campaign(Path(name), random.Random(options.seed))
        disk = find_disk(campaign.work)
        print(disk.said)
        campaign.prepare()
        few = max(options.kills // 10, 1)
        faults: dict[str, Callable[[], None]] = {
            "kill": lambda: kill(campaign, options.kills),
            "ctrl-c": lambda: interrupt_twice(campaign, few),
            "two": lambda: two_at_once(campaign, few),
            "full": lambda: fill(campaign, disk, few),
            "read-only": lambda: forbid(campaign, disk),
        }
        for fault in options.faults:
            faults[fault]()
    print("\n" + table(campaign.trials))
    if options.out:
        write_json(
            options.out,
            {
                "kills": options.kills,
                "seed": options.seed,
                "disk": disk.said,
                "trials": [asdict(each) for each in campaign.trials],
            },
        )
    raise SystemExit(any(each.ended != IDENTICAL for each in campaign.trials))


def kill(campaign: Campaign, count: int) -> None:
    """SIGKILL, job by job in turn, at moments spread over all that a job writes."""
    for job, share in shares(campaign, count):
        with campaign.caught(job, share) as run:
            run.process.kill()
            run.process.wait()
            ended, detail = campaign.resumed(job, run.folder)
            campaign.add(Trial("killed", job.name, ended, run.moment, run.in_time, detail))


def shares(campaign: Campaign, count: int) -> list[tuple[Job, float]]:
    """So many jobs in turn, each with a random share of its time; a job's are spread over all of it."""
    drawn = []
    for number in range(count):
        job = campaign.jobs[number % len(campaign.jobs)]
        of_job = len(range(number % len(campaign.jobs), count, len(campaign.jobs)))
        drawn.append((job, (number // len(campaign.jobs) + campaign.random.random()) / of_job))
    return drawn


def interrupt_twice(campaign: Campaign, count: int) -> None:
    """Ctrl-C, and once more while the run is about to stop."""
    for job, share in shares(campaign, count * len(campaign.jobs)):
        between = campaign.random.choice((0.0, 0.005, 0.05, 0.2))
        with campaign.caught(job, share) as run:
            for pause in (between, 0.0):
                run.process.send_signal(signal.SIGINT)
                time.sleep(pause)
            # The second may end an interpreter that has said everything and is ending already.
            codes = (130, -signal.SIGINT)
            wrong = campaign.complaint(run.process, codes, "Stopped") if run.in_time else ""
            if job.over(run.folder):
                wrong = ""  # it was faster than the signal
            ended, detail = campaign.resumed(job, run.folder)
            campaign.add(_trial("Ctrl-C twice", job, ended, detail, wrong, run.moment, run.in_time))


def two_at_once(campaign: Campaign, count: int) -> None:
    """A second run on the folder of one that is running: refused, and told which process holds it."""
    for job in (each for each in campaign.jobs if each.name != "cache"):
        for _ in range(count):
            with campaign.caught(job, 0.0) as run:
                first, folder = run.process, run.folder
                first.send_signal(signal.SIGSTOP)  # so that it is still there when the second has started
                second = campaign.start(job, folder)
                told = f"run is in use by process {first.pid}: wait until it ends, or choose another --out."
                wrong = campaign.complaint(second, (2,), told)
                first.send_signal(signal.SIGCONT)
                if first.wait(LIMIT) != 0:
                    wrong = wrong or "the first failed"
                ended, detail = campaign.resumed(job, folder)
                campaign.add(_trial("two at once", job, ended, detail, wrong))


def fill(campaign: Campaign, disk: Disk, count: int) -> None:
    """A disk with too little room, then one with enough."""
    for job in campaign.jobs:
        for number in range(count):
            with campaign.folder() as folder, disk.mounted(folder):
                share = (number + campaign.random.random()) / count
                before = disk.filled(folder, share, campaign.sizes[job.name])
                process = campaign.start(job, folder, before)
                wrong = campaign.complaint(process, (1, 2), disk.full)
                disk.emptied(folder)
                ended, detail = campaign.resumed(job, folder)
                campaign.add(_trial("full disk", job, ended, detail, wrong, share))


def forbid(campaign: Campaign, disk: Disk) -> None:
    """A run that was killed half way, in a folder that has become read-only; then writable again."""
    if not disk.forbids:
        return
    for job in campaign.jobs:
        with campaign.folder() as folder, disk.mounted(folder):
            process = campaign.start(job, folder)
            until = campaign.wait(process, lambda job=job, folder=folder: job.begun(folder))  # type: ignore[misc]
            until += 0.5 * campaign.seconds[job.name]
            campaign.wait(process, lambda until=until: time.monotonic() >= until)  # type: ignore[misc]
            process.kill()
            process.wait()
            disk.forbid(folder)
            wrong = campaign.complaint(campaign.start(job, folder), (1, 2), disk.forbidden)
            disk.allow(folder)
            ended, detail = campaign.resumed(job, folder)
            campaign.add(_trial("read-only", job, ended, detail, wrong))


def _trial(
    fault: str,
    job: Job,
    ended: str,
    detail: str,
    wrong: str,
    moment: float = 0.0,
    in_time: bool = True,
) -> Trial:
    return Trial(fault, job.name, WRONG if wrong else ended, moment, in_time, wrong or detail)


def table(trials: list[Trial]) -> str:
    """Counts by fault and job."""
    kinds = dict.fromkeys((each.fault, each.job) for each in trials)
    head = f"{'fault':16}{'job':14}{'trials':>8}{'in time':>9}{IDENTICAL:>11}{DIFFERENT:>11}{WRONG:>18}"
    lines = [head]
    for fault, job in kinds:
        some = [each for each in trials if (each.fault, each.job) == (fault, job)]
        ends = Counter(each.ended for each in some)
        in_time = sum(each.in_time for each in some)
        lines.append(
            f"{fault:16}{job:14}{len(some):8}{in_time:9}{ends[IDENTICAL]:11}{ends[DIFFERENT]:11}{ends[WRONG]:18}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
