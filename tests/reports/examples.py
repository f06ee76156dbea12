"""A run as verification writes it, made up: an encoder that hides `shirt`, keeps `bag`; `coat` is neither."""

import math
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from scotoma.runs.leaks import Excess
from scotoma.runs.results import Cell, Counts, EncoderSummary, Point, Results, Role, State

COUNTS = Counts((71946, 7994), (10812, 1188), (17985, 2003))

# accuracy on test, half the interval, AUC, bits, iterations, final accuracy on validation
FIGURES: dict[tuple[str, str], tuple[float, float, float, float, int, float]] = {
    ("identity", "shirt"): (0.869, 0.014, 0.948, 0.502, 2600, 0.874),
    ("identity", "bag"): (0.989, 0.005, 0.999, 0.931, 1800, 0.991),
    ("identity", "coat"): (0.932, 0.011, 0.981, 0.689, 2200, 0.935),
    ("blur", "shirt"): (0.812, 0.016, 0.896, 0.371, 3400, 0.818),
    ("blur", "bag"): (0.957, 0.009, 0.991, 0.802, 3000, 0.960),
    ("blur", "coat"): (0.884, 0.013, 0.951, 0.547, 3200, 0.881),
    ("encoder", "shirt"): (0.660, 0.0245, 0.702, 0.072, 9400, 0.668),
    ("encoder", "bag"): (0.981, 0.0065, 0.998, 0.902, 4200, 0.984),
    ("encoder", "coat"): (0.771, 0.018, 0.852, 0.284, 8200, 0.776),
}
ROLES: dict[str, Role] = {"shirt": "hide", "bag": "keep", "coat": "other"}
FLOORS = {"shirt": 0.556, "bag": 0.5, "coat": 0.556}


# A failed attack has no figures.
NOTHING: dict[str, Any] = {
    "val_accuracy": None,
    "test_accuracy": None,
    "test_low": None,
    "test_high": None,
    "auc": None,
    "cross_entropy": None,
    "bits": None,
    "excess": None,
}


def beyond(estimate: float, error: float = 0.0125, smallest_leak: float = 0.04) -> Excess:
    """A comparison with the kept labels alone, by the normal distribution."""
    normal = NormalDist()
    return Excess(
        estimate,
        estimate - normal.inv_cdf(0.975) * error,
        normal.cdf(-estimate / error),
        smallest_leak,
        error,
    )


def curve(iterations: int, final: float, rate: float = 1e-4) -> tuple[Point, ...]:
    """A rising validation curve, evaluated ever more rarely; the rate drops by 10 at three quarters."""
    steps = np.unique(np.geomspace(50, iterations, 24).round(-1).astype(int))
    share = (1 - np.exp(-4.5 * steps / iterations)) / (1 - math.exp(-4.5))
    wiggle = 0.006 * np.sin(np.arange(len(steps)) * 2.3) * (1 - share)
    return tuple(
        Point(
            int(step),
            rate if step < 0.75 * iterations else rate / 10,
            0.69 - 0.6 * float(each - 0.5),
            0.69 - 0.5 * float(each - 0.5),
            float(each),
        )
        for step, each in zip(steps, 0.5 + (final - 0.5) * share + wiggle, strict=True)
    )


def cell(encoder: str, task: str, state: State = "done", /, **changes: Any) -> Cell:
    """One cell; `changes` replaces any of its fields."""
    accuracy, half, auc, bits, iterations, val = FIGURES[encoder, task]
    made = Cell(
        encoder=encoder,
        task=task,
        classes=("other", task),
        role=ROLES[task],
        attacker="paper",
        seed=11,
        state=state,
        val_accuracy=val,
        test_accuracy=accuracy,
        test_low=accuracy - half,
        test_high=min(1.0, accuracy + half - 0.001),
        floor=FLOORS[task],
        auc=auc,
        cross_entropy=(1 - bits) * math.log(2),
        bits=bits,
        iterations=iterations,
        seconds=iterations / 90,
        counts=COUNTS,
        curve=curve(iterations, val),
        settings={"rate": 1e-3, "batch": 128, "patience": 6},
        excess=beyond(accuracy - FLOORS[task], half / 1.96),
    )
    if state == "failed":
        made = replace(made, **NOTHING)
    return replace(made, **changes)


