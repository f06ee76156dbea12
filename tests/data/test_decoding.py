import hashlib
import io
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from scotoma.data.decoding import UnreadableImage, decode_image, fit_square, pixel_key
from scotoma.errors import InputError

Pixels = npt.NDArray[np.uint8]
Encode = Callable[..., bytes]
Picture = Callable[..., Pixels]


def by_pillow(data: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_lossless_formats_give_the_pixels(
    picture: Picture, encode: Encode, kind: str, options: dict[str, Any]
) -> None:
    assert (decode_image(encode(picture(1), kind, **options)) == picture(1)).all()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_is_decoded_as_pillow_does(
    picture: Picture, encode: Encode, mode: str, options: dict[str, Any]
) -> None:
    data = encode(picture(1, 33, 47), "JPEG", mode, **options)
    decoded = decode_image(data)
    assert (decoded.shape, str(decoded.dtype)) == ((33, 47, 3), "uint8")
    assert (decoded == by_pillow(data)).all()


def test_a_path_gives_the_same_as_its_bytes(tmp_path: Path, picture: Picture, encode: Encode) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(encode(picture(2), "JPEG"))
    assert (decode_image(path) == decode_image(path.read_bytes())).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(picture: Picture, encode: Encode, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"WEBP": {"lossless": True}}.get(kind, {})
    plain = decode_image(encode(picture(3), kind, **lossless))
    upright = {
        1: plain,
        2: plain[:, ::-1],
        3: plain[::-1, ::-1],
        4: plain[::-1],
        5: plain.transpose(1, 0, 2),
        6: np.rot90(plain, -1),
        7: plain[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(plain, 1),
    }[orientation]
    decoded = decode_image(encode(picture(3), kind, exif=exif, **lossless))
    assert decoded.shape == upright.shape
    assert (decoded == upright).all()


def test_damaged_exif_does_not_cost_the_image(picture: Picture, encode: Encode) -> None:
    data = encode(picture(3), "JPEG", exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff")
    assert (decode_image(data) == decode_image(encode(picture(3), "JPEG"))).all()


def test_alpha_is_composited_on_white(encode: Encode) -> None:
    pixels = np.array([[[200, 0, 100, 0], [200, 0, 100, 255], [200, 0, 100, 51]]], np.uint8)
    expected = [[255, 255, 255], [200, 0, 100], [244, 204, 224]]
    assert decode_image(encode(pixels, "PNG")).tolist() == [expected]
    gray = np.array([[[10, 0], [10, 255]]], np.uint8)
    assert decode_image(encode(gray, "PNG")).tolist() == [[[255] * 3, [10] * 3]]


def test_a_transparent_colour_is_white(encode: Encode) -> None:
    pixels = np.array([[[9, 8, 7], [1, 2, 3]]], np.uint8)
    assert decode_image(encode(pixels, "PNG", transparency=(1, 2, 3))).tolist() == [[[9, 8, 7], [255] * 3]]


def test_palettes_give_their_colours_with_transparency(encode: Encode) -> None:
    pixels = np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)
    palette = Image.fromarray(pixels).quantize(2)
    for transparency in (None, b"\x00\x00"):
        file = io.BytesIO()
        palette.save(file, "PNG", **({"transparency": transparency} if transparency else {}))
        expected = [[[255] * 3, [255] * 3]] if transparency else pixels.tolist()
        assert decode_image(file.getvalue()).tolist() == expected


def test_one_bit_and_gray_become_rgb(encode: Encode) -> None:
    gray = np.array([[0, 128, 255]], np.uint8)
    assert decode_image(encode(gray, "PNG")).tolist() == [[[0] * 3, [128] * 3, [255] * 3]]
    assert decode_image(encode(gray > 127, "PNG")).tolist() == [[[0] * 3, [255] * 3, [255] * 3]]


def test_16_bit_is_scaled_not_clipped(encode: Encode) -> None:
    deep = np.array([[0, 256, 257, 32768, 65535]], np.uint16)
    assert decode_image(encode(deep, "PNG"))[0, :, 0].tolist() == [0, 1, 1, 128, 255]


def test_16_bit_colour_becomes_8_bit() -> None:
    row = np.array([[0, 32768, 65535]], ">u2").tobytes()
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    assert decode_image(data).tolist() == [[[0, 128, 255]]]


def frames_in_a_file(frames: Sequence[Pixels], kind: str) -> bytes:
    first, *others = map(Image.fromarray, frames)
    file = io.BytesIO()
    first.save(file, kind, save_all=True, append_images=others, lossless=True)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_no_single_image(picture: Picture, kind: str) -> None:
    with pytest.raises(UnreadableImage) as error:
        decode_image(frames_in_a_file([picture(number) for number in range(3)], kind))
    assert str(error.value) == "an animation of 3 frames, a single image is needed"
    assert (decode_image(frames_in_a_file([picture(0)], kind)) == picture(0)).all()


def test_what_cameras_put_behind_a_jpeg_does_not_cost_the_image(picture: Picture) -> None:
    data = frames_in_a_file([picture(0), picture(1)], "MPO")
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert (decode_image(data) == by_pillow(data)).all()
    # Bytes too many before the end of the first image: that is left to Pillow.
    assert (decode_image(data.replace(b"\xff\xd9", b"\x11\x22\x33\xff\xd9", 1)) == by_pillow(data)).all()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_cut_short_is_never_used_in_part(
    picture: Picture, encode: Encode, mode: str, progressive: bool
) -> None:
    data = encode(picture(4, 60, 80), "JPEG", mode, progressive=progressive, quality=95)
    half = data[: len(data) // 2]
    # An end marker behind the cut makes it look whole: Pillow would paint the rest gray without a word.
    for cut in (half, half + b"\xff\xd9", data[:-40] + b"\xff\xd9", data[:100]):
        with pytest.raises(UnreadableImage, match="damaged or cut short"):
            decode_image(cut)


@pytest.mark.parametrize(("kind", "share"), [("PNG", 0.5), ("PNG", 0.9), ("WEBP", 0.5), ("WEBP", 0.95)])
def test_other_files_cut_short(picture: Picture, encode: Encode, kind: str, share: float) -> None:
    data = encode(picture(4, 60, 80), kind)
    with pytest.raises(UnreadableImage, match="damaged or cut short"):
        decode_image(data[: int(len(data) * share)])


def test_a_png_with_a_flipped_bit_is_damaged(picture: Picture, encode: Encode) -> None:
    data = bytearray(encode(picture(4, 60, 80), "PNG"))
    data[len(data) // 2] ^= 1
    with pytest.raises(UnreadableImage, match="damaged or cut short"):
        decode_image(bytes(data))


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_harmless_bytes_too_many_do_not_cost_the_image(picture: Picture, encode: Encode, mode: str) -> None:
    data = encode(picture(5), "JPEG", mode)
    assert (decode_image(data[:-2] + b"\x11\x22\x33" + data[-2:]) == decode_image(data)).all()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"<html>no image</html>", "neither JPEG, PNG nor WebP, or damaged from the start"),
        (b"GIF89a" + bytes(40), "neither JPEG, PNG nor WebP, or damaged from the start"),
        (b"\xff\xd8\xff", "neither JPEG, PNG nor WebP, or damaged from the start"),
    ],
)
def test_what_is_no_image(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImage) as error:
        decode_image(data)
    assert str(error.value) == reason


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage) as error:
        decode_image(tmp_path / "none.png")
    assert str(error.value) == "No such file or directory"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("limit", [50, 100])
