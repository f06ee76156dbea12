"""In which order, and how many side by side, are attempts made?"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock

from threadpoolctl import threadpool_limits

from scotoma.audit.cells import Attempts
from scotoma.audit.examples import Occasion
from scotoma.audit.material import Material
from scotoma.audit.protocol import Said, attack_once, failed
from scotoma.audit.suites import SEEDS, Attacker
from scotoma.data.tasks import Task
from scotoma.errors import ScotomaError
from scotoma.runs.progress import Progress, Silent, until
from scotoma.runs.seeds import derive_seed
from scotoma.runs.verdict import Attempt, Sees
from scotoma.verification.codes import WHILE_ENCODING
from scotoma.verification.side_by_side import side_by_side

PER_CENT = 100


@dataclass(frozen=True, eq=False)
class Job:
    """One attempt that is to be made."""

    task: Task
    sees: Sees
    attacker: Attacker
    number: int


def can_attack(attacker: Attacker, material: Material) -> bool:
    """Whether it can read such codes, and the original images are there if it needs them."""
    return attacker.applies(material.shape) and (bool(material.originals) or not attacker.needs_images)


def jobs_of(
    attackers: Sequence[Attacker], tasks: Sequence[Task], material: Material, seeds: int = SEEDS
) -> list[Job]:
    """Every attacker that can, on every task and arm, with one seed or several."""
    return [
        Job(task, sees, attacker, number)
        for attacker in attackers
        if can_attack(attacker, material)
        for number in range(seeds if attacker.by_chance else 1)
        for sees in material.arms
        for task in tasks
    ]


@dataclass(frozen=True, eq=False)
class Crew:
    """So many workers side by side, one thread each; whom they tell, and the reading of the monotonic clock,
    in seconds, at which they stop.
    """

    workers: int
    progress: Progress = field(default_factory=Silent)
    deadline: float | None = None

    @property
    def encoding(self) -> Progress:
        """Whom they tell of images that are encoded, which the deadline ends, too."""
        return until(self.deadline, self.progress, WHILE_ENCODING)


def make_attempts(
    jobs: Sequence[Job], material: Material, attempts: Attempts, seed: int, crew: Crew, title: str
) -> list[list[Said] | Attempt]:
    """What every job found, in their order: from the folder, or by making the attempt; a failed one is an
    attempt without figures.

    Raises:
        TimeLimitReached: the deadline came first; attempts that ended by then are kept.
    """
    there = [attempts.read(str(job.task), job.attacker.name, job.sees, job.number) for job in jobs]
    wanted = [job for job, found in zip(jobs, there, strict=True) if found is None]
    stop, done = Event(), _Done(crew.progress, sum(job.attacker.cost for job in wanted))

    def work(job: Job) -> list[Said] | Attempt:
        return _make(job, material, attempts, seed, stop, done.by(job))

    crew.progress.start(f"{title}, %", PER_CENT)
    try:
        # Learners of other libraries would start a thread a core each.
        with threadpool_limits(1):
            before = len(jobs) - len(wanted)
            made = iter(
                side_by_side(
                    work, wanted, crew.workers, stop, deadline=crew.deadline, noun="attempts", before=before
                )
            )
    finally:
        crew.progress.stop()
    return [next(made) if found is None else found for found in there]


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
    except Exception as error:
        # Learners of other libraries raise whatever they like (without memory, torch a RuntimeError), and the
        # others shall go on. A stop is a KeyboardInterrupt, and a time limit is told from outside.
        return failed(job.attacker, job.sees, job.number, _why(error), time.monotonic() - begun)
    finally:
        shown(1.0)
    attempts.write(str(job.task), job.attacker.name, job.sees, job.number, said)
    return said


def _why(error: Exception) -> str:
    """Our own sentence, or the kind and the first line of what somebody else's code raised."""
    if isinstance(error, ScotomaError):
        return str(error)
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".removesuffix(": ")


class _Done:
    """Shows how much of the work is done, of all attempts together, in per cent of what they cost."""

    def __init__(self, progress: Progress, cost: float) -> None:
        self.progress, self.cost, self.lock = progress, cost, Lock()
        self.done, self.shown = 0.0, 0

    def by(self, job: Job) -> Callable[[float], None]:
        """What the attempt tells its own share to."""
        told = 0.0

        def show(share: float) -> None:
            nonlocal told
            with self.lock:
                more = max(min(share, 1.0) - told, 0.0)
                told += more
                self.done += more * job.attacker.cost / self.cost
                now = round(PER_CENT * self.done)
                self.progress.advance(now - self.shown, now=f"{job.task}: {job.attacker.name}")
                self.shown = now

        return show
