"""Cells of attributes: several classes, labels that are missing, images that come in groups."""

import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scotoma.data.splits import SplitRecipe, divide
from scotoma.data.table import Attribute, ImageTable, Sides
from scotoma.data.tasks import attack_tasks
from scotoma.networks.baselines import Identity
from scotoma.runs.results import Point
from scotoma.verification.attackers import ON_IMAGES
from scotoma.verification.cells import CellFolder
from scotoma.verification.plan import Subject
from scotoma.verification.protocol import Outcome
from scotoma.verification.settings import AttackSettings
from scotoma.verification.statistics import balanced_accuracy_interval, grouped_interval
from tests.examples import ENCODER, image_table, verification_plan

ATTACK = AttackSettings()
IDENTITY = Identity(ENCODER)
SUBJECT = Subject("identity", "identity", IDENTITY, IDENTITY.code_shape, ON_IMAGES, 0, "identity", {})
BEST = Point(2000, 1e-4, 0.2, 0.3, 0.9)
VALUES = ("black", "blond", "brown")


def hair_of(count: int) -> np.ndarray:
    labels = np.arange(count) % 3
    labels[::7] = -1
    return labels


def table(**attributes: Attribute) -> ImageTable:
    """300 images: hair, every seventh missing, and Male, which follows hair but for one in five."""
    made = image_table()
    hair = hair_of(len(made))
    male = np.where(np.arange(len(made)) % 5 == 0, hair != 2, hair == 2).astype(np.int64)
    male[3::11] = -1
    of = {"hair": Attribute(VALUES, hair), "Male": Attribute(("not Male", "Male"), male)}
    return replace(made, attributes=of | attributes)


TABLE = table()
(HAIR,) = attack_tasks(["hair"], TABLE.attributes)
PLAN = verification_plan(ATTACK, tasks=("hair", "Male"), hide=("hair",), keep=("Male",))


def folder(path: Path, images: ImageTable = TABLE, **changes: Any) -> CellFolder:
    plan = replace(PLAN, **changes)
    return CellFolder(path, images, divide(images, plan.split), plan)


def outcome(cells: CellFolder, wrong: int = 3) -> Outcome:
    """An attacker that gives the truth .8 and the others .1, but for the first test images with a label."""
    classes = cells.labels(HAIR).test
    says = classes[classes >= 0].copy()
    says[:wrong] = (says[:wrong] + 1) % 3
    odds = np.where(np.eye(3, dtype=bool)[says], 0.8, 0.1)
    return Outcome((BEST,), "done", BEST, torch.from_numpy(odds).log().float())


def test_figures_of_three_classes_are_of_the_images_with_a_label(tmp_path: Path) -> None:
    cells = folder(tmp_path)
    cell = cells.found(SUBJECT, HAIR, ATTACK, outcome(cells), time.monotonic())
    labels = cells.labels(HAIR).test
    known = labels[labels >= 0].tolist()
    assert 0 < len(known) < len(labels)
    counts = [known.count(label) for label in range(3)]
    assert cell.counts.test == tuple(counts)
    assert sum(cell.counts.training) == int((cells.labels(HAIR).training >= 0).sum())
    wrong = [known[:3].count(label) for label in range(3)]
    shares = [1 - of / count for of, count in zip(wrong, counts, strict=True)]
    assert cell.test_accuracy == pytest.approx(sum(shares) / 3)
    nats = sum(-math.log(0.8) * share - math.log(0.1) * (1 - share) for share in shares) / 3
    assert cell.cross_entropy == pytest.approx(nats)
    assert cell.bits == pytest.approx(math.log2(3) - nats / math.log(2))
    assert (cell.classes, cell.role) == (VALUES, "hide") and cell.chance == pytest.approx(1 / 3)
    assert cell.auc is not None and 0.9 < cell.auc < 1


def test_bits_are_at_most_those_of_three_classes(tmp_path: Path) -> None:
    cells = folder(tmp_path)
    classes = cells.labels(HAIR).test
    certain = torch.nn.functional.one_hot(torch.from_numpy(classes[classes >= 0]), 3) * 100.0
    cell = cells.found(SUBJECT, HAIR, ATTACK, Outcome((BEST,), "done", BEST, certain), 0.0)
    assert cell.bits == pytest.approx(math.log2(3))
    assert (cell.test_accuracy, cell.test_high, cell.auc) == (1.0, 1.0, 1.0)
    assert cell.test_low is not None and 0.8 < cell.test_low < 1


def test_predictions_are_kept_of_the_images_with_a_label(tmp_path: Path) -> None:
    cells = folder(tmp_path)
    found = outcome(cells)
    cells.write(SUBJECT, HAIR, cells.found(SUBJECT, HAIR, ATTACK, found, 0.0), found.test_logits)
    said = json.loads((tmp_path / "identity--hair.json").read_text())["predictions"]
    labels = hair_of(len(TABLE))
    rows = [int(row) for row in divide(TABLE, PLAN.split).test if labels[row] >= 0]
    assert said["key"] == TABLE.keys[rows].tolist()
    assert said["class"] == labels[rows].tolist()
    assert said["category"] == [VALUES[label] for label in labels[rows]]
    right = [{0: [0.1, 0.1], 1: [0.8, 0.1], 2: [0.1, 0.8]}[label] for label in labels[rows]]
    assert said["probability"][3:] == right[3:]
    assert all(one != other for one, other in zip(said["probability"][:3], right[:3], strict=True))


