import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scotoma.data.sampling import Batch, Batches
from scotoma.data.tasks import training_tasks
from scotoma.networks.classifier import Classifier
from scotoma.networks.encoder import Encoder
from scotoma.objectives import cross_entropy, label_flip
from scotoma.training.adversarial import (
    Game,
    drop_values,
    play,
    start_game,
    update_classifiers,
    update_encoder,
)
from scotoma.training.schedule import classifier_batch, encoder_batch
from scotoma.training.settings import TrainingSettings
from tests.examples import CLASSIFIER, ENCODER, PREPROCESSING, TRAINING, image_table

FINE = replace(TRAINING, precision="fp32", alpha=0.3)


def game(settings: TrainingSettings = FINE, hide: tuple[str, ...] = ("ant", "bee")) -> tuple[Game, Batches]:
    hidden, kept = training_tasks(hide, ("dog",), image_table().attributes)
    tasks = [*hidden, *kept]
    table = image_table()
    torch.manual_seed(0)
    encoder = Encoder(ENCODER)
    classifiers = [Classifier(CLASSIFIER, ENCODER.code_shape, task.classes) for task in tasks]
    batches = Batches(table, np.arange(len(table)), tasks, settings.batch, PREPROCESSING, 1)
    return start_game(encoder, classifiers, len(hidden), settings), batches


def weights(network: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def same(before: list[Tensor], network: nn.Module) -> bool:
    return all(map(torch.equal, before, weights(network)))


def test_a_classifier_update_leaves_the_encoder_alone() -> None:
    players, batches = game()
    encoder, classifiers = weights(players.encoder), [weights(each) for each in players.classifiers]
    update_classifiers(players, batches.at(0), FINE)
    assert same(encoder, players.encoder)
    assert all(parameter.grad is None for parameter in players.encoder.parameters())
    assert not any(map(same, classifiers, players.classifiers))


def test_an_encoder_update_leaves_the_classifiers_alone() -> None:
    players, batches = game()
    encoder, classifiers = weights(players.encoder), [weights(each) for each in players.classifiers]
    update_encoder(players, batches.at(0), FINE)
    assert not same(encoder, players.encoder)
    assert all(map(same, classifiers, players.classifiers))
    assert all(p.grad is None for each in players.classifiers for p in each.parameters())


def test_the_encoder_descends_equation_4_on_one_batch_of_all_heads() -> None:
    """Written out with a plain Adam: two hidden heads averaged, alpha times the kept one."""
    players, batches = game()
    players.iteration = 9  # after one drop of the rate
    batch = batches.at(3)
    encoder, classifiers = copy.deepcopy(players.encoder), copy.deepcopy(players.classifiers)
    codes = encoder(batch.images)
    first, second, kept = (
        classifier(codes[8 * index : 8 * index + 8]) for index, classifier in enumerate(classifiers)
    )
    loss = (label_flip(first, batch.labels[0]) + label_flip(second, batch.labels[1])) / 2
    loss = loss + 0.3 * cross_entropy(kept, batch.labels[2])
    rate = FINE.encoder_rate * FINE.encoder_drop
    optimiser = torch.optim.Adam(encoder.parameters(), lr=rate, foreach=False)
    loss.backward()
    optimiser.step()

    found = update_encoder(players, batch, FINE)
    assert float(found) == pytest.approx(float(loss.detach()), rel=1e-5)
    for one, other in zip(weights(players.encoder), weights(encoder), strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)


def test_classifiers_descend_the_cross_entropy_of_their_own_share() -> None:
    players, batches = game()
    batch = batches.at(3)
    classifiers = copy.deepcopy(players.classifiers)
    with torch.no_grad():
        codes = copy.deepcopy(players.encoder)(batch.images)
    expected = []
    for index, classifier in enumerate(classifiers):
        optimiser = torch.optim.Adam(classifier.parameters(), lr=FINE.classifier_rate, foreach=False)
        loss = cross_entropy(classifier(codes[8 * index : 8 * index + 8]), batch.labels[index])
        loss.backward()
        optimiser.step()
        expected.append(float(loss.detach()))
    losses = update_classifiers(players, batch, FINE)
    assert losses.tolist() == pytest.approx(expected, rel=1e-5)
    for one, other in zip(players.classifiers, classifiers, strict=True):
        for found, wanted in zip(weights(one), weights(other), strict=True):
            torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-4)


def test_heads_share_the_statistics_of_one_forward_pass() -> None:
    """Encoded apart, the kept images would come out differently."""
    players, batches = game()
    batch = batches.at(0)
    with torch.no_grad():
        together = batch.split(players.encoder(batch.images))[2]
        apart = players.encoder(batch.split(batch.images)[2])
    assert float((together - apart).abs().mean()) > 0.05


