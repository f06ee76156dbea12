"""Is an attribute of a table found where it is, and only there? Planted in generated images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from scotoma.data.augmentation import Preprocessing
from scotoma.data.splits import Fractions, SplitRecipe
from scotoma.data.table import Attribute, ImageTable
from scotoma.networks.classifier import ClassifierSettings
from scotoma.networks.encoder import EncoderSettings
from scotoma.runs.results import Cell
from scotoma.verification.plan import VerificationPlan
from scotoma.verification.settings import AttackSettings
from scotoma.verification.suite import Suite, subjects_of

IMAGES, SIDE = 600, 8
VALUES = ("black", "blond", "brown")
ENCODER = EncoderSettings(SIDE, 1, (1, 1), (4, 8))
ATTACK = AttackSettings(
    rate=5e-3,
    image_rate=5e-3,
    batch=32,
    evaluate_every=20,
    patience=3,
    rise=0.01,
    max_iterations=300,
    views=1,
)
PLAN = VerificationPlan(
    ("hair",), ("hair",), (), ENCODER, ClassifierSettings((1,), (8,), 16),
    Preprocessing(SIDE, SIDE, 1, flip=False), SplitRecipe(0, Fractions()), ATTACK, 0,
)  # fmt: skip


def planted(shown: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> ImageTable:
    """Noise, brighter in the middle by what is shown; what the table says of it is in `labels`."""
    noise = np.random.default_rng(0).integers(0, 120, (len(shown), SIDE, SIDE, 1))
    noise[:, 2:6, 2:6] += 60 * shown[:, None, None, None]
    keys = np.array([f"{number:032x}" for number in range(len(shown))])
    return ImageTable(noise.astype(np.uint8), keys, {"hair": Attribute(VALUES, labels)}, "generated")


def attacked(table: ImageTable, folder: Path) -> Cell:
    """The attacker on original images."""
    folder.mkdir()
    (cell,) = Suite(table, subjects_of(None, ["identity"], ENCODER, ATTACK), PLAN, folder).run(1)
    return cell


@pytest.fixture(scope="module")
def hair() -> npt.NDArray[np.int64]:
    return np.random.default_rng(1).integers(0, 3, IMAGES)


def test_a_planted_attribute_of_three_classes_is_found(hair: npt.NDArray[np.int64], tmp_path: Path) -> None:
    cell = attacked(planted(hair, hair), tmp_path / "a")
    assert cell.test_low is not None and cell.test_low > 0.85
    assert cell.bits is not None and 1.2 < cell.bits <= np.log2(3)
    assert cell.floor == pytest.approx(1 / 3)


def test_labels_of_other_images_give_a_third(hair: npt.NDArray[np.int64], tmp_path: Path) -> None:
    cell = attacked(planted(hair, np.random.default_rng(2).permutation(hair)), tmp_path / "a")
    assert cell.test_low is not None and cell.test_high is not None
    assert cell.test_low < 1 / 3 < cell.test_high < 0.5


def test_images_without_a_label_do_not_count(hair: npt.NDArray[np.int64], tmp_path: Path) -> None:
    """Whatever they show, nobody learns from them and nobody is tested on them."""
    missing = np.random.default_rng(3).random(IMAGES) < 0.3
    labels = np.where(missing, -1, hair)
    right = planted(hair, labels)
    wrong = planted(np.where(missing, (hair + 1) % 3, hair), labels)
    assert not (right.pixels == wrong.pixels).all()
    one, other = (attacked(table, tmp_path / name) for table, name in ((right, "a"), (wrong, "b")))
    assert replace(one, seconds=0) == replace(other, seconds=0)
    assert one.test_low is not None and one.test_low > 0.85
    counts = one.counts
    assert sum(map(sum, (counts.training, counts.validation, counts.test))) < int((~missing).sum())
