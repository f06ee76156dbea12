"""Tables of attributes as they are opened: see `tests.tables` for what the images show."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scotoma.data import cache
from scotoma.data.attribute_table import Reading
from scotoma.data.images import Labelling, attributes_of, category_names, open_images
from scotoma.data.splits import PARTS, Fractions, SplitRecipe, divide
from scotoma.data.survey import CategorySurvey, survey
from scotoma.data.table import MISSING, ImageTable, Sides
from scotoma.errors import InputError
from tests.tables import HAIR, row_of, write_faces, write_rows

IMAGES = 30
MALE = Labelling(("Male",))


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    return write_faces(tmp_path / "faces", IMAGES)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The cache entries that were built, in order."""
    built: list[Path] = []
    build = cache._build_entry

    def recorded(entry: Path, *rest: Any) -> None:
        built.append(entry)
        build(entry, *rest)

    monkeypatch.setattr(cache, "_build_entry", recorded)
    return built


def opened(source: Path, *attributes: str, **asked: Any) -> ImageTable:
    return open_images(source, 8, 3, labelling=Labelling(attributes, **asked))


def shown(table: ImageTable) -> list[int]:
    """The number of the image that each row's pixels show."""
    assert (table.pixels == table.pixels[:, :1, :1]).all()
    return [int(red) for red in table.pixels[:, 0, 0, 0]]


def written_out(numbers: list[int], column: str, values: tuple[str, ...]) -> list[int]:
    """What the table says of these images: the place among `values`, or -1."""
    texts = [row_of(number)[column] for number in numbers]
    return [values.index(text) if text else -1 for text in texts]


def rewrite(faces: Path, change: Callable[[dict[str, str]], None]) -> None:
    """The same table with another say on each image."""
    rows = [row_of(number) for number in range(IMAGES)]
    for row in rows:
        change(row)
    write_rows(faces, rows)


def refusal(source: Path, **asked: Any) -> str:
    """The whole text of the error."""
    with pytest.raises(InputError) as error:
        open_images(source, 8, 3, labelling=Labelling(("Male",), **asked))
    return str(error.value)


def test_a_table_becomes_images_with_labels(faces: Path) -> None:
    table = opened(faces, "Male", "hair", "age>=30", "hair=blond")
    numbers = shown(table)
    assert numbers == list(range(IMAGES))
    assert {name: each.values for name, each in table.attributes.items()} == {
        "Male": ("not Male", "Male"),
        "hair": HAIR,
        "age>=30": ("not age>=30", "age>=30"),
        "hair=blond": ("not hair=blond", "hair=blond"),
    }
    labels = {name: each.labels.tolist() for name, each in table.attributes.items()}
    assert labels["Male"] == written_out(numbers, "Male", ("0", "1"))
    assert labels["hair"] == written_out(numbers, "hair", HAIR)
    assert labels["age>=30"] == [int(number >= 10) for number in numbers]
    assert labels["hair=blond"] == [-1 if hair < 0 else int(hair == 1) for hair in labels["hair"]]
    assert {str(each.labels.dtype) for each in table.attributes.values()} == {"int64"}
    assert [each.about for each in table.attributes.values()] == [
        "binary: 1 is yes, 0 is no; 3 missing",
        "3 classes: black, blond, brown; 2 missing",
        "binary: age>=30 is yes, age<30 is no",
        "binary: blond is yes, black, brown are no; 2 missing",
    ]
    assert (table.source, table.categories, table.left_out, table.skipped) == (str(faces), (), (), ())
    assert (table.units, table.parts, table.sides) == (None, None, Sides())


def test_before_opening_attributes_are_known_and_there_are_no_categories(faces: Path) -> None:
    asked = Labelling(("hair", "Male"))
    found, table = attributes_of(faces, asked), open_images(faces, 8, 3, labelling=asked)
    assert list(found) == ["hair", "Male"]
    for name, each in found.items():
        assert each.values == table.attributes[name].values
        assert (each.labels == table.attributes[name].labels).all()
    assert category_names(faces) == ()


