from dataclasses import replace

import numpy as np
import pytest

from scotoma.data.table import Attribute, by_category
from scotoma.data.tasks import Task, attack_tasks, known_names, training_tasks
from scotoma.errors import InputError

GROUP = ("arch", "bar", "church", "dam", "office")
ATTRIBUTES = by_category(GROUP, np.arange(5))


def test_a_binary_task_sets_a_category_against_the_others() -> None:
    task = Task(("church",), GROUP)
    assert (str(task), task.classes) == ("church", 2)
    assert task.classes_of(np.array([0, 2, 4, 2])).tolist() == [0, 1, 0, 1]


def test_several_names_are_one_task_in_the_order_of_the_names() -> None:
    task = Task(("office", "arch"), GROUP)
    assert (str(task), task.classes) == ("office+arch", 3)
    assert task.classes_of(np.arange(5)).tolist() == [2, 0, 0, 0, 1]


def test_weights_count_classes_alike_and_categories_within_other() -> None:
    assert Task(("church",), GROUP).category_weights() == pytest.approx([1 / 8, 1 / 8, 1 / 2, 1 / 8, 1 / 8])
    two = Task(("office", "arch"), GROUP).category_weights()
    assert two == pytest.approx([1 / 3, 1 / 9, 1 / 9, 1 / 9, 1 / 3])


def test_training_has_a_head_for_each_hidden_and_one_for_all_kept() -> None:
    hidden, kept = training_tasks(["arch", "dam"], ["office", "bar"], ATTRIBUTES)
    assert [str(task) for task in hidden] == ["arch", "dam"]
    assert [(str(task), task.classes) for task in kept] == [("office+bar", 3)]
    assert training_tasks(["arch"], [], ATTRIBUTES)[1] == []
    # 'Other' of the kept head includes what is hidden.
    assert kept[0].classes_of(np.array([0, 3])).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("hide", "keep", "message"),
    [
        ([], ["bar"], "nothing to hide was named; name at least one category with --hide"),
        (
            ["arch", "bar"],
            ["bar", "dam", "arch"],
            "both hidden and kept: arch, bar; a category can be only one of them",
        ),
        (
            ["chruch", "officee"],
            [],
            "hide: 'chruch' is no category of these images; the nearest is 'church'; 'officee' is no "
            "category of these images; the nearest is 'office'. "
            "The categories are: arch, bar, church, dam, office",
        ),
        (
            ["arch"],
            ["bar", "bar"],
            "keep: 'bar' is named twice. The categories are: arch, bar, church, dam, office",
        ),
        (
            ["arch"],
            ["bar", "church", "dam", "office"],
            "every category but arch is kept: what is none of them is arch, which cannot be hidden then; "
            "keep fewer categories, or add one that is neither hidden nor kept",
        ),
    ],
)
def test_impossible_names(hide: list[str], keep: list[str], message: str) -> None:
    with pytest.raises(InputError) as error:
        training_tasks(hide, keep, ATTRIBUTES)
    assert str(error.value) == message


def test_a_task_needs_others() -> None:
    with pytest.raises(InputError) as error:
        Task(("a", "b"), ("a", "b"))
    assert str(error.value) == (
        "task a+b: all 2 categories are named, nothing is left for 'other'; name fewer categories"
    )


def test_names_that_are_known_pass() -> None:
    known_names(["bar", "dam"], GROUP, "tasks")


def test_what_is_set_apart_is_not_drawn_and_counts_all_the_same() -> None:
    task = Task(("church",), GROUP, apart=("office", "bar"))
    assert [drawn.tolist() for drawn in task.drawn()] == [[0, 3], [2]]
    assert task.is_apart(np.array([4, 0, 1, 2])).tolist() == [True, False, True, False]
    assert task.category_weights() == pytest.approx(Task(("church",), GROUP).category_weights())
    assert [drawn.tolist() for drawn in Task(("church",), GROUP).drawn()] == [[0, 1, 3, 4], [2]]


def test_kept_categories_are_set_apart_from_hidden_heads_only() -> None:
    hidden, kept = training_tasks(["arch", "dam"], ["office", "bar"], ATTRIBUTES, kept_apart=True)
    assert [task.apart for task in (*hidden, *kept)] == [("office", "bar"), ("office", "bar"), ()]
    assert [heads[0].apart for heads in training_tasks(["arch"], ["bar"], ATTRIBUTES)] == [(), ()]


def test_something_must_be_left_to_be_told_from() -> None:
    with pytest.raises(InputError) as error:
        Task(("a",), ("a", "b", "c"), apart=("b", "c"))
    assert str(error.value) == (
        "task a: all 3 categories are named, nothing is left for 'other'; name fewer categories"
    )


