"""What do the usual ways of making images hard to recognise leave in them?

Filters release values from -1 to 1, not rounded: whoever attacks them sees at least what a picture file of
8 bits would hold. Each image is filtered by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import simplejpeg

from scotoma.data.columns import number_of
from scotoma.errors import InputError

Pixels = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.float32]
Whole = npt.NDArray[np.int64]


def identity(pixels: Pixels) -> Codes:
    """The images themselves."""
    return _scaled(pixels)


def blur(pixels: Pixels, window: int) -> Codes:
    """The mean of `window` x `window` pixels around each.

    A box rather than a Gaussian: it is what the paper's naive blur is, and its number is a length that
    compares with the side of a block of `pixelate`. An even window reaches one pixel farther up and left than
    down and right; one that reaches over the border averages the real pixels in it.
    """
    size = pixels.shape[-1]
    first = np.arange(size) - window // 2
    return _scaled(_means(pixels, first.clip(0), (first + window).clip(max=size)))


def downsample(pixels: Pixels, factor: int) -> Codes:
    """The mean of each block of `factor` x `factor` pixels, once: the side is size / factor, rounded up, and
    the last blocks are smaller where it does not divide.

    Of a pixelated image that is all that there is to know: an attacker reads each block once, not its
    copies.
    """
    first = np.arange(0, pixels.shape[-1], factor)
    return _scaled(_means(pixels, first, (first + factor).clip(max=pixels.shape[-1])))


def noise(pixels: Pixels, deviation: float, release: int = 0) -> Codes:
    """The images with normal noise added, its standard deviation on the scale from -1 to 1.

    The noise follows from the image's own content and from the number of the release: the same image gets the
    same noise in every batch, and fresh noise in every release.
    """
    drawn = np.empty(pixels.shape, np.float32)
    for image, values in zip(pixels, drawn, strict=True):
        content = blake2b(f"scotoma noise {release} {image.shape}\n".encode(), digest_size=16)
        content.update(np.ascontiguousarray(image).data)
        random = np.random.default_rng(int.from_bytes(content.digest(), "little"))
        random.standard_normal(out=values, dtype=np.float32)
    return _scaled(pixels) + np.float32(deviation) * drawn


def jpeg(pixels: Pixels, quality: int) -> Codes:
    """What is left after compression as JPEG at a quality of libjpeg's scale, with colours at half the
    resolution (4:2:0), as most programs write it.
    """
    colours, sampling = ("GRAY", "Gray") if pixels.shape[1] == 1 else ("RGB", "420")
    left = np.empty_like(pixels)
    for image, decoded in zip(pixels, left, strict=True):
        upright = np.ascontiguousarray(image.transpose(1, 2, 0))
        data = simplejpeg.encode_jpeg(upright, quality, colours, sampling, fastdct=False)
        decoded[:] = simplejpeg.decode_jpeg(data, colours, fastdct=False).transpose(2, 0, 1)
    return _scaled(left)


@dataclass(frozen=True)
class Kind:
    """A kind of filter that has a number: an example of it, what it is, and the highest where there is one
    (for lengths that is the side of the image).
    """

    example: int | float
    meaning: str
    highest: int | None = None


# The number is whole where its example is.
KINDS = {
    "blur": Kind(8, "the side of the averaged window in pixels"),
    "pixelate": Kind(8, "the side of a block in pixels"),
    "downsample": Kind(8, "how many times smaller the image gets"),
    "noise": Kind(0.5, "the standard deviation of the noise, where pixels go from -1 to 1"),
    "jpeg": Kind(10, "the quality", 95),
}
# How each filter is named, by its word.
FORMS = {"identity": "identity", **{word: f"{word}={kind.example}" for word, kind in KINDS.items()}}


@dataclass(frozen=True)
class Filter:
    """A filter with its number (0 for identity); `str` gives its label, "blur 8"."""

    kind: str
    number: float = 0

    def __str__(self) -> str:
        return self.kind if self.kind == "identity" else f"{self.kind} {self.number!r}".removesuffix(".0")

    def digest(self, size: int, channels: int) -> str:
        """32 hex characters that name the filter on images of this shape."""
        text = f"scotoma filter 1\n{self} {size} {channels}"
        return blake2b(text.encode(), digest_size=16).hexdigest()

    def encode(self, pixels: Pixels) -> Codes:
        """Codes of uint8 images (batch, channels, size, size)."""
        if self.kind == "identity":
            return identity(pixels)
        if self.kind == "noise":
            return noise(pixels, self.number)
        by_name: dict[str, Callable[[Pixels, int], Codes]] = {
            "blur": blur,
            "pixelate": downsample,
            "downsample": downsample,
            "jpeg": jpeg,
        }
        return by_name[self.kind](pixels, int(self.number))

    def again(self) -> Callable[[Pixels, int], Codes] | None:
        """What encodes for another release, where releases differ."""
        return (lambda pixels, release: noise(pixels, self.number, release)) if self.kind == "noise" else None


def read_filter(named: str, size: int | None = None) -> Filter:
    """The filter that is named by one of `FORMS` with any number; `size` is the side of the images.

    Raises:
        InputError: a number that is missing, too many or out of range.
    """
    word, sign, text = named.partition("=")
    if word == "identity":
        if sign:
            raise InputError(f"{named!r}: identity takes no number, write identity.")
        return Filter(word)
    kind = KINDS[word]
    whole = isinstance(kind.example, int)
    highest = (size or None) if whole and kind.highest is None else kind.highest
    number = number_of(text)
    if (
        number is None
        or number <= 0
        or (whole and not number.is_integer())
        or (highest is not None and number > highest)
    ):
        allowed = "a whole number from 1" if whole else "a number above 0"
        allowed += "" if highest is None else f" to {highest}"
        came = f"{text!r} cannot be the number of {word}" if text else f"{word} needs a number"
        raise InputError(f"{named!r}: {came}. It is {allowed}, {kind.meaning}: {FORMS[word]}.")
    return Filter(word, number)


def _scaled(values: npt.NDArray[np.uint8] | npt.NDArray[np.float64]) -> Codes:
    """Values from 0 to 255 as fp32 from -1 to 1."""
    return (values / 127.5 - 1).astype(np.float32)


def _means(pixels: Pixels, first: Whole, last: Whole) -> npt.NDArray[np.float64]:
    """The mean over the pixels of each window (batch, channels, windows, windows); the one at i, j has the
    rows from first[i] to before last[i] and the columns from first[j] to before last[j].

    Differences of running sums (Crow, 1984), which are exact in whole numbers.
    """
    images, channels, height, width = pixels.shape
    sums = np.zeros((images, channels, height + 1, width + 1), np.int64)
    sums[:, :, 1:, 1:] = pixels.cumsum(axis=2, dtype=np.int64).cumsum(axis=3)
    rows = sums[:, :, last] - sums[:, :, first]
    totals = rows[..., last] - rows[..., first]
    means: npt.NDArray[np.float64] = totals / np.outer(last - first, last - first)
    return means