def test_values_that_are_declared_missing_have_no_label(faces: Path) -> None:
    rewrite(faces, lambda row: row.update(Male=row["Male"] or "?"))
    assert refusal(faces) == (
        "The column 'Male' holds '?' (lines 9, 20, 31) beside numbers. If that means that the value is not "
        "known, declare it: --missing '?'. If all values are names of classes: --columns Male=classes."
    )
    table = opened(faces, "Male", reading=Reading(missing=("?",)))
    assert np.flatnonzero(table.attributes["Male"].labels == MISSING).tolist() == [7, 18, 29]


def test_equal_images_that_contradict_each_other_lose_that_label_only(faces: Path) -> None:
    # 0 and 2 are of another sex and of equal hair; of 1 and 12 the sex of the first is not known.
    shutil.copy(faces.parent / "img/000.png", faces.parent / "img/002.png")
    shutil.copy(faces.parent / "img/001.png", faces.parent / "img/012.png")
    rewrite(faces, lambda row: row.update(Male="" if row["file"] == "img/001.png" else row["Male"]))
    table = opened(faces, "Male", "hair")
    assert len(table) == IMAGES and table.left_out == ()
    male = written_out(list(range(IMAGES)), "Male", ("0", "1"))
    male[0] = male[2] = male[1] = -1
    assert table.attributes["Male"].labels.tolist() == male
    assert table.attributes["hair"].labels.tolist() == written_out(list(range(IMAGES)), "hair", HAIR)
    assert table.attributes["Male"].about == (
        "binary: 1 is yes, 0 is no; 4 missing; 2 of equal images with different answers left out"
    )
    assert table.attributes["hair"].about == "3 classes: black, blond, brown; 2 missing"
    # What is looked at before training is what training opens.
    found = survey(faces, labelling=Labelling(("Male", "hair")))
    assert found.digest == table.digest()
    assert found.asked[0] == f"Male: {table.attributes['Male'].about}"
    assert found.categories[2].images == male.count(1)


def test_files_that_cannot_be_read_are_an_error_or_are_left_out_with_their_labels(
    faces: Path, builds: list[Path]
) -> None:
    for number in (4, 17):
        (faces.parent / f"img/{number:03}.png").write_bytes(b"")
    told = (
        "2 of 30 images cannot be read:\n"
        "  img/004.png (line 6): the file is empty\n"
        "  img/017.png (line 19): the file is empty\n"
        "Repair them, or move them out of the folder: images are never left out silently. "
        "--skip-unreadable leaves them out and says so. scotoma check --full names all."
    )
    assert refusal(faces) == told
    for _ in range(2):
        table = opened(
            faces, "Male", "hair", skip_unreadable=True, sides=Sides(group_by="person", column="part")
        )
        assert table.skipped == ("img/004.png: the file is empty", "img/017.png: the file is empty")
        assert table.left_out == ()
        numbers = shown(table)
        assert numbers == [number for number in range(IMAGES) if number not in (4, 17)]
        assert table.attributes["Male"].labels.tolist() == written_out(numbers, "Male", ("0", "1"))
        assert table.attributes["hair"].labels.tolist() == written_out(numbers, "hair", HAIR)
        assert table.parts is not None
        given = {"train": "training", "val": "validation", "test": "test", "attack": "reserve"}
        assert [PARTS[part] for part in table.parts] == [given[row_of(each)["part"]] for each in numbers]
    assert len(builds) == 2
    # The entry knows what it lacks: who did not ask for that is not given it.
    assert refusal(faces) == told
    assert len(builds) == 2
    shutil.copy(faces.parent / "img/005.png", faces.parent / "img/004.png")
    assert len(opened(faces, "Male", skip_unreadable=True)) == 29


def test_images_that_the_disk_cannot_hold_are_not_decoded(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        open_images(photos, 10_000_000, 3, cache=tmp_path / "cache")
    assert str(error.value).startswith(f"The cache {tmp_path / 'cache'} has no room: ")
    assert "images of 10000000 x 10000000 pixels take" in str(error.value)
    assert not (tmp_path / "cache").exists()


def test_in_category_folders_files_are_skipped_too(photos: Path) -> None:
    (photos / "cats/0.jpg").write_bytes(b"")
    (photos / "dogs/1.JPEG").write_bytes(b"")
    shutil.copy(photos / "cats/2.png", photos / "dogs/again.png")
    table = open_images(photos, 8, 3, labelling=Labelling(skip_unreadable=True))
    assert table.skipped == ("cats/0.jpg: the file is empty", "dogs/1.JPEG: the file is empty")
    assert table.left_out == ("cats/2.png", "dogs/again.png")
    assert table.labels.tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 2]


