import io
from itertools import combinations
from pathlib import Path

import imagehash
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.fft import idctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from scotoma.data import near_duplicates as module
from scotoma.data.decoding import decode_image, fit_square
from scotoma.data.near_duplicates import (
    FLAT,
    NO_HASH,
    likeness,
    near_duplicates,
    near_links,
    near_pairs,
    perceptual_hashes,
)
from scotoma.errors import InputError

Pixels = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

repeatable = settings(derandomize=True, deadline=None)


def pictures(count: int, seed: int = 0, side: int = 96) -> Pixels:
    """Random pictures that are smooth, as photographs are: (count, side, side, 3)."""
    noise = np.random.default_rng(seed).integers(0, 256, (count, 9, 9, 3), dtype=np.uint8)
    return np.stack([resized(one, side) for one in noise])


def resized(image: Pixels, side: int) -> Pixels:
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))


def compressed(image: Pixels) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=60)
    return decode_image(file.getvalue())


def of_deviation(deviation: int) -> Pixels:
    """Half 100 - deviation, half 100 + deviation: (64, 64, 1)."""
    image = np.full((64, 64, 1), 100 - deviation, np.uint8)
    image[:32] = 100 + deviation
    return image


@st.composite
def crowds(draw: st.DrawFn) -> Hashes:
    """Hashes of which many are near each other: a few, and others with up to 12 bits changed."""
    kinds = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4))
    flips = st.sets(st.integers(0, 63), max_size=12)
    members = draw(st.lists(st.tuples(st.sampled_from(kinds), flips), max_size=30))
    hashes = [kind ^ sum(1 << bit for bit in bits) for kind, bits in members]
    return np.array(hashes + draw(st.lists(st.just(int(NO_HASH)), max_size=3)), np.uint64)


def all_pairs(hashes: Hashes, distance: int) -> list[tuple[int, int]]:
    """What near_pairs must find, each image compared with each."""
    values = hashes.tolist()
    return [
        (i, j)
        for i, j in combinations(range(len(values)), 2)
        if NO_HASH not in (values[i], values[j]) and (values[i] ^ values[j]).bit_count() <= distance
    ]


def connected(images: int, pairs: Rows) -> list[int]:
    graph = coo_array((np.ones(len(pairs)), pairs.T), (images, images))
    numbers: list[int] = connected_components(graph, directed=False)[1].tolist()
    return numbers


def test_hashes_are_those_of_the_library() -> None:
    images = pictures(70)
    found = perceptual_hashes(images)
    assert found.dtype == np.uint64
    expected = [str(imagehash.phash(Image.fromarray(image))) for image in images]
    assert [f"{value:016x}" for value in found.tolist()] == expected


def test_hashes_of_photographs_are_those_of_the_library(scotoma_data: Path) -> None:
    files = sorted((scotoma_data / "scenes").rglob("*.jpg"))
    images = np.stack([fit_square(decode_image(file), 64, 1) for file in files])
    grays = [Image.fromarray(image[:, :, 0]) for image in images]
    deviates = images.std(axis=(1, 2, 3)) >= FLAT
    expected = [int(str(imagehash.phash(gray)), 16) for gray in grays]
    assert (
        perceptual_hashes(images).tolist()
        == np.where(deviates, np.array(expected, np.uint64), NO_HASH).tolist()
    )


def test_a_gray_image_has_one_hash_with_one_channel_and_with_three() -> None:
    gray = pictures(5)[..., :1]
    assert (perceptual_hashes(gray) == perceptual_hashes(np.repeat(gray, 3, axis=3))).all()


def test_flat_images_have_no_hash() -> None:
    constant = [np.full((64, 64, 1), level, np.uint8) for level in (0, 1, 37, 128, 255)]
    below, above = of_deviation(int(FLAT) - 1), of_deviation(int(FLAT) + 1)
    found = perceptual_hashes(np.stack([*constant, below, above]))
    assert (found == NO_HASH).tolist() == [True] * 6 + [False]
    assert len(near_pairs(found[:6], 63)) == 0


