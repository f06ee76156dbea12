import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from scotoma.data.catalogue import category_name, find_images
from scotoma.errors import InputError
from scotoma.runs.run_folder import MARKER

FILES = ("0.jpg", "1.JPEG", "2.png", "3.webp")


def test_category_folders_nested_ones_too(photos: Path) -> None:
    (photos / "cats/.hidden.jpg").write_bytes(b"")
    (photos / ".thumbnails").mkdir()
    (photos / ".thumbnails/1.jpg").write_bytes(b"")
    (photos / "birds/empty").mkdir(parents=True)
    found = find_images(photos)
    assert (found.kind, found.source, found.root) == ("folders", str(photos), photos)
    assert found.categories == ("arena/hockey", "cats", "dogs")
    assert found.files == tuple(
        f"{folder}/{file}" for folder in ("a/arena/hockey", "cats", "dogs") for file in FILES
    )
    assert found.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert found.without_images == ("birds", "birds/empty")
    assert found.ignored == ((".csv", 1),)


def test_what_a_run_has_written_and_pipes_are_no_images(photos: Path) -> None:
    before = find_images(photos)
    (photos / "sweep/attacks").mkdir(parents=True)
    shutil.copy(photos / "cats/2.png", photos / "sweep/sweep.png")
    shutil.copy(photos / "cats/2.png", photos / "sweep/attacks/1.png")
    (photos / "sweep" / MARKER).write_text("{}")
    os.mkfifo(photos / "cats/pipe.jpg")
    found = find_images(photos)
    assert (found.files, found.categories) == (before.files, before.categories)
    assert (found.without_images, found.ignored) == ((), ((".csv", 1), (".jpg", 1)))


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("a/airport_terminal", "airport_terminal"),
        ("a/arena/hockey", "arena/hockey"),
        ("airport", "airport"),
        ("a", "a"),
        ("ab/c", "ab/c"),
        ("b/c/d", "c/d"),
        ("1/c", "1/c"),
    ],
)
def test_category_names(folder: str, name: str) -> None:
    assert category_name(folder) == name


def test_a_folder_may_hold_images_and_a_category_below(photos: Path) -> None:
    shutil.copytree(photos / "dogs", photos / "cats/wild")
    assert find_images(photos).categories == ("arena/hockey", "cats", "cats/wild", "dogs")


def test_files_and_labels_go_together_whatever_sorts_first(photos: Path) -> None:
    # "cats-2/..." sorts between "cats" and "cats/...", categories sort as names.
    shutil.copytree(photos / "dogs", photos / "cats-2")
    found = find_images(photos)
    assert list(found.files) == sorted(found.files)
    for file, label in zip(found.files, found.labels.tolist(), strict=True):
        assert category_name(str(Path(file).parent)) == found.categories[label]


def test_a_group_of_the_categories(photos: Path) -> None:
    found = find_images(photos).restricted_to(["dogs", "arena/hockey"])
    assert found.categories == ("arena/hockey", "dogs")
    assert found.files == tuple(f"{folder}/{file}" for folder in ("a/arena/hockey", "dogs") for file in FILES)
    assert found.labels.tolist() == [0] * 4 + [1] * 4


def test_links_are_followed_but_not_round(photos: Path) -> None:
    (photos / "cats/loop").symlink_to(photos, target_is_directory=True)
    outside = photos.with_name("outside")
    (photos / "dogs").rename(outside)
    (photos / "wolves").symlink_to(outside, target_is_directory=True)
    assert find_images(photos).categories == ("arena/hockey", "cats", "wolves")


def test_the_embedded_set_is_a_word_and_its_folder_a_path(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_images(Path("fashion-mnist")).kind == "embedded"
    photos.rename("fashion-mnist")
    assert find_images("fashion-mnist").kind == "embedded"
    assert find_images("./fashion-mnist").kind == "folders"
    assert find_images(Path("fashion-mnist")).kind == "folders"


def test_idx_files_are_known_by_name(idx_folder: Path) -> None:
    assert find_images(idx_folder).kind == "idx"


def test_all_problems_of_a_folder_at_once(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for folder in ("a/bar", "b/bar", "bar"):
        (root / folder).mkdir(parents=True)
        (root / folder / "1.jpg").write_bytes(b"")
    (root / "cover.png").write_bytes(b"")
    with pytest.raises(InputError) as error:
        find_images(root)
    assert str(error.value) == (
        f"The folder {root} cannot be used:\n"
        "  Images outside any category folder: 1 (cover.png). Move them into one, or away.\n"
        "  The folders a/bar and b/bar and bar would all be the category 'bar'. Rename or join them.\n"
        "  At least two category folders with images (.jpg, .jpeg, .png, .webp) are needed, "
        "there is only 'bar'."
    )


def test_a_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    with pytest.raises(InputError) as error:
        find_images(tmp_path)
    assert str(error.value) == (
        f"The folder {tmp_path} cannot be used:\n"
        "  At least two category folders with images (.jpg, .jpeg, .png, .webp) are needed, there is none."
    )


def test_a_folder_that_may_not_be_read(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by chmod: tests may run as root, who may read every folder.
    scan = os.scandir

    def refuse(folder: Path) -> Any:
        if folder.name == "cats":
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError) as error:
        find_images(photos)
    assert str(error.value) == (
        f"The folder {photos} cannot be used:\n  The folder cats cannot be read: Permission denied."
    )


def test_a_name_that_cannot_be_printed(photos: Path) -> None:
    (photos / "cats").rename(photos / "ca\nts")
    with pytest.raises(InputError) as error:
        find_images(photos)
    assert str(error.value) == (
        f"The folder {photos} cannot be used:\n  The folder name 'ca\\nts' cannot be printed. Rename it."
    )


def test_a_source_that_is_not_there(photos: Path, tmp_path: Path) -> None:
    words = "The word 'fashion-mnist' names the set of images that comes with Scotoma."
    (photos / "list.txt").touch()
    expected = {
        str(tmp_path / "fotos"): f"There is no folder {tmp_path}/fotos. Did you mean '{photos}'? {words}",
        str(tmp_path / "zzz"): f"There is no folder {tmp_path}/zzz. {words}",
        "fashion_mnist": f"There is no folder fashion_mnist. Did you mean 'fashion-mnist'? {words}",
        str(tmp_path / "no/such"): f"There is no folder {tmp_path}/no/such. {words}",
        f"{photos}/list.txt": (
            f"{photos}/list.txt is a file; a folder of category folders or a table (.csv, .tsv) is needed. "
            f"{words}"
        ),
    }
    for source, message in expected.items():
        with pytest.raises(InputError) as error:
            find_images(source)
        assert str(error.value) == message
