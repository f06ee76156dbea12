import json
import os
import pickle
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from scotoma.data import cache
from scotoma.data.cache import default_cache
from scotoma.data.decoding import decode_image, fit_square, pixel_key
from scotoma.data.fashion import GARMENTS, embedded_set
from scotoma.data.images import Labelling, open_images
from scotoma.errors import InputError

Pixels = npt.NDArray[np.uint8]


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The entries that were built, in order."""
    built: list[Path] = []
    build = cache._build_entry

    def recorded(entry: Path, *rest: object) -> None:
        built.append(entry)
        build(entry, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(cache, "_build_entry", recorded)
    return built


def test_a_folder_becomes_a_table(photos: Path) -> None:
    table = open_images(photos, 8, 3)
    files = [photos / folder / file for folder in ("a/arena/hockey", "cats", "dogs") for file in FILES]
    images = [decode_image(file) for file in files]
    assert table.categories == ("arena/hockey", "cats", "dogs")
    assert table.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert (table.pixels == [fit_square(image, 8, 3) for image in images]).all()
    assert table.keys.tolist() == [pixel_key(image) for image in images]
    kinds = [str(array.dtype) for array in (table.pixels, table.labels, table.keys)]
    assert kinds == ["uint8", "int64", "<U32"]
    assert (table.source, table.left_out) == (str(photos), ())


FILES = ("0.jpg", "1.JPEG", "2.png", "3.webp")


def test_pixels_are_mapped_and_read_only(photos: Path) -> None:
    pixels = open_images(photos, 8, 1).pixels
    assert isinstance(pixels, np.memmap)
    assert pixels.shape == (12, 8, 8, 1)
    assert not pixels.flags.writeable


def test_the_second_opening_decodes_nothing(photos: Path, builds: list[Path]) -> None:
    first, second = open_images(photos, 8, 3), open_images(str(photos), 8, 3)
    assert len(builds) == 1
    assert (first.pixels == second.pixels).all()
    assert first.digest() == second.digest()


def test_sizes_and_groups_have_their_own_entries(photos: Path, builds: list[Path]) -> None:
    whole = open_images(photos, 8, 3)
    other = open_images(photos, 6, 1)
    group = open_images(photos, 8, 3, categories=["dogs", "cats"])
    assert len(set(builds)) == 3
    assert other.digest() == whole.digest() != group.digest()
    assert group.digest() == whole.restricted_to(["cats", "dogs"]).digest()
    assert (group.pixels == whole.pixels[4:]).all()


@pytest.mark.parametrize("change", ["content", "time", "added", "removed", "renamed"])
def test_a_changed_folder_is_decoded_anew_in_the_same_place(
    photos: Path, builds: list[Path], own_cache: Path, change: str
) -> None:
    before = open_images(photos, 8, 3)
    file = photos / "cats/2.png"
    if change == "content":
        file.write_bytes((photos / "dogs/3.webp").read_bytes())
        (photos / "dogs/3.webp").unlink()
    elif change == "time":
        os.utime(file, ns=(1, 1))
    elif change == "added":
        shutil.copy(file, photos / "cats/4.png")
    elif change == "removed":
        file.unlink()
    else:
        file.rename(photos / "cats/0a.png")
    after = open_images(photos, 8, 3)
    assert builds == [own_cache / builds[0].name] * 2
    assert [entry.name for entry in own_cache.iterdir()] == [builds[0].name]
    assert (after.digest() == before.digest()) == (change in ("time", "renamed"))
    assert len(before.pixels[:].ravel()) == 12 * 8 * 8 * 3  # who has the old entry open keeps it


# Pixels and rows that are left out, with a checksum that fits.
FORGED: dict[str, Callable[[bytes], tuple[bytes, list[Any]]]] = {
    "empty pixels": lambda content: (b"", []),
    "pickle": lambda content: (pickle.dumps([1]), []),
    "archive": lambda content: (b"PK\x03\x04" + content, []),
    "forged shape": lambda content: (content.replace(b"(12, 8, 8, 3)", b"(8, 12, 8, 3)"), []),
    "forged rows": lambda content: (content, [{}]),
}


def forge(entry: Path, pixels: bytes, left_out: list[Any]) -> None:
    index = json.loads((entry / "index.json").read_text())
    (entry / "pixels.npy").write_bytes(pixels)
    checksum = cache._checksum(entry / "pixels.npy", index["keys"], left_out, {})
    (entry / "index.json").write_text(json.dumps(index | {"left_out": left_out, "checksum": checksum}))


@pytest.mark.parametrize(
    "damage",
    [
        *("flipped bit", "cut", "no pixels", "no index", "cut index", "other index", "keys", "list"),
        *(
            "empty pixels",
            "pickle",
            "archive",
            "deep index",
            "large index",
            "pixels a folder",
            "file",
            "link",
        ),
        *("forged shape", "forged rows"),
    ],
)
def test_a_damaged_entry_is_made_anew(photos: Path, builds: list[Path], damage: str) -> None:
    expected = np.array(open_images(photos, 8, 3).pixels)
    pixels, index = builds[0] / "pixels.npy", builds[0] / "index.json"
    content = bytearray(pixels.read_bytes())
    if damage == "flipped bit":
        content[-7] ^= 4
        pixels.write_bytes(content)
    elif damage == "cut":
        pixels.write_bytes(content[:-7])
    elif damage == "no pixels":
        pixels.unlink()
    elif damage == "no index":
        index.unlink()
    elif damage == "cut index":
        index.write_bytes(index.read_bytes()[:-9])
    elif damage == "other index":
        index.write_text("{}")
    elif damage == "list":
        index.write_text("[1]")
    elif damage == "deep index":
        index.write_text("[" * 100_000)
    elif damage == "large index":
        os.truncate(index, 1 << 30)
    elif damage == "pixels a folder":
        pixels.unlink()
        pixels.mkdir()
    elif damage in ("file", "link"):
        shutil.rmtree(builds[0])
        builds[0].write_text("") if damage == "file" else builds[0].symlink_to("nowhere")
    elif damage in FORGED:
        forge(builds[0], *FORGED[damage](bytes(content)))
    else:
        stored = json.loads(index.read_text())
        stored["keys"] = stored["keys"][32:64] + stored["keys"][32:]
        index.write_text(json.dumps(stored))
    assert (open_images(photos, 8, 3).pixels == expected).all()
    assert len(builds) == 2
    open_images(photos, 8, 3)
    assert len(builds) == 2


def test_the_cache_is_for_its_owner_only(photos: Path, own_cache: Path) -> None:
    open_images(photos, 8, 3)
    (entry,) = own_cache.iterdir()
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (own_cache, entry)] == [0o700, 0o700]


def test_a_failed_opening_leaves_nothing_behind(photos: Path, own_cache: Path) -> None:
    (photos / "cats/0.jpg").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(InputError) as error:
            open_images(photos, 8, 3)
        assert str(error.value) == (
            "1 of 12 images cannot be read:\n"
            "  cats/0.jpg: the file is empty\n"
            "Repair them, or move them out of the folder: images are never left out silently. "
            "--skip-unreadable leaves them out and says so. scotoma check --full names all."
        )
        assert list(own_cache.iterdir()) == []


def test_what_a_killed_run_left_is_cleared_after_a_day(
    photos: Path, own_cache: Path, builds: list[Path]
) -> None:
    open_images(photos, 8, 3)
    old, new = (own_cache / f".{builds[0].name}-{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
        (folder / "all.npy").write_bytes(b"half")
    os.utime(old, (0, 0))
    (photos / "cats/0.jpg").unlink()
    open_images(photos, 8, 3)
    assert sorted(own_cache.iterdir()) == [new, builds[0]]


def test_a_file_that_can_be_read_again_is_no_longer_left_out(
    photos: Path, builds: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that failed once leaves no trace in size and time of the file."""
    read_bytes = Path.read_bytes

    def failing(path: Path) -> bytes:
        if path.name == "0.jpg":
            raise OSError(5, "Input/output error")
        return read_bytes(path)

    with monkeypatch.context() as once:
        once.setattr(Path, "read_bytes", failing)
        for _ in range(2):
            table = open_images(photos, 8, 3, labelling=Labelling(skip_unreadable=True))
            assert len(table.skipped) == 3 and "Input/output error" in table.skipped[0]
        assert len(builds) == 1
    whole = open_images(photos, 8, 3)
    assert (len(whole), whole.skipped, len(builds)) == (len(table) + 3, (), 2)


