import numpy as np
import pytest

from scotoma.audit.material import VIEWS, VOTES, cropped, encode_parts, rows_of_parts, split_codes
from scotoma.data.augmentation import centre_crop
from scotoma.data.splits import Fractions, SplitRecipe, divide
from scotoma.data.table import Attribute
from scotoma.data.tasks import Task
from scotoma.runs.progress import Silent
from tests.audit.subjects import means, target
from tests.examples import PREPROCESSING, image_table

TABLE = image_table()
PARTS = divide(TABLE, SplitRecipe(3, Fractions()))


def test_validation_images_fall_into_two_halves_and_no_image_into_two_parts() -> None:
    rows = rows_of_parts(TABLE, PARTS, ("same", "fresh"), seed=0)
    assert set(rows) == {"same", "fresh", "stopping", "choosing", "test"}
    assert sorted(np.concatenate(list(rows.values())).tolist()) == list(range(len(TABLE)))
    assert sorted([*rows["stopping"], *rows["choosing"]]) == PARTS.validation.tolist()
    assert min(len(rows["stopping"]), len(rows["choosing"])) > 10


def test_where_nobody_knows_what_the_encoder_saw_attackers_learn_from_all() -> None:
    rows = rows_of_parts(TABLE, PARTS, ("all",), seed=0)
    assert rows["all"].tolist() == [*PARTS.training, *PARTS.reserve]


def test_units_are_never_in_both_halves() -> None:
    units = np.array([f"person {number // 4}" for number in range(len(TABLE))])
    table = image_table()
    object.__setattr__(table, "units", units)
    rows = rows_of_parts(table, PARTS, ("all",), seed=0)
    assert not set(units[rows["stopping"]]) & set(units[rows["choosing"]])


def test_images_are_encoded_as_released_and_in_crops_that_follow_from_the_seed() -> None:
    rows = rows_of_parts(TABLE, PARTS, ("same", "fresh"), seed=0)
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


def test_crops_are_whole_levels_of_what_is_stored() -> None:
    draws = np.full((3, 4), 0.5, np.float32)
    images = cropped(TABLE.pixels[:3], target(), draws)
    assert (images.dtype, images.shape) == (np.uint8, (3, 1, 8, 8))
    flat = np.full((3, 10, 10, 1), 77, np.uint8)
    assert (cropped(flat, target(), draws) == 77).all()


def test_images_of_which_the_label_is_missing_are_left_out_of_that_task_only() -> None:
    rows = rows_of_parts(TABLE, PARTS, ("all",), seed=0)
    material = encode_parts(target(), TABLE, rows, 0, Silent())
    labels = (TABLE.labels > 2).astype(np.int64)
    labels[rows["test"][:7]] = -1
    object.__setattr__(
        material.table, "attributes", {**TABLE.attributes, "big": Attribute(("no", "yes"), labels)}
    )
    examples = material.examples(Task(("yes",), ("no", "yes"), attribute="big"), "test")
    assert len(examples) == len(rows["test"]) - 7
    assert (examples.codes.centre == material.codes["test"].centre[7:]).all()
    assert examples.codes.views.shape[1] == len(examples)
    assert examples.weights[examples.classes == 1].sum() == pytest.approx(
        examples.weights[examples.classes == 0].sum()
    )
    object.__setattr__(TABLE, "attributes", {"category": TABLE.attributes["category"]})


def test_computed_codes_are_taken_as_they_are_without_views() -> None:
    codes = np.arange(len(TABLE) * 3, dtype=np.float32).reshape(-1, 3)
    rows = rows_of_parts(TABLE, PARTS, ("all",), seed=0)
    material = split_codes(codes, TABLE, rows)
    assert (material.codes["test"].centre == codes[rows["test"]]).all()
    assert material.codes["all"].views.shape == (0, len(rows["all"]), 3)
    assert material.shape == (3,)
