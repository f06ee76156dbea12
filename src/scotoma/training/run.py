"""How does a training run go from images and names to an encoder file, with figures on the way?"""

import copy
import hashlib
import json
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scotoma.data.prefetch import Prefetched
from scotoma.data.sampling import Batches, require_every_class
from scotoma.data.splits import Split, divide, parts_digest
from scotoma.data.table import ImageTable, Sides
from scotoma.data.tasks import Task
from scotoma.encoder_file import UNNAMED, Card, save_encoder
from scotoma.errors import TIME_IS_UP, TimeLimitReached, TrainingStopped
from scotoma.networks.classifier import Classifier
from scotoma.networks.encoder import Encoder
from scotoma.networks.population import set_population_statistics
from scotoma.runs.progress import Progress, Silent
from scotoma.runs.seeds import derive_seed
from scotoma.runs.settings import to_dict
from scotoma.runs.whole_files import write_json
from scotoma.training.adversarial import Game, play, start_game
from scotoma.training.collapse import Collapse, measure_collapse
from scotoma.training.figures import in_training_figures
from scotoma.training.finished import finished_card
from scotoma.training.plan import TrainingPlan
from scotoma.training.probe import probe
from scotoma.training.schedule import probes_at
from scotoma.training.settings import CHANGE_NO_WEIGHT
from scotoma.training.state import Record, load_checkpoint, place, save_checkpoint

POPULATION_BATCHES = 16
COLLAPSE_BATCHES = 4
COLLAPSE_LOOKS = 3


def train(
    table: ImageTable,
    plan: TrainingPlan,
    folder: Path,
    *,
    anonymous: bool = False,
    progress: Progress | None = None,
    deadline: float | None = None,
) -> Path:
    """Train an encoder and write `folder/encoder.safetensors`; continues from the folder's last checkpoint.

    Args:
        table: images stored at `plan.preprocessing.stored_side`.
        plan: what to hide, what to keep, and every setting.
        folder: an existing folder, held by the caller.
        anonymous: leave the names of what is hidden and kept out of the encoder file.
        progress: is shown iterations, in-training accuracies and collapse figures.
        deadline: a reading of the monotonic clock, in seconds, at which to save a checkpoint and stop.

    Returns:
        The path of the encoder file.

    Raises:
        InputError: names that are not there, too few images, a folder that was begun with another plan or
            holds a damaged encoder file or that of another run.
        TrainingStopped: a loss that is not finite, a collapsed encoder.
        TimeLimitReached: the deadline came first; a checkpoint is saved.
    """
    path = folder / "encoder.safetensors"
    run = _Run(table, plan, folder, progress or Silent(), deadline)
    if path.exists() and (finished_card(path, table, plan).hide is None) == anonymous:
        return path
    run.play()
    in_training = run.finish()
    card = _card(table, plan, run.split, in_training, anonymous)
    save_encoder(path, run.game.chosen or run.game.average, card)
    return path


def require_images(table: ImageTable, plan: TrainingPlan) -> Split:
    """The division of the images, once every class of every task is known to occur where it is needed: for
    training, for the figures taken on the way, and for the attacks that will test the encoder.

    Raises:
        InputError: names that make no tasks; too few images.
    """
    hidden, kept = plan.tasks(table.attributes)
    parts = divide(table, plan.split)
    watched = {"training": parts.training, "validation": parts.validation, "test": parts.test}
    require_every_class(table, [*hidden, *kept], watched)
    return parts