@repeatable
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_no_image_has_the_hash_that_means_none(seed: int, side: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    found = int(perceptual_hashes(images)[0])
    assert found.bit_count() <= 32 or found == NO_HASH


@repeatable
@given(crowds(), st.integers(0, 63))
def test_pairs_are_all_that_comparing_each_with_each_finds(hashes: Hashes, distance: int) -> None:
    found = near_pairs(hashes, distance)
    assert found.dtype == np.int64
    assert found.shape == (len(found), 2)
    assert [tuple(pair) for pair in found.tolist()] == all_pairs(hashes, distance)


@repeatable
@given(crowds(), st.integers(0, 16))
def test_links_are_pairs_and_connect_what_all_pairs_connect(hashes: Hashes, distance: int) -> None:
    pairs, links = near_pairs(hashes, distance), near_links(hashes, distance)
    assert {tuple(pair) for pair in links.tolist()} <= {tuple(pair) for pair in pairs.tolist()}
    assert connected(len(hashes), links) == connected(len(hashes), pairs)


def test_images_of_one_hash_are_linked_by_the_first() -> None:
    hashes = np.full(10_000, 5, np.uint64)
    hashes[7] = 2**60
    rows = [row for row in range(1, 10_000) if row != 7]
    assert near_links(hashes, 0).tolist() == [[0, row] for row in rows]
    assert near_links(hashes, 3).tolist() == [[0, row] for row in range(1, 10_000)]


def test_a_few_pairs_are_found_among_many_images() -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**63, 50_000, dtype=np.uint64)
    rows = np.sort(random.permutation(50_000)[:600].reshape(300, 2), axis=1)
    for left, right in rows:
        bits = random.permutation(64)[:4]
        hashes[right] = hashes[left] ^ np.uint64(sum(1 << int(bit) for bit in bits))
    assert near_pairs(hashes, 4).tolist() == sorted(rows.tolist())
    assert len(near_pairs(hashes, 3)) == 0


def test_likeness_is_the_correlation_of_gray_values() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 1), dtype=np.uint8)
    pairs = np.array([[0, 1], [2, 3], [0, 3]])
    expected = [np.corrcoef(images[i].ravel(), images[j].ravel())[0, 1] for i, j in pairs]
    assert likeness(images, pairs) == pytest.approx(expected)


def test_likeness_is_blind_to_brightness_and_contrast() -> None:
    image = pictures(1)[0] // 2
    others = [image + 60, image // 2, 255 - image, np.full_like(image, 9)]
    pairs = np.array([[0, 1], [0, 2], [0, 3], [0, 4]])
    found = likeness(np.stack([image, *others]), pairs)
    assert found == pytest.approx([1, 1, -1, 0], abs=1e-3)


def test_likeness_of_many_pairs_is_that_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    images, pairs = pictures(6), np.array(list(combinations(range(6), 2)))
    whole = likeness(images, pairs)
    monkeypatch.setattr(module, "BLOCK", 4)
    assert (likeness(images, pairs) == whole).all()


def test_edited_copies_are_found_and_nothing_else() -> None:
    originals = pictures(40)
    copies = [
        compressed(originals[0]),
        fit_square(resized(originals[1], 86), 96, 3),
        fit_square(originals[2][2:, 2:], 96, 3),
        (originals[3].astype(int) + 10).clip(0, 255).astype(np.uint8),
        originals[4],
    ]
    mirrored = originals[5][:, ::-1]
    flat = np.full((2, 96, 96, 3), 128, np.uint8)
    images = np.concatenate([originals, np.stack([*copies, mirrored]), flat])
    assert near_duplicates(images).tolist() == [[row, 40 + row] for row in range(5)]


def test_pictures_of_one_hash_that_are_not_alike_are_no_duplicates() -> None:
    """Of the same frequencies, 32 above the median and 32 below, each picture has another strong one."""
    signs = np.where(np.random.default_rng(0).permutation(64) < 32, 1.0, -1.0)
    images = []
    for strong in (9, 18):
        frequencies = np.zeros((32, 32))
        sizes = np.full(64, 40.0)
        sizes[strong] = 900
        frequencies[:8, :8] = (signs * sizes).reshape(8, 8)
        frequencies[0, 0] = 32 * 128
        images.append(idctn(frequencies, norm="ortho").round().clip(0, 255).astype(np.uint8)[..., None])
    pixels = np.stack(images)
    assert near_pairs(perceptual_hashes(pixels)).tolist() == [[0, 1]]
    assert likeness(pixels, np.array([[0, 1]]))[0] < 0.5
    assert near_duplicates(pixels).tolist() == []


def test_no_images_have_no_pairs() -> None:
    none = np.empty((0, 32, 32, 3), np.uint8)
    assert perceptual_hashes(none).tolist() == []
    assert near_duplicates(none).shape == (0, 2)


def test_other_numbers_of_channels_are_refused() -> None:
    with pytest.raises(InputError) as error:
        perceptual_hashes(np.zeros((1, 8, 8, 2), np.uint8))
    assert str(error.value) == "Images can have 1 channel (gray) or 3 (RGB), not 2."


def test_progress_is_told_of_every_image() -> None:
    told: list[object] = []

    class Recorded:
        def start(self, description: str, total: int) -> None:
            told.append((description, total))

        def advance(self, n: int = 1, **figures: float | str) -> None:
            told.append(n)

        def stop(self) -> None:
            told.append("stop")

    perceptual_hashes(pictures(70, side=32), Recorded())
    assert told == [("comparing images", 70), 64, 6, "stop"]