def test_links_that_lead_nowhere_are_told_with_all_others_or_left_out(
    photos: Path, builds: list[Path]
) -> None:
    (photos / "cats/0.jpg").write_bytes(b"")
    (photos / "cats/gone.png").symlink_to("/nowhere/x.png")
    (photos / "dogs/round.png").symlink_to("round.png")
    told = (
        "cats/0.jpg: the file is empty",
        "cats/gone.png: No such file or directory",
        "dogs/round.png: Too many levels of symbolic links",
    )
    with pytest.raises(InputError) as error:
        open_images(photos, 8, 3)
    assert str(error.value).splitlines() == [
        "3 of 14 images cannot be read:",
        *(f"  {each}" for each in told),
        "Repair them, or move them out of the folder: images are never left out silently. "
        "--skip-unreadable leaves them out and says so. scotoma check --full names all.",
    ]
    skip = Labelling(skip_unreadable=True)
    for _ in range(2):
        table = open_images(photos, 8, 3, labelling=skip)
        assert table.skipped == told and len(table) == 11
    assert len(builds) == 2
    # Once it leads somewhere, it is no longer left out.
    (photos / "cats/gone.png").unlink()
    (photos / "cats/gone.png").symlink_to("2.png")
    table = open_images(photos, 8, 3, labelling=skip)
    assert table.skipped == (told[0], told[2]) and len(table) == 12


def test_the_order_of_rows_and_columns_changes_nothing(faces: Path) -> None:
    asked = {"sides": Sides(group_by="person")}
    one = opened(faces, "Male", "hair", **asked)
    order = np.random.default_rng(0).permutation(IMAGES).tolist()
    rows = [dict(sorted(row_of(number).items())) for number in order]
    write_rows(faces, rows)
    two = opened(faces, "Male", "hair", **asked)
    assert one.digest() == two.digest()
    assert (one.pixels == two.pixels).all() and (one.keys == two.keys).all()
    assert (one.units == two.units).all()  # type: ignore[union-attr]
    for name, each in one.attributes.items():
        assert (each.labels == two.attributes[name].labels).all()


def of_each_person(table: ImageTable, seed: int) -> dict[str, set[str]]:
    """The parts in which each person's images stand."""
    found: dict[str, set[str]] = {}
    for part, rows in vars(divide(table, SplitRecipe(seed, Fractions()))).items():
        for row in rows:
            found.setdefault(row_of(int(row))["person"], set()).add(part)
    return found


def test_no_person_stands_on_two_sides(faces: Path) -> None:
    alone, grouped = opened(faces, "Male"), opened(faces, "Male", sides=Sides(group_by="person"))
    assert grouped.sides == Sides(group_by="person")
    for seed in range(3):
        assert {len(parts) for parts in of_each_person(grouped, seed).values()} == {1}
        assert max(len(parts) for parts in of_each_person(alone, seed).values()) == 2
    assert len({part for parts in of_each_person(grouped, 0).values() for part in parts}) > 2


def test_a_person_of_whom_nothing_is_known_stands_alone(faces: Path) -> None:
    sides = Sides(group_by="person")
    for blank, reading in (("", Reading()), ("?", Reading(missing=("?",)))):
        rewrite(faces, lambda row, blank=blank: row.update(person=blank))  # type: ignore[misc]
        table = opened(faces, "Male", sides=sides, reading=reading)
        assert table.units is not None and table.units.tolist() == table.keys.tolist()
    # Nobody has said that "?" means nothing.
    one_person = opened(faces, "Male", sides=sides).units
    assert one_person is not None and len(set(one_person)) == 1


def test_a_column_gives_the_parts(faces: Path) -> None:
    table = opened(faces, "Male", sides=Sides(column="part"))
    split = divide(table, SplitRecipe(0, Fractions()))
    for part, said in zip(PARTS, ("train", "attack", "val", "test"), strict=True):
        assert getattr(split, part).tolist() == [
            number for number in range(IMAGES) if row_of(number)["part"] == said
        ]
    # No seed changes what was given.
    other = divide(table, SplitRecipe(9, Fractions(0.25, 0.25, 0.25, 0.25)))
    assert other.test.tolist() == split.test.tolist()