def test_decompression_bombs_are_not_decoded(
    monkeypatch: pytest.MonkeyPatch, picture: Picture, encode: Encode, kind: str, limit: int
) -> None:
    data = encode(picture(6, height=12, width=16), kind)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 192)
    assert decode_image(data).shape == (12, 16, 3)
    # Beyond twice the limit Pillow itself refuses, below that it only warns.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(UnreadableImage) as error:
        decode_image(data)
    assert str(error.value) == f"more than {limit} pixels, taken for a decompression bomb"


def test_a_fitting_image_is_cropped_to_the_centre_untouched(picture: Picture) -> None:
    assert (fit_square(picture(1, 12, 17), 12, 3) == picture(1, 12, 17)[:, 2:14]).all()
    assert (fit_square(picture(1, 20, 12), 12, 3) == picture(1, 20, 12)[4:16]).all()


def test_scaling_is_antialiased(picture: Picture) -> None:
    # A checkerboard without filtering would give black, white or stripes.
    board = np.indices((64, 96)).sum(axis=0) % 2 * np.uint8(255)
    fitted = fit_square(np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8), 8, 3)
    assert fitted.shape == (8, 8, 3)
    assert np.abs(fitted.astype(int) - 127).max() <= 8


def test_scaling_keeps_the_middle_in_the_middle() -> None:
    image = np.zeros((30, 90, 3), np.uint8)
    image[:, 30:60] = 50
    image[:, :10] = 255
    assert (fit_square(image, 10, 3)[:, 1:-1] == 50).all()
    assert (fit_square(image, 60, 3)[:, 2:-2] == 50).all()


def test_one_channel_is_luma_and_gray_becomes_three() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    assert fit_square(colours, 2, 1)[:, :, 0].tolist() == [[76, 150], [29, 255]]
    gray = np.array([[[7], [8]], [[9], [10]]], np.uint8)
    assert fit_square(gray, 2, 1).tolist() == gray.tolist()
    assert fit_square(gray, 2, 3).tolist() == np.repeat(gray, 3, axis=2).tolist()


@pytest.mark.parametrize(
    ("side", "channels", "message"),
    [
        (8, 2, "Images can have 1 channel (gray) or 3 (RGB), not 2."),
        (0, 3, "Images need at least 1 pixel a side, not 0."),
    ],
)
def test_impossible_sizes(picture: Picture, side: int, channels: int, message: str) -> None:
    with pytest.raises(InputError) as error:
        fit_square(picture(1), side, channels)
    assert str(error.value) == message


def test_keys_are_a_hash_of_shape_and_pixels(picture: Picture, encode: Encode) -> None:
    image = picture(1)
    expected = hashlib.blake2b(b"(12, 16, 3)" + image.tobytes(), digest_size=16).hexdigest()
    assert pixel_key(image) == expected
    assert pixel_key(decode_image(encode(image, "PNG"))) == expected
    assert pixel_key(np.asfortranarray(image)) == expected
    assert pixel_key(image.reshape(16, 12, 3)) != expected
    assert pixel_key(image ^ np.uint8(1)) != expected
