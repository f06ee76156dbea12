import os
import shutil
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from scotoma.data.decoding import decode_image
from scotoma.data.photos import decode_files, list_photos, other_formats
from scotoma.errors import InputError
from scotoma.runs.run_folder import MARKER
from scotoma.runs.threads import Workers, in_threads
from tests.recorded import Recorded

Pixels = npt.NDArray[np.uint8]


def test_photos_are_listed_sorted_below_all_folders(photos: Path) -> None:
    (photos / ".hidden").mkdir()
    for name in (".hidden/x.jpg", "cats/.x.jpg", "cats/notes.txt"):
        (photos / name).write_bytes(b"")
    (photos / "cats/folder.png").mkdir()
    os.mkfifo(photos / "cats/pipe.png")
    (photos / "cats/to-pipe.png").symlink_to("pipe.png")
    files = ("0.jpg", "1.JPEG", "2.png", "3.webp")
    assert list_photos(photos) == (
        photos,
        [f"{folder}/{file}" for folder in ("a/arena/hockey", "cats", "dogs") for file in files],
    )


def test_what_was_written_among_photos_is_none_of_them_and_others_are_counted(photos: Path) -> None:
    before = list_photos(photos)
    (photos / "pictures").mkdir()
    shutil.copy(photos / "cats/0.jpg", photos / "pictures/0.jpg")
    (photos / "pictures" / MARKER).write_text("{}")
    for name in ("a.TIF", "b.tif", "notes", "c.heic"):
        (photos / name).write_bytes(b"")
    others: Counter[str] = Counter()
    assert list_photos(photos, others) == before
    assert others == {".tif": 2, "no extension": 1, ".heic": 1, ".csv": 1}
    said = "not used, as only .jpg, .jpeg, .png, .webp are read: 1 .heic, 2 .tif"
    assert (other_formats(others), other_formats({".csv": 1})) == (said, "")


def test_links_are_followed_but_not_round(photos: Path) -> None:
    outside = photos.with_name("outside")
    (photos / "dogs").rename(outside)
    (photos / "wolves").symlink_to(outside)
    (photos / "round").symlink_to(photos)
    (photos / "cats/up").symlink_to("..")
    (photos / "one.png").symlink_to("cats/2.png")
    files = ("0.jpg", "1.JPEG", "2.png", "3.webp")
    found = [f"{folder}/{file}" for folder in ("a/arena/hockey", "cats", "wolves") for file in files]
    assert list_photos(photos)[1] == sorted([*found, "one.png"])


def test_a_link_that_leads_nowhere_is_told_with_all_that_cannot_be_read(photos: Path) -> None:
    (photos / "cats/lost.png").symlink_to("nowhere")
    (photos / "dogs/round.png").symlink_to("round.png")
    (photos / "dogs/2.png").write_bytes(b"")
    with pytest.raises(InputError) as error:
        list(decode_files(*list_photos(photos), mean_of, len))
    assert str(error.value) == (
        "3 of 14 images cannot be read:\n"
        "  cats/lost.png: No such file or directory\n"
        "  dogs/2.png: the file is empty\n"
        "  dogs/round.png: Too many levels of symbolic links\n"
        "Repair them, or move them out of the folder: images are never left out silently. "
        "--skip-unreadable leaves them out and says so."
    )


