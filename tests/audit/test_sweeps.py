from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from scotoma.audit.cells import Attempts
from scotoma.audit.examples import Examples, Learn, Learned, Occasion
from scotoma.audit.material import Material
from scotoma.audit.neural import mlp, network
from scotoma.audit.protocol import attack_once
from scotoma.audit.queue import Crew
from scotoma.audit.suites import Attacker
from scotoma.audit.sweeps import BUDGETS, SHARES, compute_curve, label_curve, sweep
from scotoma.data.tasks import Task
from scotoma.metrics import image_weights
from scotoma.verification.settings import AttackSettings
from scotoma.verification.statistics import balanced_accuracy_interval
from tests.audit.attribute_subjects import LINEAR, QUICK, attribute_table, material_of, task_of
from tests.audit.plants import examples

IMAGES = 1200


def perceptron(settings: AttackSettings) -> Learn:
    return network(mlp(8), 2e-3, settings=settings)


def material_with(size: float) -> tuple[Material, Task]:
    """Codes of 20 values, all of which tell a little of the class."""
    random = np.random.default_rng(1)
    labels = random.integers(2, size=IMAGES)
    codes = random.normal(size=(IMAGES, 20)) + size * (2 * labels[:, None] - 1)
    table = attribute_table({"hidden": labels})
    return material_of(codes.astype(np.float32), table), task_of("hidden", table)


def test_shares_are_of_each_category_and_larger_ones_hold_smaller_ones() -> None:
    seen: list[tuple[Examples, Examples]] = []

    def learn(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
        seen.append((training, stopping))
        return LINEAR.learn(training, stopping, occasion)

    task = Task(("yes",), ("no", "maybe", "yes"))
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [600, 10, 100])
    training = examples(random.normal(size=(710, 3)).astype(np.float32), labels, task)
    stopping = examples(random.normal(size=(710, 3)).astype(np.float32), labels, task)
    curve = label_curve(Attacker("mine", learn))
    assert [each.name for each in curve.by_amount.values()] == [
        f"mine, {share} of the labels" for share in ("1%", "3%", "10%", "30%", "100%")
    ]
    for attacker in curve.by_amount.values():
        attacker.learn(training, stopping, Occasion(task, 5))
    assert [np.bincount(each.labels).tolist() for each, _ in seen] == [
        [6, 2, 2],
        [18, 2, 3],
        [60, 2, 10],
        [180, 3, 30],
        [600, 10, 100],
    ]
    assert [len(each) for _, each in seen] == [10, 23, 72, 213, 710]
    for (smaller, _), (larger, _) in pairwise(seen):
        among = {row.tobytes() for row in larger.codes.centre}
        assert {row.tobytes() for row in smaller.codes.centre} <= among
    assert seen[0][0].weights.tolist() == image_weights(task, seen[0][0].labels).tolist()
    assert seen[0][0].classes.tolist() == task.classes_of(seen[0][0].labels).tolist()


def test_more_labels_find_more_and_points_tell_what_was_used(tmp_path: Path) -> None:
    material, task = material_with(0.25)
    attempts = Attempts(tmp_path, ["about"])
    (found,) = sweep([label_curve(LINEAR)], [task], material, attempts, 0, Crew(1)).curves
    assert (found.task, found.chance, found.attacker, found.over) == ("hidden", 0.5, "linear", "labels")
    assert [point.amount for point in found.points] == list(SHARES)
    values = [point.accuracy.value for point in found.points if point.accuracy]
    assert values[-1] > values[0] + 0.1
    assert values[-1] == pytest.approx(0.85, abs=0.06)
    everything = len(material.rows["all"]) + len(material.rows["stopping"])
    assert found.points[-1].images == everything
    assert found.points[2].images == pytest.approx(0.1 * everything, abs=3)
    assert [point.iterations for point in found.points] == [0] * 5


def test_test_labels_are_not_read(tmp_path: Path) -> None:
    material, task = material_with(0.25)
    curves = [label_curve(LINEAR), compute_curve("MLP", perceptron, QUICK)]
    before = sweep(curves, [task], material, Attempts(tmp_path / "a", []), 0, Crew(1))
    table = material.table
    table.attributes["hidden"].labels[material.rows["test"]] = 0
    assert sweep(curves, [task], material, Attempts(tmp_path / "b", []), 0, Crew(1)) == before


def test_a_budget_is_used_up(tmp_path: Path) -> None:
    material, task = material_with(0.5)
    curve = compute_curve("MLP", perceptron, QUICK)
    used = [
        attack_once(each, material, "all", Occasion(task, 0), 0)[0].attempt.details["iterations"]
        for each in curve.by_amount.values()
    ]
    assert used == [5, 20, 80, 320]
    (found,) = sweep([curve], [task], material, Attempts(tmp_path, []), 0, Crew(1)).curves
    assert found.over == "compute"
    assert [point.amount for point in found.points] == list(BUDGETS)
    assert [point.iterations for point in found.points] == used
    assert found.points[3].accuracy is not None
    assert found.points[3].accuracy.low > 0.9


def test_the_accuracy_is_that_on_the_choosing_half(tmp_path: Path) -> None:
    material, task = material_with(0.25)
    attempts = Attempts(tmp_path, [])
    (found,) = sweep([label_curve(LINEAR)], [task], material, attempts, 0, Crew(1)).curves
    said = attempts.read("hidden", "linear, 100% of the labels", "all", 0)
    assert said is not None
    choosing = material.examples(task, "choosing")
    right = said[0].choosing.argmax(axis=1) == choosing.classes
    expected = balanced_accuracy_interval(right, choosing.labels, task)
    point = found.points[-1].accuracy
    assert point is not None
    assert (point.value, point.low, point.high) == (expected.estimate, expected.low, expected.high)


def test_an_attacker_that_fails_leaves_a_point_with_a_reason(tmp_path: Path) -> None:
    def learn(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
        raise ValueError("no such luck")

    material, task = material_with(0.25)
    curves = [label_curve(Attacker("unlucky", learn))]
    (found,) = sweep(curves, [task], material, Attempts(tmp_path, []), 0, Crew(1)).curves
    assert {(point.accuracy, point.note) for point in found.points} == {(None, "ValueError: no such luck")}