def encoders() -> tuple[EncoderSummary, ...]:
    """Identity, blur and the trained one."""
    training = {
        "objective": "label-flip",
        "iterations": 1500,
        "hidden": {"shirt": 0.672},
        "kept": {"bag": 0.979},
        "seconds": 118.4,
        "preset": "demo",
        "hide": ["shirt"],
        "keep": ["bag"],
    }
    return (
        EncoderSummary("identity", "identity", "5f0c9a31d2", (1, 28, 28)),
        EncoderSummary("blur", "blur", "b1a2907c11", (1, 7, 7)),
        EncoderSummary("encoder", "trained", "93ce4417aa02", (3, 7, 7), training),
    )


def results(**changes: Any) -> Results:
    """A whole run; `changes` replaces any of its fields."""
    run = {
        "data": {
            "source": "fashion-mnist",
            "images": 20000,
            "categories": ["ankle-boot", "bag", "coat", "dress", "pullover", "sandal", "shirt", "sneaker"],
            "digest": "0e5af7d8c96b4412",
            "same_as_training": True,
            "split": {"training": 9983, "reserve": 2011, "validation": 3002, "test": 5004},
        },
        "settings": {"rate": 0.001, "batch": 128, "patience": 6, "views": 4},
        "seed": 11,
        "command": "scotoma verify runs/demo/encoder.safetensors --out runs/demo-attacked",
        "hardware": {"processor": "Intel Xeon", "cores": 2, "workers": 2, "system": "Linux"},
        "versions": {"scotoma": "0.1.0", "python": "3.11.9", "torch": "2.13.0"},
        "seconds": 171.3,
        "started": "2025-11-23T17:20:03+00:00",
    }
    made = Results(
        run=run,
        hide=("shirt",),
        keep=("bag",),
        encoders=encoders(),
        cells=tuple(cell(encoder, task) for encoder, task in FIGURES),
    )
    return replace(made, **changes)


def without(made: Results, encoder: str) -> Results:
    """The run as if one encoder had not been attacked."""
    return replace(
        made,
        encoders=tuple(each for each in made.encoders if each.name != encoder),
        cells=tuple(each for each in made.cells if each.encoder != encoder),
    )


def changed(made: Results, encoder: str, task: str, /, **changes: Any) -> Results:
    """The run with one cell changed; a failed one loses its figures."""
    if changes.get("state") == "failed":
        changes = NOTHING | changes
    cells = (
        replace(each, **changes) if (each.encoder, each.task) == (encoder, task) else each
        for each in made.cells
    )
    return replace(made, cells=tuple(cells))


def lacking(made: Results, encoder: str, task: str) -> Results:
    """The run with one cell missing."""
    return replace(
        made, cells=tuple(each for each in made.cells if (each.encoder, each.task) != (encoder, task))
    )


def garments(images: int = 8, side: int = 28) -> npt.NDArray[np.uint8]:
    """Gray pictures that look a little like garments: (images, side, side, 1)."""
    rows, columns = np.mgrid[0:side, 0:side] / side - 0.5
    pictures = []
    for index in range(images):
        width = 0.18 + 0.03 * (index % 3)
        shape = (np.abs(columns) < width) & (np.abs(rows) < 0.42)
        if index % 2 == 0:  # sleeves
            shape |= (np.abs(columns) < 0.44) & (rows > -0.4) & (rows < -0.4 + 0.16 + 0.25 * (index % 4) / 4)
        shade = 120 + 100 * np.cos(6 * columns + index) * np.cos(5 * rows + 2 * index)
        pictures.append(np.where(shape, shade.clip(30, 255), 0))
    return np.stack(pictures).astype(np.uint8)[..., None]


def write_run(folder: Path, made: Results | None = None, images: int = 8) -> Path:
    """A run folder with results.json and gallery.npz."""
    folder.mkdir(parents=True, exist_ok=True)
    made = results() if made is None else made
    made.write(folder / "results.json")
    generator = np.random.default_rng(5)
    originals = garments(images)
    rows: dict[str, npt.NDArray[np.generic]] = {"original": originals}
    for each in made.encoders:
        if each.kind == "identity":
            rows[each.name] = originals
        elif each.kind == "blur":
            rows[each.name] = originals.reshape(images, 7, 4, 7, 4, 1).mean((2, 4)).astype(np.uint8)
        else:
            shape = (images, each.code_shape[1], each.code_shape[2], each.code_shape[0])
            rows[each.name] = generator.integers(0, 256, shape, dtype=np.uint8)
    names = [["shirt", "bag", "coat", "ankle-boot"][index % 4] for index in range(images)]
    np.savez(folder / "gallery.npz", category=np.array(names), **rows)  # type: ignore[arg-type]
    return folder
