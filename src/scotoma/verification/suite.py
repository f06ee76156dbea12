"""Which attacks make a verification run?"""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Event, Lock
from typing import Literal

from scotoma.data.sampling import require_every_class
from scotoma.data.splits import Split, divide
from scotoma.data.table import ImageTable
from scotoma.data.tasks import Task, attack_tasks
from scotoma.encoder_file import FrozenEncoder
from scotoma.errors import ScotomaError
from scotoma.networks.baselines import Blur, Identity
from scotoma.networks.encoder import EncoderSettings
from scotoma.networks.precision import multiplies_in_bf16
from scotoma.runs.progress import Progress, Silent, until
from scotoma.runs.results import Cell, Point
from scotoma.runs.seeds import derive_seed
from scotoma.runs.whole_files import clear_abandoned
from scotoma.verification.attackers import ON_CODES, ON_IMAGES, build_network
from scotoma.verification.cells import CELLS, CellFolder
from scotoma.verification.codes import WHILE_ENCODING, Codes, encode_table
from scotoma.verification.plan import Subject, VerificationPlan
from scotoma.verification.protocol import at_rate, attack
from scotoma.verification.settings import AttackSettings
from scotoma.verification.side_by_side import side_by_side

BaselineName = Literal["identity", "blur"]


def subjects_of(
    encoder: FrozenEncoder | None,
    baselines: Sequence[BaselineName],
    settings: EncoderSettings,
    attack: AttackSettings,
) -> list[Subject]:
    """The encoders under attack, in the order of the table: baselines first, as in Table 2."""
    subjects: list[Subject] = []
    if "identity" in baselines:
        identity = Identity(settings)
        # A crop of an image costs no encoding: every batch gets new ones.
        subjects.append(
            Subject("identity", "identity", identity, identity.code_shape, ON_IMAGES, 0, "identity", {})
        )
    if "blur" in baselines:
        blur = Blur(settings)
        digest = f"blur {blur.window} {blur.stride}"
        subjects.append(Subject("blur", "blur", blur, blur.code_shape, ON_CODES, attack.views, digest, {}))
    if encoder is not None:
        card = encoder.card
        # Names stay where the user put them: in the plan. An anonymous file tells none.
        about = dict(card.training) | {"hide": card.hide, "keep": card.keep}
        shape = card.encoder.code_shape
        subjects.append(
            Subject(
                "encoder", "trained", encoder.network, shape, ON_CODES, attack.views, encoder.digest, about
            )
        )
    return subjects


class Suite:
    """Every attack of a verification run: subjects x tasks. Cells that the folder holds are not run again."""

    def __init__(
        self,
        table: ImageTable,
        subjects: Sequence[Subject],
        plan: VerificationPlan,
        folder: Path,
        progress: Progress | None = None,
    ) -> None:
        self.table, self.subjects, self.plan, self.folder = table, subjects, plan, folder
        self.progress = progress or Silent()
        self.tasks = attack_tasks(plan.tasks, table.attributes)
        self.parts: Split = divide(table, plan.split)
        self.cell_folder = CellFolder(folder / CELLS, table, self.parts, plan)
        attacked = {part: rows for part, rows in asdict(self.parts).items() if part != "reserve"}
        require_every_class(table, self.tasks, attacked)
        self._progress_lock = Lock()
        self._stop = Event()

    def is_done(self) -> bool:
        """Whether the folder holds every cell, of these images and labels."""
        return all(self.cell_folder.read(subject, task) for subject in self.subjects for task in self.tasks)

    def run(self, workers: int, deadline: float | None = None) -> tuple[Cell, ...]:
        """All cells, in the order of the table; `workers` attacks run side by side, one thread each.

        Raises:
            TimeLimitReached: the deadline (a reading of the monotonic clock) came first; cells that ended by
                then are kept.
        """
        self.cell_folder.folder.mkdir(exist_ok=True)
        clear_abandoned(self.cell_folder.folder)
        pairs = [(subject, task) for subject in self.subjects for task in self.tasks]
        cells = {pair: self.cell_folder.read(*pair) for pair in pairs}
        wanted = [pair for pair in pairs if cells[pair] is None]
        attacked = {subject for subject, _ in wanted}
        progress = until(deadline, self.progress, WHILE_ENCODING)
        codes = {subject: self.encode(subject, progress) for subject in self.subjects if subject in attacked}
        done = dict(zip(wanted, self._attack_all(wanted, codes, workers, deadline), strict=True))
        return tuple(cells[pair] or done[pair] for pair in pairs)

    def encode(self, subject: Subject, progress: Progress | None = None) -> Codes:
        """Codes of all parts for one subject, with progress."""
        progress = progress or self.progress
        views = subject.views
        parts = self.parts
        images = views * len(parts.training) + len(parts.validation) + len(parts.test)
        progress.start(f"encoding with {subject.name}", images)
        seed = derive_seed(self.plan.seed, "views")
        try:
            return encode_table(
                subject.network,
                subject.code_shape,
                self.plan.preprocessing,
                self.table,
                parts,
                views,
                seed,
                progress,
                self.folder,
            )
        finally:
            progress.stop()

    def _attack_all(
        self,
        pairs: Sequence[tuple[Subject, Task]],
        codes: dict[Subject, Codes],
        workers: int,
        deadline: float | None,
    ) -> list[Cell]:
        """Attacks of all subjects wait in one queue."""
        if not pairs:
            return []
        self.progress.start("attacks", len(pairs) * self.plan.attack.max_iterations)

        def work(pair: tuple[Subject, Task]) -> Cell:
            subject, task = pair
            return self._attack_cell(subject, codes[subject], task)

        try:
            return side_by_side(work, pairs, workers, self._stop, deadline=deadline)
        finally:
            self.progress.stop()

    def _attack_cell(self, subject: Subject, codes: Codes, task: Task) -> Cell:
        plan, started = self.plan, time.monotonic()
        settings = at_rate(plan.attack, subject.attacker.rate(plan.attack))
        seed = derive_seed(plan.seed, "attack", 0)
        network = build_network(
            subject.attacker, plan.encoder, plan.classifier, codes.shape, task.classes, seed
        )

        seen = 0

        def watch(point: Point) -> None:
            nonlocal seen
            if self._stop.is_set():
                raise KeyboardInterrupt
            with self._progress_lock:
                figure = f"{subject.name} {task} {100 * point.val_accuracy:.1f}%"
                self.progress.advance(point.iteration - seen, now=figure)
            seen = point.iteration

        try:
            outcome = attack(
                network,
                codes,
                self.cell_folder.labels(task),
                task,
                settings,
                seed,
                bf16=subject.attacker.bf16 and multiplies_in_bf16(),
                watch=watch,
            )
        except ScotomaError as error:
            cell, logits = self.cell_folder.failed(subject, task, settings, str(error), started), None
        else:
            cell = self.cell_folder.found(subject, task, settings, outcome, started)
            logits = outcome.test_logits
        with self._progress_lock:
            self.progress.advance(settings.max_iterations - seen)
        self.cell_folder.write(subject, task, cell, logits)
        return cell