def test_parts_that_a_column_gives_and_that_cannot_be_used(faces: Path) -> None:
    sides = Sides(group_by="person", column="part")
    head = (
        "The parts from the column 'part' cannot be used (allowed: attack, reserve, test, train, "
        "training, val, valid, validation):"
    )
    shutil.copy(faces.parent / "img/000.png", faces.parent / "img/004.png")
    changed = {"img/009.png": "test", "img/020.png": "val"}
    rewrite(faces, lambda row: row.update(part=changed.get(row["file"], row["part"])))
    assert refusal(faces, sides=sides) == "\n".join(
        [
            head,
            *(
                f"  img/{one:03}.png (line {one + 2}) and img/{other:03}.png (line {other + 2}) are equal or "
                "belong together, in different parts"
                for one, other in ((0, 4), (0, 5), (8, 9), (20, 21))
            ),
        ]
    )
    rewrite(faces, lambda row: row.update(part={"val": "dev", "test": ""}.get(row["part"], row["part"])))
    odd = [row for row in map(row_of, range(IMAGES)) if row["part"] in ("val", "test")]
    assert refusal(faces, sides=sides) == "\n".join(
        [head]
        + [
            f"  {row['file']} (line {int(row['file'][4:7]) + 2}) has "
            f"{'dev' if row['part'] == 'val' else ''!r}, which is no part"
            for row in odd
        ]
    )
    rewrite(faces, lambda row: row.update(part="Train " if row["part"] == "test" else "train"))
    assert refusal(faces, sides=Sides(column="part")) == "\n".join(
        [head, "  there is no image for validation", "  there is no image for test"]
    )


def write_lists(folder: Path, **of: str) -> Path:
    """Lists of the parts that the table's column gives; `of` says what stands in others instead."""
    folder.mkdir(exist_ok=True)
    rows = [row_of(number) for number in range(IMAGES)]
    names = {"training": "train", "reserve": "attack", "validation": "val", "test": "test"}
    for part, said in names.items():
        text = "".join(f"{row['file']}\n" for row in rows if row["part"] == said)
        (folder / f"{part}.txt").write_text(of.get(part, text))
    return folder


def test_lists_of_files_give_the_parts(faces: Path, tmp_path: Path) -> None:
    lists = write_lists(tmp_path / "lists")
    table = opened(faces, "Male", split_files=lists)
    assert table.sides == Sides(files=True)
    by_column = opened(faces, "Male", sides=Sides(column="part"))
    assert table.parts is not None and by_column.parts is not None
    assert table.parts.tolist() == by_column.parts.tolist()
    assert refusal(faces, split_files=lists, sides=Sides(column="part")) == (
        "--split-column and --split-files both give the parts of the split: give one."
    )


@pytest.mark.parametrize(
    ("start", "encoding"), [("", "utf-8-sig"), ("", "utf-16"), ("./", "utf-8"), ("{root}/", "utf-8")]
)
def test_lists_may_be_written_as_tables_may(faces: Path, tmp_path: Path, start: str, encoding: str) -> None:
    lists, plain = write_lists(tmp_path / "lists"), write_lists(tmp_path / "plain")
    for path in lists.iterdir():
        text = path.read_text().replace("img/", f"{start.format(root=faces.parent)}img/")
        if start == "./":
            text = text.replace("/", "\\")
        path.write_text(text + text.splitlines()[0], encoding=encoding)  # one image twice
    ours, theirs = (opened(faces, "Male", split_files=each).parts for each in (lists, plain))
    assert ours is not None and theirs is not None
    assert ours.tolist() == theirs.tolist()


def test_a_list_that_is_no_text_is_told(faces: Path, tmp_path: Path) -> None:
    lists = write_lists(tmp_path / "lists")
    (lists / "test.txt").write_bytes(b"img/\xff.png\n")
    assert refusal(faces, split_files=lists) == (
        f"The list {lists / 'test.txt'} cannot be read: it is not UTF-8 text."
    )


