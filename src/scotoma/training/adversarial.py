"""How is an encoder trained against its attackers? THE loop of section 3.2: alternating updates."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scotoma.data.prefetch import Prefetched
from scotoma.data.sampling import Batch, Batches
from scotoma.networks.adam import Adam
from scotoma.networks.encoder import Encoder
from scotoma.objectives import OBJECTIVES, cross_entropy, encoder_loss
from scotoma.training.schedule import classifier_batch, encoder_batch, encoder_rate, warm_up_batch
from scotoma.training.settings import TrainingSettings


@dataclass
class Game:
    """The two sides and their optimisers. The first `hidden` classifiers are the encoder's adversaries, the
    others its collaborators; `iteration` counts from -warm_up, so that 0 is the encoder's first update.
    `average` is the running average of the encoder's weights, and `chosen` what it was at the best probe, if
    there are probes: what is shipped.
    """

    encoder: Encoder
    average: Encoder
    classifiers: Sequence[nn.Module]
    hidden: int
    encoder_optimiser: Adam
    classifier_optimiser: Adam
    iteration: int
    chosen: Encoder | None = None


def start_game(
    encoder: Encoder, classifiers: Sequence[nn.Module], hidden: int, settings: TrainingSettings
) -> Game:
    """Both sides at their beginning, each with an Adam optimiser of its own."""
    parameters = [parameter for classifier in classifiers for parameter in classifier.parameters()]
    return Game(
        encoder,
        copy.deepcopy(encoder).eval().requires_grad_(False),
        classifiers,
        hidden,
        Adam(encoder.parameters(), settings.encoder_rate),
        Adam(parameters, settings.classifier_rate),
        -settings.warm_up,
    )


def play(
    game: Game,
    batches: Batches | Prefetched,
    settings: TrainingSettings,
    after_iteration: Callable[[Game, Tensor], None],
) -> None:
    """Train until `settings.iterations`; `after_iteration` is told the losses (encoder, then each
    classifier).
    """
    while game.iteration < settings.iterations:
        if game.iteration < 0:
            losses = update_classifiers(
                game, batches.at(warm_up_batch(game.iteration + settings.warm_up)), settings
            )
            encoder_side = torch.zeros(())
        else:
            for step in range(settings.classifier_steps):
                number = classifier_batch(settings, game.iteration, step)
                losses = update_classifiers(game, batches.at(number), settings)
            encoder_side = update_encoder(game, batches.at(encoder_batch(settings, game.iteration)), settings)
        game.iteration += 1
        after_iteration(game, torch.cat([encoder_side.reshape(1), losses]))


def update_classifiers(game: Game, batch: Batch, settings: TrainingSettings) -> Tensor:
    """One step of every classifier on the true labels, no gradient to the encoder. Returns their losses."""
    with mixed_precision(settings):
        with torch.no_grad():
            codes = game.encoder(batch.images)
        logits = _logits(game, batch, codes, settings)
    losses = torch.stack([cross_entropy(*pair) for pair in zip(logits, batch.labels, strict=True)])
    game.classifier_optimiser.zero_grad()
    losses.sum().backward()
    game.classifier_optimiser.step()
    return losses.detach()


def update_encoder(game: Game, batch: Batch, settings: TrainingSettings) -> Tensor:
    """One step of the encoder, equation (4), against the hidden classifiers and with the kept ones. Returns
    its loss.
    """
    objective = OBJECTIVES[settings.objective]
    game.encoder_optimiser.rate = encoder_rate(settings, game.iteration)
    with mixed_precision(settings):
        logits = _logits(game, batch, game.encoder(batch.images), settings)
    pairs = list(zip(logits, batch.labels, strict=True))
    loss = encoder_loss(
        [objective(*pair) for pair in pairs[: game.hidden]],
        [cross_entropy(*pair) for pair in pairs[game.hidden :]],
        settings.alpha,
    )
    game.encoder_optimiser.zero_grad()
    # The classifiers stand still: their gradients are neither wanted nor computed.
    loss.backward(inputs=list(game.encoder.parameters()))
    game.encoder_optimiser.step()
    update_average(game, settings)
    return loss.detach()


@torch.no_grad()
def update_average(game: Game, settings: TrainingSettings) -> None:
    """Move the average a little towards the encoder's weights: average = a average + (1 - a) weights.

    The two sides circle around their equilibrium: an encoder hides by moving as much as by removing, and a
    fresh attacker finds what was only moved. The centre of the circle has nothing to move away from (Yazici
    et al., ICLR 2019, for GANs). Not in the paper; `encoder_average = 0` ships the last weights, as there.
    The decay a rises to its value, so that the random first weights are forgotten.
    """
    decay = min(settings.encoder_average, (game.iteration + 1) / (game.iteration + 3))
    for average, weights in zip(game.average.parameters(), game.encoder.parameters(), strict=True):
        average.lerp_(weights, 1 - decay)


def mixed_precision(settings: TrainingSettings) -> torch.autocast:
    """Convolutions in bf16 where that is asked for; statistics, losses and weights stay fp32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bf16")


def drop_values(codes: Tensor, share: float, seed: int) -> Tensor:
    """Dropout: each value of a code stays with probability 1 - share and is then divided by it, the others
    become 0. A pure function of the seed, so that a resumed run drops what an uninterrupted one dropped.
    """
    random = torch.Generator().manual_seed(seed)
    stays = torch.rand(codes.shape, generator=random) >= share
    return codes * (stays / (1 - share))


def _logits(game: Game, batch: Batch, codes: Tensor, settings: TrainingSettings) -> list[Tensor]:
    shares = list(batch.split(codes))
    for index, codes_of_head in enumerate(shares):
        is_hidden = index < game.hidden
        share = settings.hide_dropout if is_hidden else settings.keep_dropout
        if share:
            # Each hidden head misses other values; kept ones may miss the same.
            seed = batch.seed ^ (index + 1 if is_hidden else 0)
            shares[index] = drop_values(codes_of_head, share, seed)
    return [classifier(share).float() for classifier, share in zip(game.classifiers, shares, strict=True)]