def test_memory_that_runs_out_says_nothing_of_a_file(
    photos: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("scotoma.data.decoding._to_rgb", full)
    with pytest.raises(MemoryError):
        open_images(photos, 8, 3, labelling=Labelling(skip_unreadable=True))
    assert list(own_cache.iterdir()) == []


def test_images_in_two_categories_are_left_out(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "CHUNK", 2)
    before = open_images(photos, 8, 3)
    shutil.copy(photos / "cats/2.png", photos / "dogs/again.png")
    shutil.copy(photos / "cats/3.webp", photos / "cats/twice.webp")
    for _ in range(2):
        table = open_images(photos, 8, 3)
        assert table.left_out == ("cats/2.png", "dogs/again.png")
        assert table.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
        assert table.keys[[6, 7]].tolist() == [before.keys[7]] * 2
        assert (table.pixels == before.pixels[[0, 1, 2, 3, 4, 5, 7, 7, 8, 9, 10, 11]]).all()
    # Within a group only its own categories count.
    assert open_images(photos, 8, 3, categories=["cats", "arena/hockey"]).left_out == ()


def test_a_category_of_which_nothing_is_left(photos: Path) -> None:
    shutil.rmtree(photos / "dogs")
    shutil.copytree(photos / "cats", photos / "dogs")
    with pytest.raises(InputError) as error:
        open_images(photos, 8, 3)
    assert str(error.value) == (
        "No image is left in: cats, dogs. Images left out because the same pixels stand in several "
        "categories: 8. `scotoma check` names them."
    )


def test_a_cache_that_cannot_be_written(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as error:
        open_images(photos, 8, 3, cache=tmp_path / "file")
    assert str(error.value) == (
        f"The cache {tmp_path}/file cannot be written: File exists. "
        "Make room or name another folder in the environment variable SCOTOMA_CACHE."
    )


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "own cache"
    monkeypatch.delenv("SCOTOMA_CACHE")
    assert default_cache() == tmp_path / "scotoma"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache() == tmp_path / "home/.cache/scotoma"

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(InputError, match="name a folder in the environment variable SCOTOMA_CACHE"):
        default_cache()


def test_the_embedded_set_needs_no_cache(own_cache: Path) -> None:
    table = open_images("fashion-mnist", 28, 1)
    pixels, labels = embedded_set()
    assert table.categories == tuple(sorted(GARMENTS))
    assert np.shares_memory(table.pixels, pixels)
    assert [table.categories[label] for label in table.labels[::2000]] == list(GARMENTS)
    assert [GARMENTS[label] for label in labels[::2000]] == list(GARMENTS)
    assert len(set(table.keys.tolist())) == 20_000
    assert table.keys[0] == pixel_key(pixels[0][:, :, None])
    assert table.digest() == "fe10391b4c821dc234a55dbabe7292aa"
    assert not own_cache.exists()


def test_idx_images_are_scaled_and_replicated(idx_folder: Path) -> None:
    plain, large = open_images(idx_folder, 4, 1), open_images(idx_folder, 6, 3)
    assert large.pixels.shape == (40, 6, 6, 3)
    assert (large.pixels[7] == fit_square(plain.pixels[7], 6, 3)).all()
    assert (open_images(idx_folder, 4, 3).pixels == np.repeat(plain.pixels, 3, axis=3)).all()
    assert plain.digest() == large.digest()


def test_a_group_of_an_array_source(idx_folder: Path) -> None:
    whole = open_images(idx_folder, 4, 1)
    group = open_images(idx_folder, 4, 1, categories=["4", "2"])
    expected = whole.restricted_to(["2", "4"])
    assert group.categories == ("2", "4")
    assert group.labels.tolist() == expected.labels.tolist()
    assert (group.pixels == expected.pixels).all()
    with pytest.raises(InputError, match="There is no category '9' in"):
        open_images(idx_folder, 4, 1, categories=["4", "9"])


def test_conflicts_in_an_array_source(idx_folder: Path) -> None:
    images = idx_folder / "t10k-images-idx3-ubyte.gz"
    images.unlink()
    content = bytearray((idx_folder / "train-labels-idx1-ubyte").read_bytes())
    pixels = np.zeros((10, 4, 4), np.uint8)
    pixels[:, 0, 0] = [1, 1, *range(2, 10)]
    header = bytes([0, 0, 8, 3]) + np.array(pixels.shape, ">u4").tobytes()
    (idx_folder / "t10k-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
    table = open_images(idx_folder, 4, 1)
    assert len(content) == 8 + 30
    assert table.left_out == ("image 30", "image 31")
    assert (len(table), len(table.pixels), len(table.keys)) == (38, 38, 38)


def test_a_full_disk_is_a_message(photos: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "_write_header", full)
    with pytest.raises(InputError) as error:
        open_images(photos, 8, 3)
    assert str(error.value).startswith(f"The cache {own_cache} cannot be written: No space left on device. ")
    assert list(own_cache.iterdir()) == []


def test_real_photographs(scotoma_data: Path, picture: Callable[..., Pixels], tmp_path: Path) -> None:
    folder = scotoma_data / "scenes2"
    table = open_images(folder, 16, 3, categories=["canyon", "coast"], cache=tmp_path / "cache")
    assert table.categories == ("canyon", "coast")
    assert len(table) > 1_900
    # Sky above land: the mean image is brighter at the top, which a wrong axis order would not show.
    assert table.pixels[:, :4].mean() > table.pixels[:, -4:].mean() + 20
