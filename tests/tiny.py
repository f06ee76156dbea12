"""Which settings make a run that ends within a second, and on which images? For tests of whole runs."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scotoma import presets
from scotoma.data import fashion, images
from scotoma.runs.settings import merge

CATEGORIES = ("airport_terminal", "bar", "office", "runway")
TRAINING = {
    "iterations": 12,
    "warm_up": 2,
    "batch": 4,
    "classifier_steps": 1,
    "encoder_rate": 1e-3,
    "encoder_average": 0.5,
    "evaluate_every": 6,
    "checkpoint_every": 4,
    "on_collapse": "record",
}
ATTACKS = {"batch": 8, "evaluate_every": 5, "patience": 1, "max_iterations": 20, "views": 1}
NETWORKS = {
    "encoder": {"size": 8, "channels": 3, "convolutions": [1, 1], "widths": [4, 4]},
    "images": {"stored_side": 9},
    "classifier": {"convolutions": [1], "widths": [4], "hidden": 8},
}


def toml(table: Mapping[str, Any]) -> str:
    """Numbers, texts, lists and one level of tables as TOML."""
    plain = [f"{name} = {json.dumps(each)}" for name, each in table.items() if not isinstance(each, Mapping)]
    nested = [f"[{name}]\n{toml(each)}" for name, each in table.items() if isinstance(each, Mapping)]
    return "\n".join([*plain, *nested]) + "\n"


def write_photos(folder: Path, each: int = 30) -> Path:
    """Noise in four categories, each of its own brightness: `each` PNG files of 12 x 10 pixels each."""
    random = np.random.default_rng(0)
    for number, category in enumerate(CATEGORIES):
        (folder / category).mkdir(parents=True)
        for image in range(each):
            pixels = random.integers(0, 100, (10, 12, 3), np.uint8) + np.uint8(50 * number)
            Image.fromarray(pixels).save(folder / category / f"{image:02}.png")
    return folder


def shrink_presets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every shipped preset, with the same image sizes and tiny networks and numbers, from `folder`."""
    for name in presets.preset_names():
        shipped = tomllib.loads((presets._folder() / f"{name}.toml").read_text(encoding="utf-8"))
        widths = [2] * len(shipped["encoder"]["convolutions"])
        changes = {"encoder": {"widths": widths}, "classifier": NETWORKS["classifier"]}
        changes |= {"training": TRAINING, "verification": ATTACKS}
        (folder / f"{name}.toml").write_text(toml(merge(shipped, changes)))
    monkeypatch.setattr(presets, "_folder", lambda: folder)


def shrink_embedded_set(monkeypatch: pytest.MonkeyPatch, every: int = 20) -> None:
    """The embedded set with one image in `every` only."""
    pixels, labels = fashion.embedded_set()
    monkeypatch.setattr(images, "embedded_set", lambda: (pixels[::every], labels[::every]))