class Recorded(Batches):
    """Notes which batch is asked for."""

    def __init__(self, batches: Batches) -> None:
        self.numbers: list[int] = []
        self._inner = batches

    def at(self, number: int) -> Batch:
        self.numbers.append(number)
        return self._inner.at(number)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_loop_alternates_on_the_schedule_s_batches(steps: int) -> None:
    settings = replace(FINE, iterations=3, warm_up=2, classifier_steps=steps)
    players, batches = game(settings)
    recorded = Recorded(batches)
    told: list[tuple[int, int]] = []
    play(players, recorded, settings, lambda now, losses: told.append((now.iteration, len(losses))))
    numbers = [0, 1]
    for iteration in range(3):
        numbers += [classifier_batch(settings, iteration, step) for step in range(steps)]
        numbers.append(encoder_batch(settings, iteration))
    assert recorded.numbers == numbers
    # The encoder's loss and three classifiers'.
    assert told == [(-1, 4), (0, 4), (1, 4), (2, 4), (3, 4)]


def test_warm_up_trains_classifiers_only() -> None:
    settings = replace(FINE, iterations=1, warm_up=3)
    players, batches = game(settings)
    encoder = weights(players.encoder)
    losses: list[float] = []

    def watch(now: Game, found: Tensor) -> None:
        losses.append(float(found[0]))
        if now.iteration <= 0:
            assert same(encoder, now.encoder)

    play(players, batches, settings, watch)
    assert losses[:3] == [0, 0, 0] and losses[3] != 0
    assert not same(encoder, players.encoder)


def after_encoder_updates(alpha: float, count: int) -> list[float]:
    """Cross-entropies (hidden, kept) of classifiers that stand still after their warm-up, on a new batch."""
    settings = replace(FINE, iterations=1, warm_up=60, alpha=alpha, encoder_rate=2e-2, classifier_rate=5e-3)
    players, batches = game(settings, hide=("ant",))
    for number in range(60):
        update_classifiers(players, batches.at(number), settings)
    for number in range(100, 100 + count):
        update_encoder(players, batches.at(number), settings)
    batch = batches.at(10_000)
    with torch.no_grad():
        shares = batch.split(players.encoder(batch.images))
        logits = [classifier(share) for classifier, share in zip(players.classifiers, shares, strict=True)]
    return [float(cross_entropy(*pair)) for pair in zip(logits, batch.labels, strict=True)]


def test_the_encoder_takes_from_the_hidden_classifier_and_alpha_gives_to_the_kept_one() -> None:
    before, selfish, helpful = (after_encoder_updates(*case) for case in ((1.0, 0), (1e-6, 40), (4.0, 40)))
    assert min(selfish[0], helpful[0]) > before[0] + 0.2
    assert helpful[1] < selfish[1] - 0.2


def test_the_average_moves_a_share_of_the_way_to_the_encoder_s_weights() -> None:
    settings = replace(FINE, encoder_average=0.7, iterations=8, warm_up=0)
    players, batches = game(settings)
    averages = [weights(players.average)]
    # The first iterations forget faster.
    decays = [1 / 3, 2 / 4, 3 / 5, 4 / 6, 0.7, 0.7, 0.7, 0.7]

    def watch(now: Game, losses: Tensor) -> None:
        averages.append(weights(now.average))
        decay = decays[len(averages) - 2]
        for mean, before, weight in zip(averages[-1], averages[-2], weights(now.encoder), strict=True):
            torch.testing.assert_close(mean, decay * before + (1 - decay) * weight, atol=1e-6, rtol=1e-5)

    play(players, batches, settings, watch)
    assert len(averages) == 9
    assert not same(weights(players.encoder), players.average)


def test_without_an_average_the_last_weights_are_shipped() -> None:
    settings = replace(FINE, encoder_average=0.0, iterations=5, warm_up=0)
    players, batches = game(settings)
    play(players, batches, settings, lambda now, losses: None)
    assert same(weights(players.encoder), players.average)


def test_bf16_stays_near_fp32_and_keeps_fp32_weights() -> None:
    fine, batches = game()
    coarse, _ = game()
    one = update_encoder(fine, batches.at(0), FINE)
    other = update_encoder(coarse, batches.at(0), replace(FINE, precision="bf16"))
    assert float(one) == pytest.approx(float(other), abs=0.03)
    for network in (coarse.encoder, *coarse.classifiers):
        assert {tensor.dtype for tensor in network.state_dict().values()} <= {torch.float32, torch.int64}


def test_values_are_dropped_and_the_mean_stays() -> None:
    codes = torch.rand(4000, 3, 2, 2, generator=torch.Generator().manual_seed(0)) + 1
    dropped = drop_values(codes, 0.75, 7)
    stays = dropped != 0
    torch.testing.assert_close(dropped, 4 * codes * stays)
    # Of 48,000 values 12,000 stay, +- 4 x 95; each of the twelve places keeps its share.
    assert abs(int(stays.sum()) - 12_000) < 380
    assert float(stays.double().mean(0).sub(0.25).abs().max()) < 0.03
    assert torch.equal(dropped, drop_values(codes, 0.75, 7))
    assert not torch.equal(dropped, drop_values(codes, 0.75, 8))


