"""Does it matter how many images an encoder, its adversaries and its attackers learn from?

    python experiments/fewer_images.py FASHION OUT --seed 0 --images 487

Copies the four IDX files of Fashion-MNIST with no more than so many images of each category in the part that
training with this seed learns from. Validation and test images stay, all of them: an image's part follows
from its pixels. Categories are numbers in OUT (shirt is 6, bag is 8): only the whole set has names.
"""

import argparse
from pathlib import Path

import numpy as np

from scotoma.data.fashion import GARMENTS, format_idx
from scotoma.data.images import open_images
from scotoma.data.splits import split
from scotoma.runs.whole_files import write_bytes


def main() -> None:
    """Write the smaller set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, required=True)
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"{options.out} is there already: choose another name")
    learned, there, test = write_fewer(options.source, options.out, options.seed, options.images)
    print(f"{learned:,} of {there:,} training images, {test:,} test images.")


def write_fewer(source: str, out: Path, seed: int, images: int) -> tuple[int, int, int]:
    """Write the smaller set into `out`; how many training images it has and had, and how many test images."""
    table = open_images(source, 28, 1)
    # A table's categories are in alphabetical order, the numbers in the files are not.
    numbers = np.array([GARMENTS.index(name) for name in table.categories])[table.labels]
    parts = split(table.keys, seed)
    of_training = numbers[parts.training]
    chosen = [parts.training[of_training == number][:images] for number in range(len(GARMENTS))]
    others = np.sort(np.concatenate([*chosen, parts.reserve, parts.validation]))
    out.mkdir(parents=True)
    for name, rows in (("train", others), ("t10k", parts.test)):
        write_bytes(out / f"{name}-images-idx3-ubyte", format_idx(table.pixels[rows, :, :, 0]))
        write_bytes(out / f"{name}-labels-idx1-ubyte", format_idx(numbers[rows].astype(np.uint8)))
    return sum(map(len, chosen)), len(parts.training), len(parts.test)


if __name__ == "__main__":
    main()
