"""How does a training run go from images and names to an encoder file, with figures on the way?"""

import hashlib
import json
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scotoma.data.augmentation import Preprocessing
from scotoma.data.sampling import Batches, require_every_category
from scotoma.data.splits import Split, split
from scotoma.data.table import ImageTable
from scotoma.data.tasks import Task, training_tasks
from scotoma.encoder_file import Card, SplitRecipe, encode_pixels, load_encoder, save_encoder
from scotoma.errors import TrainingStopped
from scotoma.metrics import balanced_accuracy, balanced_cross_entropy, image_weights, logits_of
from scotoma.networks.classifier import Classifier, ClassifierSettings
from scotoma.networks.encoder import Encoder, EncoderSettings
from scotoma.networks.population import set_population_statistics
from scotoma.runs.progress import Progress, Silent
from scotoma.runs.run_folder import write_json
from scotoma.runs.seeds import derive_seed
from scotoma.runs.settings import to_dict
from scotoma.training.adversarial import Game, play, start_game
from scotoma.training.collapse import Collapse, measure_collapse
from scotoma.training.settings import TrainingSettings
from scotoma.training.state import Record, load_checkpoint, save_checkpoint

POPULATION_BATCHES = 16
COLLAPSE_BATCHES = 4
COLLAPSE_LOOKS = 3


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that decides what encoder comes out, beside the images; `preset` says where it is from."""

    hide: tuple[str, ...]
    keep: tuple[str, ...]
    encoder: EncoderSettings
    classifier: ClassifierSettings
    preprocessing: Preprocessing
    training: TrainingSettings
    split: SplitRecipe
    seed: int
    preset: str = ""


def train(
    table: ImageTable,
    plan: TrainingPlan,
    folder: Path,
    *,
    anonymous: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Train an encoder and write `folder/encoder.safetensors`; continues from the folder's last checkpoint.

    Args:
        table: images stored at `plan.preprocessing.stored_side`.
        plan: what to hide, what to keep, and every setting.
        folder: an existing folder, held by the caller.
        anonymous: leave the names of what is hidden and kept out of the encoder file.
        progress: is shown iterations, in-training accuracies and collapse figures.

    Returns:
        The path of the encoder file.

    Raises:
        InputError: names that are not there, too few images, a folder that was begun with another plan.
        TrainingStopped: a loss that is not finite, or a collapsed encoder.
    """
    path = folder / "encoder.safetensors"
    run = _Run(table, plan, folder, progress or Silent())
    if path.exists() and (load_encoder(path).card.hide is None) == anonymous:
        return path
    run.play()
    in_training = run.finish()
    card = _card(table, plan, in_training, anonymous)
    save_encoder(path, run.game.average, card)
    return path


