import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scotoma.data.table import ImageTable, by_category
from scotoma.encoder_file import Card, FrozenEncoder
from scotoma.errors import InputError, ScotomaError, TimeLimitReached
from scotoma.networks.encoder import Encoder
from scotoma.networks.population import set_population_statistics
from scotoma.runs.results import Cell, Point
from scotoma.verification.plan import VerificationPlan
from scotoma.verification.protocol import Outcome, attack
from scotoma.verification.settings import AttackSettings
from scotoma.verification.suite import BaselineName, Suite, subjects_of
from tests.examples import (
    CATEGORIES,
    CLASSIFIER,
    ENCODER,
    PREPROCESSING,
    image_table,
    training_plan,
    verification_plan,
)

ATTACK = AttackSettings(
    rate=3e-3, image_rate=3e-3, batch=16, evaluate_every=4, patience=2, rise=0.02, max_iterations=80, views=2
)
ATTACK_OF_SUITE = "scotoma.verification.suite.attack"
TABLE = image_table()


def encoder() -> FrozenEncoder:
    torch.manual_seed(0)
    network = Encoder(ENCODER)
    set_population_statistics(network, lambda: [torch.randn(60, 1, 8, 8)])
    card = Card(
        ENCODER, PREPROCESSING, CLASSIFIER, training_plan().split, "digest", ("ant",), ("dog",), CATEGORIES
    )
    return FrozenEncoder(network.eval(), card, "e" * 32)


def plan(**changes: Any) -> VerificationPlan:
    return verification_plan(**{"attack": ATTACK, **changes})


def suite(
    folder: Path,
    made: VerificationPlan | None = None,
    table: ImageTable = TABLE,
    baselines: Sequence[BaselineName] = ("blur",),
) -> Suite:
    made = made or plan()
    return Suite(table, subjects_of(encoder(), baselines, ENCODER, made.attack), made, folder)


def without_time(cells: Sequence[Cell]) -> list[Cell]:
    return [replace(cell, seconds=0) for cell in cells]


Counter = Callable[[], int]


@pytest.fixture
def attacks(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """How many attacks were made since it was asked last."""
    count = [0]

    def counted(*arguments: Any, **named: Any) -> Outcome:
        count[0] += 1
        return attack(*arguments, **named)

    def since() -> int:
        found, count[0] = count[0], 0
        return found

    monkeypatch.setattr(ATTACK_OF_SUITE, counted)
    return since


def test_every_encoder_is_attacked_on_every_task(tmp_path: Path) -> None:
    cells = suite(tmp_path, plan(tasks=("ant", "dog", "eel")), baselines=("identity", "blur")).run(1)
    assert [(cell.encoder, cell.task) for cell in cells] == [
        (name, task) for name in ("identity", "blur", "encoder") for task in ("ant", "dog", "eel")
    ]
    assert [cell.role for cell in cells[:3]] == ["hide", "keep", "other"]
    assert [cell.attacker for cell in cells[::3]] == ["paper, end to end", "paper", "paper"]
    assert {cell.seed for cell in cells} == {2}


def test_a_cell_records_what_was_found(tmp_path: Path) -> None:
    made = suite(tmp_path)
    cells = made.run(1)
    cell = cells[0]
    assert (cell.encoder, cell.task, cell.state) == ("blur", "ant", "done")
    # Brightness tells the categories apart, and blur keeps it.
    assert cell.test_accuracy is not None and cell.test_accuracy > 0.9
    assert cell.test_low is not None and cell.test_high is not None
    assert cell.test_low < cell.test_accuracy <= cell.test_high
    assert cell.auc is not None and cell.auc > 0.95
    assert cell.cross_entropy is not None and cell.bits is not None
    assert cell.bits == pytest.approx(1 - cell.cross_entropy / np.log(2))
    assert cell.curve[-1].iteration == cell.iterations
    assert cell.val_accuracy == min(cell.curve, key=lambda point: point.val_cross_entropy).val_accuracy
    assert cell.settings["rate"] == 3e-3
    labels = [TABLE.labels[rows] for rows in (made.parts.training, made.parts.validation, made.parts.test)]
    expected = [(int((each != 0).sum()), int((each == 0).sum())) for each in labels]
    assert list(asdict(cell.counts).values()) == expected
    # One kept category of five.
    assert cell.floor == pytest.approx(5 / 8)
    assert cells[1].floor == 0.5


def test_predictions_of_every_test_image_are_kept_by_a_stable_key(tmp_path: Path) -> None:
    made = suite(tmp_path)
    cell = made.run(1)[0]
    kept = json.loads((tmp_path / "cells" / "blur--ant.json").read_text())
    found = kept["predictions"]
    assert found["key"] == TABLE.keys[made.parts.test].tolist()
    assert found["category"] == [CATEGORIES[label] for label in TABLE.labels[made.parts.test]]
    assert found["class"] == [int(name == "ant") for name in found["category"]]
    # They give the accuracy again.
    right = (np.array(found["probability"])[:, 0] > 0.5) == np.array(found["class"])
    by_category = [right[np.array(found["category"]) == name].mean() for name in CATEGORIES]
    assert cell.test_accuracy == pytest.approx(by_category[0] / 2 + np.mean(by_category[1:]) / 2)


def test_finished_cells_are_not_run_again(tmp_path: Path, attacks: Counter) -> None:
    first = suite(tmp_path).run(1)
    assert attacks() == 4
    assert suite(tmp_path).run(1) == first
    assert attacks() == 0
    more = suite(tmp_path, plan(tasks=("eel", "ant", "dog"))).run(1)
    assert attacks() == 2
    assert [cell for cell in more if cell.task != "eel"] == list(first)


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({"seed": 3}, 4),
        ({"attack": replace(ATTACK, patience=3)}, 4),
        ({"keep": ("eel",)}, 4),
        ({"tasks": ("dog", "ant")}, 0),
    ],
)
def test_a_cell_of_other_settings_is_run_again(
    tmp_path: Path, attacks: Counter, changes: dict[str, Any], again: int
) -> None:
    suite(tmp_path).run(1)
    attacks()
    suite(tmp_path, plan(**changes)).run(1)
    assert attacks() == again


