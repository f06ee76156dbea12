import csv
import io
import os
import shutil
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import scotoma
from scotoma.cli import main, release
from scotoma.data.fashion import embedded_set
from scotoma.data.photos import list_photos
from tests.tiny import shrink_embedded_set


@pytest.fixture
def encoder(trained: Path) -> Path:
    return trained / "encoder.safetensors"


def encode(encoder: Path, images: Path | str, out: Path, *more: str) -> int:
    return main(["encode", str(encoder), str(images), "--out", str(out), *more])


def codes_in(path: Path) -> np.ndarray:
    with np.load(path, allow_pickle=False) as content:
        assert content.files == ["codes"]
        return np.asarray(content["codes"])


def test_codes_come_in_the_order_of_the_sorted_images(
    encoder: Path, places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "codes.npz"
    assert encode(encoder, places, out) == 0
    frozen = scotoma.load_encoder(encoder)
    table = scotoma.open_images(places, frozen)
    codes = codes_in(out)
    assert codes.dtype == np.float32
    assert codes.shape == (120, 3, 4, 4)
    # The table's rows are the same sorted files.
    assert codes == pytest.approx(frozen.encode(table.pixels).numpy(), abs=1e-5)
    assert np.ptp(codes) > 0.5
    assert capsys.readouterr().out == f"Codes: {out} (codes: 120 x 3 x 4 x 4, float32)\n"
    assert [each.name for each in out.parent.iterdir()] == ["codes.npz"]


def test_the_file_holds_codes_and_nothing_else(encoder: Path, places: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    assert encode(encoder, places, one) == 0
    for name in list_photos(places)[1][:3]:
        os.utime(places / name, (time.time() - 1e6,) * 2)
    assert encode(encoder, places, other) == 0
    assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(one) as archive:
        (entry,) = archive.infolist()
        assert (entry.filename, entry.date_time, entry.comment) == ("codes.npy", (1980, 1, 1, 0, 0, 0), b"")
        assert entry.file_size == 120 * 3 * 4 * 4 * 4 + 128
    content = one.read_bytes()
    assert not any(name in content for name in (b"office", b"bar", b"00.png", b"places"))


def test_a_table_is_encoded_in_the_order_of_its_rows(
    encoder: Path, places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `verify` takes codes beside the same table."""
    files = sorted(each.relative_to(places).as_posix() for each in places.rglob("*.png"))[::-7]
    table = tmp_path / "faces.csv"
    table.write_text("".join(f"{line}\n" for line in ("old,file", *(f"1,{file}" for file in files))))
    ids = tmp_path / "ids.csv"
    assert encode(encoder, table, tmp_path / "some.npz", "--root", str(places), "--ids", str(ids)) == 0
    assert [row.split(",")[1] for row in ids.read_text().splitlines()[1:]] == files
    assert encode(encoder, places, tmp_path / "all.npz") == 0
    some, every = (np.load(tmp_path / name)["codes"] for name in ("some.npz", "all.npz"))
    assert some == pytest.approx(every[::-1][::7], abs=1e-5)
    capsys.readouterr()
    assert encode(encoder, table, tmp_path / "none.npz") == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"  None of the {len(files)} rows of 'file' names an image below {tmp_path}: --root names the folder "
        "that paths start from, --file-column the column."
    )
    assert encode(encoder, places, tmp_path / "none.npz", "--root", str(places), "--file-column", "x") == 2
    assert capsys.readouterr().err == (
        f"--root is about a table, and {places} is none.\n"
        f"--file-column is about a table, and {places} is none.\n"
    )


def test_the_join_is_written_apart(encoder: Path, places: Path, tmp_path: Path) -> None:
    ids = tmp_path / "ids.csv"
    assert encode(encoder, places, tmp_path / "codes.npz", "--ids", str(ids)) == 0
    rows = list(csv.reader(io.StringIO(ids.read_text())))
    assert rows[0] == ["row", "file"]
    assert rows[1:] == [[str(row), name] for row, name in enumerate(list_photos(places)[1])]
    alone = tmp_path / "one.npz"
    assert encode(encoder, places / "bar" / "07.png", alone) == 0
    row = rows.index(["37", "bar/07.png"]) - 1
    assert codes_in(alone)[0] == pytest.approx(codes_in(tmp_path / "codes.npz")[row], abs=1e-5)


def test_pictures_show_the_codes(encoder: Path, places: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    assert encode(encoder, places, tmp_path / "codes.npz", "--pictures", str(folder)) == 0
    names = sorted(each.name for each in folder.glob("*.png"))
    assert names == [f"{row:03}.png" for row in range(120)]
    code = codes_in(tmp_path / "codes.npz")[37]
    with Image.open(folder / "037.png") as picture:
        assert (picture.size, picture.mode, picture.info) == ((128, 128), "RGB", {})
        pixels = np.asarray(picture)
    for row, column in ((0, 0), (1, 3), (3, 2)):
        block = pixels[32 * row : 32 * (row + 1), 32 * column : 32 * (column + 1)]
        assert (block == block[0, 0]).all()
        assert block[0, 0] == pytest.approx((code[:, row, column] + 1) * 127.5, abs=0.51)


def test_other_numbers_of_channels_stand_side_by_side() -> None:
    code = np.stack([np.full((8, 8), value, np.float32) for value in (-1, 1)])
    picture = release.picture(code)
    assert (picture.size, picture.mode) == ((256, 128), "L")
    assert (picture.getpixel((127, 5)), picture.getpixel((128, 5))) == (0, 255)


class Watched:
    """Notes how `FrozenEncoder.encode` is called, and what with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self.threads: set[tuple[str, int]] = set()
        encode_whole = scotoma.FrozenEncoder.encode

        def encode(frozen: scotoma.FrozenEncoder, pixels: np.ndarray) -> object:
            self.sizes.append(len(pixels))
            self.threads.add((threading.current_thread().name, torch.get_num_threads()))
            return encode_whole(frozen, pixels)

        monkeypatch.setattr("scotoma.encoder_file.ENCODE_BATCH", 50)
        monkeypatch.setattr(scotoma.FrozenEncoder, "encode", encode)


def no_key(_: object) -> str:
    raise AssertionError("nobody needs the key of an image that is encoded")


def test_images_pass_through_some_at_a_time(
    encoder: Path, places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = scotoma.load_encoder(encoder)
    pixels = scotoma.open_images(places, frozen).pixels
    one_thread = [frozen.encode(pixels[start : start + 50]).numpy() for start in (0, 50, 100)]
    watched = Watched(monkeypatch)
    monkeypatch.setattr("scotoma.data.decoding.pixel_key", no_key)
    monkeypatch.setattr("scotoma.data.images.pixel_key", no_key)
    assert encode(encoder, places, tmp_path / "codes.npz") == 0
    assert watched.sizes == [50, 50, 20]
    assert (codes_in(tmp_path / "codes.npz") == np.concatenate(one_thread)).all()


@pytest.mark.parametrize("of_files", [True, False])
def test_every_thread_computes_in_itself_alone(
    of_files: bool, encoder: Path, places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)
    shrink_embedded_set(monkeypatch, every=100)
    threads = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    torch.set_num_threads(2)  # as the environment makes it when a process starts
    try:
        source = places if of_files else "fashion-mnist"
        assert encode(encoder, source, tmp_path / "codes.npz") == 0
        assert watched.threads <= {("scotoma_0", 1), ("scotoma_1", 1)}
        assert sorted(watched.sizes) == ([20, 50, 50] if of_files else [50] * 4)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_a_stop_ends_the_threads_and_leaves_nothing_behind(
    encoder: Path,
    places: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(code: np.ndarray) -> Image.Image:
        raise KeyboardInterrupt

    monkeypatch.setattr("scotoma.cli.release.picture", stop)
    more = ["--pictures", str(tmp_path / "pictures")]
    assert encode(encoder, places, tmp_path / "codes.npz", *more) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "Stopped."
    assert not any(each.name.startswith("scotoma-images") for each in threading.enumerate())
    assert list(tmp_path.iterdir()) == []


def test_the_embedded_set_is_encoded_by_its_name(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink_embedded_set(monkeypatch, every=200)
    ids = tmp_path / "ids.csv"
    assert encode(encoder, "fashion-mnist", tmp_path / "codes.npz", "--ids", str(ids)) == 0
    frozen = scotoma.load_encoder(encoder)
    table = scotoma.open_images("fashion-mnist", frozen)
    assert codes_in(tmp_path / "codes.npz") == pytest.approx(frozen.encode(table.pixels).numpy(), abs=1e-5)
    assert ids.read_text().splitlines()[1] == "0,image 0"
    assert len(embedded_set()[0]) == 20_000


def test_every_output_that_exists_is_told_before_any_work(
    places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, ids, pictures = tmp_path / "codes.npz", tmp_path / "ids.csv", tmp_path / "holiday"
    out.write_text("mine")
    ids.write_text("mine")
    pictures.mkdir()
    (pictures / "0.png").write_text("mine")
    more = ["--ids", str(ids), "--pictures", str(pictures)]
    absent = tmp_path / "absent.safetensors"
    assert encode(absent, places, out, *more) == 2
    left_alone = f"{pictures} is not empty and Scotoma did not write it, it is left alone: choose another.\n"
    assert capsys.readouterr() == (
        "",
        f"{out} exists already: choose another, or give --overwrite to replace it.\n"
        f"{ids} exists already: choose another, or give --overwrite to replace it.\n{left_alone}",
    )
    assert encode(absent, places, out, *more, "--overwrite") == 2
    assert capsys.readouterr().err == left_alone
    assert {each.read_text() for each in (out, ids, pictures / "0.png")} == {"mine"}


def test_pictures_never_take_the_place_of_a_run(
    trained: Path, places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    encoder, before = run / "encoder.safetensors", sorted(run.iterdir())
    command = ["encode", str(encoder), str(places), "--out", str(tmp_path / "a.npz"), "--overwrite"]
    assert main([*command, "--pictures", str(run)]) == 2
    assert capsys.readouterr().err == f"{run} holds a run, no pictures, it is left alone: choose another.\n"
    assert main([*command, "--ids", str(encoder)]) == 2
    assert capsys.readouterr().err == (
        f"--ids {encoder} must end in .csv.\n{encoder} is read: it cannot be written, too.\n"
    )
    assert sorted(run.iterdir()) == before


def test_overwrite_replaces_all_that_was_written(
    encoder: Path, places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, ids, pictures = tmp_path / "codes.npz", tmp_path / "ids.csv", tmp_path / "pictures"
    more = ["--ids", str(ids), "--pictures", str(pictures)]
    assert encode(encoder, places, out, *more) == 0
    assert encode(encoder, places / "bar", out, *more) == 2
    assert capsys.readouterr().err.splitlines()[-3:] == [
        f"{each} exists already: choose another, or give --overwrite to replace it."
        for each in (out, ids, pictures)
    ]
    assert encode(encoder, places / "bar", out, *more, "--overwrite") == 0
    assert len(codes_in(out)) == 30
    assert ids.read_text().splitlines()[1] == "0,00.png"
    assert sorted(each.name for each in pictures.glob("*")) == [
        *(f"{row:02}.png" for row in range(30)),
        "scotoma-run.json",
    ]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["codes.npz", "ids.csv", "pictures"]


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder of one image and three files that are none."""
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (9, 9)).save(photos / "a.png")
    for name in ("b.jpg", "c.webp"):
        (photos / name).write_bytes(b"no picture")
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    frames[0].save(photos / "d.webp", save_all=True, append_images=frames[1:])
    return photos


def test_an_image_that_cannot_be_read_leaves_nothing_behind(
    encoder: Path, broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--ids", str(tmp_path / "ids.csv"), "--pictures", str(tmp_path / "pictures")]
    assert encode(encoder, broken, tmp_path / "codes.npz", *more) == 2
    told = capsys.readouterr().err.splitlines()
    place = told.index("3 of 4 images cannot be read:")
    assert [line.split(":")[0] for line in told[place + 1 : place + 3]] == ["  b.jpg", "  c.webp"]
    assert told[place + 3] == "  d.webp: an animation of 2 frames, a single image is needed"
    assert told[-1] == (
        "Repair them, or move them out of the folder: images are never left out silently. "
        "--skip-unreadable leaves them out and says so."
    )
    assert [each.name for each in tmp_path.iterdir()] == ["photos"]


def test_what_cannot_be_read_is_left_out_on_request(
    encoder: Path, broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--ids", str(tmp_path / "ids.csv"), "--pictures", str(tmp_path / "pictures"), "--skip-unreadable"]
    assert encode(encoder, broken, tmp_path / "codes.npz", *more) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{broken}: left out, as they cannot be read: 3 (b.jpg: ")
    assert said[0].endswith("; d.webp: an animation of 2 frames, a single image is needed)")
    assert said[1] == f"Codes: {tmp_path / 'codes.npz'} (codes: 1 x 3 x 4 x 4, float32)"
    assert encode(encoder, broken / "a.png", tmp_path / "alone.npz") == 0
    assert (tmp_path / "codes.npz").read_bytes() == (tmp_path / "alone.npz").read_bytes()
    assert (tmp_path / "ids.csv").read_text() == "row,file\n0,a.png\n"
    assert [each.name for each in (tmp_path / "pictures").glob("*.png")] == ["0.png"]


def test_where_nothing_can_be_read_nothing_is_written(
    encoder: Path, broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (broken / "a.png").unlink()
    assert encode(encoder, broken, tmp_path / "codes.npz", "--skip-unreadable") == 2
    told = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in told[-4:]] == [
        "None of 3 images can be read",
        *("  b.jpg", "  c.webp", "  d.webp"),
    ]
    assert [each.name for each in tmp_path.iterdir()] == ["photos"]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (
            [],
            "the command line: 3 problems.\n  - encoder: missing, it must be a path\n"
            "  - images: missing, it must be a text\n  - out: missing, it must be a path\n",
        ),
        (
            ["e", "i", "--out", "codes.npy", "--ids", "codes.npy"],
            "--out codes.npy must end in .npz.\n--ids codes.npy must end in .csv.\n"
            "--out, --ids and --pictures must be three different paths.\n",
        ),
        (["e", "i", "--out", "codes.npz"], "There is no encoder file e.\n"),
    ],
    ids=["missing", "paths", "encoder"],
)
def test_a_mistake_in_what_was_typed_is_told(
    typed: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["encode", *typed]) == 2
    assert capsys.readouterr() == ("", told)


def test_a_folder_without_images_is_told(
    encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert encode(encoder, tmp_path, tmp_path / "codes.npz") == 2
    assert capsys.readouterr().err == (
        f"There is no image (.jpg, .jpeg, .png, .webp) in {tmp_path} or the folders in it.\n"
    )
