"""How does an audit go from an encoder and images to `verdict.json`?"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from scotoma.audit import references
from scotoma.audit.cells import Attempts
from scotoma.audit.code_length import code_length
from scotoma.audit.earlier_codes import require_same_codes
from scotoma.audit.examination import Examined, examine
from scotoma.audit.examples import Floats
from scotoma.audit.judge import Case, judge
from scotoma.audit.material import Material, Part, rows_of_parts
from scotoma.audit.more import Subject, find_more
from scotoma.audit.protocol import MOST_TRAINING, Said, together, winner_of
from scotoma.audit.queue import Crew, Job, jobs_of, make_attempts
from scotoma.audit.record import described, seconds_by_attacker, summary, write_winners
from scotoma.audit.references import Elsewhere
from scotoma.audit.request import AuditRequest, require_names
from scotoma.audit.suites import SUITES, Attacker, Suite, on_one_release
from scotoma.audit.targets import Target
from scotoma.data.cache import default_cache
from scotoma.data.sampling import require_every_class
from scotoma.data.splits import Fractions, Split, SplitRecipe, divide
from scotoma.data.table import ImageTable
from scotoma.data.tasks import Task, kept_tasks
from scotoma.encoder_file import Card
from scotoma.errors import InputError
from scotoma.runs.elapsed import Clock, timed
from scotoma.runs.more import Piece
from scotoma.runs.progress import Progress, Silent
from scotoma.runs.seeds import derive_seed
from scotoma.runs.threads import cores
from scotoma.runs.verdict import Attempt, Reference, Sees, Verdict
from scotoma.runs.whole_files import clear_abandoned
from scotoma.verification.answers import WINNERS
from scotoma.verification.floors import floor_of, label_only_right
from scotoma.verification.parts import require_same_parts
from scotoma.verification.significance import guessing_error
from scotoma.verification.surroundings import surroundings

VERDICT = "verdict.json"
HALVES: tuple[Part, ...] = ("stopping", "choosing")
COSTLY = 10  # networks of convolutions, and wide ones


def audit(
    target: Target | Floats,
    table: ImageTable,
    request: AuditRequest,
    folder: Path,
    *,
    utility: Target | None = None,
    command: str = "",
    more: Sequence[Piece] = (),
    workers: int | None = None,
    progress: Progress | None = None,
    deadline: float | None = None,
    announce: Callable[[str], None] = lambda line: None,
    show: Callable[[Verdict], None] = lambda verdict: None,
) -> Verdict:
    """Attack an encoder, or codes of which nothing else is known, by a suite; write `folder/verdict.json`.

    Attempts that `folder` holds already are not made again.

    Args:
        target: the encoder, or codes (images, ...) in the order of the table.
        table: images stored as the target takes them, with labels.
        request: tasks, suite, references, seed.
        folder: an existing folder, held by the caller.
        utility: an encoder trained for utility alone, as a reference.
        command: what the user typed, for the record.
        more: what else is to be found, in `folder/more.json`; see `scotoma.audit.more`.
        workers: attackers side by side, one thread each; default: one a core.
        progress: is shown encodings and attackers.
        deadline: a reading of the monotonic clock, in seconds, at which to stop.
        announce: is told lines with the time that references and `more` will take.
        show: is given the verdict, before `more` is looked for.

    Raises:
        InputError: an unknown task, too few images, an encoder that was trained on these images in another
            division.
        TimeLimitReached: the deadline came first; finished attempts are kept.
    """
    crew = Crew(workers or cores(), progress or Silent(), deadline)
    run = _Audit(target, table, request, folder, crew, utility)
    for kept in ("cells", "more-cells", WINNERS):
        clear_abandoned(folder / kept)
    with timed(folder) as clock:
        verdict = run.verdict(command, clock, announce)
        show(verdict)
        if more:
            find_more(more, run.subject(), folder, crew, announce)
    return verdict


def require_images(
    target: Target | Floats, table: ImageTable, request: AuditRequest, utility: Target | None = None
) -> None:
    """Check what `audit` would refuse of tasks and images, before a folder is emptied for it.

    Raises:
        InputError: an unknown task, too few images, images of training that are divided in another way.
    """
    _Audit(target, table, request, Path(), Crew(1, Silent(), None), utility)


def digest_of(target: Target | Floats) -> str:
    """A name for exactly what is attacked."""
    if isinstance(target, Target):
        return target.digest
    return blake2b(np.ascontiguousarray(target).tobytes(), digest_size=16).hexdigest()


class _Audit:
    """An audit: its images, codes and attackers."""

    def __init__(
        self,
        target: Target | Floats,
        table: ImageTable,
        request: AuditRequest,
        folder: Path,
        crew: Crew,
        utility: Target | None = None,
    ) -> None:
        self.table, self.request, self.folder, self.crew = table, request, folder, crew
        self.attacked, self.utility = target, utility
        self.digest = digest_of(target)
        card = self.card
        self.tasks = require_names(card, request, table.attributes)
        self.parts = divide(table, card.split if card else SplitRecipe(request.seed, Fractions()))
        attacked = {part: rows for part, rows in vars(self.parts).items() if part != "reserve"}
        require_every_class(table, self.tasks, attacked)
        self.of_training = card is not None and require_same_parts(
            card, table, self.parts, request.hide, request.keep
        )
        if utility and utility.card:
            _require_same_parts_of_utility(utility.card, table, self.parts)
        arms: tuple[Sees, ...] = ("same", "fresh") if self.of_training else ("all",)
        self.rows = rows_of_parts(table, self.parts, arms, self.tasks[0], request.seed)
        halves = {f"{part} half of the validation": self.rows[part] for part in HALVES}
        require_every_class(table, self.tasks, halves)

    @property
    def target(self) -> Target | None:
        """The encoder, if it is one that is attacked."""
        return self.attacked if isinstance(self.attacked, Target) else None

    @property
    def card(self) -> Card | None:
        """What an encoder file of ours says of itself."""
        return self.target.card if self.target else None

    def verdict(self, command: str, clock: Clock, announce: Callable[[str], None]) -> Verdict:
        """Run what is missing, and judge."""
        request, suite = self.request, SUITES[self.request.suite]
        examined = examine(
            self.attacked,
            self.table,
            self.rows,
            self.tasks,
            suite.attackers,
            request.seed,
            self.crew.encoding,
            of_training=self.of_training,
        )
        self.material = material = examined.material
        attackers = (*suite.attackers, *(map(on_one_release, suite.attackers) if examined.single else ()))
        by_task = self._attacked(examined, suite)
        cache = default_cache() / "references"
        others = Elsewhere(self.table, self.parts, self.tasks, request.seed, self.crew, cache, announce)
        elsewhere = references.beside(request.references, self.target, self.utility, others)
        self.cases = cases = self._cases(by_task, elsewhere)
        verdicts, raised = judge(cases, attackers, examined.flags, derive_seed(request.seed, "bootstrap"))
        write_winners(self.folder, cases, material)
        run = {
            "command": command,
            **described(material, attackers),
            "releases": examined.releases,
            "seed": request.seed,
            "seconds_by_attacker": seconds_by_attacker(cases),
            **vars(clock.now()),
            **surroundings(self.crew.workers, "scikit-learn"),
        }
        about = summary(self.target, self.digest, material.shape)
        verdict = Verdict(run, about, request.suite, request.hide, request.keep, verdicts, raised)
        verdict.write(self.folder / VERDICT)
        return verdict

    def _attacked(self, examined: Examined, suite: Suite) -> dict[Task, list[list[Said] | Attempt]]:
        """Every attempt by task: those that the folder holds, those made now, and what they say together."""
        material, labels = self.material, {str(task): self.table.digest([str(task)]) for task in self.tasks}
        attempts = Attempts(self.folder / "cells", self._about(), labels)
        single = examined.single
        one_release = None if single is None else single.codes["test"].centre
        about = f"{self.digest} {material.digest()}"
        require_same_codes(self.folder, material.codes["test"].centre, about, one_release, examined.releases)
        jobs, found = self._made(suite.attackers, material, attempts, "attackers")
        if single is not None:
            named = [on_one_release(each) for each in suite.attackers]
            more = self._made(named, single, attempts, "attackers of one release")
            jobs, found = jobs + more[0], found + more[1]
        by_task = {
            task: [each for job, each in zip(jobs, found, strict=True) if job.task == task]
            for task in self.tasks
        }
        for task, of_task in by_task.items():
            pairs = product(suite.committees, material.arms)
            said = [together(committee, arm, of_task, material, task) for committee, arm in pairs]
            of_task += [each for each in said if each]
        return by_task

    def _made(
        self, attackers: Sequence[Attacker], material: Material, attempts: Attempts, title: str
    ) -> tuple[list[Job], list[list[Said] | Attempt]]:
        """What there is to do with some codes, and what came of it."""
        jobs = jobs_of(attackers, self.tasks, material)
        jobs = [job for job in jobs if material.has_enough(job.task, job.sees) and self._is_worth_it(job)]
        return jobs, make_attempts(jobs, material, attempts, self.request.seed, self.crew, title)

    def _is_worth_it(self, job: Job) -> bool:
        """No verdict hangs on what is kept. All learn it from the encoder's images, and only the cheaper ones
        from fresh images, too.
        """
        kept = self.request.role(str(job.task)) == "keep"
        return not (kept and job.sees == "fresh" and job.attacker.cost >= COSTLY)

    def subject(self) -> Subject:
        """What is examined further, once there is a verdict. Where nothing is to be hidden, all tasks are
        looked at as hidden ones are.
        """
        cases = [case for case in self.cases if case.role == "hide"] or self.cases
        winners = {case.task: winner_of(case.found) for case in cases}
        return Subject(
            self.material,
            self.target,
            self._about(),
            [case.task for case in cases],
            kept_tasks(self.request.keep, self.table.attributes),
            self.tasks,
            {task: winner for task, winner in winners.items() if winner is not None},
            self.request.seed,
        )

    def _about(self) -> list[Any]:
        """What every attempt rests on but the labels: codes, images by part and place, suite and seed."""
        return [self.digest, self.material.digest(), self.request.suite, self.request.seed]

    def _cases(
        self, by_task: dict[Task, list[list[Said] | Attempt]], elsewhere: dict[str, list[Reference]]
    ) -> list[Case]:
        """What every task's verdict rests on."""
        progress = self.crew.progress
        progress.start("floors and code lengths", len(self.tasks))
        cases = []
        try:
            # These regressions are small: shared by two threads they take twice as long as on one.
            with threadpool_limits(1):
                for task in self.tasks:
                    cases.append(self._case(task, by_task[task], elsewhere))
                    progress.advance(1, now=str(task))
        finally:
            progress.stop()
        return cases

    def _case(
        self,
        task: Task,
        found: Sequence[list[Said] | Attempt],
        elsewhere: dict[str, list[Reference]],
    ) -> Case:
        keep, seed, material = self.request.keep, self.request.seed, self.material
        parts = {part: material.examples(task, part) for part in material.rows}
        counts: dict[str, tuple[int, ...]] = {
            part: tuple(np.bincount(each.classes, minlength=task.classes).tolist())
            for part, each in parts.items()
        }
        known_right = label_only_right(task, keep, self.table, self.parts)
        learned_from = [arm for arm in material.arms if material.has_enough(task, arm)]
        looked_at = [parts[arm].labels[parts[arm].rows_at_most(MOST_TRAINING)] for arm in learned_from]
        errors = [guessing_error(labels, task) for labels in looked_at]
        return Case(
            task,
            self.request.role(str(task)),
            floor_of(task, parts["test"].labels, known_right),
            parts["choosing"],
            material.table.units_of(material.known_rows(task, "choosing")),
            parts["test"],
            known_right,
            material.table.units_of(material.known_rows(task, "test")),
            max(errors, default=0.0),
            counts,
            found,
            (references.shuffled_labels(material, task, seed), *elsewhere[str(task)]),
            code_length(parts[material.arms[0]], seed),
        )


def _require_same_parts_of_utility(card: Card, table: ImageTable, parts: Split) -> None:
    """A reference that has seen the test images would look more useful than it is."""
    try:
        require_same_parts(card, table, parts, card.hide or (), card.keep or ())
    except InputError as error:
        raise InputError(f"The encoder for utility alone: {error}") from None
