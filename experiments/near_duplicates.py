"""At which distance between perceptual hashes are two images the same photograph?

    python experiments/near_duplicates.py SOURCE... [--images 10000] [--copies 1000] [--side 128] [--out FILE]

A SOURCE is the word `fashion-mnist`, a folder of category folders, or any other folder of images (as one
category). For each distance, by hashes alone and where the pairs must be alike in small too, two tables are
printed, and written to FILE as JSON:

- of `--copies` images, the share that is found again after an edit: JPEG at quality 60; scaled to 90 %; 2 %
  cut off at the left and the top; 10 gray levels brighter; all four;
- among the images themselves, where the source has no near duplicates: false pairs within a category, and
  all, scaled to 10,000 images (pairs grow with the square of the images), the share of images that are in
  any, and the most images that they join.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from scotoma.data.catalogue import find_images
from scotoma.data.decoding import decode_image, fit_square
from scotoma.data.images import read_arrays
from scotoma.data.near_duplicates import (
    LIKENESS,
    NO_HASH,
    likeness,
    near_pairs,
    perceptual_hashes,
)
from scotoma.data.photos import list_photos
from scotoma.data.units import units
from scotoma.runs.whole_files import write_json

# The others are odd: see DISTANCE.
DISTANCES = (0, 2, 4, 6, 8, 10)

Pixels = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]


def again(image: Pixels) -> Pixels:
    """Decoded after JPEG at quality 60."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=60)
    return decode_image(file.getvalue())


def smaller(image: Pixels) -> Pixels:
    """Scaled to 90 %."""
    height, width = image.shape[:2]
    size = (round(0.9 * width), round(0.9 * height))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def cropped(image: Pixels) -> Pixels:
    """Without 2 % of its height and width, at least a pixel, at the top and the left."""
    top, left = (max(1, round(0.02 * length)) for length in image.shape[:2])
    return image[top:, left:]


def brighter(image: Pixels) -> Pixels:
    """10 levels brighter."""
    return (image.astype(np.int64) + 10).clip(0, 255).astype(np.uint8)


EDITS: dict[str, Callable[[Pixels], Pixels]] = {
    "jpeg 60": again,
    "scaled 90 %": smaller,
    "cropped 2 %": cropped,
    "brighter 10": brighter,
    "all four": lambda image: again(smaller(cropped(brighter(image)))),
}


def main() -> None:
    """Print a table for each source and write them down."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--copies", type=int, default=1000)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = []
    for source in options.sources:
        found.append({"source": Path(source).name} | measure(source, options))
        show(found[-1])
    if options.out:
        write_json(options.out, found)


def measure(source: str, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one source."""
    load, labels = opened(source)
    rows = np.random.default_rng(options.seed).permutation(len(labels))[: options.images]
    pixels = fitted([load(row) for row in rows], options.side)
    hashes = perceptual_hashes(pixels)
    found: dict[str, Any] = {
        "images": len(rows),
        "side": options.side,
        "flat": int((hashes == NO_HASH).sum()),
        "hashes": {"recall": {}, "pairs": {}},
        "both": {"recall": {}, "pairs": {}},
    }
    for name, edit in EDITS.items():
        copies = fitted([edit(load(row)) for row in rows[: options.copies]], options.side)
        of_copies, count = perceptual_hashes(copies), len(copies)
        near = np.bitwise_count(of_copies ^ hashes[:count]).astype(np.int64)
        near[(of_copies == NO_HASH) | (hashes[:count] == NO_HASH)] = 64
        mates = np.stack([np.arange(count), count + np.arange(count)], axis=1)
        alike = likeness(np.concatenate([pixels[:count], copies]), mates) >= LIKENESS
        for distance in DISTANCES:
            close = near <= distance
            found["hashes"]["recall"].setdefault(distance, {})[name] = float(close.mean())
            found["both"]["recall"].setdefault(distance, {})[name] = float((close & alike).mean())
    for distance in DISTANCES:
        pairs = near_pairs(hashes, distance)
        alike = likeness(pixels, pairs) >= LIKENESS
        found["hashes"]["pairs"][distance] = joined(pairs, labels[rows])
        found["both"]["pairs"][distance] = joined(pairs[alike], labels[rows])
    return found


def opened(source: str) -> tuple[Callable[[int], Pixels], Rows]:
    """What decodes an image by its number, as (height, width, 3), and the images' categories."""
    if source != "fashion-mnist" and not any(path.is_dir() for path in category_folders(source)):
        root, names = list_photos(Path(source))
        return lambda row: decode_image(root / names[row]), np.zeros(len(names), np.int64)
    catalogue = find_images(source)
    if catalogue.kind == "folders":
        folder = Path(source)
        return lambda row: decode_image(folder / catalogue.files[row]), catalogue.labels
    pixels, labels, _ = read_arrays(catalogue)
    return lambda row: np.repeat(pixels[row, :, :, None], 3, axis=2), labels


def category_folders(source: str) -> list[Path]:
    """The folders right below the source, if it has more than one."""
    folders = [path for path in Path(source).iterdir() if path.is_dir()]
    return folders if len(folders) > 1 else []


def fitted(images: list[Pixels], side: int) -> Pixels:
    """Decoded images of any size as one array (images, side, side, 1)."""
    return np.stack([fit_square(image, side, 1) for image in images])


def joined(pairs: Rows, labels: Rows) -> dict[str, float]:
    """What pairs do to images of which no two are the same."""
    same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    scale = (10_000 / len(labels)) ** 2
    names = units(np.array([f"{row:032x}" for row in range(len(labels))]), None, pairs)
    return {
        "same category": scale * float(same.sum()),
        "all": scale * len(pairs),
        "images": len(np.unique(pairs)) / len(labels),
        "largest": int(np.unique(names, return_counts=True)[1].max()),
    }


def show(found: dict[str, Any]) -> None:
    """Print the tables of one source."""
    print(f"{found['source']}: {found['images']:,} images of {found['side']} pixels, {found['flat']} flat")
    for way, title in (("hashes", "hashes alone"), ("both", "and alike in small")):
        print(f"{title:<19}", *(f"{name:>11}" for name in (*EDITS, "category", "all", "images", "largest")))
        for distance in DISTANCES:
            pairs = found[way]["pairs"][distance]
            print(
                f"{distance:>19}",
                *(f"{found[way]['recall'][distance][name]:11.1%}" for name in EDITS),
                f"{pairs['same category']:11.1f} {pairs['all']:11.1f} {pairs['images']:11.2%}",
                f"{pairs['largest']:11}",
            )


if __name__ == "__main__":
    main()