def test_paths_are_sorted_as_texts(tmp_path: Path) -> None:
    for name in ("a/b.png", "a-c/b.png", "a.png", "B.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert list_photos(tmp_path)[1] == ["B.png", "a-c/b.png", "a.png", "a/b.png"]


def test_what_cannot_be_looked_into_is_told(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by chmod: tests may run as root, who may read every folder.
    scan = os.scandir

    def refuse(folder: Path) -> Any:
        if folder.name == "cats":
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError) as error:
        list_photos(photos)
    assert str(error.value) == f"{photos}/cats cannot be read: Permission denied."


def test_a_single_file_is_listed(photos: Path) -> None:
    assert list_photos(photos / "cats/1.JPEG") == (photos / "cats", ["1.JPEG"])


def test_a_folder_below_a_hidden_one_may_be_named(photos: Path) -> None:
    hidden = photos.rename(photos.with_name(".photos"))
    assert len(list_photos(hidden)[1]) == 12


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


def mean_of(image: Pixels) -> float:
    return float(image.mean())


def test_files_are_decoded_in_their_order(photos: Path) -> None:
    root, names = list_photos(photos)
    progress = Recorded()
    chunks = list(decode_files(root, names, mean_of, tuple, progress, Workers(chunk=5)))
    means = [mean_of(decode_image(photos / name)) for name in names]
    assert chunks == [tuple(means[:5]), tuple(means[5:10]), tuple(means[10:])]
    assert len(set(means)) == 12
    assert (progress.told, progress.done) == ([("decoding images", 12), "stop"], 12)


def test_all_is_done_in_threads_that_were_prepared(photos: Path) -> None:
    local = threading.local()
    prepared: list[int] = []

    def prepare() -> None:
        local.ready = True
        prepared.append(threading.get_ident())

    def where(_: object = None) -> tuple[int, bool]:
        return threading.get_ident(), local.ready

    def together(images: list[tuple[int, bool]]) -> set[tuple[int, bool]]:
        return {where(), *images}

    workers = Workers(threads=2, chunk=3, prepare=prepare)
    root, names = list_photos(photos)
    made = [*decode_files(root, names, where, together, workers=workers)]
    # A set of one: every image of a chunk and the chunk itself were in one thread.
    assert [len(chunk) for chunk in made] == [1] * 4
    assert {thread for chunk in made for thread, _ in chunk} <= set(prepared)
    assert threading.get_ident() not in prepared and 1 <= len(prepared) <= 2


def test_all_unreadable_files_are_told_of_at_once(photos: Path) -> None:
    (photos / "cats/0.jpg").write_bytes(b"")
    (photos / "dogs/2.png").write_bytes(b"text")
    progress = Recorded()
    made: list[object] = []
    with pytest.raises(InputError) as error:
        made += decode_files(*list_photos(photos), mean_of, len, progress, Workers(chunk=2))
    assert str(error.value) == (
        "2 of 12 images cannot be read:\n"
        "  cats/0.jpg: the file is empty\n"
        "  dogs/2.png: neither JPEG, PNG nor WebP, or damaged from the start\n"
        "Repair them, or move them out of the folder: images are never left out silently. "
        "--skip-unreadable leaves them out and says so."
    )
    assert progress.told[-1] == "stop"


def test_of_many_unreadable_files_twenty_are_shown(tmp_path: Path) -> None:
    names = [f"{number:02}.jpg" for number in range(25)]
    with pytest.raises(InputError) as error:
        list(decode_files(tmp_path, names, mean_of, len))
    lines = str(error.value).splitlines()
    assert lines[0] == "25 of 25 images cannot be read:"
    assert lines[20:22] == ["  19.jpg: No such file or directory", "  and 5 more"]


def test_threads_keep_the_order_and_stay_near_the_reader() -> None:
    begun: list[int] = []

    def work(numbers: range) -> list[int]:
        begun.append(numbers.start)
        return [number * number for number in numbers]

    results = in_threads(work, 10_000, "squaring", workers=Workers(threads=2, chunk=10))
    assert next(results) == [number * number for number in range(10)]
    time.sleep(0.05)  # time enough for all thousand, were they not held back
    # Five ahead of the reader, at most.
    assert len(begun) <= 6
    results.close()  # type: ignore[attr-defined]  # a generator
    last = list(in_threads(work, 95, "squaring", workers=Workers(chunk=10)))[-1]
    assert last == [number * number for number in range(90, 95)]


def test_an_error_in_a_thread_reaches_the_reader() -> None:
    def work(numbers: range) -> list[int]:
        return [1 // (number - 30) for number in numbers]

    progress = Recorded()
    with pytest.raises(ZeroDivisionError):
        list(in_threads(work, 100, "dividing", progress, Workers(chunk=10)))
    assert progress.told[-1] == "stop"


def test_no_files_give_nothing(tmp_path: Path) -> None:
    assert list(decode_files(tmp_path, [], mean_of, len)) == []
