"""How much do checking and caching images cost beside decoding them?

    python benchmarks/opening.py DATA [--side 72] [--repeats 3]

DATA is a folder of category folders. Seconds of processor time (all threads, beside other work) for the same
files: decoding alone, `scotoma check`, and building the cache. A ratio of 1 is free; medians over repeats.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from scotoma.data.cache import decoded
from scotoma.data.catalogue import find_images
from scotoma.data.photos import decode_files
from scotoma.data.survey import survey


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--side", type=int, default=72)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(*report(measure(options.data, options.side, options.repeats)), sep="\n")


def measure(data: Path, side: int, repeats: int) -> dict[str, float]:
    """Median seconds of processor time for each way, and the number of images."""
    catalogue = find_images(data)
    assert catalogue.root is not None
    root, files = catalogue.root, catalogue.files

    def decode() -> None:
        for _ in decode_files(root, files, lambda image: image.shape, list):
            pass

    def build() -> None:
        with tempfile.TemporaryDirectory() as cache:
            decoded(catalogue, side, 3, Path(cache))

    ways: dict[str, Callable[[], object]] = {
        "decoding alone": decode,
        "check": lambda: survey(data),
        "building the cache": build,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, work in ways.items():
            begun = time.process_time()
            work()
            times[name].append(time.process_time() - begun)
    return {"images": len(files), **{name: median(found) for name, found in times.items()}}


def report(found: dict[str, float]) -> list[str]:
    """Lines of a table."""
    alone = found["decoding alone"]
    lines = [f"{found['images']:,} images; seconds of processor time, rate over that of decoding alone"]
    for name, seconds in found.items():
        if name != "images":
            lines.append(f"{name:20}{seconds:8.2f}{alone / seconds:8.2f}")
    return lines


if __name__ == "__main__":
    main()
