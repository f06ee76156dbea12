"""What else was found of an encoder, on request, and how is it written down?

`more.json` of an audit is a `More`. Everything in it is exploratory: nothing is corrected for how much was
tried, and no verdict rests on it. Accuracies are balanced (every class, and within 'other' every category,
counts alike) and fractions; every "low" and "high" bounds a 95 % interval.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scotoma.runs.settings import build
from scotoma.runs.whole_files import read_checked_json, write_checked_json

FORMAT = "scotoma-more"
VERSION = 1

Piece = Literal["others", "reconstruction", "sweeps"]
PIECES: tuple[Piece, ...] = ("others", "reconstruction", "sweeps")


@dataclass(frozen=True)
class Measured:
    """An estimate with its interval: a balanced accuracy, or a mean over images."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class OtherTask:
    """A category or attribute that was not named, attacked as a task by two attackers.

    The attacker that is better on the choosing half was looked at once, on `counts` test images of each
    class. `accuracy` is None where there is none, and `note` says why.
    """

    task: str
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    accuracy: Measured | None
    attacker: str = ""
    note: str = ""


@dataclass(frozen=True)
class Within:
    """How well the hidden task is told among the images of one class of the kept task.

    It is told by the attacker that won the hidden task, calibrated on those images of the choosing half that
    are of this class; `counts` are the test images of each class of the hidden task. `accuracy` is None where
    these are too few.
    """

    hidden: str
    kept: str
    kept_class: str
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    accuracy: Measured | None
    attacker: str = ""
    note: str = ""


@dataclass(frozen=True)
class Others:
    """Tasks that nobody named, and the hidden ones where the kept label is known."""

    tasks: tuple[OtherTask, ...]
    within: tuple[Within, ...]


@dataclass(frozen=True)
class Likeness:
    """How like the test images are to what stands for them: mean peak signal-to-noise ratio in dB, and mean
    structural similarity (1: the same).
    """

    name: str
    psnr: Measured
    ssim: Measured


@dataclass(frozen=True)
class ReadFromImages:
    """The paper's classifier trained on reconstructed images, on the choosing half; None where it failed."""

    task: str
    chance: float
    accuracy: Measured | None
    note: str = ""


@dataclass(frozen=True)
class Reconstruction:
    """Images made from codes by a decoder; `likeness` is empty where there are no images, and `note` says
    so.

    `likeness` holds the decoder's and those of two floors: the mean image, and the image whose code is
    nearest. `images` test images were compared, the decoder learned for `iterations`; `rising` says that it
    was still improving when its budget ended.
    """

    likeness: tuple[Likeness, ...]
    attacks: tuple[ReadFromImages, ...]
    images: int = 0
    iterations: int = 0
    rising: bool = False
    note: str = ""


@dataclass(frozen=True)
class SweepPoint:
    """One attack: `amount` is the share of the labelled images, or of the standard budget; `images` are the
    labelled images that it learned from and stopped by, `iterations` those that it ran at most (0: not a
    network). `accuracy` is that on the choosing half, None where it failed.
    """

    amount: float
    images: int
    iterations: int
    accuracy: Measured | None
    note: str = ""


@dataclass(frozen=True)
class Sweep:
    """One attacker on one hidden task, by the number of labelled images or by its budget of iterations."""

    task: str
    chance: float
    attacker: str
    over: Literal["labels", "compute"]
    points: tuple[SweepPoint, ...]


@dataclass(frozen=True)
class Sweeps:
    """Accuracies against the number of labelled images and against compute."""

    curves: tuple[Sweep, ...]


@dataclass(frozen=True)
class More:
    """Everything that was asked for beside the verdict; None is what was not, or is still to be made.

    `about` names the codes, images, labels and seed that each piece belongs to; `seconds` are those that it
    took.
    """

    about: Mapping[str, str]
    seconds: Mapping[str, float]
    others: Others | None = None
    reconstruction: Reconstruction | None = None
    sweeps: Sweeps | None = None
    asked: tuple[Piece, ...] = ()
    format: str = FORMAT
    version: int = VERSION

    @property
    def missing(self) -> tuple[Piece, ...]:
        """What was asked for and is not there."""
        return tuple(name for name in self.asked if getattr(self, name) is None)

    def with_piece(
        self, name: Piece, found: Others | Reconstruction | Sweeps, about: str, seconds: float
    ) -> "More":
        """The same with one more piece."""
        values: dict[str, Any] = {name: found}
        return replace(
            self,
            about={**self.about, name: about},
            seconds={**self.seconds, name: round(seconds, 1)},
            **values,
        )

    def without(self, names: Sequence[str]) -> "More":
        """The same without some pieces."""
        about = {name: value for name, value in self.about.items() if name not in names}
        seconds = {name: value for name, value in self.seconds.items() if name not in names}
        gone: dict[str, Any] = {name: None for name in names}
        return replace(self, about=about, seconds=seconds, **gone)

    def write(self, path: Path) -> None:
        """Write atomically as JSON, with a checksum by which `read` notices any change."""
        write_checked_json(path, json.loads(json.dumps(asdict(self))))

    @staticmethod
    def read(path: Path) -> "More":
        """Read `more.json`.

        Raises:
            InputError: the file is missing, broken, changed since it was written, or of another version.
        """
        return build(More, read_checked_json(path, FORMAT, VERSION), str(path))
