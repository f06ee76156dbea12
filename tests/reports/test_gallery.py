import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scotoma.errors import InputError
from scotoma.reports.gallery import gallery_picture, picture_png, read_gallery


def write(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def test_rows_are_originals_then_blur_then_encoders_and_identity_is_not_repeated(tmp_path: Path) -> None:
    pictures = np.zeros((2, 4, 4, 1), np.uint8)
    stored = {name: pictures for name in ("zeta", "identity", "encoder", "blur", "original")}
    gallery = read_gallery(write(tmp_path / "gallery.npz", category=np.array(["bag", "shirt"]), **stored))
    assert [row.name for row in gallery.rows] == ["original", "blur", "zeta", "encoder"]
    assert gallery.categories == ("bag", "shirt")


def test_codes_of_many_channels_show_three_and_of_two_show_one(tmp_path: Path) -> None:
    rows = {
        "original": np.zeros((1, 4, 4, 3), np.uint8),
        "five": np.arange(80, dtype=np.uint8).reshape(1, 4, 4, 5),
        "two": np.arange(32, dtype=np.uint8).reshape(1, 4, 4, 2),
    }
    gallery = read_gallery(write(tmp_path / "gallery.npz", category=np.array(["bag"]), **rows))
    assert [row.pictures.shape[3] for row in gallery.rows] == [3, 3, 1]
    assert [row.channels for row in gallery.rows] == [3, 5, 2]
    np.testing.assert_array_equal(gallery.rows[1].pictures, rows["five"][..., :3])


def test_tiny_pictures_are_enlarged_by_repeating_pixels(tmp_path: Path) -> None:
    code = np.array([[[10], [200]], [[60], [120]]], np.uint8)[None]
    path = write(tmp_path / "gallery.npz", category=np.array(["bag"]), original=code)
    picture = np.asarray(opened(gallery_picture(path)))
    shown = picture[22 : 22 + 96, -104:-8]
    assert shown.shape == (96, 96, 3)
    np.testing.assert_array_equal(shown[..., 0], code[0, ..., 0].repeat(48, 0).repeat(48, 1))


def test_the_picture_has_a_row_an_encoder_and_a_column_an_image(run_folder: Path) -> None:
    picture = opened(gallery_picture(run_folder / "gallery.npz"))
    assert picture.format == "PNG"
    assert picture.height == 22 + 3 * 104
    assert 8 * 104 < picture.width < 8 * 104 + 120


def test_large_pictures_are_reduced_and_small_ones_kept() -> None:
    assert opened(picture_png(np.zeros((224, 112, 3), np.uint8), 192)).size == (96, 192)
    small = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    np.testing.assert_array_equal(np.asarray(opened(picture_png(small, 192))), small)


def test_what_is_wrong_with_a_gallery_is_said(tmp_path: Path) -> None:
    path = tmp_path / "gallery.npz"
    with pytest.raises(InputError) as caught:
        read_gallery(path)
    assert str(caught.value) == f"There is no file {path}."

    for content in (b"no archive", b"PK\x03\x04 cut", b""):
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_gallery(path)
        assert str(caught.value) == (
            f"{path} is broken or no NumPy archive of pictures. Run the verification again."
        )

    write(path, encoder=np.zeros((1, 4, 4, 1), np.uint8))
    with pytest.raises(InputError) as caught:
        read_gallery(path)
    assert str(caught.value) == f"{path} lacks original and category. Run the verification again."

    write(path, category=np.array(["bag"]), original=np.zeros((2, 4, 4, 1), np.float32))
    with pytest.raises(InputError) as caught:
        read_gallery(path)
    assert str(caught.value) == (
        f"{path} holds 'original' with shape (2, 4, 4, 1) of float32: "
        "(1, height, width, channels) of uint8 is needed. Run the verification again."
    )


def test_pickles_are_not_loaded(tmp_path: Path) -> None:
    path = write(tmp_path / "gallery.npz", category=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="is broken or no NumPy archive of pictures"):
        read_gallery(path)
