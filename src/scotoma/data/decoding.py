"""What pixels does an image file hold?

Every file becomes upright 8-bit RGB, or is reported with the reason: a file that is cut short is never used
in part, and neither is an animation.
"""

import hashlib
import io
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, ImageOps, UnidentifiedImageError

from scotoma.errors import InputError

FORMATS = ("JPEG", "PNG", "WEBP")
ORIENTATION = 0x0112
# Marks by which a file may ask to be rotated: the EXIF block and the XMP property.
ORIENTATION_MARKS = (b"Exif", b"tiff:Orientation")
# What libjpeg warns of although every pixel is there; all its other warnings mean lost pixels. (Bytes
# too many before a restart marker, 0xd0 to 0xd7, stand in the middle of damaged pixels.)
HARMLESS = re.compile(r"extraneous bytes before marker 0x(?!d[0-7])|Invalid SOS parameters")

Pixels = npt.NDArray[np.uint8]


class UnreadableImage(InputError):
    """One image file that cannot be decoded in full; the message is the reason."""


def decode_image(image: Path | str | bytes) -> Pixels:
    """Decode a JPEG, PNG or WebP file, or its content, into uint8 (height, width, 3).

    EXIF orientation is applied, alpha composited on white; gray, palette, CMYK and 16 bit become 8-bit RGB.

    Raises:
        UnreadableImage: not such a file, damaged, cut short, an animation, or of more pixels than
            `PIL.Image.MAX_IMAGE_PIXELS`.
    """
    try:
        data = image if isinstance(image, bytes) else Path(image).read_bytes()
    except OSError as error:
        raise UnreadableImage(error.strerror or str(error)) from error
    if not data:
        raise UnreadableImage("the file is empty")
    return _decode_jpeg(data) if data[:3] == b"\xff\xd8\xff" else _decode_with_pillow(data)


def fit_square(image: Pixels, side: int, channels: int) -> Pixels:
    """Scale the shorter side to `side` and take the centre of a uint8 image (height, width, 1 or 3 channels).

    Returns: uint8 (side, side, channels).

    The scaling is bilinear and antialiased; where the shorter side is `side` already, pixels stay as they
    are. One channel is luma (ITU-R 601-2); three channels of a gray image are the same thrice.

    Raises:
        InputError: `channels` is neither 1 nor 3, `side` is below 1.
    """
    require_size(side, channels)
    height, width = image.shape[:2]
    short = min(height, width)
    left, top = (width - short) // 2, (height - short) // 2
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    if channels == 1:
        picture = picture.convert("L")
    box = (left, top, left + short, top + short)
    if short == side:
        picture = picture.crop(box)
    else:
        picture = picture.resize((side, side), Image.Resampling.BILINEAR, box=box)
    fitted = np.asarray(picture).reshape(side, side, -1)
    return fitted if fitted.shape[2] == channels else np.repeat(fitted, channels, axis=2)


def require_size(side: int, channels: int) -> None:
    """Check that images can be fitted to this size.

    Raises:
        InputError: `channels` is neither 1 nor 3, `side` is below 1.
    """
    if channels not in (1, 3):
        raise InputError(f"Images can have 1 channel (gray) or 3 (RGB), not {channels}.")
    if side < 1:
        raise InputError(f"Images need at least 1 pixel a side, not {side}.")


def pixel_key(image: Pixels) -> str:
    """32 hex characters (BLAKE2b, 128 bit) over shape and pixels: equal for equal images in whatever file."""
    content = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
    content.update(np.ascontiguousarray(image).data)
    return content.hexdigest()


def _decode_jpeg(data: bytes) -> Pixels:
    try:
        height, width, colourspace, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        # Kinds that the fast decoder does not know, and headers that it finds damaged.
        return _decode_with_pillow(data)
    _require_bounded(height, width)
    known = colourspace in ("Gray", "YCbCr", "RGB")
    try:
        # Decoded even where only Pillow converts (CMYK): Pillow would fill in for lost pixels without a word.
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB" if known else "CMYK")
    except ValueError as error:
        if not HARMLESS.search(str(error)):
            raise UnreadableImage(f"damaged or cut short ({error})") from error
        known = False
    if not known:
        return _decode_with_pillow(data)
    return _turned(data, pixels) if any(mark in data for mark in ORIENTATION_MARKS) else pixels


def _turned(data: bytes, pixels: Pixels) -> Pixels:
    """Decoded JPEG pixels, upright."""
    picture = Image.fromarray(pixels)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as header:
            orientation = header.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow's parsers raise many kinds; damaged EXIF says nothing about the pixels
        return pixels
    picture.getexif()[ORIENTATION] = orientation
    return np.asarray(ImageOps.exif_transpose(picture))


def _decode_with_pillow(data: bytes) -> Pixels:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _require_bounded(picture.height, picture.width)
            _require_still(picture)
            picture.load()
            return np.asarray(_to_rgb(_upright(picture)))
    except UnreadableImage:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImage("neither JPEG, PNG nor WebP, or damaged from the start") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImage(_too_large()) from error
    except MemoryError:  # says nothing about the file
        raise
    except Exception as error:  # OSError, SyntaxError, ValueError, struct.error: Pillow's decoders raise many
        raise UnreadableImage(f"damaged or cut short ({error})") from error


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # damaged EXIF says nothing about the pixels
        return picture


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        # Pillow's own conversion clips 16 bit at 255 instead of scaling.
        deep = np.asarray(picture).astype(np.float64)
        return Image.fromarray(np.rint(deep.clip(0, 65535) / 257).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        colours = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours).convert("RGB")
    return picture.convert("RGB")


def _require_bounded(height: int, width: int) -> None:
    if Image.MAX_IMAGE_PIXELS is not None and height * width > Image.MAX_IMAGE_PIXELS:
        raise UnreadableImage(_too_large())


def _require_still(picture: Image.Image) -> None:
    # In a JPEG file (cameras' MPO) what follows the image is a preview, a depth map or its stereo twin.
    frames = 1 if picture.format in ("JPEG", "MPO") else getattr(picture, "n_frames", 1)
    if frames > 1:
        raise UnreadableImage(f"an animation of {frames:,} frames, a single image is needed")


def _too_large() -> str:
    return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels, taken for a decompression bomb"
