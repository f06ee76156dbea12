"""Small generated pictures: no test needs a photograph, and none touches the user's own cache."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

Pixels = npt.NDArray[np.uint8]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "own cache"
    monkeypatch.setenv("SCOTOMA_CACHE", str(folder))
    return folder


@pytest.fixture
def picture() -> Callable[..., Pixels]:
    """A smooth random picture (height, width, 3), another for every number."""

    def make(number: int, height: int = 12, width: int = 16) -> Pixels:
        noise = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        return np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))

    return make


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """The file content of pixels in a format: `encode(pixels, "PNG")`."""

    def make(pixels: npt.NDArray[Any], kind: str, mode: str | None = None, **options: Any) -> bytes:
        file = io.BytesIO()
        image = Image.fromarray(pixels)
        (image.convert(mode) if mode else image).save(file, kind, **options)
        return file.getvalue()

    return make


@pytest.fixture
def photos(tmp_path: Path, picture: Callable[..., Pixels], encode: Callable[..., bytes]) -> Path:
    """`cats`, `dogs` and `a/arena/hockey`, four files each, of all formats and extensions."""
    root = tmp_path / "photos"
    names = ("0.jpg", "1.JPEG", "2.png", "3.webp")
    for start, folder in enumerate(("cats", "dogs", "a/arena/hockey")):
        (root / folder).mkdir(parents=True)
        for number, name in enumerate(names):
            pixels = picture(10 * start + number, height=12 + number)
            content = encode(pixels, ("JPEG", "JPEG", "PNG", "WEBP")[number])
            (root / folder / name).write_bytes(content)
    (root / "list.csv").write_text("name\n")
    return root


@pytest.fixture
def idx_folder(tmp_path: Path) -> Path:
    """A set of digits, 30 + 10 images of 4x4 pixels, in the four IDX files."""
    folder = tmp_path / "digits"
    folder.mkdir()
    random = np.random.default_rng(0)
    for part, count in (("train", 30), ("t10k", 10)):
        pixels = random.integers(0, 256, (count, 4, 4), dtype=np.uint8)
        labels = (np.arange(count) % 5).astype(np.uint8)
        images = folder / f"{part}-images-idx3-ubyte.gz"
        images.write_bytes(gzip.compress(idx_bytes(pixels)))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    return folder


def idx_bytes(array: Pixels) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
