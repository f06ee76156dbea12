"""In which order, and how many side by side, are attempts made?"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event, Lock

import torch
from threadpoolctl import threadpool_limits

from scotoma.audit.cells import Attempts
from scotoma.audit.examples import Occasion
from scotoma.audit.material import Material
from scotoma.audit.protocol import Said, attack_once, failed
from scotoma.audit.suites import SEEDS, Attacker
from scotoma.data.tasks import Task
from scotoma.errors import TIME_IS_UP, ScotomaError, TimeLimitReached
from scotoma.runs.progress import Progress
from scotoma.runs.seeds import derive_seed
from scotoma.runs.verdict import Attempt, Sees

SHARE = 100  # units of progress an attempt


@dataclass(frozen=True, eq=False)
class Job:
    """One attempt that is to be made."""

    task: Task
    sees: Sees
    attacker: Attacker
    number: int


def jobs_of(
    attackers: Sequence[Attacker], tasks: Sequence[Task], material: Material, seeds: int = SEEDS
) -> list[Job]:
    """Every attacker that can read such codes, on every task and arm, with one seed or several."""
    return [
        Job(task, sees, attacker, number)
        for attacker in attackers
        if attacker.applies(material.shape)
        for number in range(seeds if attacker.by_chance else 1)
        for sees in material.arms
        for task in tasks
    ]


def make_attempts(
    jobs: Sequence[Job],
    material: Material,
    attempts: Attempts,
    seed: int,
    workers: int,
    progress: Progress,
    title: str = "attackers",
    *,
    deadline: float | None = None,
) -> list[list[Said] | Attempt]:
    """What every job found, in their order: from the folder, or by making the attempt; a failed one is an
    attempt without figures. `workers` run side by side, one thread each.

    Raises:
        TimeLimitReached: the deadline (a reading of the monotonic clock) came first; attempts that ended by
            then are kept.
    """
    found: list[list[Said] | Attempt | None] = [
        attempts.read(str(job.task), job.attacker.name, job.sees, job.number) for job in jobs
    ]
    wanted = [index for index, each in enumerate(found) if each is None]
    stop, lock = Event(), Lock()

    def make(index: int) -> None:
        job = jobs[index]
        found[index] = _make(job, material, attempts, seed, stop, _shown(job, progress, lock))

    progress.start(title, SHARE * len(wanted))
    threads = torch.get_num_threads()
    try:
        # Learners of other libraries would start a thread a core each.
        with (
            threadpool_limits(1),
            ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        ):
            futures = [pool.submit(make, index) for index in wanted]
            try:
                left = None if deadline is None else max(deadline - time.monotonic(), 0)
                ended, late = wait(futures, left, FIRST_EXCEPTION)
                for future in ended:
                    future.result()
                if late:
                    raise TimeLimitReached(
                        f"{TIME_IS_UP}: {len(jobs) - len(late)} of {len(jobs)} attempts have ended."
                    )
            except BaseException:
                # Ctrl-C, the time limit: what runs ends at its next look, what waits never starts.
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        progress.stop()
        torch.set_num_threads(threads)
    return [each for each in found if each is not None]


def _make(
    job: Job,
    material: Material,
    attempts: Attempts,
    seed: int,
    stop: Event,
    shown: Callable[[float], None],
) -> list[Said] | Attempt:
    if stop.is_set():
        raise KeyboardInterrupt
    begun = time.monotonic()
    # Attackers, tasks and arms share seeds: they differ in more than in chance.
    occasion = Occasion(job.task, derive_seed(seed, "attacker", job.number), stop, shown)
    try:
        said = attack_once(job.attacker, material, job.sees, occasion, job.number)
    except (ScotomaError, ValueError, ArithmeticError, MemoryError) as error:
        reason = str(error) or type(error).__name__
        return failed(job.attacker, job.sees, job.number, reason, time.monotonic() - begun)
    finally:
        shown(1.0)
    attempts.write(str(job.task), job.attacker.name, job.sees, job.number, said)
    return said


def _shown(job: Job, progress: Progress, lock: Lock) -> Callable[[float], None]:
    done = 0

    def show(share: float) -> None:
        nonlocal done
        with lock:
            now = max(done, round(SHARE * min(share, 1.0)))
            progress.advance(now - done, now=f"{job.task}: {job.attacker.name}")
            done = now

    return show
