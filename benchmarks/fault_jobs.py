"""Which runs does the fault campaign disturb, when do they write, and what must be equal in the end?

The smallest settings with which a run of every kind takes seconds and writes all the files that it can write.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from safetensors.numpy import load_file

from scotoma.runs.run_folder import LOCK, MARKER

SETTINGS = """
preset = "demo"

[encoder]
convolutions = [1, 1]
widths = [4, 4]

[classifier]
convolutions = [1]
widths = [4]
hidden = 8

[training]
iterations = {iterations}
warm_up = 2
batch = 8
classifier_steps = 1
probe_every = 8
probe_steps = 2
evaluate_every = 8
checkpoint_every = 3
on_collapse = "record"
"""
ATTACKS = """
preset = "demo"

[verification]
batch = 16
evaluate_every = 5
patience = 2
max_iterations = 20
views = 1
"""
CATEGORIES = ("bag", "shirt", "sneaker")
PHOTOS = 150  # in each category
# What a run tells of the clock, and the checksum over it.
TIMES = ("seconds", "started", "checksum")


@dataclass(frozen=True)
class Job:
    """A command that is given in an empty folder, again and again in the same one until it has succeeded.

    `begun` says of the folder whether the command has begun to write, `over` whether it has written what this
    job is about; `content` gives what must be equal in the end, by name.
    """

    name: str
    arguments: tuple[str, ...]
    begun: Callable[[Path], bool]
    over: Callable[[Path], bool]
    content: Callable[[Path], dict[str, str]]

    @property
    def command(self) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "scotoma", *self.arguments]


def environment(folder: Path) -> dict[str, str]:
    """One thread, and a cache in the folder."""
    return {**os.environ, "SCOTOMA_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}


def make_jobs(work: Path) -> tuple[Job, ...]:
    """The jobs, with all that they read in the folder `work`; `encoder.safetensors` has to be put there."""
    (work / "train.toml").write_text(SETTINGS.format(iterations=16))
    (work / "short.toml").write_text(SETTINGS.format(iterations=1))
    (work / "attacks.toml").write_text(ATTACKS)
    write_photos(work / "photos", PHOTOS)
    names = ("--categories", ",".join(CATEGORIES), "--hide", "shirt", "--keep", "bag", "--out", "run")
    train = ("train", "fashion-mnist", *names, "--config", str(work / "train.toml"))
    decode = ("train", str(work / "photos"), *names, "--config", str(work / "short.toml"))
    attack = (
        "verify",
        str(work / "encoder.safetensors"),
        "--data",
        "fashion-mnist",
        "--baselines",
        "identity",
        "--out",
        "run",
    )
    finished = ("--config", str(work / "attacks.toml"))
    # A verb that runs others, as a sweep, gets its job here.
    return (
        Job("training", train, _marked, lambda folder: (folder / "run/encoder.safetensors").exists(), _run),
        Job("cache", decode, lambda folder: _has(folder / "cache"), _marked, _cache),
        Job(
            "verification",
            (*attack, *finished),
            _marked,
            lambda folder: (folder / "run/results.json").exists(),
            _run,
        ),
    )


def write_photos(folder: Path, count: int) -> None:
    """JPEG files of 480 x 400 pixels, `count` in each category: squares of random colours, no two alike."""
    random = np.random.default_rng(0)
    for category in CATEGORIES:
        (folder / category).mkdir(parents=True)
        for number in range(count):
            squares = random.integers(0, 256, (10, 12, 3), np.uint8)
            pixels = np.ascontiguousarray(squares.repeat(40, axis=0).repeat(40, axis=1))
            (folder / category / f"{number:05}.jpg").write_bytes(simplejpeg.encode_jpeg(pixels))


def differences(first: Mapping[str, str], second: Mapping[str, str]) -> list[str]:
    """Names of what is not the same in both."""
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def without_times(content: Any) -> Any:
    """JSON without what it tells of the clock."""
    if isinstance(content, dict):
        return {name: without_times(each) for name, each in content.items() if name not in TIMES}
    return [without_times(each) for each in content] if isinstance(content, list) else content


def _marked(folder: Path) -> bool:
    return (folder / "run" / MARKER).exists()


def _has(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _run(folder: Path) -> dict[str, str]:
    """Every file of the run folder, temporary ones that were left behind too; all but the lock."""
    files = [path for path in sorted((folder / "run").rglob("*")) if path.is_file() and path.name != LOCK]
    return {str(path.relative_to(folder)): _digest(path) for path in files}


def _cache(folder: Path) -> dict[str, str]:
    """The run, and the cache's entries; what a killed run was making is cleared a day later."""
    entries = [path for path in (folder / "cache").iterdir() if not path.name.startswith(".")]
    files = [path for entry in entries for path in sorted(entry.iterdir())]
    return _run(folder) | {str(path.relative_to(folder)): _digest(path) for path in files}


def _digest(path: Path) -> str:
    summed = blake2b(digest_size=16)
    if path.suffix == ".json":
        summed.update(json.dumps(without_times(json.loads(path.read_bytes())), sort_keys=True).encode())
    elif path.suffix == ".safetensors":
        data = path.read_bytes()
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        card = without_times(json.loads(header["__metadata__"]["scotoma"]))
        summed.update(json.dumps(card, sort_keys=True).encode())
        for name, array in sorted(load_file(path).items()):
            summed.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
    else:
        summed.update(path.read_bytes())
    return summed.hexdigest()
