import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scotoma.data.splits import split
from scotoma.data.table import ImageTable
from scotoma.data.tasks import Task
from scotoma.errors import InputError
from scotoma.networks.baselines import Identity
from scotoma.runs.results import Point, State
from scotoma.runs.seeds import derive_seed
from scotoma.verification.attackers import ON_IMAGES
from scotoma.verification.cells import CellFolder
from scotoma.verification.floors import Known, label_only_right
from scotoma.verification.plan import Subject
from scotoma.verification.protocol import Outcome
from scotoma.verification.settings import AttackSettings
from scotoma.verification.significance import paired_excess
from scotoma.verification.statistics import accuracy_interval, balanced_accuracy_interval
from tests.examples import (
    CATEGORIES,
    ENCODER,
    image_table,
    verification_plan,
)
from tests.floors import label_only_floor

TABLE = image_table()
ANT = Task(("ant",), CATEGORIES)
ATTACK = AttackSettings()
IDENTITY = Identity(ENCODER)
SUBJECT = Subject("identity", "identity", IDENTITY, IDENTITY.code_shape, ON_IMAGES, 0, "identity", {})
PLAN = verification_plan(ATTACK)
BEST = Point(2000, 1e-4, 0.2, 0.3, 0.9)
LAST = Point(3000, 1e-5, 0.1, 0.4, 0.8)


def folder(path: Path, table: ImageTable = TABLE, **changes: Any) -> CellFolder:
    return CellFolder(path, table, split(table.keys, 3), replace(PLAN, **changes))


def outcome(cells: CellFolder, state: State = "done") -> Outcome:
    """An attacker that gives the truth two thirds everywhere but on the first two test images of ants."""
    classes = torch.from_numpy(ANT.classes_of(cells.labels(ANT).test))
    says = classes.clone()
    says[classes.nonzero().flatten()[:2]] = 0
    odds = torch.where(torch.nn.functional.one_hot(says, 2) > 0, 2 / 3, 1 / 3)
    return Outcome((BEST, LAST), state, BEST, odds.log())


def test_the_figures_of_a_cell_written_out(tmp_path: Path) -> None:
    cells = folder(tmp_path)
    cell = cells.found(SUBJECT, ANT, ATTACK, outcome(cells), time.monotonic() - 5)
    ants = cell.counts.test[1]
    assert ants == int((cells.labels(ANT).test == 0).sum())
    wrong = 2 / ants
    assert cell.test_accuracy == pytest.approx(0.5 * (1 - wrong) + 0.5)
    assert cell.auc == pytest.approx(1 - wrong / 2)
    nats = -(torch.tensor([2.0, 1.0]) / 3).log()
    expected = 0.5 * ((1 - wrong) * nats[0] + wrong * nats[1]) + 0.5 * nats[0]
    assert cell.cross_entropy == pytest.approx(float(expected))
    assert cell.bits == pytest.approx(1 - float(expected) / 0.6931472)
    assert (cell.val_accuracy, cell.iterations, cell.curve) == (0.9, 3000, (BEST, LAST))
    assert (cell.role, cell.attacker, cell.seed, cell.note) == ("hide", "paper, end to end", 2, "")
    assert cell.seconds == pytest.approx(5, abs=1)


def test_the_excess_is_over_who_knows_the_kept_labels_on_the_same_images(tmp_path: Path) -> None:
    """`bee` is kept, and whoever knows that names ants wherever there is none."""
    cells = folder(tmp_path)
    cell = cells.found(SUBJECT, ANT, ATTACK, outcome(cells), 0.0)
    labels = TABLE.labels[cells.test_rows]
    right = outcome(cells).test_logits.argmax(dim=1).numpy() == ANT.classes_of(labels)
    known_right = (labels != CATEGORIES.index("bee")) == (labels == CATEGORIES.index("ant"))
    assert cell.excess == paired_excess(right, known_right, labels, ANT)
    assert cell.test_accuracy is not None and cell.excess is not None
    assert cell.excess.estimate == pytest.approx(cell.test_accuracy - cell.floor)
    assert cell.excess.estimate == pytest.approx(cell.test_accuracy - 5 / 8)
    two = folder(tmp_path, hide=("ant", "cat")).found(SUBJECT, ANT, ATTACK, outcome(cells), 0.0)
    assert two.excess == paired_excess(right, known_right, labels, ANT, tests=2)
    other = folder(tmp_path, hide=("cat", "dog")).found(SUBJECT, ANT, ATTACK, outcome(cells), 0.0)
    assert other.excess == cell.excess


