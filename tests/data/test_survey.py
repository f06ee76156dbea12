import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from scotoma.data.images import Labelling, open_images
from scotoma.data.photos import Unreadable
from scotoma.data.splits import PARTS, Fractions, SplitRecipe, divide, split
from scotoma.data.survey import CategorySurvey, Spread, survey
from scotoma.data.table import Sides

Pixels = npt.NDArray[np.uint8]


def test_a_sound_folder(photos: Path) -> None:
    found = survey(photos, seed=5)
    table = open_images(photos, 8, 3)
    parts = split(table.keys, 5)
    counts = {part: np.bincount(table.labels[getattr(parts, part)], minlength=3).tolist() for part in PARTS}
    assert found.categories == tuple(
        CategorySurvey(name, 4, *(counts[part][number] for part in PARTS))
        for number, name in enumerate(table.categories)
    )
    assert found.digest == table.digest()
    assert (found.source, found.seed, found.images) == (str(photos), 5, 12)
    assert (found.width, found.height) == (Spread(16, 16.0, 16), Spread(12, 13.5, 15))
    assert (found.gray, found.unreadable, found.duplicates, found.conflicts) == (0.0, (), (), ())
    assert found.ignored == ((".csv", 1),)
    few = [(each.name, part) for each in found.categories for part in PARTS if getattr(each, part) == 0]
    assert found.empty_parts() == [pair for pair in few if pair[1] != "reserve"] != []


def test_what_is_wrong_with_a_folder(
    photos: Path, picture: Callable[..., Pixels], encode: Callable[..., bytes]
) -> None:
    (photos / "cats/0.jpg").write_bytes(b"")
    shutil.copy(photos / "cats/2.png", photos / "dogs/again.png")
    shutil.copy(photos / "dogs/3.webp", photos / "dogs/twice.webp")
    (photos / "dogs/gray.jpg").write_bytes(encode(picture(99, 10, 30), "JPEG", "L"))
    (photos / "birds").mkdir()
    found = survey(photos)
    assert found.unreadable == (Unreadable("cats/0.jpg", "the file is empty"),)
    assert found.conflicts == (("cats/2.png", "dogs/again.png"),)
    assert found.duplicates == (("dogs/3.webp", "dogs/twice.webp"),)
    assert found.without_images == ("birds",)
    assert (found.images, found.gray) == (14, 1 / 14)
    assert (found.width, found.height) == (Spread(16, 16.0, 30), Spread(10, 14.0, 15))
    assert [(each.name, each.images, each.unreadable) for each in found.categories] == [
        ("arena/hockey", 4, 0),
        ("cats", 2, 1),
        ("dogs", 6, 0),
    ]
    assert found.digest == ""


def test_a_category_in_which_nothing_can_be_read(photos: Path) -> None:
    for file in (photos / "cats").iterdir():
        file.write_bytes(b"text")
    found = survey(photos)
    assert found.categories[1] == CategorySurvey("cats", 0, 0, 0, 0, 0, unreadable=4)
    assert [("cats", part) for part in ("training", "validation", "test")] == [
        pair for pair in found.empty_parts() if pair[0] == "cats"
    ]


def test_conflicts_do_not_count(photos: Path) -> None:
    shutil.copy(photos / "cats/2.png", photos / "dogs/again.png")
    found, table = survey(photos), open_images(photos, 8, 3)
    assert sum(each.images for each in found.categories) == len(table) == 11
    assert found.digest == table.digest()


def test_a_group_and_other_fractions(photos: Path) -> None:
    fractions = Fractions(training=0.4, reserve=0.0, validation=0.1, test=0.5)
    found = survey(photos, 1, categories=["dogs", "cats"], fractions=fractions)
    table = open_images(photos, 8, 3, categories=["cats", "dogs"])
    assert [each.name for each in found.categories] == ["cats", "dogs"]
    assert sum(each.test for each in found.categories) == len(split(table.keys, 1, fractions).test)
    assert [each.reserve for each in found.categories] == [0, 0]


def test_arrays_are_surveyed_as_they_are_opened(idx_folder: Path) -> None:
    for source, side in (("fashion-mnist", 28), (str(idx_folder), 4)):
        found, table = survey(source), open_images(source, side, 1)
        assert found.digest == table.digest()
        assert (found.images, found.gray) == (len(table), 1.0)
        assert found.width == found.height == Spread(side, side, side)
        assert [each.name for each in found.categories] == list(table.categories)


