"""Which runs does the fault campaign disturb, when do they write, and what must be equal in the end?

The smallest settings with which a run of every kind takes seconds and writes all the files that it can write.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image
from safetensors.numpy import load_file

from scotoma.runs.run_folder import LOCK, MARKER

NETWORKS = """
preset = "demo"

[encoder]
size = 16
channels = 3
convolutions = [1, 1]
widths = [4, 4]

[classifier]
convolutions = [1]
widths = [4]
hidden = 8

[images]
stored_side = 16
"""
TRAINING = """
[training]
iterations = {iterations}
alpha = 1.0
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
[verification]
batch = 16
evaluate_every = 5
patience = 2
max_iterations = 20
views = 1
"""
CATEGORIES = ("bag", "shirt", "sneaker")
SMALL, LARGE = (60, 24), (40, 400)  # images in each category, and pixels on a side
# What a run tells of the clock, and the checksum over it.
TIMES = ("seconds", "started", "checksum")


@dataclass(frozen=True)
class Job:
    """A command that is given in an empty folder, again and again in the same one until it has succeeded.

    `begun` says of the folder whether the command has begun to write, `over` whether it has written what this
    job is about; `content` gives what must be equal in the end, by name. It has its turn in one of `every`
    rounds.
    """

    name: str
    arguments: tuple[str, ...]
    begun: Callable[[Path], bool]
    over: Callable[[Path], bool]
    content: Callable[[Path], dict[str, str]]
    every: int = 1

    @property
    def command(self) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "scotoma", *self.arguments]

    def share_of(self, count: int) -> int:
        """How often the job has its turn in so many rounds, at least once."""
        return max(count // self.every, 1)


def environment(folder: Path) -> dict[str, str]:
    """One thread, and a cache in the folder."""
    return {**os.environ, "SCOTOMA_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}


def make_jobs(work: Path) -> tuple[Job, ...]:
    """The jobs, with all that they read in the folder `work`; `encoder.safetensors` has to be put there."""
    for name, iterations in (("train", 16), ("short", 1)):
        (work / f"{name}.toml").write_text(NETWORKS + TRAINING.format(iterations=iterations))
    (work / "attacks.toml").write_text('preset = "demo"\n' + ATTACKS)
    (work / "sweep.toml").write_text(NETWORKS + TRAINING.format(iterations=8) + ATTACKS)
    write_photos(work / "small", *SMALL)
    write_photos(work / "large", *LARGE)
    small, names = str(work / "small"), ("--hide", "shirt", "--keep", "bag", "--out", "run", "--config")
    train = ("train", small, *names, str(work / "train.toml"))
    decode = ("train", str(work / "large"), *names, str(work / "short.toml"))
    attack: tuple[str, ...] = (
        "verify",
        str(work / "encoder.safetensors"),
        "--data",
        small,
        "--baselines",
        "identity",
    )
    attack += ("--out", "run", "--config", str(work / "attacks.toml"))
    sweep = ("sweep", small, "--alpha", "1", *names, str(work / "sweep.toml"))
    return (
        Job("training", train, _marked, lambda folder: (folder / "run/encoder.safetensors").exists(), _run),
        Job("cache", decode, lambda folder: _has(folder / "cache"), _marked, _cache),
        Job("verification", attack, _marked, lambda folder: (folder / "run/results.json").exists(), _run),
        # Two processes, one after the other, each of which imports everything: slower than the others.
        Job("sweep", sweep, _marked, lambda folder: (folder / "run/sweep.svg").exists(), _sweep, every=4),
    )


def write_photos(folder: Path, count: int, side: int) -> None:
    """JPEG files, `count` in each category: squares of random colours, no two alike."""
    random = np.random.default_rng(0)
    for category in CATEGORIES:
        (folder / category).mkdir(parents=True)
        for number in range(count):
            squares = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))
            pixels = np.asarray(squares.resize((side, side), Image.Resampling.NEAREST))
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
    return {name: _digest(path) for path, name in _files(folder)}


def _files(folder: Path) -> list[tuple[Path, str]]:
    """The files of the run folder and their names, all but locks."""
    files = [path for path in sorted((folder / "run").rglob("*")) if path.is_file() and path.name != LOCK]
    return [(path, str(path.relative_to(folder))) for path in files]


def _sweep(folder: Path) -> dict[str, str]:
    """The run, but for what its processes have said.

    The digest of an encoder file is not compared, nor is that of a cell over it: they are taken of the time,
    too, that its training has taken.
    """
    encoders = (folder / "run/encoders").rglob("encoder.safetensors")
    digests = [blake2b(path.read_bytes(), digest_size=16).hexdigest() for path in encoders]
    cells = (folder / "run/attacks").rglob("cells/*.json")
    digests += [json.loads(path.read_bytes())["fingerprint"] for path in cells]
    files = {path: name for path, name in _files(folder) if not name.startswith("run/logs/")}
    return {name: _digest(path, digests) for path, name in files.items()}


def _cache(folder: Path) -> dict[str, str]:
    """The run, and the cache's entries; what a killed run was making is cleared a day later."""
    entries = [path for path in (folder / "cache").iterdir() if not path.name.startswith(".")]
    files = [path for entry in entries for path in sorted(entry.iterdir())]
    return _run(folder) | {str(path.relative_to(folder)): _digest(path) for path in files}


def _digest(path: Path, but_for: Sequence[str] = ()) -> str:
    """A digest of all that is to be equal; `but_for` are texts in JSON files that are not."""
    summed = blake2b(digest_size=16)
    if path.suffix == ".json":
        text = json.dumps(without_times(json.loads(path.read_bytes())), sort_keys=True)
        for each in but_for:
            text = text.replace(each, "")
        summed.update(text.encode())
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