def test_lists_that_cannot_be_used(faces: Path, tmp_path: Path) -> None:
    lists = write_lists(tmp_path / "lists")
    reserve = (lists / "reserve.txt").read_text()
    lines = len(reserve.splitlines())
    (lists / "reserve.txt").write_text(f"{reserve}\nimg/000.png\n img/444.png \nimg/008.png\nimg/008.png\n")
    (lists / "test.txt").write_text("img/006.png\n")
    left = [number for number in range(IMAGES) if row_of(number)["part"] == "test" and number != 6]
    assert refusal(faces, split_files=lists) == "\n".join(
        [
            f"The lists in {lists} cannot be used:",
            f"  img/000.png is in training.txt and in reserve.txt, line {lines + 2}",
            f"  'img/444.png' in reserve.txt, line {lines + 3}, is none of the images",
            *(f"  img/{number:03}.png is in no list" for number in left),
        ]
    )
    write_lists(lists)
    (lists / "training.txt").unlink()
    (lists / "test.txt").unlink()
    assert refusal(faces, split_files=lists) == (
        f"There is no list {lists}/training.txt, {lists}/test.txt: --split-files takes a folder with these."
    )
    many = "".join(f"no{number:02}.png\n" for number in range(25))
    write_lists(lists, reserve=reserve + many)
    assert refusal(faces, split_files=lists).splitlines() == [
        f"The lists in {lists} cannot be used:",
        *(
            f"  'no{number:02}.png' in reserve.txt, line {lines + 1 + number}, is none of the images"
            for number in range(20)
        ),
        "  and 5 more (scotoma check --full names all)",
    ]


def test_equal_images_in_two_lists(faces: Path, tmp_path: Path) -> None:
    lists = write_lists(tmp_path / "lists")
    shutil.copy(faces.parent / "img/000.png", faces.parent / "img/006.png")
    assert refusal(faces, split_files=lists) == (
        f"The parts from the lists in {lists} cannot be used (allowed: attack, reserve, test, train, "
        "training, val, valid, validation):\n"
        "  img/000.png and img/006.png are equal or belong together, in different parts"
    )


def test_lists_may_name_what_is_left_out(faces: Path, photos: Path, tmp_path: Path) -> None:
    """A published split names every file, be it readable here or not."""
    lists = write_lists(tmp_path / "lists")
    (faces.parent / "img/004.png").write_bytes(b"")
    table = opened(faces, "Male", split_files=lists, skip_unreadable=True)
    assert len(table) == IMAGES - 1
    shutil.copy(photos / "cats/2.png", photos / "dogs/again.png")
    every = [file.relative_to(photos).as_posix() for file in photos.rglob("*") if file.suffix != ".csv"]
    files = sorted(name for name in every if (photos / name).is_file())
    for number, part in enumerate(("training", "validation", "test")):
        (lists / f"{part}.txt").write_text("".join(f"{name}\n" for name in files[number::3]))
    (lists / "reserve.txt").unlink()
    asked = Labelling(split_files=lists)
    whole = open_images(photos, 8, 3, labelling=asked)
    assert whole.left_out == ("cats/2.png", "dogs/again.png")
    some = open_images(photos, 8, 3, categories=["arena/hockey", "cats"], labelling=asked)
    assert some.parts is not None and len(some.parts) == 8
    assert survey(photos, labelling=asked).digest == whole.digest()


def test_what_is_asked_of_a_table_only(photos: Path, idx_folder: Path, tmp_path: Path) -> None:
    reading = Reading("file", tmp_path, ("?",), {"Male": "binary"})
    asked = Labelling(reading=reading, sides=Sides(group_by="person", column="part"))
    for source in (photos, idx_folder, "fashion-mnist"):
        told = (
            "--group-by, --split-column, --file-column, --root, --missing, --columns: "
            f"{source} is no table of attributes. Name a .csv or .tsv file that has a column with the "
            "images' paths, or leave this out."
        )
        for look in (
            lambda source: open_images(source, 8, 3, labelling=asked),
            lambda source: attributes_of(source, asked),
            lambda source: survey(source, labelling=asked),
        ):
            with pytest.raises(InputError) as error:
                look(source)
            assert str(error.value) == told


def test_what_is_asked_of_categories_only(faces: Path) -> None:
    told = f"{faces} is a table of attributes: there are no categories to choose from with --categories."
    for look in (
        lambda: open_images(faces, 8, 3, categories=["Male"], labelling=MALE),
        lambda: attributes_of(faces, MALE, ["Male"]),
        lambda: survey(faces, categories=["Male"], labelling=MALE),
    ):
        with pytest.raises(InputError) as error:
            look()
        assert str(error.value) == told


