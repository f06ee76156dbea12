"""Which images are nearly the same?

The same photograph in two files, once smaller, brighter or compressed anew, has other pixels and so another
`pixel_key`, and may fall on both sides of a split. Two looks find it: its perceptual hash hardly changes (64
bits that say which of the lowest 8x8 frequencies of the gray image lie above their median, the `phash` of the
library imagehash), and of the pairs that are left few are alike in a small picture of 16x16 pixels unless
they are the same. Mirrored and rotated copies, and crops of more than a few per cent, are not found.

How the numbers below were chosen is in experiments/near_duplicates.py. They are for photographs: of small
pictures of one kind of thing, as those of Fashion-MNIST, thousands of pairs are alike and none is the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from scotoma.data.decoding import require_size
from scotoma.runs.progress import Progress
from scotoma.runs.threads import in_threads

# Bits in which the hashes of copies may differ: where hashes alone decide, and where `likeness` decides too.
# All hashes but a few have 32 bits set, so that odd distances hardly occur.
DISTANCE = 4
CANDIDATES = 8
# Correlation of gray values from which two small pictures count as the same, and their side in pixels.
LIKENESS = 0.95
SMALL = 16
# Sides of the picture whose frequencies are taken, and of the square of the lowest of them.
FREQUENCIES = 32
LOWEST = 8
# The lowest waves of the discrete cosine transform, (LOWEST, FREQUENCIES).
WAVES = np.cos(np.pi / FREQUENCIES * np.outer(np.arange(LOWEST), np.arange(FREQUENCIES) + 0.5))
# Standard deviation of the gray values, of 255, below which an image counts as flat: about there compression
# begins to decide the hash.
FLAT = 4.0
# The hash of a flat image. No other image has it: at most half of 64 numbers lie above their median.
NO_HASH = np.uint64(2**64 - 1)
BITS = 64
BLOCK = 1 << 14  # pairs that are compared at a time

Pixels = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


def near_duplicates(pixels: Pixels, progress: Progress | None = None) -> Rows:
    """Pairs of images that are nearly the same: uint8 (images, side, side, channels) -> int64 (pairs, 2).

    Pairs are in `near_links` by their hashes and alike in small. Where three and more images are the same the
    pairs join them, but not each to each.

    Raises:
        InputError: images that have neither 1 nor 3 channels.
    """
    links = near_links(perceptual_hashes(pixels, progress), CANDIDATES)
    return links[likeness(pixels, links) >= LIKENESS]


@dataclass(frozen=True, eq=False)
class Look:
    """What is kept of an image to find those that are nearly the same, when not all can be held at once: its
    hash, and a small picture, float32 (16, 16).
    """

    hash: int
    small: npt.NDArray[np.float32]


def looks_of(images: Sequence[Pixels]) -> list[Look]:
    """A look at each image: uint8 (side, side, channels)."""
    grays = [_gray(image) for image in images]
    smalls = (_small(gray).astype(np.float32) for gray in grays)
    return [Look(int(one), small) for one, small in zip(_hashes(grays), smalls, strict=True)]


def near_duplicates_of(looks: Sequence[Look]) -> Rows:
    """As `near_duplicates`, of images that were looked at: int64 (pairs, 2)."""
    links = near_links(np.array([each.hash for each in looks], np.uint64), CANDIDATES)
    return links[_correlation(lambda row: looks[row].small, links) >= LIKENESS]


def perceptual_hashes(pixels: Pixels, progress: Progress | None = None) -> Hashes:
    """The perceptual hash of each image: uint8 (images, side, side, 1 or 3 channels) -> uint64 (images,).

    Bits are those of imagehash, and stand as in the hexadecimal form that it prints. In a flat image noise
    alone decides them (all constant images share one hash), so flat images get `NO_HASH`, which is near no
    other.

    Raises:
        InputError: images that have neither 1 nor 3 channels.
    """
    require_size(*pixels.shape[2:])
    hashes = np.empty(len(pixels), np.uint64)
    row = 0
    for found in in_threads(
        lambda rows: _hashes([_gray(pixels[row]) for row in rows]), len(pixels), "comparing images", progress
    ):
        hashes[row : row + len(found)] = found
        row += len(found)
    return hashes


def near_pairs(hashes: Hashes, distance: int = DISTANCE) -> Rows:
    """All pairs of images whose hashes differ in at most `distance` bits; `NO_HASH` is in no pair.

    Args:
        hashes: uint64 (images,).
        distance: 0 to 63 bits.

    Returns:
        int64 (pairs, 2), the smaller row first, sorted. k images of one hash make k (k - 1) / 2 pairs: where
        only what hangs together matters, `near_links` says it with fewer.
    """
    members, starts, sizes, near = _compare(hashes, distance)
    alone = np.flatnonzero(sizes > 1)
    left, right = np.concatenate([near, np.stack([alone, alone], axis=1)]).T
    # Every image of the one hash with every image of the other.
    repeats = sizes[left] * sizes[right]
    number = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    left, right = np.repeat(left, repeats), np.repeat(right, repeats)
    first = members[starts[left] + number // sizes[right]]
    second = members[starts[right] + number % sizes[right]]
    return _sorted(first, second, (left != right) | (first < second))


def near_links(hashes: Hashes, distance: int = DISTANCE) -> Rows:
    """Pairs out of `near_pairs` that connect the images that all of them connect.

    Of images with one hash only the first stands for all: a still camera's 10,000 frames make 9,999 links,
    not 50 million pairs.
    """
    members, starts, sizes, near = _compare(hashes, distance)
    heads = members[starts]
    first = np.concatenate([heads[near[:, 0]], np.repeat(heads, sizes)])
    second = np.concatenate([heads[near[:, 1]], members])
    return _sorted(first, second, first != second)


def likeness(pixels: Pixels, pairs: Rows) -> npt.NDArray[np.float64]:
    """Correlation of the gray values of the two images of each pair, scaled to 16x16 pixels: (pairs,).

    1 for images that differ in brightness and contrast only; 0 where one is constant.
    """
    return _correlation(lambda row: _small(_gray(pixels[row])), pairs)


def _correlation(small_of: Callable[[int], npt.NDArray[np.floating]], pairs: Rows) -> npt.NDArray[np.float64]:
    """Of the small pictures of the two rows of each pair, (pairs,)."""
    rows, which = np.unique(pairs, return_inverse=True)
    small = np.array([small_of(row) for row in rows]).reshape(len(rows), SMALL * SMALL)
    small -= small.mean(axis=1, keepdims=True)
    small /= np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-9)
    left, right = which.reshape(-1, 2).T
    found = np.empty(len(pairs))
    for start in range(0, len(pairs), BLOCK):
        block = slice(start, start + BLOCK)
        found[block] = (small[left[block]] * small[right[block]]).sum(axis=1)
    return found


def _compare(hashes: Hashes, distance: int) -> tuple[Rows, Rows, Rows, Rows]:
    """Images by hash, and the near pairs of hashes.

    Returns:
        The images of the first hash in ascending order, then those of the second and so on; for each hash
        where its images start and how many they are; pairs of hashes that are near each other (pairs, 2).
    """
    rows = np.flatnonzero(hashes != NO_HASH)
    different, which, sizes = np.unique(hashes[rows], return_inverse=True, return_counts=True)
    members = rows[np.argsort(which, kind="stable")]
    return members, np.cumsum(sizes) - sizes, sizes, _near_hashes(different, distance)


def _near_hashes(hashes: Hashes, distance: int) -> Rows:
    """Pairs (pairs, 2) of different hashes that differ in at most `distance` bits.

    Two hashes that differ in d of 64 bits agree in at least one of any d + 1 bands of bits: hashes are sorted
    by a band, and each is compared with the next one, the next but one and so on of the same band.
    """
    found = []
    for band in range(distance + 1):
        # Neighbouring frequencies are alike, so a band takes bits from all over: fewer hashes agree in it.
        mask = np.uint64(sum(1 << bit for bit in range(band, BITS, distance + 1)))
        order = np.argsort(hashes & mask, kind="stable")
        ordered = hashes[order]
        _, sizes = np.unique(ordered & mask, return_counts=True)
        followers = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(ordered)) - 1
        for step in range(1, int(sizes.max(initial=0))):
            here = np.flatnonzero(followers >= step)
            near = here[np.bitwise_count(ordered[here] ^ ordered[here + step]) <= distance]
            found.append(np.stack([order[near], order[near + step]], axis=1))
    pairs = np.concatenate([np.empty((0, 2), np.int64), *found])
    return np.unique(np.sort(pairs, axis=1), axis=0)


def _sorted(first: Rows, second: Rows, wanted: npt.NDArray[np.bool_]) -> Rows:
    """The wanted pairs as (pairs, 2): the smaller row first, in ascending order."""
    pairs = np.sort(np.stack([first, second], axis=1)[wanted], axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _hashes(grays: Sequence[Image.Image]) -> Hashes:
    """Of some images at once: one by one, most of the time is NumPy's way there and back."""
    if not grays:
        return np.empty(0, np.uint64)
    size = (FREQUENCIES, FREQUENCIES)
    pictures = np.stack([np.asarray(gray.resize(size, Image.Resampling.LANCZOS)) for gray in grays])
    lowest = (WAVES @ pictures @ WAVES.T).reshape(len(grays), BITS)
    bits = lowest > np.median(lowest, axis=1, keepdims=True)
    hashes = np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)
    return np.where(_deviations(grays) < FLAT, NO_HASH, hashes)


def _deviations(grays: Sequence[Image.Image]) -> npt.NDArray[np.float64]:
    """Standard deviations of the gray values, by how often there is each of the 256."""
    counts = np.array([gray.histogram() for gray in grays], np.float64)
    shares = counts / counts.sum(axis=1, keepdims=True)
    values = np.arange(256.0)
    distances = values - (shares @ values)[:, None]
    deviations: npt.NDArray[np.float64] = np.sqrt((shares * distances**2).sum(axis=1))
    return deviations


def _small(gray: Image.Image) -> npt.NDArray[np.float64]:
    return np.asarray(gray.resize((SMALL, SMALL), Image.Resampling.BOX), np.float64).ravel()


def _gray(image: Pixels) -> Image.Image:
    """Luma (ITU-R 601-2) of an image (side, side, 1 or 3 channels)."""
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).convert("L")
