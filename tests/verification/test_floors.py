from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from scotoma.data.splits import Fractions, Split, SplitRecipe, divide
from scotoma.data.table import MISSING, Attribute, ImageTable
from scotoma.data.tasks import Task, attack_tasks
from scotoma.metrics import image_weights
from scotoma.verification.floors import Known, floor_of, label_only_right, right_by_label
from scotoma.verification.significance import paired_excess
from tests.examples import CATEGORIES, image_table

TABLE = image_table()
PARTS = divide(TABLE, SplitRecipe(3, Fractions()))
ANT = Task(("ant",), CATEGORIES)


def balanced(right: np.ndarray[tuple[int], np.dtype[np.bool_]], task: Task, table: ImageTable) -> float:
    labels = task.labels_in(table)[PARTS.test]
    weights = image_weights(task, labels[labels != MISSING])
    return float(weights[right].sum() / weights.sum())


def floor(task: Task, keep: Sequence[str], table: ImageTable, parts: Split) -> float:
    labels = task.labels_in(table)[parts.test]
    return floor_of(task, labels[labels != MISSING], label_only_right(task, keep, table, parts))


def with_attributes() -> ImageTable:
    """Smiling follows Male in three of four images, and of some images Male is not known."""
    random = np.random.default_rng(0)
    male = random.integers(2, size=len(TABLE))
    smiling = np.where(random.random(len(TABLE)) < 0.75, male, 1 - male)
    male[::7] = MISSING
    smiling[::11] = MISSING
    return replace(
        TABLE,
        attributes={
            "Male": Attribute(("no", "yes"), male),
            "Smiling": Attribute(("no", "yes"), smiling),
            "hair": Attribute(("black", "blond", "brown"), random.integers(3, size=len(TABLE))),
        },
    )


@pytest.mark.parametrize("keep", [("dog",), ("bee", "dog"), ("bee", "cat", "dog"), ("dog", "elk")])
def test_the_floor_is_the_accuracy_of_what_is_right(keep: Sequence[str]) -> None:
    right = label_only_right(ANT, keep, TABLE, PARTS)
    assert right.shape == PARTS.test.shape
    assert balanced(right, ANT, TABLE) == floor(ANT, keep, TABLE, PARTS) > 0.6


@pytest.mark.parametrize(("hidden", "keep"), [("Male", ("Smiling",)), ("Smiling", ("Male", "hair"))])
def test_the_floor_of_an_attribute_is_the_accuracy_of_what_is_right(hidden: str, keep: Sequence[str]) -> None:
    table = with_attributes()
    (task,) = attack_tasks([hidden], table.attributes)
    right = label_only_right(task, keep, table, PARTS)
    assert len(right) == (table.attributes[hidden].labels[PARTS.test] != MISSING).sum() < len(PARTS.test)
    assert balanced(right, task, table) == floor(task, keep, table, PARTS) > 0.65


def test_the_floor_is_never_below_guessing() -> None:
    """Kept labels that say nothing give a rule that is right by chance more or less often than guessing."""
    (task,) = attack_tasks(["h"], {"h": Attribute(("no", "yes"), np.zeros(1, np.int64))})
    floors = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        labels = {name: Attribute(("no", "yes"), random.integers(2, size=len(TABLE))) for name in "hk"}
        floors.append(floor(task, ("k",), replace(TABLE, attributes=labels), PARTS))
    assert min(floors) == 0.5
    assert floors.count(0.5) > 10


def test_a_rule_that_fails_on_the_test_images_gives_way_to_guessing() -> None:
    """Kept and hidden label agree in training and contradict each other in the test: who names one class for
    all is better, and nothing that is no better leaks.
    """
    (task,) = attack_tasks(["h"], {"h": Attribute(("no", "yes"), np.zeros(1, np.int64))})
    kept = np.random.default_rng(0).integers(2, size=len(TABLE))
    hidden = kept.copy()
    hidden[PARTS.test] = 1 - kept[PARTS.test]
    labels = {"h": Attribute(("no", "yes"), hidden), "k": Attribute(("no", "yes"), kept)}
    table = replace(TABLE, attributes=labels)
    right = label_only_right(task, ("k",), table, PARTS)
    assert (right == (hidden[PARTS.test] == 0)).all()
    assert floor(task, ("k",), table, PARTS) == 0.5
    constant = hidden[PARTS.test] == 1
    assert paired_excess(constant, right, hidden[PARTS.test], task).p > 0.3


def test_a_rule_is_tried_on_units_that_it_has_not_learned_from() -> None:
    """Every person has a kept label of his own, which tells his hidden one: what is learned by heart is true
    of his images and of nobody else's.
    """
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(60), 10)
    hidden = random.integers(2, size=60)[person]
    known = Known(hidden, person[:, None], person)
    (task,) = attack_tasks(["h"], {"h": Attribute(("no", "yes"), np.zeros(1, np.int64))})
    assert (right_by_label(task, known, known) == (hidden == 0)).all()
    assert right_by_label(task, replace(known, units=None), known).all()


def test_what_follows_from_many_kept_labels_by_a_tree_is_learned_as_one() -> None:
    """Twelve kept labels: one says which two others have to differ. Most combinations come once, and no sum
    over labels or pairs of them says it.
    """
    random = np.random.default_rng(3)
    kept = random.integers(2, size=(3000, 12))
    a, b, c, d, e = kept.T[:5]
    hidden = np.where(a == 1, b ^ c, d ^ e) ^ (random.random(3000) < 0.05)
    training, test = (Known(hidden[some], kept[some]) for some in (slice(2000), slice(2000, None)))
    (task,) = attack_tasks(["h"], {"h": Attribute(("no", "yes"), np.zeros(1, np.int64))})
    assert right_by_label(task, training, test).mean() > 0.9


def test_which_images_are_right() -> None:
    """Kept is dog: of the dogs it is known that they are no ants, of all others ant is the best guess."""
    categories = np.array(CATEGORIES)[TABLE.labels[PARTS.test]]
    right = label_only_right(ANT, ["dog"], TABLE, PARTS)
    assert (right == np.isin(categories, ["ant", "dog"])).all()


@pytest.mark.parametrize("keep", [(), ("elk",), ("ant",), ("ant", "dog")])
def test_who_knows_nothing_names_one_class(keep: Sequence[str]) -> None:
    """Nothing is kept, nothing that these images show, or the task itself."""
    classes = ANT.classes_of(TABLE.labels[PARTS.test])
    right = label_only_right(ANT, keep, TABLE, PARTS)
    assert any((right == (classes == index)).all() for index in range(2))
    assert balanced(right, ANT, TABLE) == pytest.approx(0.5)
    assert floor(ANT, keep, TABLE, PARTS) == 0.5


def test_the_rule_comes_from_training_images() -> None:
    """All test images of which the kept label is dog are said to be what the training dogs are."""
    rows = np.arange(len(TABLE))
    parts = Split(rows[:200], rows[:0], rows[:0], rows[200:])  # the training images lack eels and some dogs
    right = label_only_right(ANT, ["dog"], TABLE, parts)
    categories = np.array(CATEGORIES)[TABLE.labels[200:]]
    assert set(categories) == {"dog", "eel"}
    assert (right == (categories == "dog")).all()