def test_copies_of_an_image_count_once_in_the_interval(tmp_path: Path) -> None:
    keys = TABLE.keys[np.arange(len(TABLE)) // 4 * 4]  # each image four times
    cells = folder(tmp_path, replace(TABLE, keys=keys))
    rows = cells.test_rows
    assert len(np.unique(keys[rows])) == len(rows) / 4
    cell = cells.found(SUBJECT, ANT, ATTACK, outcome(cells), 0.0)
    labels = TABLE.labels[rows]
    right = outcome(cells).test_logits.argmax(dim=1).numpy() == ANT.classes_of(labels)
    expected = accuracy_interval(right, labels, ANT, keys[rows], derive_seed(PLAN.seed, "bootstrap"))
    assert (cell.test_low, cell.test_high) == (expected.low, expected.high)
    known_right = label_only_right(ANT, PLAN.keep, replace(TABLE, keys=keys), split(keys, 3))
    assert cell.excess == paired_excess(right, known_right, labels, ANT, keys[rows])
    assert expected.low < balanced_accuracy_interval(right, labels, ANT).low - 0.02


def test_what_is_written_is_read(tmp_path: Path) -> None:
    cells = folder(tmp_path)
    assert cells.read(SUBJECT, ANT) is None
    cell = cells.found(SUBJECT, ANT, ATTACK, outcome(cells, "inconclusive"), time.monotonic())
    assert cell.note == "validation was still rising at the budget's end"
    cells.write(SUBJECT, ANT, cell, outcome(cells).test_logits)
    assert cells.read(SUBJECT, ANT) == cell
    assert folder(tmp_path, tasks=("ant",)).read(SUBJECT, ANT) == cell
    content = json.loads((tmp_path / "identity--ant.json").read_text())
    assert content["cell"] == json.loads(json.dumps(asdict(cell)))
    found = content["predictions"]
    assert found["key"] == TABLE.keys[split(TABLE.keys, 3).test].tolist()
    assert found["class"] == [int(name == "ant") for name in found["category"]]
    assert {value for (value,) in found["probability"]} == {0.333333, 0.666667}


def test_a_cell_of_an_earlier_version_is_compared_with_the_kept_labels_as_it_is_read(tmp_path: Path) -> None:
    cells = folder(tmp_path)
    cell = cells.found(SUBJECT, ANT, ATTACK, outcome(cells), 0.0)
    cells.write(SUBJECT, ANT, replace(cell, excess=None), outcome(cells).test_logits)
    assert cells.read(SUBJECT, ANT) == cell


def test_a_cell_of_anything_else_is_not_read(tmp_path: Path) -> None:
    cells = folder(tmp_path)
    logits = outcome(cells).test_logits
    cells.write(SUBJECT, ANT, cells.found(SUBJECT, ANT, ATTACK, outcome(cells), 0.0), logits)
    assert folder(tmp_path, seed=3).read(SUBJECT, ANT) is None
    assert folder(tmp_path, keep=("eel",)).read(SUBJECT, ANT) is None
    assert folder(tmp_path, table=image_table(per_category=61)).read(SUBJECT, ANT) is None
    assert cells.read(replace(SUBJECT, digest="another"), ANT) is None


def test_a_failed_cell_has_no_figures_and_is_not_read(tmp_path: Path) -> None:
    cells = folder(tmp_path)
    cell = cells.failed(SUBJECT, ANT, ATTACK, "It became unstable.", time.monotonic())
    assert (cell.state, cell.note, cell.iterations, cell.curve) == ("failed", "It became unstable.", 0, ())
    figures = (cell.val_accuracy, cell.test_accuracy, cell.test_low, cell.test_high, cell.auc, cell.bits)
    assert (figures, cell.cross_entropy, cell.excess) == ((None,) * 6, None, None)
    assert cell.floor == pytest.approx(5 / 8)
    cells.write(SUBJECT, ANT, cell, None)
    assert json.loads((tmp_path / "identity--ant.json").read_text())["predictions"] == {}
    assert cells.read(SUBJECT, ANT) is None


def test_a_broken_cell_is_told(tmp_path: Path) -> None:
    (tmp_path / "identity--ant.json").write_text("{")
    with pytest.raises(InputError, match=r"identity--ant\.json"):
        folder(tmp_path).read(SUBJECT, ANT)


def test_nested_category_names_are_file_names(tmp_path: Path) -> None:
    names = ("arena/hockey", "bee", "cat", "dog", "eel")
    hockey = Task(names[:1], names)
    cells = folder(tmp_path, image_table(categories=names), tasks=names[:1], hide=names[:1])
    cell = cells.failed(SUBJECT, hockey, ATTACK, "", 0.0)
    cells.write(SUBJECT, hockey, cell, None)
    assert [path.name for path in tmp_path.iterdir()] == ["identity--arena%2Fhockey.json"]


@pytest.mark.parametrize("name", ["Ж" * 39, "Ж" * 60, "机场航站楼" * 20, "x/" * 120])
def test_cells_of_long_names_are_kept(tmp_path: Path, name: str) -> None:
    categories = (name, *CATEGORIES[1:])
    task, table = Task((name,), categories), image_table(categories=categories)
    cells = folder(tmp_path, table, tasks=(name,), hide=(name,))
    subject = replace(SUBJECT, name=name)
    cell = cells.failed(subject, task, ATTACK, "", time.monotonic())
    cell = replace(cell, state="done")
    cells.write(subject, task, cell, None)
    assert cells.read(subject, task) == cell


def test_a_kept_category_may_be_missing_from_the_images(tmp_path: Path) -> None:
    """Images of another group: the kept label says nothing there."""
    group = ("ant", "bee", "cat")
    cells = folder(tmp_path, TABLE.restricted_to(group))
    assert cells.failed(SUBJECT, Task(("ant",), group), ATTACK, "", 0.0).floor == 0.5


def test_the_floor_is_the_label_only_attacker_s(tmp_path: Path) -> None:
    cells = folder(tmp_path, keep=("dog", "eel"))
    floor = cells.failed(SUBJECT, ANT, ATTACK, "", 0.0).floor
    labels = cells.labels(ANT)
    seen = [Known(each, np.maximum(each, 2)[:, None]) for each in (labels.training, labels.test)]
    assert floor == label_only_floor(ANT, *seen) == pytest.approx(6 / 8)


def test_the_floor_of_a_kept_task_is_guessing(tmp_path: Path) -> None:
    cells = folder(tmp_path, keep=("ant", "eel"))
    assert cells.failed(SUBJECT, ANT, ATTACK, "", 0.0).floor == 0.5