def test_lists_of_files_need_files(idx_folder: Path, tmp_path: Path) -> None:
    asked = Labelling(split_files=tmp_path)
    for source in (idx_folder, "fashion-mnist"):
        for look in (
            lambda source: open_images(source, 28, 1, labelling=asked),
            lambda source: survey(source, labelling=asked),
        ):
            with pytest.raises(InputError) as error:
                look(source)
            assert str(error.value) == f"--split-files: {source} is no folder of image files."


def test_columns_that_are_not_there(faces: Path) -> None:
    allowed = "(allowed: Male, Smiling, hair, age, person, part)"
    for wrong, near, asked in (
        ("persn", "person", {"sides": Sides(group_by="persn")}),
        ("parts", "part", {"sides": Sides(column="parts")}),
        ("Mail", "Male", {}),
    ):
        with pytest.raises(InputError) as error:
            opened(faces, "Male" if asked else wrong, **asked)
        assert str(error.value) == (
            f"There is no column {wrong!r} in {faces}: did you mean {near!r}? {allowed}."
        )
    assert refusal(faces, sides=Sides(group_by="file")) == (
        f"The column 'file' of {faces} names the files, and says nothing of them."
    )


def test_other_labels_need_no_new_decoding_and_another_file_does(faces: Path, builds: list[Path]) -> None:
    first = opened(faces, "Male")
    opened(faces, "hair", "age>=30", sides=Sides(group_by="person"))
    rewrite(faces, lambda row: row.update(Male="1" if row["Male"] == "0" else "0"))
    second = opened(faces, "Male")
    assert len(builds) == 1
    said = {0: 1, 1: 0, -1: 0}
    before = first.attributes["Male"].labels.tolist()
    assert second.attributes["Male"].labels.tolist() == [said[label] for label in before]
    os.utime(faces.parent / "img/003.png", ns=(1, 1))
    opened(faces, "Male")
    assert builds == [builds[0]] * 2
    # One file less in the table is another array.
    write_rows(faces, [row_of(number) for number in range(IMAGES - 1)])
    assert shown(opened(faces, "Male")) == list(range(IMAGES - 1))
    assert builds == [builds[0]] * 3


def test_two_tables_of_the_same_images_have_an_entry_each(faces: Path, builds: list[Path]) -> None:
    half = write_rows(faces.parent / "half.csv", [row_of(number) for number in range(0, IMAGES, 2)])
    for _ in range(2):
        assert shown(opened(faces, "Male")) == list(range(IMAGES))
        assert shown(opened(half, "Male")) == list(range(0, IMAGES, 2))
    assert len(set(builds)) == len(builds) == 2


def test_a_survey_of_a_table_counts_what_training_would_have(faces: Path) -> None:
    asked = Labelling(("Male", "hair"), sides=Sides(group_by="person"))
    found, table = survey(faces, 4, labelling=asked), open_images(faces, 8, 3, labelling=asked)
    parts = divide(table, SplitRecipe(4, Fractions()))
    male, hair = (table.attributes[name].labels for name in ("Male", "hair"))
    rows = {"all images": np.ones(IMAGES, bool), "not Male": male == 0, "Male": male == 1}
    rows |= {f"hair: {name}": hair == number for number, name in enumerate(HAIR)}
    assert found.categories == tuple(
        CategorySurvey(name, int(those.sum()), *(int(those[getattr(parts, part)].sum()) for part in PARTS))
        for name, those in rows.items()
    )
    assert found.digest == table.digest()
    assert [column.name for column in found.columns] == ["Male", "Smiling", "hair", "age", "person", "part"]
    assert found.near is None
    assert found.asked == (
        "Male: binary: 1 is yes, 0 is no; 3 missing",
        "hair: 3 classes: black, blond, brown; 2 missing",
    )


def test_attributes_are_counted_of_a_table_only(photos: Path) -> None:
    with pytest.raises(InputError) as error:
        survey(photos, labelling=MALE)
    assert str(error.value) == (
        f"--attributes: {photos} is no table of attributes; the images of its categories are counted without "
        "being asked for."
    )
