from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from scotoma.data.sampling import BalancedRows, Batches, generator, require_every_class
from scotoma.data.table import Attribute, by_category
from scotoma.data.tasks import Task, attack_tasks, training_tasks
from scotoma.errors import InputError
from tests.examples import CATEGORIES, PREPROCESSING, image_table

# Very unequal: 5 ants, 10 bees, 20 cats, 40 dogs, 80 eels.
LABELS = np.repeat(np.arange(5), [5, 10, 20, 40, 80])
ROWS = np.arange(len(LABELS))


def test_numbers_of_a_batch_do_not_depend_on_others() -> None:
    first = generator(7, 3).random(4)
    generator(7, 2).random(1000)
    assert (generator(7, 3).random(4) == first).all()
    assert len({float(generator(seed, batch).random()) for seed in range(5) for batch in range(5)}) == 25
    # 63-bit seeds and the largest batch number of the paper's run.
    assert generator(2**63 - 1, 4_305_000).random() < 1


@pytest.mark.parametrize("names", [("cat",), ("cat", "ant"), ("ant", "bee", "cat", "dog")])
@pytest.mark.parametrize("count", [12, 13, 64])
def test_classes_are_balanced_exactly(names: tuple[str, ...], count: int) -> None:
    task = Task(names, CATEGORIES)
    balanced = BalancedRows(LABELS, ROWS, task)
    larger = set()
    for number in range(30):
        rows, classes = balanced.draw(count, generator(0, number))
        assert (task.classes_of(LABELS[rows]) == classes).all()
        sizes = np.bincount(classes, minlength=task.classes)
        assert sizes.max() - sizes.min() <= 1
        larger |= set(np.flatnonzero(sizes == sizes.max()).tolist())
    # Where they cannot be equal, each class is among the larger ones now and then.
    assert larger == set(range(task.classes))


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(-1, 3), min_size=4, max_size=40), st.integers(1, 40), st.integers(0, 2**63 - 1))
def test_values_of_an_attribute_are_drawn_alike_and_missing_ones_never(
    labels: list[int], count: int, seed: int
) -> None:
    known = np.array([0, 1, 2, 3, *labels])
    values = ("black", "blond", "brown", "red")
    task = Task(values[1:], values, attribute="hair")
    balanced = BalancedRows(known, np.arange(len(known)), task)
    drawn, classes = balanced.draw(count, generator(seed, 0))
    assert (known[drawn] == classes).all() and classes.min() >= 0
    sizes = np.bincount(classes, minlength=4)
    assert sizes.sum() == count and sizes.max() - sizes.min() <= 1


def test_a_value_of_an_attribute_without_images_is_told() -> None:
    hair = Attribute(("black", "blond", "brown"), np.array([0, 1, -1, 0, 2]))
    male = Attribute(("not Male", "Male"), np.array([0, 1, 1, -1, -1]))
    made = image_table(per_category=1)
    table = replace(made, attributes={"hair": hair, "Male": male})
    tasks = attack_tasks(["hair", "Male"], table.attributes)
    with pytest.raises(InputError) as error:
        require_every_class(table, tasks, {"training": ROWS[:4], "test": ROWS[2:5]})
    assert str(error.value) == (
        "too few images: the training part has no image of hair: brown; the test part has no image of hair: "
        "blond; the test part has no image of not Male. Add images, or leave attributes out"
    )


def test_negatives_are_uniform_over_categories_and_images_within_them() -> None:
    balanced = BalancedRows(LABELS, ROWS, Task(("cat",), CATEGORIES))
    drawn = np.concatenate([balanced.draw(100, generator(1, number))[0] for number in range(200)])
    by_category = np.bincount(LABELS[drawn], minlength=5)
    assert by_category[2] == 10_000
    # Fails by chance once in 10,000 seeds; the seed is fixed.
    assert chisquare(by_category[[0, 1, 3, 4]]).pvalue > 1e-4
    for label in range(5):
        of_category = np.bincount(drawn[LABELS[drawn] == label], minlength=len(LABELS))[label == LABELS]
        assert chisquare(of_category).pvalue > 1e-4