def test_the_floor_is_what_kept_answers_tell_a_missing_one_too(tmp_path: Path) -> None:
    cells = folder(tmp_path)
    hair, male = (TABLE.attributes[name].labels for name in ("hair", "Male"))
    parts = divide(TABLE, PLAN.split)
    training, test = ([int(row) for row in rows if hair[row] >= 0] for rows in (parts.training, parts.test))
    of_training, of_test = (
        [hair[rows].tolist().count(label) for label in range(3)] for rows in (training, test)
    )
    guess = {}
    for answer in (-1, 0, 1):
        weights = [
            sum(male[row] == answer and hair[row] == label for row in training) / of_training[label]
            for label in range(3)
        ]
        guess[answer] = weights.index(max(weights))
    right = [int(hair[row]) for row in test if guess[int(male[row])] == hair[row]]
    floor = sum(right.count(label) / of_test[label] for label in range(3)) / 3
    assert cells.failed(SUBJECT, HAIR, ATTACK, "", 0.0).floor == pytest.approx(floor)
    assert floor > 0.5
    assert folder(tmp_path, keep=()).failed(SUBJECT, HAIR, ATTACK, "", 0.0).floor == pytest.approx(1 / 3)


def grouped(of: int = 10) -> ImageTable:
    """Ten images each of thirty persons."""
    units = np.array([f"{row // of:032x}" for row in range(len(TABLE))])
    return replace(TABLE, units=units, sides=Sides(group_by="person"))


def test_groups_are_kept_as_numbers(tmp_path: Path) -> None:
    images = grouped()
    cells = folder(tmp_path, images)
    found = outcome(cells)
    cells.write(SUBJECT, HAIR, cells.found(SUBJECT, HAIR, ATTACK, found, 0.0), found.test_logits)
    said = json.loads((tmp_path / "identity--hair.json").read_text())["predictions"]
    names = dict(zip(images.keys.tolist(), images.units.tolist(), strict=True))  # type: ignore[union-attr]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names[key] for key in said["key"]))}
    assert said["unit"] == [numbers[names[key]] for key in said["key"]]


def test_images_in_groups_widen_the_interval_and_never_narrow_it(tmp_path: Path) -> None:
    images = grouped()
    cells = folder(tmp_path, images)
    rows = divide(images, PLAN.split).test
    assert images.units is not None
    hair = images.attributes["hair"].labels
    known = np.array([row for row in rows if hair[row] >= 0])
    for wrong in (0, 20, len(known)):  # nobody; the first two persons or so; everybody
        cell = cells.found(SUBJECT, HAIR, ATTACK, outcome(cells, wrong), 0.0)
        correct = np.arange(len(known)) >= wrong
        alone = balanced_accuracy_interval(correct, hair[known], HAIR)
        seeds = {
            grouped_interval(correct, hair[known], HAIR, images.units[known], seed) for seed in range(20)
        }
        assert cell.test_accuracy == alone.estimate
        assert cell.test_low is not None and cell.test_high is not None
        assert cell.test_low <= alone.low and cell.test_high >= alone.high
        if wrong == len(known):
            assert (cell.test_low, cell.test_high) == (0.0, alone.high)
        elif wrong:
            lows = [each.low for each in seeds]
            assert min(lows) - 0.02 < cell.test_low < max(lows) + 0.02
            assert cell.test_low < alone.low - 0.05
        else:
            assert (cell.test_low, cell.test_high) == (alone.low, 1.0)
    again = cells.found(SUBJECT, HAIR, ATTACK, outcome(cells, 20), 0.0)
    assert (
        again.test_low
        == folder(tmp_path, images).found(SUBJECT, HAIR, ATTACK, outcome(cells, 20), 0.0).test_low
    )


def test_a_cell_of_other_labels_groups_or_parts_is_not_read(tmp_path: Path) -> None:
    images = grouped()
    cells = folder(tmp_path, images, hide=("Male",), keep=())
    found = outcome(cells)
    cells.write(SUBJECT, HAIR, cells.found(SUBJECT, HAIR, ATTACK, found, 0.0), found.test_logits)
    same = {"hide": ("Male",), "keep": ()}
    assert folder(tmp_path, images, **same).read(SUBJECT, HAIR) is not None
    # Hair is neither hidden nor kept: its labels count all the same.
    other = hair_of(len(images))
    other[5] = 2 - other[5]
    changed = replace(images, attributes={**images.attributes, "hair": Attribute(VALUES, other)})
    for another in (
        changed,
        grouped(of=20),
        replace(images, sides=Sides(group_by="place")),
        replace(images, units=None, sides=Sides()),
        replace(images, parts=np.arange(len(images)) % 4),
    ):
        assert folder(tmp_path, another, **same).read(SUBJECT, HAIR) is None
    recipe = SplitRecipe(PLAN.split.seed + 1, PLAN.split.fractions)
    assert folder(tmp_path, images, split=recipe, **same).read(SUBJECT, HAIR) is None
    # An attribute that nobody asks about changes nothing.
    more = replace(images, attributes={**images.attributes, "age": Attribute(("0", "1"), other % 2)})
    assert folder(tmp_path, more, **same).read(SUBJECT, HAIR) is not None
