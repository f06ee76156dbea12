"""Does memory grow with the number of images? Peak of what `scotoma encode` and `scotoma train` hold.

    python benchmarks/memory.py [--images 1000 100000] [--side 72] [--out memory.json]

Small JPEG files, no two alike, in two category folders of a temporary folder. Training runs twice: first to
decode the images into a cache, then, measured, from that cache. Each verb is a process of its own, whose
anonymous memory (RssAnon: pages that are no file's) is looked at every 20 ms. "started" are the seconds until
the first image is encoded or the first update begins.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import simplejpeg

EVERY = 0.02
CATEGORIES = ("meadow", "street")
SETTINGS = """
[encoder]
size = {size}
convolutions = [1, 1, 1, 1]
widths = [16, 32, 32, 32]

[images]
stored_side = {side}

[classifier]
convolutions = [1]
widths = [32]
hidden = 32

[training]
iterations = 20
warm_up = 5
batch = 32
probe_every = 0
precision = "fp32"
on_collapse = "record"
"""


@dataclass(frozen=True)
class Measured:
    """One run of a verb: its peak of anonymous memory and its seconds."""

    verb: str
    images: int
    peak_mib: float
    started: float
    seconds: float


def main() -> None:
    """Print a table and the ratios of the largest to the smallest number of images."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument(
        "--side", type=int, default=72, help="pixels a side of stored images; 9/8 of the encoder's"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found: list[Measured] = []
    print(f"{'verb':8}{'images':>10}{'peak MiB':>10}{'started s':>11}{'all s':>8}")
    for images in options.images:
        with tempfile.TemporaryDirectory() as folder:
            for one in measure(Path(folder), images, options.side):
                print(
                    f"{one.verb:8}{one.images:10,}{one.peak_mib:10.1f}{one.started:11.1f}{one.seconds:8.1f}"
                )
                found.append(one)
    ratios = {}
    for verb in ("train", "encode"):
        peaks = [one.peak_mib for one in found if one.verb == verb]
        ratios[verb] = round(peaks[-1] / peaks[0], 3)
        print(
            f"{verb}: {ratios[verb]} times the memory for "
            f"{found[-1].images / found[0].images:g} times the images"
        )
    if options.out:
        options.out.write_text(
            json.dumps({"runs": [asdict(one) for one in found], "ratios": ratios}, indent=2) + "\n"
        )


def measure(folder: Path, images: int, side: int) -> list[Measured]:
    """Both verbs on so many images, in an empty folder."""
    write_images(folder / "images", images)
    settings = folder / "settings.toml"
    settings.write_text(SETTINGS.format(side=side, size=side * 8 // 9))
    train = ["train", "images", "--hide", "meadow", "--config", "settings.toml", "--overwrite", "--out"]
    encode = ["encode", "run/encoder.safetensors", "images", "--out", "codes.npz"]
    run(folder, [*train, "first"], "training:")
    return [
        Measured(verb[0], images, *run(folder, verb, sign))
        for verb, sign in (([*train, "run"], "training:"), (encode, "encoding images:"))
    ]


def write_images(folder: Path, count: int) -> None:
    """JPEG files of 96 x 80 pixels: squares of random colours, so that no two are alike."""
    random = np.random.default_rng(0)
    for number in range(count):
        category = folder / CATEGORIES[number % len(CATEGORIES)]
        if number < len(CATEGORIES):
            category.mkdir(parents=True)
        squares = random.integers(0, 256, (10, 12, 3), np.uint8)
        pixels = np.ascontiguousarray(squares.repeat(8, axis=0).repeat(8, axis=1))
        (category / f"{number:07}.jpg").write_bytes(simplejpeg.encode_jpeg(pixels))


def run(folder: Path, arguments: list[str], sign: str) -> tuple[float, float, float]:
    """Run a verb: peak of its anonymous memory in MiB, seconds until it prints `sign`, seconds in all."""
    log = folder / "log"
    command = [sys.executable, "-m", "scotoma", *arguments]
    environment = {**os.environ, "SCOTOMA_CACHE": str(folder / "cache")}
    peak, started, begun = 0.0, None, time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        while process.poll() is None:
            peak = max(peak, anonymous_mib(process.pid))
            if started is None and sign.encode() in log.read_bytes():
                started = time.monotonic() - begun
            time.sleep(EVERY)
    seconds = time.monotonic() - begun
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{log.read_text()}")
    return peak, seconds if started is None else started, seconds


def anonymous_mib(process: int) -> float:
    """RssAnon of a process now; 0 once it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


if __name__ == "__main__":
    main()
