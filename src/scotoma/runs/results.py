"""What did an attack on an encoder find, and how is it written down?

`results.json` of a verification run is a `Results`; `results.schema.json` beside this module is its published
schema. Accuracies are balanced: every class, and within 'other' every category, counts alike; 0.5 is chance
with two classes.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from scotoma.runs.leaks import Excess
from scotoma.runs.settings import build
from scotoma.runs.whole_files import read_checked_json, write_checked_json

FORMAT = "scotoma-results"
VERSION = 2

Role = Literal["hide", "keep", "other"]
State = Literal["done", "inconclusive", "failed"]


@dataclass(frozen=True)
class Point:
    """One evaluation of an attacker on the validation images."""

    iteration: int
    rate: float
    train_cross_entropy: float
    val_cross_entropy: float
    val_accuracy: float


@dataclass(frozen=True)
class Counts:
    """Images of each class of a task, by part; training samples them afresh so that classes are balanced."""

    training: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True)
class Cell:
    """One attacker against one task on one encoder.

    `classes` names the classes of the task, in the order of its labels; guessing is right in 1 of them.
    Cross-entropy is in nats, `bits` = H(U) - cross-entropy / ln 2 for the balanced prior (1 bit for two):
    in expectation a lower bound of the mutual information between code and attribute, equation (2).
    `test_low` and `test_high` bound the 95 % confidence interval of `test_accuracy`. `excess` compares it,
    image by image, with what the kept labels alone give; files of earlier versions lack it (None).
    A failed attack (see `note`) has no figures: they are None, as they are never invented.
    `inconclusive` means that validation was still rising at the budget's end: it may support *leaks*, never
    *no leak*.
    """

    encoder: str
    task: str
    classes: tuple[str, ...]
    role: Role
    attacker: str
    seed: int
    state: State
    val_accuracy: float | None
    test_accuracy: float | None
    test_low: float | None
    test_high: float | None
    floor: float
    auc: float | None
    cross_entropy: float | None
    bits: float | None
    iterations: int
    seconds: float
    counts: Counts
    curve: tuple[Point, ...]
    settings: Mapping[str, Any]
    note: str = ""
    excess: Excess | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", _as_written(self.settings))

    @property
    def chance(self) -> float:
        """Balanced accuracy of guessing."""
        return 1.0 / len(self.classes)


@dataclass(frozen=True)
class EncoderSummary:
    """What is known of one encoder of a run; `training` is absent for identity, blur and foreign encoders.

    `training` holds, where known: objective, iterations, hidden {task: in-training validation accuracy}, kept
    {...}, collapse figures, seconds, preset, hide, keep.
    """

    name: str
    kind: Literal["trained", "identity", "blur", "other"]
    digest: str
    code_shape: tuple[int, ...]
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "training", _as_written(self.training))


@dataclass(frozen=True)
class Results:
    """Everything a verification run found. `run` holds data (source, images, categories, digest, split
    counts, same data as in training), settings, seed, command, hardware, versions, seconds, started (UTC).
    """

    run: Mapping[str, Any]
    hide: tuple[str, ...]
    keep: tuple[str, ...]
    encoders: tuple[EncoderSummary, ...]
    cells: tuple[Cell, ...]
    format: str = FORMAT
    version: int = VERSION

    def __post_init__(self) -> None:
        object.__setattr__(self, "run", _as_written(self.run))

    def write(self, path: Path) -> None:
        """Write atomically as JSON, with a checksum by which `read` notices any change."""
        write_checked_json(path, asdict(self))

    @staticmethod
    def read(path: Path) -> "Results":
        """Read `results.json`.

        Raises:
            InputError: the file is missing, broken, changed since it was written, or of another version.
        """
        return build(Results, read_checked_json(path, FORMAT, VERSION), str(path))


def _as_written(table: Mapping[str, Any]) -> dict[str, Any]:
    """A free table as JSON gives it back (tuples become lists): what is read equals what was written."""
    written: dict[str, Any] = json.loads(json.dumps(dict(table)))
    return written
