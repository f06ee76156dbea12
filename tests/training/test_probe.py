import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scotoma.data.splits import split
from scotoma.data.table import ImageTable, by_category
from scotoma.data.tasks import Task
from scotoma.networks.encoder import Encoder
from scotoma.training import probe as probe_module
from scotoma.training.probe import Coded, Probed, attack_shortly, probe
from scotoma.training.schedule import probes_at
from scotoma.training.settings import TrainingSettings
from tests.examples import CATEGORIES, image_table, training_plan

TASK = Task(("bee",), CATEGORIES)
LABELS = np.arange(400) % 5
NOTHING = np.empty((400, 0, 0, 0), np.uint8)
TABLE = ImageTable(NOTHING, np.arange(400).astype("<U32"), by_category(CATEGORIES, LABELS), "none")
PLAN = training_plan(probe_steps=60, batch=32, classifier_rate=1e-2, precision="fp32")


def coded(planted: bool) -> Coded:
    """Noise; one value in the middle tells the hidden category where that is planted."""
    codes = torch.randn(400, *PLAN.encoder.code_shape, generator=torch.Generator().manual_seed(1))
    if planted:
        codes[:, 1, 2, 1] = torch.from_numpy(np.where(LABELS == 1, 1.0, -1.0))
    return Coded(codes, TABLE, np.arange(len(LABELS)))


def test_a_planted_leak_is_found_and_noise_teaches_nothing() -> None:
    accuracy, cross_entropy = attack_shortly(coded(True), coded(True), TASK, PLAN, 0)
    assert accuracy > 0.95 and cross_entropy < 0.2
    noise, rows = coded(False).codes, np.arange(len(LABELS))
    half, other = Coded(noise[::2], TABLE, rows[::2]), Coded(noise[1::2], TABLE, rows[1::2])
    accuracy, cross_entropy = attack_shortly(half, other, TASK, PLAN, 0)
    assert 0.35 < accuracy < 0.65 and cross_entropy > 0.6


def test_a_probe_is_a_pure_function_of_its_seed_and_uses_up_no_random_number() -> None:
    state = torch.random.get_rng_state()
    found = [attack_shortly(coded(True), coded(True), TASK, PLAN, seed) for seed in (3, 3, 4)]
    assert found[0] == found[1] != found[2]
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_look_with_the_lowest_cross_entropy_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attacker that learns by heart is worse at its end; the highest accuracy is not asked for."""
    looks = iter([(0.6, 0.5), (0.7, 0.3), (0.9, 0.4)])
    monkeypatch.setattr(probe_module, "head_figures", lambda *_: next(looks))
    assert attack_shortly(coded(True), coded(True), TASK, PLAN, 0) == (0.7, 0.3)


class Reader(nn.Module):
    """A kept head: its logits are the mean of a code and its opposite."""

    def forward(self, codes: Tensor) -> Tensor:
        return torch.stack([-codes.mean((1, 2, 3)), codes.mean((1, 2, 3))], 1)


def test_the_loss_is_equation_four_of_fresh_attackers_and_kept_heads() -> None:
    table, plan = image_table(), PLAN
    parts = split(table.keys, plan.split.seed, plan.split.fractions)
    hidden = [Task(("ant",), CATEGORIES), TASK]
    encoder = Encoder(plan.encoder).eval()
    found = probe(encoder, table, parts, plan, hidden, [(Reader(), Task(("eel",), CATEGORIES))])
    assert len(found.accuracies) == len(found.cross_entropies) == 3
    one, other, kept = found.cross_entropies
    assert found.loss == pytest.approx(-(one + other) / 2 + plan.training.alpha * kept)
    without = probe(encoder, table, parts, plan, hidden, [])
    assert without == Probed(without.loss, found.accuracies[:2], found.cross_entropies[:2])
    assert without.loss == pytest.approx(-(one + other) / 2)
    # Brightness tells these categories; nothing of the encoder was trained, and much comes through.
    assert found.accuracies[0] > 0.7 and one < math.log(2)


def test_probes_are_made_in_the_second_half_and_at_the_end() -> None:
    def due(**changes: int) -> list[int]:
        settings = TrainingSettings(**changes)  # type: ignore[arg-type]
        return [number for number in range(-5, settings.iterations + 1) if probes_at(settings, number)]

    assert due(iterations=100, probe_every=20) == [60, 80, 100]
    assert due(iterations=90, probe_every=20) == [60, 80, 90]
    assert due(iterations=90) == []
