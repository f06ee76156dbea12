from dataclasses import replace

import numpy as np
import pytest

from scotoma.audit.examples import Floats
from scotoma.audit.material import (
    VIEWS,
    VOTES,
    Part,
    cropped,
    encode_parts,
    originals_of,
    rows_of_parts,
    split_codes,
)
from scotoma.data.augmentation import centre_crop
from scotoma.data.sampling import Rows
from scotoma.data.splits import Fractions, SplitRecipe, divide
from scotoma.data.table import CATEGORY, MISSING, Attribute
from scotoma.data.tasks import Task
from scotoma.runs.progress import Silent
from scotoma.verification.statistics import accuracy_interval, balanced_accuracy_interval
from tests.audit.subjects import Images, means, target
from tests.examples import CATEGORIES, PREPROCESSING, image_table

TABLE = image_table()
TASK = Task(("ant",), CATEGORIES)
PARTS = divide(TABLE, SplitRecipe(3, Fractions()))


def test_validation_images_fall_into_two_halves_and_no_image_into_two_parts() -> None:
    rows = rows_of_parts(TABLE, PARTS, ("same", "fresh"), TASK, seed=0)
    assert set(rows) == {"same", "fresh", "stopping", "choosing", "test"}
    assert sorted(np.concatenate(list(rows.values())).tolist()) == list(range(len(TABLE)))
    assert sorted([*rows["stopping"], *rows["choosing"]]) == PARTS.validation.tolist()
    for category in range(len(CATEGORIES)):
        one, other = ((TABLE.labels[rows[half]] == category).sum() for half in ("stopping", "choosing"))
        assert abs(one - other) <= 1


def test_where_nobody_knows_what_the_encoder_saw_attackers_learn_from_all() -> None:
    rows = rows_of_parts(TABLE, PARTS, ("all",), TASK, seed=0)
    assert rows["all"].tolist() == [*PARTS.training, *PARTS.reserve]


def test_units_are_never_in_both_halves() -> None:
    units = np.array([f"person {number // 4}" for number in range(len(TABLE))])
    table = image_table()
    object.__setattr__(table, "units", units)
    rows = rows_of_parts(table, PARTS, ("all",), TASK, seed=0)
    assert not set(units[rows["stopping"]]) & set(units[rows["choosing"]])


def test_images_are_encoded_as_released_and_in_crops_that_follow_from_the_seed() -> None:
    rows = rows_of_parts(TABLE, PARTS, ("same", "fresh"), TASK, seed=0)
    material, again, other = (encode_parts(target(), TABLE, rows, seed, Silent()) for seed in (0, 0, 1))
    test = material.codes["test"]
    centre = centre_crop(TABLE.pixels[rows["test"]], PREPROCESSING).numpy()
    levels = np.rint((centre + 1) * 127.5).astype(np.uint8)
    assert test.centre == pytest.approx(means(levels))
    assert material.arms == ("same", "fresh")
    assert material.shape == (1, 2, 2)
    assert len(material.codes["same"].views) == VIEWS
    assert len(test.views) == VOTES
    assert (test.views == again.codes["test"].views).all()
    assert not (test.views == other.codes["test"].views).all()
    # Crops of the same image: near its own code, not equal to it.
    near = np.abs(test.views - test.centre).mean()
    assert 0 < near < np.abs(test.views[:, 1:] - test.centre[:-1]).mean()


def test_the_company_in_which_an_image_is_encoded_tells_nothing_of_its_category() -> None:
    """Codes that are the batch's mean: 300 rows of a category each, of which 128 are encoded at a time."""
    table = image_table(per_category=300)
    rows: dict[Part, Rows] = {"all": np.arange(len(table) - 1), "test": np.array([len(table) - 1])}

    def batch_mean(images: Images) -> Floats:
        return np.full((len(images), 1), images.mean(), np.float32)

    encoder = target(batch_mean)
    material, again, other = (encode_parts(encoder, table, rows, seed, Silent()) for seed in (0, 0, 1))
    labels = table.labels[:-1]
    for codes in (material.codes["all"].centre[:, 0], material.codes["all"].views[0, :, 0]):
        of_category = [codes[labels == number].mean() for number in range(len(CATEGORIES))]
        # In the order of rows these would be about 30, 70, 110, 150 and 190.
        assert of_category == pytest.approx([codes.mean()] * len(CATEGORIES), abs=3)
    assert np.array_equal(material.codes["all"].centre, again.codes["all"].centre)
    assert not np.array_equal(material.codes["all"].centre, other.codes["all"].centre)


@pytest.mark.parametrize("side_by_side", [True, False])
def test_codes_of_encoders_that_take_images_for_themselves_stand_at_their_rows(side_by_side: bool) -> None:
    table = image_table(per_category=100)
    rows: dict[Part, Rows] = {"all": np.arange(0, len(table), 2), "test": np.arange(1, len(table), 2)}
    encoder = target(side_by_side=side_by_side)
    material = encode_parts(encoder, table, rows, 0, Silent())
    for part, some in rows.items():
        assert np.array_equal(material.codes[part].centre, means(cropped(table.pixels[some], encoder, None)))


