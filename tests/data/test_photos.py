import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from scotoma.data.decoding import decode_image, fit_square, pixel_key
from scotoma.data.photos import fit_files, in_threads, list_photos
from scotoma.errors import InputError

Pixels = npt.NDArray[np.uint8]


class Recorded:
    """A Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.done = 0

    def start(self, description: str, total: int) -> None:
        self.told.append((description, total))

    def advance(self, n: int = 1, **figures: float | str) -> None:
        self.done += n

    def stop(self) -> None:
        self.told.append("stop")


def test_photos_are_listed_sorted_below_all_folders(photos: Path) -> None:
    (photos / ".hidden").mkdir()
    for name in (".hidden/x.jpg", "cats/.x.jpg", "cats/notes.txt"):
        (photos / name).write_bytes(b"")
    names = [path.relative_to(photos).as_posix() for path in list_photos(photos)]
    files = ("0.jpg", "1.JPEG", "2.png", "3.webp")
    assert names == [f"{folder}/{file}" for folder in ("a/arena/hockey", "cats", "dogs") for file in files]


def test_a_single_file_is_listed(photos: Path) -> None:
    assert list_photos(photos / "cats/1.JPEG") == [photos / "cats/1.JPEG"]


def test_a_folder_below_a_hidden_one_may_be_named(photos: Path) -> None:
    hidden = photos.rename(photos.with_name(".photos"))
    assert len(list_photos(hidden)) == 12


def test_nothing_to_list(tmp_path: Path, photos: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    expected = {
        empty: f"There is no image (.jpg, .jpeg, .png, .webp) in {empty} or the folders in it.",
        tmp_path / "none": f"There is no file or folder {tmp_path / 'none'}.",
        photos / "list.csv": f"{photos}/list.csv is no image by its extension; "
        "images are .jpg, .jpeg, .png, .webp.",
    }
    for path, message in expected.items():
        with pytest.raises(InputError) as error:
            list_photos(path)
        assert str(error.value) == message


def test_files_are_fitted_in_their_order(photos: Path) -> None:
    files = list_photos(photos)
    progress = Recorded()
    chunks = list(fit_files(files, 8, 3, progress, chunk=5))
    assert [len(pixels) for pixels, _ in chunks] == [5, 5, 2]
    images = [decode_image(file) for file in files]
    assert (
        np.concatenate([pixels for pixels, _ in chunks]) == [fit_square(one, 8, 3) for one in images]
    ).all()
    assert [key for _, keys in chunks for key in keys] == [pixel_key(one) for one in images]
    assert (progress.told, progress.done) == ([("decoding images", 12), "stop"], 12)


def test_all_unreadable_files_are_told_of_at_once(photos: Path) -> None:
    (photos / "cats/0.jpg").write_bytes(b"")
    (photos / "dogs/2.png").write_bytes(b"text")
    progress = Recorded()
    with pytest.raises(InputError) as error:
        list(fit_files(list_photos(photos), 8, 3, progress, chunk=2))
    assert str(error.value) == (
        "2 of 12 images cannot be read:\n"
        f"  {photos}/cats/0.jpg: the file is empty\n"
        f"  {photos}/dogs/2.png: neither JPEG, PNG nor WebP, or damaged from the start\n"
        "Repair them, or move them out of the folder: images are never left out silently."
    )
    assert progress.told[-1] == "stop"


def test_of_many_unreadable_files_twenty_are_shown(tmp_path: Path) -> None:
    files = [tmp_path / f"{number:02}.jpg" for number in range(25)]
    with pytest.raises(InputError) as error:
        list(fit_files(files, 8, 3, names=[file.name for file in files]))
    lines = str(error.value).splitlines()
    assert lines[0] == "25 of 25 images cannot be read:"
    assert lines[20:22] == ["  19.jpg: No such file or directory", "  and 5 more"]


def test_threads_keep_the_order_and_stay_near_the_reader() -> None:
    begun: list[int] = []
    lock = threading.Lock()

    def work(number: int) -> int:
        with lock:
            begun.append(number)
        return number * number

    results = in_threads(work, 10_000, "squaring", chunk=10)
    first = next(results)
    assert first == [number * number for number in range(10)]
    results.close()  # type: ignore[attr-defined]  # a generator
    assert len(begun) < 10_000
    assert [one for several in in_threads(work, 95, "squaring", chunk=10) for one in several][-1] == 94 * 94


def test_an_error_in_a_thread_reaches_the_reader() -> None:
    def work(number: int) -> int:
        return 1 // (number - 30)

    progress = Recorded()
    with pytest.raises(ZeroDivisionError):
        list(in_threads(work, 100, "dividing", progress, chunk=10))
    assert progress.told[-1] == "stop"


def test_no_files_give_nothing(picture: Callable[..., Pixels]) -> None:
    assert list(fit_files([], 8, 3)) == []