def test_a_cell_of_other_images_or_another_encoder_is_run_again(tmp_path: Path, attacks: Counter) -> None:
    suite(tmp_path).run(1)
    attacks()
    suite(tmp_path, table=image_table(per_category=61)).run(1)
    assert attacks() == 4
    other = replace(encoder(), digest="f" * 32)
    Suite(image_table(61), subjects_of(other, ["blur"], ENCODER, ATTACK), plan(), tmp_path).run(1)
    assert attacks() == 2  # blur is the same


def test_two_workers_find_what_one_finds(tmp_path: Path) -> None:
    found = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        found.append(without_time(suite(folder, plan(tasks=CATEGORIES[:4])).run(workers)))
    assert found[0] == found[1]


def test_an_unstable_attack_is_a_failed_cell_with_a_note_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacked: list[str] = []
    fails = True

    def unstable(*arguments: Any, **named: Any) -> Outcome:
        attacked.append(str(arguments[3]))
        if fails and attacked[-1] == "ant":
            raise ScotomaError("The attack became unstable.")
        return attack(*arguments, **named)

    monkeypatch.setattr(ATTACK_OF_SUITE, unstable)
    failed, done = suite(tmp_path, baselines=()).run(1)
    assert (failed.state, failed.note, done.state) == ("failed", "The attack became unstable.", "done")
    figures = (failed.val_accuracy, failed.test_accuracy, failed.test_low, failed.auc, failed.bits)
    assert figures == (None,) * 5
    assert failed.floor == pytest.approx(5 / 8)
    assert failed.counts.test[1] > 0
    fails = False
    assert suite(tmp_path, baselines=()).run(1)[0].state != "failed"
    assert attacked == ["ant", "dog", "ant"]


def test_an_attack_that_still_rises_says_so(tmp_path: Path) -> None:
    cells = suite(tmp_path, plan(attack=replace(ATTACK, max_iterations=4)), baselines=()).run(1)
    assert {(cell.state, cell.note) for cell in cells} == {
        ("inconclusive", "validation was still rising at the budget's end")
    }
    assert cells[0].test_accuracy is not None


def test_another_fault_stops_the_run_and_leaves_the_finished_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **named: Any) -> Outcome:
        if str(arguments[3]) == "dog":
            raise KeyboardInterrupt
        return attack(*arguments, **named)

    monkeypatch.setattr(ATTACK_OF_SUITE, interrupted)
    threads = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        suite(tmp_path, baselines=()).run(1)
    assert torch.get_num_threads() == threads
    assert [path.name for path in (tmp_path / "cells").iterdir()] == ["encoder--ant.json"]


def test_unknown_tasks_and_empty_parts_are_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        suite(tmp_path, plan(tasks=("ant", "dgo")))
    assert str(error.value) == (
        "tasks: 'dgo' is no category of these images; the nearest is 'dog'. "
        "The categories are: ant, bee, cat, dog, eel"
    )
    few = np.flatnonzero((TABLE.labels != 1) | (np.arange(len(TABLE)) == 60))
    labels = by_category(CATEGORIES, TABLE.labels[few])
    poor = replace(TABLE, pixels=TABLE.pixels[few], keys=TABLE.keys[few], attributes=labels)
    with pytest.raises(InputError, match=r"^too few images: the \w+ part has no image of bee"):
        suite(tmp_path, table=poor)
    assert list(tmp_path.iterdir()) == []


def test_cells_that_ended_before_the_deadline_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def second_waits(*given: Any, watch: Callable[[Point], None], **named: Any) -> Outcome:
        if any((tmp_path / "cells").iterdir()):
            for _ in range(6000):
                watch(Point(1, 0.1, 0.5, 0.5, 0.5))
                time.sleep(0.01)
        return attack(*given, watch=watch, **named)

    def wait_for_the_first(futures: list[Future[Cell]], seconds: float, _: str) -> tuple[Any, Any]:
        assert 3000 < seconds < 3600
        return wait(futures[:1])[0], set(futures[1:])

    monkeypatch.setattr(ATTACK_OF_SUITE, second_waits)
    monkeypatch.setattr("scotoma.verification.side_by_side.wait", wait_for_the_first)
    with pytest.raises(TimeLimitReached) as error:
        suite(tmp_path).run(1, time.monotonic() + 3600)
    assert str(error.value) == "The time limit is reached: 1 of 4 attacks have ended."
    assert [each.name for each in (tmp_path / "cells").iterdir()] == ["blur--ant.json"]


def test_subjects_come_in_the_table_s_order_and_tell_what_they_are() -> None:
    subjects = subjects_of(encoder(), ("blur", "identity"), ENCODER, ATTACK)
    assert [subject.name for subject in subjects] == ["identity", "blur", "encoder"]
    assert [subject.kind for subject in subjects] == ["identity", "blur", "trained"]
    assert [subject.code_shape for subject in subjects] == [(1, 8, 8), (1, 4, 4), (3, 4, 4)]
    assert [subject.views for subject in subjects] == [0, 2, 2]
    assert subjects[2].summary().digest == "e" * 32
    assert subjects_of(None, (), ENCODER, ATTACK) == []
