"""What do the encodings look like beside the pictures that they were made from? (Figure 3 of the paper)

Verification writes `gallery.npz`: "original", one array for each encoder (codes equalised per location and
channel across the test images) and "category". Tiny pictures are enlarged without smoothing: a code's values
are its pixels.
"""

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from scotoma.errors import InputError

ORIGINALS = "original"
_CATEGORIES = "category"
# Its codes are the originals; they are shown once.
_IDENTITY = "identity"

_AGAIN = "Run the verification again."
_SIDE = 96  # pixels of a picture in the gallery
_GAP = 8
_HEAD = 22
_BACKGROUND = (255, 255, 255)
_INK = (29, 32, 38)


@dataclass(frozen=True)
class Row:
    """The pictures of one encoder: uint8 (images, height, width, 1 or 3)."""

    name: str
    pictures: npt.NDArray[np.uint8]
    channels: int


@dataclass(frozen=True)
class Gallery:
    """Rows of pictures of the same images; `categories` names the images."""

    rows: tuple[Row, ...]
    categories: tuple[str, ...]


def read_gallery(path: Path) -> Gallery:
    """Read `gallery.npz`: originals, blur, then the other encoders as written; identity is the originals.

    Raises:
        InputError: the file is missing, is broken, or lacks the originals or the categories.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (OSError, TypeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        raise InputError(f"{path} is broken or no NumPy archive of pictures. {_AGAIN}") from None
    if missing := [name for name in (ORIGINALS, _CATEGORIES) if name not in arrays]:
        raise InputError(f"{path} lacks {' and '.join(missing)}. {_AGAIN}")
    categories = tuple(str(each) for each in arrays.pop(_CATEGORIES))
    for name, array in arrays.items():
        if array.dtype != np.uint8 or array.ndim != 4 or len(array) != len(categories):
            raise InputError(
                f"{path} holds {name!r} with shape {array.shape} of {array.dtype}: "
                f"({len(categories)}, height, width, channels) of uint8 is needed. {_AGAIN}"
            )
    arrays.pop(_IDENTITY, None)
    order = sorted(arrays, key=lambda name: (name != ORIGINALS, name != "blur"))
    rows = tuple(Row(name, _shown(arrays[name]), arrays[name].shape[3]) for name in order)
    return Gallery(rows, categories)


def gallery_picture(path: Path) -> bytes:
    """Draw a `gallery.npz` as one PNG: a row for the originals and each encoder, a column for each image.

    Raises:
        InputError: as `read_gallery`.
    """
    gallery = read_gallery(path)
    font = ImageFont.load_default(13)
    names = [_called(row.name) for row in gallery.rows]
    left = 16 + max(int(font.getlength(name)) for name in names)
    width = left + len(gallery.categories) * (_SIDE + _GAP)
    canvas = Image.new("RGB", (width, _HEAD + len(names) * (_SIDE + _GAP)), _BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    for column, category in enumerate(gallery.categories):
        x = left + column * (_SIDE + _GAP)
        draw.text((x, 4), _fitting(category, font, _SIDE), fill=_INK, font=font)
    for index, row in enumerate(gallery.rows):
        y = _HEAD + index * (_SIDE + _GAP)
        draw.text((8, y + _SIDE // 2), names[index], fill=_INK, font=font, anchor="lm")
        for column, picture in enumerate(row.pictures):
            canvas.paste(fitted(picture, _SIDE), (left + column * (_SIDE + _GAP), y))
    return _png(canvas)


def picture_png(picture: npt.NDArray[np.uint8], largest: int) -> bytes:
    """One picture (height, width, 1 or 3) as PNG in its own size, no side longer than `largest`."""
    image = _image(picture)
    if max(image.size) > largest:
        image.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    return _png(image)


def fitted(picture: npt.NDArray[np.uint8], side: int) -> Image.Image:
    """A picture on a square of `side` pixels: enlarged by repeating pixels, or reduced with smoothing."""
    image = _image(picture)
    factor = side / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    way = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.LANCZOS
    square = Image.new("RGB", (side, side), _BACKGROUND)
    square.paste(image.resize(size, way).convert("RGB"), ((side - size[0]) // 2, (side - size[1]) // 2))
    return square


def _shown(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """What a screen can show of any number of channels: gray for one or two, else the first three."""
    return pictures[..., :3] if pictures.shape[3] >= 3 else pictures[..., :1]


def _image(picture: npt.NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)


def _called(name: str) -> str:
    return "originals" if name == ORIGINALS else name


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text}..."


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
