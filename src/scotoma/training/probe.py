"""What would a fresh attacker find right now? A short attack on the encoder that would be shipped.

The classifiers of training see an encoder that moves; how much of what they miss was removed, and how much
only moved, a classifier shows that starts anew on an encoder that stands still. A probe ranks encoders of one
run; it is far too short for a verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from scotoma.data.sampling import BalancedRows, generator
from scotoma.data.splits import Split
from scotoma.data.table import ImageTable
from scotoma.data.tasks import Task
from scotoma.encoder_file import encode_pixels
from scotoma.metrics import logits_of
from scotoma.networks.adam import Adam
from scotoma.networks.classifier import Classifier
from scotoma.networks.encoder import Encoder
from scotoma.networks.first_weights import from_seed
from scotoma.objectives import cross_entropy, encoder_loss
from scotoma.runs.seeds import derive_seed
from scotoma.training.adversarial import mixed_precision
from scotoma.training.figures import head_figures
from scotoma.training.plan import TrainingPlan

LOOKS = 3


@dataclass(frozen=True)
class Probed:
    """Balanced accuracies and cross-entropies (nats) on validation images, of the hidden heads' fresh
    attackers and then of the kept heads; `loss` is equation (4) of these, as the encoder would have it low.
    """

    loss: float
    accuracies: tuple[float, ...]
    cross_entropies: tuple[float, ...]


@dataclass(frozen=True)
class Coded:
    """Codes (images, channels, height, width) of images of a table, and which rows of it they are."""

    codes: Tensor
    table: ImageTable
    rows: npt.NDArray[np.int64]

    def labels(self, task: Task) -> npt.NDArray[np.int64]:
        """The images' categories in a task, (images,)."""
        return task.labels_in(self.table)[self.rows]


def probe(
    encoder: Encoder,
    table: ImageTable,
    parts: Split,
    plan: TrainingPlan,
    hidden: Sequence[Task],
    kept: Sequence[tuple[nn.Module, Task]],
) -> Probed:
    """Attack the hidden tasks of a frozen encoder from scratch, and ask the kept heads of training.

    Whenever it is called in a run, attackers have the same first weights and batches: only encoders differ.
    """
    training, validation = (
        Coded(encode_pixels(encoder, plan.preprocessing, table.pixels, rows), table, rows)
        for rows in (parts.training, parts.validation)
    )
    of_hidden = [
        attack_shortly(training, validation, task, plan, derive_seed(plan.seed, "probe", number))
        for number, task in enumerate(hidden)
    ]
    of_kept = [
        head_figures(logits_of(head, validation.codes), task, validation.labels(task)) for head, task in kept
    ]
    accuracies, cross_entropies = zip(*of_hidden, *of_kept, strict=True)
    loss = encoder_loss(
        [torch.tensor(-each) for _, each in of_hidden],
        [torch.tensor(each) for _, each in of_kept],
        plan.training.alpha,
    )
    return Probed(float(loss), accuracies, cross_entropies)


def attack_shortly(
    training: Coded, validation: Coded, task: Task, plan: TrainingPlan, seed: int
) -> tuple[float, float]:
    """A classifier from scratch, `probe_steps` updates at the rate of the training's classifiers.

    Returns:
        Balanced accuracy and cross-entropy (nats) on the validation codes, at the look (of some) at which the
        latter was lowest.
    """
    settings = plan.training
    attacker = from_seed(seed, lambda: Classifier(plan.classifier, plan.encoder.code_shape, task.classes))
    optimiser = Adam(attacker.parameters(), settings.classifier_rate)
    rows = BalancedRows(training.labels(task), np.arange(len(training.rows)), task)
    found = []
    for step in range(settings.probe_steps):
        drawn, classes = rows.draw(2 * settings.batch, generator(seed, step))
        with mixed_precision(settings):
            logits = attacker(training.codes[torch.from_numpy(drawn)]).float()
        optimiser.zero_grad()
        cross_entropy(logits, torch.from_numpy(classes)).backward()
        optimiser.step()
        left = settings.probe_steps - step - 1
        if left % max(settings.probe_steps // LOOKS, 1) == 0:
            logits = logits_of(attacker, validation.codes)
            found.append(head_figures(logits, task, validation.labels(task)))
    return min(found, key=lambda figures: figures[1])
