"""Does an attack find what is there, and nothing else? Controls both ways, on real images."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from scotoma.data.augmentation import Preprocessing
from scotoma.data.images import open_images
from scotoma.data.splits import Fractions, SplitRecipe, split
from scotoma.data.table import ImageTable, by_category
from scotoma.data.tasks import Task
from scotoma.networks.classifier import ClassifierSettings
from scotoma.networks.encoder import EncoderSettings
from scotoma.runs.results import Cell
from scotoma.verification.attackers import ON_CODES, build_network
from scotoma.verification.codes import Codes, StoredViews
from scotoma.verification.floors import Known
from scotoma.verification.plan import VerificationPlan
from scotoma.verification.protocol import Labels, Outcome, attack
from scotoma.verification.settings import AttackSettings
from scotoma.verification.statistics import Interval, balanced_accuracy_interval
from scotoma.verification.suite import Suite, subjects_of
from tests.floors import label_only_floor

GROUP = ("bag", "coat", "dress", "sandal", "shirt")
SHAPE = (3, 7, 7)
ENCODER = EncoderSettings(28, 1, (1, 1, 1), (8, 8, 8))
CLASSIFIER = ClassifierSettings((1, 1), (8, 16), 32)
ATTACK = AttackSettings(
    rate=3e-3,
    image_rate=3e-3,
    batch=32,
    evaluate_every=20,
    patience=3,
    rise=0.01,
    max_iterations=400,
    views=1,
)
TASK = Task(("shirt",), GROUP)


@cache
def garments() -> ImageTable:
    """300 images each of five categories of the embedded set."""
    table = open_images("fashion-mnist", 28, 1).restricted_to(GROUP)
    rows = np.sort(np.concatenate([np.flatnonzero(table.labels == label)[:300] for label in range(5)]))
    attributes = by_category(table.categories, table.labels[rows])
    return ImageTable(table.pixels[rows], table.keys[rows], attributes, table.source)


def parts() -> list[np.ndarray]:
    divided = split(garments().keys, 0)
    return [divided.training, divided.validation, divided.test]


def labels(shuffled: bool = False) -> Labels:
    found = garments().labels
    if shuffled:
        found = np.random.default_rng(0).permutation(found)
    return Labels(*(found[rows] for rows in parts()))


def attacked(codes: list[Tensor], seen: Labels) -> tuple[Outcome, Interval]:
    """The paper's attacker on codes of the three parts."""
    network = build_network(ON_CODES, ENCODER, CLASSIFIER, SHAPE, 2, seed=1)
    training, validation, test = codes
    outcome = attack(
        network, Codes(StoredViews(training[None]), validation, test), seen, TASK, ATTACK, seed=1
    )
    correct = (outcome.test_logits.argmax(1).numpy()) == TASK.classes_of(seen.test)
    return outcome, balanced_accuracy_interval(correct, seen.test, TASK, confidence=0.999)


def noise(amplitude: float = 0.6) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [amplitude * torch.randn(len(rows), *SHAPE, generator=generator) for rows in parts()]


def constant() -> list[Tensor]:
    return [torch.full((len(rows), *SHAPE), 0.3) for rows in parts()]


def with_leak(codes: list[Tensor], amplitude: float) -> list[Tensor]:
    """The label in one output value of 147."""
    for part, seen in zip(codes, (labels().training, labels().validation, labels().test), strict=True):
        part[:, 1, 3, 4] = amplitude * torch.from_numpy(TASK.classes_of(seen) * 2.0 - 1)
    return codes


@pytest.fixture
def cells(tmp_path: Path) -> dict[tuple[str, str], Cell]:
    """A verification run on the original images and on the paper's blur."""
    plan = VerificationPlan(
        ("bag", "shirt"), ("shirt",), ("bag",), ENCODER, CLASSIFIER, Preprocessing(28, 28, 1, flip=False),
        SplitRecipe(0, Fractions()), ATTACK, 0,
    )  # fmt: skip
    suite = Suite(garments(), subjects_of(None, ["identity"], ENCODER, ATTACK), plan, tmp_path)
    return {(cell.encoder, cell.task): cell for cell in suite.run(1)}


def test_attackers_reach_high_accuracy_on_original_images(cells: dict[tuple[str, str], Cell]) -> None:
    bag, shirt = cells["identity", "bag"], cells["identity", "shirt"]
    assert bag.test_low is not None and bag.test_low > 0.88
    assert shirt.test_low is not None and shirt.test_low > shirt.floor + 0.05
    assert bag.bits is not None and bag.bits > 0.6


def test_attackers_of_a_constant_encoder_find_nothing() -> None:
    outcome, interval = attacked(constant(), labels())
    assert interval.estimate == 0.5
    assert outcome.state == "done"
    assert outcome.best.val_cross_entropy == pytest.approx(np.log(2), abs=0.02)


def test_attackers_of_noise_find_nothing() -> None:
    _, interval = attacked(noise(), labels())
    assert interval.low < 0.5 < interval.high


def test_a_code_that_is_the_kept_label_gives_the_label_only_floor() -> None:
    """Nothing but 'bag or not' is left: the attacker on shirts reaches the floor, and not more."""
    codes = constant()
    seen = labels()
    for part, of_part in zip(codes, (seen.training, seen.validation, seen.test), strict=True):
        part[:, 0] = torch.from_numpy((of_part == GROUP.index("bag")) * 1.0)[:, None, None]
    outcome, interval = attacked(codes, seen)
    bag = GROUP.index("bag")
    parts = (seen.training, seen.test)
    floor = label_only_floor(TASK, *(Known(part, (part == bag)[:, None]) for part in parts))
    assert floor == pytest.approx(5 / 8)
    assert interval.estimate == pytest.approx(floor)
    assert outcome.state == "done"


@pytest.mark.parametrize("amplitude", [1.0, 1e-3])
def test_attackers_find_the_label_in_one_value_of_a_constant_code(amplitude: float) -> None:
    _, interval = attacked(with_leak(constant(), amplitude), labels())
    assert interval.low > 0.95


def test_attackers_find_the_label_in_one_value_among_noise() -> None:
    _, interval = attacked(with_leak(noise(0.3), 1.0), labels())
    assert interval.low > 0.9


def test_shuffled_labels_give_chance() -> None:
    """Real images, labels of others: what an attacker learns by heart does not carry over."""
    rows = parts()
    pictures = [
        torch.nn.functional.avg_pool2d(torch.from_numpy(garments().pixels[each]).permute(0, 3, 1, 2) / 255, 4)
        .expand(-1, 3, -1, -1)
        .contiguous()
        for each in rows
    ]
    _, chance = attacked(pictures, labels(shuffled=True))
    assert chance.low < 0.5 < chance.high
    _, real = attacked(pictures, labels())
    assert real.low > 0.6
