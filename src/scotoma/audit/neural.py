"""Which networks attack codes, and how do they learn? From scratch, by the paper's protocol made quick."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from scotoma.audit.examples import Encoded, Examples, Floats, Labels, Learn, Learned, Logits, Occasion
from scotoma.audit.networks import ResidualNetwork, classifier_for, perceptron
from scotoma.audit.representations import Scale, by_value
from scotoma.errors import ScotomaError
from scotoma.metrics import logits_of
from scotoma.networks.first_weights import from_seed
from scotoma.runs.results import Point
from scotoma.runs.seeds import derive_seed
from scotoma.verification.codes import Codes
from scotoma.verification.protocol import Labels as LabelsByPart
from scotoma.verification.protocol import attack
from scotoma.verification.settings import AttackSettings

# A suite has no knobs: these hold for every encoder and every task.
SETTINGS = AttackSettings(
    schedule="averaged", batch=64, evaluate_every=75, patience=10, rise=0.002, max_iterations=6000
)

Augment = Callable[[Tensor, np.random.Generator], Tensor]
Build = Callable[[tuple[int, ...], int], nn.Module]


def network(
    build: Build,
    rate: float,
    scale: Callable[[Floats], Scale] = by_value,
    *,
    augment: Augment = lambda codes, random: codes,
    votes: bool = False,
    settings: AttackSettings = SETTINGS,
    begin_on_images: bool = False,
) -> Learn:
    """An attacker that is a network, trained by Adam until the stopping half saturates.

    Args:
        build: makes it for codes of a shape and a number of classes.
        rate: of Adam; what attacks is a running average of the weights (schedule "averaged").
        scale: how codes are scaled, learned from the training codes.
        augment: changes batches of codes in training, where there are no views of the training images.
        votes: also read every image from its views, where there are any, with one vote each.
        settings: of the protocol.
        begin_on_images: learn from the original images first, in the shape of codes, and go on from there.
    """

    def learn(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
        seed = derive_seed(occasion.seed, "initial weights")
        attacker = from_seed(seed, lambda: build(training.codes.shape, occasion.task.classes))
        labels = LabelsByPart(training.labels, stopping.labels, np.empty(0, np.int64))
        at_rate = replace(settings, rate=rate)
        rounds = [(training.codes, stopping.codes.centre)]
        if begin_on_images:
            rounds.insert(0, _images(training, stopping))
        for number, (learned_from, stopped_by) in enumerate(rounds):
            scaled = scale(learned_from.centre)
            source = _Views(learned_from, scaled, augment)
            nothing = torch.empty(0, *training.codes.shape)
            codes = Codes(source, torch.from_numpy(scaled(stopped_by)), nothing)

            def watch(point: Point, before: int = number) -> None:
                occasion.go_on()
                occasion.progress((before + point.iteration / settings.max_iterations) / len(rounds))

            outcome = attack(attacker, codes, labels, occasion.task, at_rate, occasion.seed, watch=watch)

        def read(some: Encoded) -> Logits:
            return _logits(attacker, scaled(some.centre))

        def vote(some: Encoded) -> Logits:
            each = [
                _log_probabilities(_logits(attacker, scaled(codes)))
                for codes in (some.centre, *map(some.view, range(len(some.views))))
            ]
            mean: Logits = np.mean(each, axis=0)
            return mean

        return Learned(
            read,
            rising=outcome.state == "inconclusive",
            details={"rate": rate, "iterations": outcome.history[-1].iteration},
            also={"votes": vote} if votes and len(stopping.codes.views) else {},
        )

    return learn


def _images(training: Examples, stopping: Examples) -> tuple[Encoded, Floats]:
    """The original images to learn from and to stop by, as if they were codes."""
    if training.originals is None or stopping.originals is None:
        raise ScotomaError("It begins with the original images, and these are not known.")
    return Encoded(training.originals, training.originals[None][:0]), stopping.originals


@dataclass(frozen=True, eq=False)
class _Views:
    """The training codes as `attack` draws them: as released, or in one of their views."""

    codes: Encoded
    scale: Scale
    augment: Augment

    def draw(self, positions: Labels, random: np.random.Generator) -> Tensor:
        """One view of each image, chosen at random, scaled; augmented where there are no views, of which an
        attacker learns more.
        """
        chosen = random.integers(-1, len(self.codes.views), size=len(positions))
        drawn = self.codes.centre[positions]
        of_view = np.flatnonzero(chosen >= 0)
        drawn[of_view] = self.codes.drawn(chosen[of_view], positions[of_view])
        scaled = torch.from_numpy(self.scale(drawn))
        return scaled if len(self.codes.views) else self.augment(scaled, random)


def half_of_batches(augment: Augment) -> Augment:
    """Augmentation of every other batch or so: what shifts hide, as in faces that all stand at one place, is
    learned from the rest.
    """
    return lambda codes, random: augment(codes, random) if random.random() < 0.5 else codes


def shifted(codes: Tensor, random: np.random.Generator) -> Tensor:
    """Augmentation in code space: maps (batch, channels, height, width) moved by up to one place in each
    direction, zeros coming in, and a tenth of the values left out.
    """
    down, across = random.integers(-1, 2, size=2)
    moved = torch.roll(codes, (int(down), int(across)), dims=(2, 3))
    if down:
        moved[:, :, 0 if down > 0 else -1] = 0
    if across:
        moved[..., 0 if across > 0 else -1] = 0
    return thinned(moved, random)


def thinned(codes: Tensor, random: np.random.Generator) -> Tensor:
    """A tenth of the values left out."""
    stays = torch.from_numpy(random.random(tuple(codes.shape), dtype=np.float32) >= 0.1)
    return codes * stays


def is_map(shape: tuple[int, ...]) -> bool:
    """Whether codes of a shape can be taken for (channels, height, width), at least two places high and
    wide.
    """
    return len(shape) == 3 and min(shape[1:]) > 1


def mlp(width: int) -> Build:
    """A perceptron with two hidden layers, on the values of a code in whatever order."""
    return lambda shape, classes: perceptron(shape, width, classes)


def paper(shape: tuple[int, ...], classes: int) -> nn.Module:
    """The paper's classifier."""
    return classifier_for(shape, classes)


def residual(width: int) -> Build:
    """A convolutional network with residual blocks, for codes that are maps."""
    return lambda shape, classes: ResidualNetwork(shape, width, classes)


def _logits(network: nn.Module, codes: Floats) -> Logits:
    found: Logits = logits_of(network, torch.from_numpy(codes), 512).double().numpy()
    return found


def _log_probabilities(logits: Logits) -> Logits:
    found: Logits = torch.from_numpy(logits).log_softmax(dim=1).numpy()
    return found