FACES = {
    "Male": Attribute(("not Male", "Male"), np.array([1, 0, -1, 1])),
    "hair": Attribute(("black", "blond", "brown"), np.array([0, 2, 1, -1])),
    "age>=35": Attribute(("not age>=35", "age>=35"), np.array([0, 0, 1, 1])),
}


def test_what_is_kept_under_another_name_cannot_be_hidden() -> None:
    both = FACES | {
        "Male=not Male": Attribute(("Male", "not Male"), np.array([0, 1, -1, 0])),
        "Beard": Attribute(("not Beard", "Beard"), np.array([1, 0, 0, 0])),
    }
    with pytest.raises(InputError) as error:
        training_tasks(["Male"], ["age>=35", "Male=not Male", "Beard"], both)
    assert (
        str(error.value)
        == "Male=not Male says the same of every image as Male: what is kept cannot be hidden"
    )


def test_unknown_names_on_both_sides_are_told_at_once() -> None:
    with pytest.raises(InputError) as error:
        training_tasks(["Mal"], ["hairs"], FACES)
    there = "The attributes are: Male, hair, age>=35"
    assert str(error.value).splitlines() == [
        f"hide: 'Mal' is no attribute of these images; the nearest is 'Male'. {there}",
        f"keep: 'hairs' is no attribute of these images; the nearest is 'hair'. {there}",
    ]
    with pytest.raises(InputError) as error:
        training_tasks(["arc"], ["baar"], ATTRIBUTES)
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == ["hide", "keep"]


def test_attributes_have_a_head_each_with_their_values_for_classes() -> None:
    hidden, kept = training_tasks(["hair"], ["age>=35", "Male"], FACES, kept_apart=True)
    assert [(str(task), task.classes, task.class_names) for task in hidden] == [
        ("hair", 3, ("black", "blond", "brown"))
    ]
    assert [(str(task), task.class_names) for task in kept] == [
        ("age>=35", ("not age>=35", "age>=35")),
        ("Male", ("not Male", "Male")),
    ]
    assert hidden[0].category_weights() == pytest.approx([1 / 3] * 3)
    assert not hidden[0].is_apart(np.array([0, 1, 2, -1])).any()


def test_a_column_may_be_called_category() -> None:
    """Nothing but folders makes an attribute that stands for categories."""
    table = {"category": FACES["hair"], "Male": FACES["Male"]}
    hidden, kept = training_tasks(["Male"], ["category"], table)
    assert [(str(task), task.class_names) for task in (*hidden, *kept)] == [
        ("Male", ("not Male", "Male")),
        ("category", ("black", "blond", "brown")),
    ]
    assert attack_tasks(["category"], table) == kept


def test_what_a_kept_attribute_tells_cannot_be_hidden() -> None:
    hair = np.random.default_rng(0).integers(3, size=60)
    of = {
        "hair": Attribute(("black", "blond", "brown"), hair),
        "hair=black": Attribute(("no", "yes"), (hair == 0).astype(np.int64)),
    }
    with pytest.raises(InputError) as error:
        training_tasks(["hair=black"], ["hair"], of)
    assert str(error.value) == "hair tells hair=black of every image: what is kept cannot be hidden"
    training_tasks(["hair"], ["hair=black"], of)  # brown and blond can still be hidden
    few = {name: replace(each, labels=each.labels[:20]) for name, each in of.items()}
    training_tasks(["hair=black"], ["hair"], few)  # which may be chance
    with pytest.raises(InputError) as error:
        training_tasks(["hair=black", "again"], [], {**of, "again": of["hair=black"]})
    assert str(error.value) == "again says the same of every image as hair=black: name one of them"


def test_a_missing_label_has_no_class() -> None:
    (task,) = attack_tasks(["hair"], FACES)
    assert task.classes_of(FACES["hair"].labels).tolist() == [0, 2, 1, -1]


def test_unknown_attributes_are_told() -> None:
    with pytest.raises(InputError) as error:
        attack_tasks(["Mal", "Smiling"], FACES)
    assert str(error.value) == (
        "tasks: 'Mal' is no attribute of these images; the nearest is 'Male'; 'Smiling' is no attribute of "
        "these images; the nearest is 'Male'. The attributes are: Male, hair, age>=35"
    )


def test_names_are_suggested_in_any_case_and_commas_are_explained() -> None:
    with pytest.raises(InputError) as error:
        known_names(["BAR"], ["office", "bar", "a,b"], "hide")
    assert str(error.value) == (
        "hide: 'BAR' is no category of these images; the nearest is 'bar'. The categories are: office, bar, "
        "a,b. On the command line a name with a comma stands in double quotes, as in '\"a,b\",c'"
    )
