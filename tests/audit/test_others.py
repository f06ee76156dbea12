from pathlib import Path

import numpy as np
import pytest

from scotoma.audit.cells import Attempts
from scotoma.audit.examples import Floats, Labels, Logits
from scotoma.audit.others import TOO_FEW, attack_others, lacking, other_tasks, within_classes
from scotoma.audit.protocol import Said
from scotoma.audit.queue import Crew
from scotoma.data.table import MISSING, ImageTable
from scotoma.runs.verdict import Attempt
from scotoma.verification.statistics import balanced_accuracy_interval
from tests.audit.attribute_subjects import LINEAR, NETWORK, attribute_table, material_of, task_of
from tests.examples import image_table

IMAGES = 1000


def noise(seed: int = 9) -> Floats:
    return np.random.default_rng(seed).normal(size=(IMAGES, 6)).astype(np.float32)


def labelled() -> ImageTable:
    random = np.random.default_rng(4)
    names = ("hidden", "kept", "shown", "unseen")
    labels: dict[str, Labels] = {name: random.integers(2, size=IMAGES) for name in names}
    labels["rare"] = (np.arange(IMAGES) < 6).astype(np.int64)
    labels["unseen"][:100] = MISSING
    return attribute_table(labels)


def said_of(choosing: Logits, test: Logits) -> Said:
    attempt = Attempt("winner", "all", 0, "done", 0.5, 0.5, 0.5, 1.0)
    return Said(attempt, 0.7, choosing, test)


def test_other_tasks_are_what_was_not_named() -> None:
    table = labelled()
    named = [task_of("hidden", table), task_of("kept", table)]
    assert [str(task) for task in other_tasks(table, named)] == ["shown", "unseen", "rare"]
    folders = image_table()
    assert [str(task) for task in other_tasks(folders, [task_of("ant", folders)])] == [
        "bee",
        "cat",
        "dog",
        "eel",
    ]
    assert other_tasks(table, other_tasks(table, [])) == []


def test_a_task_that_codes_show_is_found_and_one_that_they_do_not_is_not(tmp_path: Path) -> None:
    table, codes = labelled(), noise()
    codes[:, 2] += 6 * table.attributes["shown"].labels
    material = material_of(codes, table)
    tasks = [task_of(name, table) for name in ("shown", "unseen", "rare")]
    attempts = Attempts(tmp_path, ["about"])
    shown, unseen, rare = attack_others(tasks, [LINEAR, NETWORK], material, attempts, 0, Crew(1))
    assert shown.accuracy is not None and shown.accuracy.low > 0.95
    assert shown.attacker in ("linear", "network")
    assert sum(shown.counts) == len(material.rows["test"]) > sum(unseen.counts)
    assert unseen.accuracy is not None and unseen.accuracy.low < 0.5 < unseen.accuracy.high
    assert (rare.accuracy, rare.attacker) == (None, "")
    assert (
        rare.note
        == lacking(material, tasks[2])
        == "too few images: 4 of rare 1 in the all part, 10 are needed"
    )
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 4
    before = [path.stat().st_mtime_ns for path in kept]
    again = attack_others(tasks, [LINEAR, NETWORK], material, attempts, 0, Crew(1))
    assert again == (shown, unseen, rare)
    assert [path.stat().st_mtime_ns for path in kept] == before


def test_within_a_class_only_what_the_kept_label_does_not_tell_counts() -> None:
    """Who knows the kept label alone tells a dependent hidden one, but nothing within a class."""
    random = np.random.default_rng(0)
    kept = random.integers(2, size=IMAGES)
    hidden = np.where(random.random(IMAGES) < 0.8, kept, 1 - kept)
    table = attribute_table({"hidden": hidden, "kept": kept})
    material = material_of(noise(), table)
    by_kept, by_hidden = (
        {part: np.log(np.eye(2) * 0.6 + 0.2)[labels[material.rows[part]]] for part in ("choosing", "test")}
        for labels in (kept, hidden)
    )
    task, kept_task = task_of("hidden", table), task_of("kept", table)
    for found in within_classes({task: said_of(**by_kept)}, [kept_task], material):
        assert found.accuracy is not None and found.accuracy.value == 0.5
    first, second = within_classes({task: said_of(**by_hidden)}, [kept_task], material)
    assert (first.kept_class, second.kept_class) == ("kept 0", "kept 1")
    test = material.rows["test"]
    for number, found in enumerate((first, second)):
        assert found.accuracy is not None and found.accuracy.value == 1
        assert found.counts == tuple(np.bincount(hidden[test][kept[test] == number]).tolist())
        assert (found.hidden, found.kept, found.classes) == ("hidden", "kept", ("hidden 0", "hidden 1"))
        assert (found.attacker, found.note) == ("winner", "")


def test_within_a_class_the_threshold_moves_to_the_odds_of_that_class() -> None:
    """An attacker that always leans to one class within a class of the kept task still ranks images."""
    random = np.random.default_rng(0)
    kept, hidden = random.integers(2, size=IMAGES), random.integers(2, size=IMAGES)
    table = attribute_table({"hidden": hidden, "kept": kept})
    material = material_of(noise(), table)
    value = (2 * hidden - 1) + random.normal(size=IMAGES) + 30 * kept
    logits = np.stack([-value / 2, value / 2], axis=1)
    told = said_of(*(logits[material.rows[part]] for part in ("choosing", "test")))
    task = task_of("hidden", table)
    _, second = within_classes({task: told}, [task_of("kept", table)], material)
    assert second.accuracy is not None
    assert second.accuracy.value == pytest.approx(0.84, abs=0.06)  # of the standard normal distribution at 1
    rows = material.rows["test"]
    rows = rows[kept[rows] == 1]
    untold = balanced_accuracy_interval(hidden[rows] == 1, hidden[rows], task)
    assert untold.estimate == 0.5


def test_an_interval_is_that_of_the_images_of_the_class() -> None:
    random = np.random.default_rng(2)
    kept, hidden = random.integers(2, size=IMAGES), random.integers(2, size=IMAGES)
    table = attribute_table({"hidden": hidden, "kept": kept})
    material = material_of(noise(), table)
    right = random.random(IMAGES) < 0.7
    told = np.where(right, hidden, 1 - hidden)
    logits = np.log(np.eye(2) * 0.6 + 0.2)[told]
    said = said_of(*(logits[material.rows[part]] for part in ("choosing", "test")))
    task = task_of("hidden", table)
    first, _ = within_classes({task: said}, [task_of("kept", table)], material)
    rows = material.rows["test"]
    rows = rows[kept[rows] == 0]
    expected = balanced_accuracy_interval(right[rows], hidden[rows], task)
    assert first.accuracy is not None
    assert (first.accuracy.value, first.accuracy.low, first.accuracy.high) == pytest.approx(
        (expected.estimate, expected.low, expected.high)
    )


def test_too_few_images_of_a_class_are_said_and_not_scored() -> None:
    table = image_table(per_category=100)
    material = material_of(np.zeros((500, 3), np.float32), table)
    task, kept = task_of("ant", table), task_of("dog", table)
    said = said_of(*(np.zeros((len(material.rows[part]), 2)) for part in ("choosing", "test")))
    other, dog = within_classes({task: said}, [kept], material)
    assert other.kept_class == "other"
    assert other.accuracy is not None and min(other.counts) >= TOO_FEW
    assert dog.accuracy is None
    assert dog.note == "too few: fewer than 20 test images of a class"
    assert dog.counts[1] == 0