def test_only_kept_heads_lose_values() -> None:
    settings = replace(FINE, keep_dropout=0.6)
    players, batches = game(settings)
    batch = batches.at(3)
    with torch.no_grad():
        shares = list(batch.split(copy.deepcopy(players.encoder)(batch.images)))
    shares[2] = drop_values(shares[2], 0.6, batch.seed)
    expected = [
        float(cross_entropy(classifier(share), labels).detach())
        for classifier, share, labels in zip(
            copy.deepcopy(players.classifiers), shares, batch.labels, strict=True
        )
    ]
    assert update_classifiers(players, batch, settings).tolist() == pytest.approx(expected, rel=1e-5)
    whole, _ = game(FINE)
    assert float(update_classifiers(whole, batch, FINE)[2]) != pytest.approx(expected[2], rel=1e-3)


def losses_with(shares: list[Tensor], players: Game, batch: Batch) -> list[float]:
    """Each head's cross-entropy on its share of the codes, the classifiers standing still."""
    pairs = zip(copy.deepcopy(players.classifiers), shares, batch.labels, strict=True)
    return [float(cross_entropy(classifier(share), labels).detach()) for classifier, share, labels in pairs]


@pytest.mark.parametrize("keep_dropout", [0.0, 0.6])
def test_hidden_heads_lose_values_each_others(keep_dropout: float) -> None:
    settings = replace(FINE, hide_dropout=0.4, keep_dropout=keep_dropout)
    players, batches = game(settings)
    batch = batches.at(3)
    with torch.no_grad():
        whole = list(batch.split(copy.deepcopy(players.encoder)(batch.images)))
    shares = [drop_values(share, 0.4, batch.seed ^ (head + 1)) for head, share in enumerate(whole[:2])]
    assert not torch.equal(shares[0] != 0, shares[1] != 0)
    shares.append(drop_values(whole[2], 0.6, batch.seed) if keep_dropout else whole[2])
    masks = [share == 0 for share in shares]
    assert [0.3 < float(mask.float().mean()) < 0.5 for mask in masks[:2]] == [True, True]
    assert not torch.equal(masks[0], masks[2])
    expected = losses_with(shares, players, batch)
    assert expected[:2] != pytest.approx(losses_with(whole, players, batch)[:2], rel=1e-3)
    assert update_classifiers(players, batch, settings).tolist() == pytest.approx(expected, rel=1e-5)


def test_what_hidden_heads_do_not_see_gives_the_encoder_no_gradient() -> None:
    """The encoder's own step is against heads that miss the same values: written out with a plain Adam."""
    settings = replace(FINE, hide_dropout=0.4, encoder_drop=1.0)
    players, batches = game(settings)
    batch = batches.at(5)
    encoder, classifiers = copy.deepcopy(players.encoder), copy.deepcopy(players.classifiers)
    shares = list(batch.split(encoder(batch.images)))
    for head in (0, 1):
        shares[head] = drop_values(shares[head], 0.4, batch.seed ^ (head + 1))
    logits = [classifier(share) for classifier, share in zip(classifiers, shares, strict=True)]
    hidden = [label_flip(logits[head], batch.labels[head]) for head in (0, 1)]
    loss = sum(hidden) / 2 + 0.3 * cross_entropy(logits[2], batch.labels[2])
    optimiser = torch.optim.Adam(encoder.parameters(), lr=settings.encoder_rate, foreach=False)
    loss.backward()
    optimiser.step()
    players.iteration = 0
    found = update_encoder(players, batch, settings)
    assert float(found) == pytest.approx(float(loss.detach()), rel=1e-5)
    for one, other in zip(weights(players.encoder), weights(encoder), strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)


def test_what_is_dropped_follows_from_the_batch_alone() -> None:
    settings = replace(FINE, hide_dropout=0.4)
    found = []
    for number in (3, 3, 4):
        players, batches = game(settings)
        batch = replace(batches.at(3), seed=batches.at(number).seed)
        found.append(update_classifiers(players, batch, settings))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0][:2], found[2][:2])
    assert torch.equal(found[0][2], found[2][2])


def test_no_dropout_changes_nothing() -> None:
    settings = replace(FINE, hide_dropout=0.0, keep_dropout=0.0)
    players, batches = game(settings)
    batch = batches.at(3)
    with torch.no_grad():
        whole = list(batch.split(copy.deepcopy(players.encoder)(batch.images)))
    expected = losses_with(whole, players, batch)
    assert update_classifiers(players, batch, settings).tolist() == pytest.approx(expected, rel=1e-5)