class _Run:
    """One training run: the game, its data, and the figures that are taken on the way."""

    def __init__(
        self,
        table: ImageTable,
        plan: TrainingPlan,
        folder: Path,
        progress: Progress,
        deadline: float | None = None,
    ) -> None:
        self.deadline = deadline
        self.plan, self.folder, self.progress, self.table = plan, folder, progress, table
        self.hidden, self.kept = plan.tasks(table.attributes)
        self.split: Split = require_images(table, plan)
        self.batches = self._batches(self.split.training, "batches")
        self.population = self._batches(self.split.training, "population")
        self.collapse = self._batches(self.split.validation, "collapse")
        self.fingerprint = _fingerprint(table, plan, self.split)
        self.game = self._start()
        self.record = load_checkpoint(folder, self.game, self.fingerprint) or Record()
        self.losses = torch.zeros(1 + len(self.tasks))
        self.since = time.monotonic() - self.record.seconds

    @property
    def tasks(self) -> list[Task]:
        return [*self.hidden, *self.kept]

    def _batches(self, rows: Any, purpose: str) -> Batches:
        seed = derive_seed(self.plan.seed, purpose)
        return Batches(self.table, rows, self.tasks, self.plan.training.batch, self.plan.preprocessing, seed)

    def _start(self) -> Game:
        plan = self.plan
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(plan.seed, "initial weights"))
            encoder = Encoder(plan.encoder)
            classifiers = [
                Classifier(plan.classifier, plan.encoder.code_shape, task.classes) for task in self.tasks
            ]
        return start_game(encoder, classifiers, len(self.hidden), plan.training)

    def play(self) -> None:
        settings, game = self.plan.training, self.game
        # Of a run that goes on, what is left: iterations of another process have no part in the rate.
        self.progress.start("training", settings.iterations - game.iteration)
        try:
            with Prefetched(self.batches) as batches:
                play(game, batches, settings, self.after_iteration)
        finally:
            self.progress.stop()

    def after_iteration(self, game: Game, losses: Tensor) -> None:
        settings = self.plan.training
        self.losses += losses
        self.progress.advance()
        last = game.iteration == settings.iterations
        if last:
            self._settle(game.encoder)
        if last or game.iteration % settings.evaluate_every == 0:
            self._evaluate()
        if probes_at(settings, game.iteration):
            self._probe()
        late = self.deadline is not None and time.monotonic() > self.deadline and not last
        if last or late or game.iteration % settings.checkpoint_every == 0:
            # A sum that is finite proves every loss finite without looking at each.
            self._require_finite()
            self.record.seconds = time.monotonic() - self.since
            save_checkpoint(self.folder, game, self.record, self.fingerprint)
        if late:
            raise TimeLimitReached(
                f"{TIME_IS_UP} {place(game.iteration)}; the run has {settings.iterations:,} iterations."
            )

    def _require_finite(self) -> None:
        networks = (self.game.encoder, *self.game.classifiers)
        tensors = [self.losses, *(weight for network in networks for weight in network.parameters())]
        if all(bool(tensor.isfinite().all()) for tensor in tensors):
            return
        raise TrainingStopped(
            f"Training stopped {place(self.game.iteration)}: a loss or a weight is not a finite "
            "number. Lower 'encoder_rate' or 'classifier_rate' in [training], or set precision = \"fp32\", "
            "and start anew with --overwrite."
        )

    def _evaluate(self) -> None:
        """Record in-training accuracies on validation images and the collapse figures; before the last
        iteration with running averages in the place of population statistics.
        """
        self._require_finite()
        collapse = measure_collapse(self.game.encoder, _images(self.collapse, COLLAPSE_BATCHES))
        accuracies, cross_entropies = self._in_training()
        self.record.history.append(
            {
                "iteration": self.game.iteration,
                "accuracy": dict(zip(map(str, self.tasks), accuracies, strict=True)),
                "cross_entropy": dict(zip(map(str, self.tasks), cross_entropies, strict=True)),
                "collapse": asdict(collapse),
            }
        )
        self._write_history()
        figures: dict[str, float | str] = {
            f"{'-' if index < len(self.hidden) else '+'}{task}": f"{100 * accuracy:.1f}%"
            for index, (task, accuracy) in enumerate(zip(self.tasks, accuracies, strict=True))
        }
        self.progress.advance(0, **figures, deviation=collapse.deviation)
        if self._has_collapsed():
            # No checkpoint of this state: the same command would go on from it to a useless encoder.
            self._stop_at(collapse, "the encoder")

    def _stop_at(self, collapse: Collapse, which: str) -> None:
        if self.plan.training.on_collapse == "stop":
            raise TrainingStopped(
                f"Training stopped {place(self.game.iteration)}: {which} has collapsed. Of its "
                f"outputs, {collapse.dead:.0%} are dead, {collapse.low_variance:.0%} have a variance below "
                f"0.5 and {collapse.low_deviation:.0%} a deviation below 0.3 after the tanh. Use "
                "normalisation = \"location\", a larger 'batch' or a lower 'encoder_rate'; "
                'on_collapse = "record" goes on regardless.'
            )

    def _probe(self) -> None:
        """Attack the averaged encoder shortly, and keep a copy of it if no probe before was as good. One that
        has collapsed, of which no attacker learns anything, is never kept.
        """
        game, before = self.game, self._sound_probes()
        self._settle(game.average)
        collapsed = measure_collapse(game.average, _images(self.collapse, COLLAPSE_BATCHES)).collapsed
        kept = list(zip(game.classifiers[len(self.hidden) :], self.kept, strict=True))
        found = probe(game.average, self.table, self.split, self.plan, self.hidden, kept)
        if not collapsed and all(found.loss < each["loss"] for each in before):
            game.chosen = copy.deepcopy(game.average)
        about = {"iteration": game.iteration, "collapsed": collapsed, "in_training": self._in_training()[0]}
        self.record.probes.append(about | asdict(found))
        self._write_history()
        self.progress.advance(0, probe=f"{100 * found.accuracies[0]:.1f}%")

    def _sound_probes(self) -> list[dict[str, Any]]:
        return [each for each in self.record.probes if not each["collapsed"]]

    def _settle(self, encoder: Encoder) -> None:
        """Give an encoder the population statistics that it would be shipped with."""
        set_population_statistics(encoder, lambda: _images(self.population, POPULATION_BATCHES))

    def _write_history(self) -> None:
        about = {"history": self.record.history, "probes": self.record.probes}
        write_json(self.folder / "history.json", about)

    def _in_training(self) -> tuple[list[float], list[float]]:
        rows, preprocessing = self.split.validation, self.plan.preprocessing
        return in_training_figures(self.game, self.table, rows, self.tasks, preprocessing)

    def _has_collapsed(self) -> bool:
        """Collapsed at each of the last looks, or at the very last: an encoder may pass through such a state
        while its rate is high, and come back.
        """
        looks = [Collapse(**each["collapse"]) for each in self.record.history if each["iteration"] > 0]
        last = self.game.iteration == self.plan.training.iterations
        recent = looks[-1:] if last else looks[-COLLAPSE_LOOKS:]
        enough = last or len(recent) == COLLAPSE_LOOKS
        return enough and all(look.collapsed for look in recent)

    def finish(self) -> dict[str, Any]:
        """Freeze the encoder that is shipped, with its population statistics. The in-training figures are
        those of the adversary on the encoder that it trained with, at that iteration.

        Raises:
            TrainingStopped: it has collapsed, and training is to stop at that.
        """
        shipped = self.game.chosen
        if shipped is None:
            shipped = self.game.average
            for encoder in (self.game.encoder, shipped):
                self._settle(encoder)
            accuracies, about = self._in_training()[0], {}
        else:
            best = min(self._sound_probes(), key=lambda each: float(each["loss"]))
            accuracies, about = best["in_training"], {"probe": best}
        collapse = measure_collapse(shipped, _images(self.collapse, COLLAPSE_BATCHES))
        if collapse.collapsed:
            self._stop_at(collapse, "the encoder that would be shipped")
        return {
            "hidden": dict(zip(map(str, self.hidden), accuracies, strict=False)),
            "kept": dict(zip(map(str, self.kept), accuracies[len(self.hidden) :], strict=True)),
            "collapse": asdict(collapse),
            "seconds": round(time.monotonic() - self.since, 1),
            "images": {name: len(rows) for name, rows in asdict(self.split).items()},
            **about,
        }