class _Run:
    """One training run: the game, its data, and the figures that are taken on the way."""

    def __init__(self, table: ImageTable, plan: TrainingPlan, folder: Path, progress: Progress) -> None:
        self.plan, self.folder, self.progress, self.table = plan, folder, progress, table
        self.hidden, self.kept = training_tasks(plan.hide, plan.keep, table.categories)
        self.split: Split = split(table.keys, plan.split.seed, plan.split.fractions)
        watched = {"training": self.split.training, "validation": self.split.validation}
        require_every_category({part: table.labels[rows] for part, rows in watched.items()}, table.categories)
        self.batches = self._batches(self.split.training, "batches")
        self.population = self._batches(self.split.training, "population")
        self.collapse = self._batches(self.split.validation, "collapse")
        self.fingerprint = _fingerprint(table, plan)
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
        self.progress.start("training", settings.warm_up + settings.iterations)
        self.progress.advance(settings.warm_up + game.iteration)
        try:
            play(game, self.batches, settings, self.after_iteration)
        finally:
            self.progress.stop()

    def after_iteration(self, game: Game, losses: Tensor) -> None:
        settings = self.plan.training
        self.losses += losses
        self.progress.advance()
        last = game.iteration == settings.iterations
        if last or game.iteration % settings.evaluate_every == 0:
            self._evaluate()
        if last or game.iteration % settings.checkpoint_every == 0:
            # A sum that is finite proves every loss finite without looking at each.
            self._require_finite()
            self.record.seconds = time.monotonic() - self.since
            save_checkpoint(self.folder, game, self.record, self.fingerprint)

    def _require_finite(self) -> None:
        networks = (self.game.encoder, *self.game.classifiers)
        tensors = [self.losses, *(weight for network in networks for weight in network.parameters())]
        if all(bool(tensor.isfinite().all()) for tensor in tensors):
            return
        raise TrainingStopped(
            f"Training stopped at iteration {self.game.iteration}: a loss or a weight is not a finite "
            "number. Lower 'encoder_rate' or 'classifier_rate' in [training], or set precision = \"fp32\", "
            "and start anew with --overwrite."
        )

    def _evaluate(self) -> None:
        """Record in-training accuracies on validation images and the collapse figures, with population
        statistics.
        """
        self._require_finite()
        collapse = measure_collapse(self.game.encoder, _images(self.collapse, COLLAPSE_BATCHES))
        accuracies, cross_entropies = in_training_figures(
            self.game, self.table, self.split, self.tasks, self.plan
        )
        self.record.history.append(
            {
                "iteration": self.game.iteration,
                "accuracy": dict(zip(map(str, self.tasks), accuracies, strict=True)),
                "cross_entropy": dict(zip(map(str, self.tasks), cross_entropies, strict=True)),
                "collapse": asdict(collapse),
            }
        )
        write_json(self.folder / "history.json", {"history": self.record.history})
        figures: dict[str, float | str] = {
            f"{'-' if index < len(self.hidden) else '+'}{task}": f"{100 * accuracy:.1f}%"
            for index, (task, accuracy) in enumerate(zip(self.tasks, accuracies, strict=True))
        }
        self.progress.advance(0, **figures, deviation=collapse.deviation)
        if self.plan.training.on_collapse == "stop" and self._has_collapsed():
            # No checkpoint of this state: the same command would go on from it to a useless encoder.
            raise TrainingStopped(
                f"Training stopped at iteration {self.game.iteration}: the encoder has collapsed. Of its "
                f"outputs, {collapse.dead:.0%} are dead, {collapse.low_variance:.0%} have a variance below "
                f"0.5 and {collapse.low_deviation:.0%} a deviation below 0.3 after the tanh. Use "
                "normalisation = \"location\", a larger 'batch' or a lower 'encoder_rate'; "
                'on_collapse = "record" goes on regardless.'
            )

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
        """Freeze the averaged encoder with its population statistics. The last in-training figures are
        those of the adversary on the encoder that it trained with.
        """
        for encoder in (self.game.encoder, self.game.average):
            set_population_statistics(encoder, lambda: _images(self.population, POPULATION_BATCHES))
        accuracies, _ = in_training_figures(self.game, self.table, self.split, self.tasks, self.plan)
        collapse = measure_collapse(self.game.average, _images(self.collapse, COLLAPSE_BATCHES))
        return {
            "hidden": dict(zip(map(str, self.hidden), accuracies, strict=False)),
            "kept": dict(zip(map(str, self.kept), accuracies[len(self.hidden) :], strict=True)),
            "collapse": asdict(collapse),
            "seconds": round(time.monotonic() - self.since, 1),
            "images": {name: len(rows) for name, rows in asdict(self.split).items()},
        }


def in_training_figures(
    game: Game, table: ImageTable, parts: Split, tasks: Sequence[Task], plan: TrainingPlan
) -> tuple[list[float], list[float]]:
    """Balanced accuracy and cross-entropy of the training classifiers on all validation images, a value a
    head.
    """
    game.encoder.eval()
    codes = encode_pixels(game.encoder, plan.preprocessing, table.pixels[parts.validation])
    game.encoder.train()
    labels = table.labels[parts.validation]
    accuracies, cross_entropies = [], []
    for classifier, task in zip(game.classifiers, tasks, strict=True):
        figures = (
            logits_of(classifier, codes),
            torch.from_numpy(task.classes_of(labels)),
            torch.from_numpy(image_weights(task, labels)),
        )
        accuracies.append(balanced_accuracy(*figures))
        cross_entropies.append(balanced_cross_entropy(*figures))
    return accuracies, cross_entropies


def _images(batches: Batches, count: int) -> Iterator[Tensor]:
    return (batches.at(number).images for number in range(count))


def _fingerprint(table: ImageTable, plan: TrainingPlan) -> str:
    """What must be equal for a run to be continued. Threads, because sums over several differ in the last
    bit.
    """
    # Saving and looking more or less often, or going on after a collapse, changes no weight.
    settings = replace(plan.training, evaluate_every=1, checkpoint_every=1, on_collapse="record")
    about = [to_dict(replace(plan, training=settings, preset="")), table.digest(), torch.get_num_threads()]
    return hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=16).hexdigest()


def _card(table: ImageTable, plan: TrainingPlan, in_training: dict[str, Any], anonymous: bool) -> Card:
    if anonymous:
        for group in ("hidden", "kept"):
            values = in_training[group].values()
            in_training[group] = {f"{group} {number + 1}": value for number, value in enumerate(values)}
    return Card(
        encoder=plan.encoder,
        preprocessing=plan.preprocessing,
        classifier=plan.classifier,
        split=plan.split,
        data_digest=table.digest(),
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