def test_only_unreadable_images(tmp_path: Path) -> None:
    for folder in ("cats", "dogs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.jpg").write_bytes(b"")
    found = survey(tmp_path)
    assert (found.images, found.gray, found.width) == (0, 0.0, Spread(0, 0.0, 0))
    assert len(found.unreadable) == 2


def test_scene_photographs(scotoma_data: Path) -> None:
    found = survey(scotoma_data / "scenes", categories=["bar", "office"])
    assert found.width == found.height == Spread(128, 128.0, 128)
    assert (found.unreadable, found.conflicts) == ((), ())
    assert 0.0 < found.gray < 0.1
    assert pytest.approx(0.25, abs=0.04) == sum(each.test for each in found.categories) / found.images


@pytest.fixture
def copies(tmp_path: Path, picture: Callable[..., Pixels], encode: Callable[..., bytes]) -> Path:
    """Twenty pictures in two categories, each with a copy that is a little brighter."""
    root = tmp_path / "copies"
    for number in range(20):
        folder = root / ("cats" if number % 2 else "dogs")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = picture(number, 64, 72)
        (folder / f"{number:02}.png").write_bytes(encode(pixels, "PNG"))
        brighter = np.minimum(pixels.astype(np.int64) + 3, 255).astype(np.uint8)
        (folder / f"{number:02} copy.png").write_bytes(encode(brighter, "PNG"))
    return root


def test_looks_are_of_the_right_images_beside_small_and_unreadable_ones(
    copies: Path, picture: Callable[..., Pixels], encode: Callable[..., bytes]
) -> None:
    expected = survey(copies).near
    assert expected is not None and len(expected) == 20
    for name in ("cats/00", "cats/05 a", "dogs/04 b"):
        (copies / f"{name}.png").write_bytes(b"")
    for number, name in enumerate(("cats/03 b", "dogs/00 a")):
        (copies / f"{name}.png").write_bytes(encode(picture(number, 8, 8), "PNG"))
    found = survey(copies)
    assert (found.images, len(found.unreadable)) == (42, 3)
    assert found.near == expected


def test_nearly_equal_images_on_several_sides_are_told_until_they_are_kept_together(copies: Path) -> None:
    pairs = {
        (f"{folder}/{number:02} copy.png", f"{folder}/{number:02}.png")
        for number in range(20)
        for folder in [("dogs", "cats")[number % 2]]
    }
    found, table = survey(copies), open_images(copies, 64, 3)
    assert found.near is not None and set(found.near) == pairs
    assert (found.duplicates, found.conflicts) == ((), ())
    parts = split(table.keys, 0)
    files = sorted(file.relative_to(copies).as_posix() for file in copies.rglob("*.png"))
    part = {files[row]: name for name, rows in vars(parts).items() for row in rows}
    assert set(found.parted) == {pair for pair in pairs if part[pair[0]] != part[pair[1]]} != set()

    asked = Labelling(sides=Sides(near_duplicates=True))
    together, opened = survey(copies, labelling=asked), open_images(copies, 64, 3, labelling=asked)
    assert together.near == found.near and together.parted == ()
    assert opened.sides == Sides(near_duplicates=True) and opened.units is not None
    unit = dict(zip(files, opened.units.tolist(), strict=True))
    assert all(unit[one] == unit[other] for one, other in pairs)
    assert len(set(unit.values())) == 20
    assert together.digest == opened.digest() == found.digest
    divided = divide(opened, SplitRecipe(0, Fractions()))
    assert sum(each.test for each in together.categories) == len(divided.test)


def test_images_that_are_too_small_are_not_compared_unless_they_are_to_be_kept_together(
    photos: Path, picture: Callable[..., Pixels], encode: Callable[..., bytes]
) -> None:
    assert (survey(photos).near, survey(photos).parted) == (None, ())
    for number in range(12):
        same = picture(number, 40, 40)
        (photos / f"cats/{number} a.png").write_bytes(encode(same, "PNG"))
        (photos / f"cats/{number} b.jpg").write_bytes(encode(same, "JPEG", quality=90))
    asked = Labelling(sides=Sides(near_duplicates=True))
    found, opened = survey(photos, labelling=asked), open_images(photos, 40, 3, labelling=asked)
    assert found.near is not None and len(found.near) >= 12 and found.parted == ()
    divided = divide(opened, SplitRecipe(0, Fractions()))
    for part, rows in vars(divided).items():
        assert sum(getattr(each, part) for each in found.categories) == len(rows)