def _images(batches: Batches, count: int) -> Iterator[Tensor]:
    return (batches.at(number).images for number in range(count))


def _fingerprint(table: ImageTable, plan: TrainingPlan, parts: Split) -> str:
    """What must be equal for a run to be continued. Threads, because sums over several differ in the last
    bit.
    """
    settings = replace(plan.training, **CHANGE_NO_WEIGHT)
    digest = table.digest([*plan.hide, *plan.keep])
    about = [to_dict(replace(plan, training=settings, preset="")), digest, torch.get_num_threads()]
    if table.sides != Sides():
        about.append(parts_digest(table, parts))
    return hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=16).hexdigest()


def _unnamed(sides: Sides) -> Sides:
    """What an anonymous file says of the split: whether columns took part, not which."""
    group_by, column = (None if name is None else UNNAMED for name in (sides.group_by, sides.column))
    return replace(sides, group_by=group_by, column=column)


def _card(
    table: ImageTable, plan: TrainingPlan, parts: Split, in_training: dict[str, Any], anonymous: bool
) -> Card:
    if anonymous:
        for group in ("hidden", "kept"):
            values = in_training[group].values()
            in_training[group] = {f"{group} {number + 1}": value for number, value in enumerate(values)}
    return Card(
        encoder=plan.encoder,
        preprocessing=plan.preprocessing,
        classifier=plan.classifier,
        split=replace(plan.split, sides=_unnamed(table.sides) if anonymous else table.sides),
        # One with labels would let anybody who has the images try which names make it.
        data_digest=table.images_digest() if anonymous else table.digest([*plan.hide, *plan.keep]),
        parts_digest=parts_digest(table, parts),
        hide=None if anonymous else plan.hide,
        keep=None if anonymous else plan.keep,
        categories=None if anonymous else table.categories,
        training={
            "preset": plan.preset,
            "objective": plan.training.objective,
            "iterations": plan.training.iterations,
            "settings": to_dict(plan.training),
            "seed": plan.seed,
            **in_training,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    )
