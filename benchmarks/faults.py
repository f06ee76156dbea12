"""Does a run that was disturbed end as one that was not? Kills, full disks, Ctrl-C, two at once.

    python benchmarks/faults.py [--kills 100] [--minutes 12] [--seed 0] [--faults kill full] [--jobs sweep]
        [--out FILE]

Each trial disturbs a tiny training, cache building, verification or sweep in a folder of its own, then gives
the same command again, and compares every file with those of an undisturbed run, bit by bit, but for recorded
times. Kills (SIGKILL) come at random moments from the first file written to the last; with a sweep its
processes are killed, too, in half of the trials, as when the power fails. A disk is a small file system in
memory, which needs the right to mount; without that the size of files is limited, and the folder's
permissions are taken away. The exit code is 1 if any trial did not end as it should.
"""

import argparse
import itertools
import math
import random
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from fault_campaign import IDENTICAL, LIMIT, WRONG, Campaign, Trial, counts, kill_all, table
from fault_disks import Disk, find_disk
from fault_jobs import Job
from fault_processes import children, import_everything, wait_for_orphans

from scotoma.runs.whole_files import write_json

# The order in which they are tried: kills take the time that is left.
FAULTS = ("two", "full", "read-only", "ctrl-c", "kill")
JOBS = ("training", "cache", "verification", "sweep")


def main() -> None:
    """Run the campaign, print counts, write every trial."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="SIGKILLs in all; other faults: a tenth each")
    parser.add_argument("--minutes", type=float, default=math.inf, help="no trial begins after these")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=FAULTS)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=JOBS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        import_everything()
        campaign = Campaign(Path(name), random.Random(options.seed), copies=True)
        campaign.until = time.monotonic() + 60 * options.minutes
        disk = find_disk(campaign.work)
        print(disk.said)
        campaign.prepare()
        campaign.jobs = tuple(job for job in campaign.jobs if job.name in options.jobs)
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
                "jobs": list(options.jobs),
                "counts": counts(campaign.trials),
                "disk": disk.said,
                "trials": [asdict(each) for each in campaign.trials],
            },
        )
    raise SystemExit(any(each.ended != IDENTICAL for each in campaign.trials))


def kill(campaign: Campaign, count: int) -> None:
    """SIGKILL, job by job in turn, at moments spread over all that a job writes."""
    for job, share in shares(campaign, count):
        if campaign.is_over:
            return
        with campaign.caught(job, share) as run:
            kill_all(run.process, campaign.random.random() < 0.5)
            ended, detail = campaign.resumed(job, run.folder)
            campaign.add(Trial("killed", job.name, ended, run.moment, run.in_time, detail))


def shares(campaign: Campaign, count: int) -> list[tuple[Job, float]]:
    """So many jobs in turn, each with a random share of its time.

    A job's shares are spread evenly, in random order: so they are even if the time is over half way through.
    """
    turns = (job for number in itertools.count(1) for job in campaign.jobs if number % job.every == 0)
    jobs = list(itertools.islice(turns, count))
    spread = {}
    for job in campaign.jobs:
        of_job = jobs.count(job)
        places = campaign.random.sample(range(of_job), of_job)
        spread[job.name] = iter([(place + campaign.random.random()) / of_job for place in places])
    return [(job, next(spread[job.name])) for job in jobs]


def interrupt_twice(campaign: Campaign, count: int) -> None:
    """Ctrl-C, and once more while the run is about to stop."""
    for job, share in shares(campaign, count * len(campaign.jobs)):
        between = campaign.random.choice((0.0, 0.005, 0.05, 0.2))
        if campaign.is_over:
            return
        with campaign.caught(job, share, anew=True) as run:
            started = children(run.process.pid)
            for pause in (between, 0.0):
                run.process.send_signal(signal.SIGINT)
                time.sleep(pause)
            # The second may end an interpreter that has said everything and is ending already.
            codes = (130, -signal.SIGINT)
            wrong = campaign.complaint(run.process, codes, "Stopped") if run.in_time else ""
            wait_for_orphans(started)
            if job.over(run.folder):
                wrong = ""  # it was faster than the signal
            ended, detail = campaign.resumed(job, run.folder)
            campaign.add(_trial("Ctrl-C twice", job, ended, detail, wrong, run.moment, run.in_time))


def two_at_once(campaign: Campaign, count: int) -> None:
    """A second run on the folder of one that is running: refused, and told which process holds it."""
    for job in (each for each in campaign.jobs if each.name != "cache"):
        for _ in range(job.share_of(count)):
            if campaign.is_over:
                return
            with campaign.caught(job, 0.0, anew=True) as run:
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
        for number in range(job.share_of(count)):
            if campaign.is_over:
                return
            with campaign.folder() as folder, disk.mounted(folder):
                share = (number + campaign.random.random()) / job.share_of(count)
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
        if campaign.is_over:
            return
        with campaign.folder() as folder, disk.mounted(folder):
            process = campaign.start(job, folder)
            until = campaign.wait(process, lambda job=job, folder=folder: job.begun(folder))  # type: ignore[misc]
            until += 0.5 * campaign.seconds[job.name]
            campaign.wait(process, lambda until=until: time.monotonic() >= until)  # type: ignore[misc]
            kill_all(process, True)
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


if __name__ == "__main__":
    main()