def test_crops_are_whole_levels_of_what_is_stored() -> None:
    draws = np.full((3, 4), 0.5, np.float32)
    images = cropped(TABLE.pixels[:3], target(), draws)
    assert images.shape == (3, 1, 8, 8)
    assert images.dtype == np.uint8
    flat = np.full((3, 10, 10, 1), 77, np.uint8)
    assert (cropped(flat, target(), draws) == 77).all()


def test_images_of_which_the_label_is_missing_are_left_out_of_that_task_only() -> None:
    rows = rows_of_parts(TABLE, PARTS, ("all",), TASK, seed=0)
    material = encode_parts(target(), TABLE, rows, 0, Silent())
    labels = (TABLE.labels > 2).astype(np.int64)
    labels[rows["test"][:7]] = -1
    object.__setattr__(
        material.table, "attributes", {**TABLE.attributes, "big": Attribute(("no", "yes"), labels)}
    )
    examples = material.examples(Task(("yes",), ("no", "yes"), attribute="big"), "test")
    assert len(examples) == len(rows["test"]) - 7
    assert (examples.codes.centre == material.codes["test"].centre[7:]).all()
    codes = material.codes["test"]
    assert examples.codes.views is codes.views  # which are most of the memory
    assert np.array_equal(examples.codes.view(2), codes.views[2, 7:])
    drawn = examples.codes.drawn(np.array([1, 0]), np.array([3, 5]))
    assert np.array_equal(drawn, [codes.views[1, 10], codes.views[0, 12]])
    fewer = examples.codes.some(np.array([4, 2]))
    assert np.array_equal(fewer.centre, codes.centre[[11, 9]])
    assert np.array_equal(fewer.view(3), codes.views[3, [11, 9]])
    assert examples.weights[examples.classes == 1].sum() == pytest.approx(
        examples.weights[examples.classes == 0].sum()
    )
    object.__setattr__(TABLE, "attributes", {CATEGORY: TABLE.attributes[CATEGORY]})


def test_copies_of_an_image_count_once_in_the_interval() -> None:
    keys = TABLE.keys[np.arange(len(TABLE)) // 4 * 4]  # each image four times
    table = replace(image_table(), keys=keys)
    rows = divide(table, SplitRecipe(3, Fractions())).test
    material = split_codes(np.zeros((len(table), 1), np.float32), table, {"test": rows})
    right = np.arange(len(rows)) % 8 < 4
    found, alone = (
        replace(material, table=each).interval(TASK, "test", right) for each in (table, image_table())
    )
    labels = table.labels[rows]
    assert found == accuracy_interval(right, labels, TASK, keys[rows], 0)
    assert alone == balanced_accuracy_interval(right, labels, TASK)
    assert found.low < alone.low - 0.05


def test_computed_codes_are_taken_as_they_are_without_views() -> None:
    codes = np.arange(len(TABLE) * 3, dtype=np.float32).reshape(-1, 3)
    rows = rows_of_parts(TABLE, PARTS, ("all",), TASK, seed=0)
    material = split_codes(codes, TABLE, rows)
    assert (material.codes["test"].centre == codes[rows["test"]]).all()
    assert material.codes["all"].views.shape == (0, len(rows["all"]), 3)
    assert material.shape == (3,)


def test_original_images_take_the_shape_of_codes() -> None:
    rows = rows_of_parts(TABLE, PARTS, ("all",), TASK, seed=0)
    encoder = target(lambda images: np.repeat(means(images), 2, axis=1))  # two channels of one colour
    material = encode_parts(encoder, TABLE, rows, 0, Silent())
    originals = originals_of(encoder, material)
    assert set(originals) == {"all", "stopping"}
    images = cropped(TABLE.pixels[rows["all"]], encoder, None).astype(np.float64)
    quarter = images[5, 0, :4, 4:].mean() / 127.5 - 1
    assert originals["all"].shape == (len(rows["all"]), 2, 2, 2)
    assert originals["all"][5, :, 0, 1] == pytest.approx([quarter, quarter], abs=1e-6)
    with_them = replace(material, originals=originals)
    assert with_them.examples(TASK, "choosing").originals is None
    shown = with_them.examples(TASK, "all")
    assert shown.originals is not None and np.array_equal(shown.originals, originals["all"])


def test_images_without_a_label_have_no_original_either() -> None:
    classes = np.where(np.arange(len(TABLE)) % 3 == 0, MISSING, np.arange(len(TABLE)) % 2)
    table = replace(TABLE, attributes={"blue": Attribute(("no", "yes"), classes)})
    task = Task(("yes",), ("no", "yes"), attribute="blue")
    material = encode_parts(target(), table, {"all": PARTS.training, "test": PARTS.test}, 0, Silent())
    material = replace(material, originals=originals_of(target(), material))
    examples = material.examples(task, "all")
    assert examples.originals is not None
    known = classes[PARTS.training] != MISSING
    assert np.array_equal(examples.originals, material.originals["all"][known])
