from dataclasses import replace

import numpy as np
import pytest

from scotoma.data.splits import Fractions, SplitRecipe, divide, parts_digest
from scotoma.data.table import Attribute, ImageTable, Sides
from scotoma.data.units import units
from scotoma.encoder_file import UNNAMED, Card
from scotoma.errors import InputError
from scotoma.verification.parts import are_of_training, divide_as_in_training, require_same_parts
from tests.examples import CLASSIFIER, ENCODER, PREPROCESSING, image_table

RECIPE = SplitRecipe(3, Fractions())
IN_ANOTHER_WAY = (
    "These are the images of training, but they are divided in another way: the encoder has seen some of "
    "those that would test it. Give the table, or the lists of files, that training was given."
)
MUST_BE = "The images must be divided as in training, or the encoder has seen what tests it: "
OPEN = " Open them with the labelling of training."


def images(count: int = 300) -> ImageTable:
    random = np.random.default_rng(5)
    labels = {name: Attribute(("no", "yes"), random.integers(0, 2, 300)[:count]) for name in "hkx"}
    keys = np.array([f"{number:032x}" for number in range(count)])
    return ImageTable(np.zeros((count, 2, 2, 1), np.uint8), keys, labels, "made up")


def grouped(table: ImageTable, each: int = 6, by: str = "person") -> ImageTable:
    persons = [f"p{number // each}" for number in range(len(table))]
    return replace(table, units=units(table.keys, persons), sides=Sides(group_by=by))


def card(table: ImageTable, *named: str, sides: Sides | None = None) -> Card:
    """Of an encoder that was trained on a table to hide h and keep k, or an anonymous one."""
    hide, keep = ((named[0],), named[1:]) if named else (None, None)
    digest = table.digest(["h", "k"])
    recipe = replace(RECIPE, sides=table.sides if sides is None else sides)
    parts = parts_digest(table, divide(table, RECIPE))
    return Card(ENCODER, PREPROCESSING, CLASSIFIER, recipe, digest, hide, keep, None, parts)


def refused(card: Card, table: ImageTable) -> str:
    with pytest.raises(InputError) as caught:
        divide_as_in_training(card, table)
    return str(caught.value)


def without(table: ImageTable, *names: str) -> ImageTable:
    left = {name: each for name, each in table.attributes.items() if name not in names}
    return replace(table, attributes=left)


@pytest.mark.parametrize("named", [("h", "k"), ()])
def test_images_of_training_have_the_parts_that_they_had(named: tuple[str, ...]) -> None:
    table = grouped(images())
    parts, expected = divide_as_in_training(card(table, *named), table), divide(table, RECIPE)
    for part, rows in vars(expected).items():
        assert np.array_equal(vars(parts)[part], rows), part


def test_images_of_training_that_are_divided_in_another_way_are_refused() -> None:
    trained = card(grouped(images()), "h", "k")
    assert refused(trained, images()) == IN_ANOTHER_WAY
    assert refused(trained, grouped(images(), each=4)) == IN_ANOTHER_WAY


def test_of_an_anonymous_encoder_categories_and_all_attributes_are_tried() -> None:
    categories = image_table()
    trained = card(replace(categories, units=grouped(categories).units))
    assert refused(trained, categories) == IN_ANOTHER_WAY
    table = without(images(), "x")
    assert refused(card(grouped(table)), table) == IN_ANOTHER_WAY


@pytest.mark.parametrize("there", [images(), images(299), without(images(), "h")])
def test_what_decides_on_sides_is_compared_where_labels_cannot_tell(there: ImageTable) -> None:
    anonymous = card(grouped(images()), sides=Sides(group_by=UNNAMED))
    assert refused(anonymous, there) == f"{MUST_BE}group_by was '(not named)' and is None.{OPEN}"
    trained = replace(card(grouped(images()), "h", "k"), data_digest="of others")
    assert refused(trained, there) == f"{MUST_BE}group_by was 'person' and is None.{OPEN}"
    near = replace(there, sides=Sides(group_by="place", near_duplicates=True))
    assert refused(trained, near) == (
        f"{MUST_BE}group_by was 'person' and is 'place'; near_duplicates was False and is True.{OPEN}"
    )


def test_other_images_may_be_neighbours_of_those_of_training() -> None:
    near = replace(images(), units=images().keys, sides=Sides(near_duplicates=True))
    fewer = replace(images(299), units=images(299).keys, sides=Sides(near_duplicates=True))
    assert refused(card(near, "h", "k"), fewer) == (
        "In training nearly equal images were kept together, and these are other images. One that is near to "
        "some of training can move them to another part, and the encoder has seen what tests it: give the "
        "images of training, all of them."
    )
    assert len(divide_as_in_training(card(near, "h", "k"), near).test) > 0


@pytest.mark.parametrize("shared", ["in training", "now"])
def test_groups_that_share_an_image_may_part_without_it(shared: str) -> None:
    """Of two persons with one and the same photograph each is named by both."""
    table = grouped(images())
    joined = replace(table, sides=Sides(group_by="person", joined=True))
    trained, there = (joined, table) if shared == "in training" else (table, joined)
    fewer = replace(grouped(images(299)), sides=there.sides)
    assert refused(card(trained, "h", "k"), fewer) == (
        "Some groups (person) share an image and stay together, and these are not the images of training. "
        "With one more or less, groups can move to another part, and the encoder has seen what tests it: "
        "give the images of training, all of them."
    )
    assert len(divide_as_in_training(card(joined, "h", "k"), joined).test) > 0


def test_whoever_asks_whether_these_are_the_images_of_training_is_told_of_other_sides() -> None:
    trained, there = card(grouped(images()), "h", "k"), images(299)
    with pytest.raises(InputError) as caught:
        require_same_parts(trained, there, divide(there, RECIPE), ("h",), ("k",))
    assert str(caught.value) == f"{MUST_BE}group_by was 'person' and is None.{OPEN}"


def test_a_column_that_an_anonymous_file_does_not_name_may_be_any() -> None:
    anonymous = card(grouped(images()), sides=Sides(group_by=UNNAMED))
    fewer = grouped(images(240), by="anything")
    assert len(divide_as_in_training(anonymous, fewer).test) == len(divide(fewer, RECIPE).test)


def test_the_same_parts_may_come_about_in_another_way() -> None:
    table = images()
    near = replace(table, units=table.keys, sides=Sides(near_duplicates=True))
    assert len(divide_as_in_training(card(table), near).test) == len(divide(table, RECIPE).test)


def test_images_whose_labels_are_not_known_are_not_called_those_of_training() -> None:
    table = images()
    assert are_of_training(card(table), table, ["h"], ["k"])
    assert not are_of_training(card(table), without(table, "k"), ["h"], ["k"])