def test_only_the_given_rows_are_drawn() -> None:
    rows = ROWS[::3]
    drawn, _ = BalancedRows(LABELS, rows, Task(("cat",), CATEGORIES)).draw(500, generator(0, 0))
    assert set(drawn.tolist()) <= set(rows.tolist())


def test_a_category_without_images_is_told() -> None:
    with pytest.raises(InputError) as error:
        BalancedRows(LABELS, ROWS[:15], Task(("ant",), CATEGORIES))
    assert str(error.value) == (
        "too few images: of 15 to train on there is none of cat, dog, eel. Add images, or leave out what has "
        "so few"
    )


def test_parts_without_a_category_are_told_all_at_once() -> None:
    table = replace(image_table(), attributes=by_category(CATEGORIES, LABELS))
    tasks = [Task(("ant",), CATEGORIES), Task(("dog",), CATEGORIES)]
    require_every_class(table, tasks, {"training": ROWS})
    parts = {"training": ROWS, "validation": ROWS[:15], "test": np.flatnonzero(LABELS != 1)}
    with pytest.raises(InputError) as error:
        require_every_class(table, tasks, parts)
    assert str(error.value) == (
        "too few images: the validation part has no image of cat, dog, eel; the test part has no image "
        "of bee. Add images, or leave categories out"
    )


def batches(seed: int = 3, hide: str = "ant", keep: tuple[str, ...] = ("dog", "eel")) -> Batches:
    table = image_table()
    hidden, kept = training_tasks([hide], keep, image_table().attributes)
    return Batches(table, np.arange(0, len(table), 2), [*hidden, *kept], 12, PREPROCESSING, seed)


def test_a_batch_is_a_pure_function_of_seed_and_number() -> None:
    one, other = batches(), batches()
    for number in (5, 0, 1_000_000):
        other.at(99)
        first, again = one.at(number), other.at(number)
        assert torch.equal(first.images, again.images)
        assert all(map(torch.equal, first.labels, again.labels))
        assert first.seed == again.seed
    assert not torch.equal(one.at(0).images, one.at(1).images)
    assert one.at(0).seed != one.at(1).seed
    assert not torch.equal(one.at(0).images, batches(seed=4).at(0).images)


def test_hidden_and_kept_images_share_one_batch_each_balanced_on_its_own() -> None:
    batch = batches().at(0)
    assert batch.images.shape == (24, 1, 8, 8)
    assert [np.bincount(labels).tolist() for labels in batch.labels] == [[6, 6], [4, 4, 4]]
    hidden, kept = batch.split(batch.images)
    assert torch.equal(torch.cat([hidden, kept]), batch.images)
    assert [len(share) for share in (hidden, kept)] == [12, 12]


def test_images_of_a_share_show_its_labels() -> None:
    """Brightness tells the category: 29.5 + 40 k on average."""
    batch = batches().at(1)
    hidden, kept = ((images.mean((1, 2, 3)) + 1) * 127.5 for images in batch.split(batch.images))
    assert torch.equal(hidden < 50, batch.labels[0] == 1)
    assert torch.equal(((kept - 29.5) / 40).round() == 3, batch.labels[1] == 1)
    assert torch.equal(((kept - 29.5) / 40).round() == 4, batch.labels[1] == 2)


def test_hidden_images_are_not_drawn_from_what_is_set_apart() -> None:
    """Ants against bees and cats, as dogs and eels are kept; the kept head sees all."""
    table = image_table()
    hidden, kept = training_tasks(["ant"], ["dog", "eel"], image_table().attributes, kept_apart=True)
    batch = Batches(table, np.arange(len(table)), [*hidden, *kept], 120, PREPROCESSING, 3).at(0)
    for images, found in zip(batch.split(batch.images), ({0, 1, 2}, {0, 1, 2, 3, 4}), strict=True):
        brightness = (images.mean((1, 2, 3)) + 1) * 127.5
        assert set(((brightness - 29.5) / 40).round().int().tolist()) == found
    assert [np.bincount(labels).tolist() for labels in batch.labels] == [[60, 60], [40, 40, 40]]
