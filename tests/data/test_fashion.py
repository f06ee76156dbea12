import bz2
import gzip
import hashlib
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from scotoma.data import fashion
from scotoma.data.fashion import GARMENTS, embedded_set, pack_embedded_set, parse_idx, read_idx_folder
from scotoma.errors import InputError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def test_the_embedded_set_holds_2000_of_each_garment() -> None:
    pixels, labels = embedded_set()
    assert (pixels.shape, str(pixels.dtype)) == ((20_000, 28, 28), "uint8")
    assert np.bincount(labels).tolist() == [2000] * len(GARMENTS)
    assert not pixels.flags.writeable


def test_the_embedded_images_stand_upright_in_their_categories() -> None:
    pixels, labels = embedded_set()
    means = {name: pixels[labels == number].mean(axis=0) for number, name in enumerate(GARMENTS)}
    # Trousers fill columns from top to bottom, shoes rows from side to side.
    assert means["trouser"][:, 12:16].mean() > 2 * means["trouser"][12:16].mean()
    assert means["sneaker"][12:20].mean() > 2 * means["sneaker"][:, 12:16].mean()


def test_the_embedded_file_is_the_released_one() -> None:
    folder = resources.files("scotoma.data") / "fashion_mnist"
    packed = (folder / fashion.EMBEDDED).read_bytes()
    assert hashlib.blake2b(packed, digest_size=16).hexdigest() == RELEASED
    assert len(packed) < 8_000_000
    assert "Zalando SE" in (folder / "LICENSE").read_text(encoding="utf-8")
    assert "arXiv:1708.07747" in (folder / "ATTRIBUTION.md").read_text(encoding="utf-8")


RELEASED = "8b7c101355583d3ed0627e1fba3d83ca"


def test_packing_takes_the_first_of_each_category_and_is_undone_by_reading() -> None:
    labels = np.arange(20_050) % 10
    pixels = np.random.default_rng(0).integers(0, 256, (len(labels), 2, 3), dtype=np.uint8)
    packed = pack_embedded_set(pixels, labels)
    assert packed == pack_embedded_set(pixels, labels)
    stored = parse_idx(bz2.decompress(packed), "packed")
    expected = np.concatenate([pixels[labels == number][:2000] for number in range(10)])
    assert (stored.transpose(0, 2, 1) == expected).all()


def test_packing_needs_2000_of_each() -> None:
    labels = np.arange(20_000) % 10
    labels[6] = 5
    with pytest.raises(InputError) as error:
        pack_embedded_set(np.zeros((20_000, 1, 1), np.uint8), labels)
    assert str(error.value) == "The embedded set takes 2,000 images a category; too few: shirt 1999."


@pytest.mark.skipif(
    not DEBIAN.is_dir(), reason=f"the Debian package dataset-fashion-mnist is not in {DEBIAN}"
)
def test_the_original_files_give_all_images_and_the_embedded_file() -> None:
    pixels, labels, names = read_idx_folder(DEBIAN)
    assert pixels.shape == (70_000, 28, 28)
    assert np.bincount(labels).tolist() == [7000] * 10
    assert names == GARMENTS
    embedded, numbers = embedded_set()
    for number in range(10):
        original = pixels[:60_000][labels[:60_000] == number][:2000]
        assert (embedded[numbers == number] == original).all()


def test_other_idx_files_keep_their_numbers_as_names(idx_folder: Path) -> None:
    pixels, labels, names = read_idx_folder(idx_folder)
    assert pixels.shape == (40, 4, 4)
    assert labels.tolist() == [*(np.arange(30) % 5).tolist(), *(np.arange(10) % 5).tolist()]
    assert names == ("0", "1", "2", "3", "4")


def test_a_missing_part_is_named(idx_folder: Path) -> None:
    (idx_folder / "t10k-images-idx3-ubyte.gz").unlink()
    (idx_folder / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError) as error:
        read_idx_folder(idx_folder)
    assert str(error.value) == (
        f"The folder {idx_folder} holds some IDX files, but not train-labels-idx1-ubyte, "
        "t10k-images-idx3-ubyte (or the same with .gz). Put all four files of the set there."
    )


def test_damaged_idx_files(idx_folder: Path) -> None:
    labels = idx_folder / "train-labels-idx1-ubyte"
    whole = labels.read_bytes()
    labels.write_bytes(whole[:-3])
    with pytest.raises(InputError) as error:
        read_idx_folder(idx_folder)
    assert str(error.value) == f"{labels} is damaged: its header promises 30 bytes, 27 follow."
    labels.write_bytes(b"label\n")
    with pytest.raises(InputError) as error:
        read_idx_folder(idx_folder)
    assert str(error.value) == f"{labels} is no IDX file of unsigned bytes."
    labels.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 7]))
    with pytest.raises(InputError) as error:
        read_idx_folder(idx_folder)
    assert str(error.value) == (
        f"The train files in {idx_folder} do not fit: images (30, 4, 4), labels (2,). "
        "One label is needed for every image, and images must be square."
    )
    labels.write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 1, 7]))
    with pytest.raises(InputError) as error:
        read_idx_folder(idx_folder)
    assert str(error.value) == f"{labels} has 2 dimensions, 1 are needed."


@pytest.mark.parametrize("damage", ["cut", "garbage", "flipped"])
def test_a_damaged_gzip_file(idx_folder: Path, damage: str) -> None:
    images = idx_folder / "train-images-idx3-ubyte.gz"
    whole = images.read_bytes()
    flipped = bytearray(gzip.compress(gzip.decompress(whole)))
    flipped[-20] ^= 0xFF
    images.write_bytes(
        {"cut": whole[: len(whole) // 2], "garbage": b"<html>", "flipped": bytes(flipped)}[damage]
    )
    with pytest.raises(InputError) as error:
        read_idx_folder(idx_folder)
    assert str(error.value).startswith(f"{images} cannot be read: ")
    assert str(error.value).endswith(". Fetch it anew.")
