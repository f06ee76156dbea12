"""What did a suite of attackers find of an encoder, and how is it written down?

`verdict.json` of an audit is a `Verdict`. Accuracies are balanced (every class, and within 'other' every
category, counts alike) and fractions; every "low" and "high" bounds a 95 % interval.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from scotoma.runs.leaks import upper_bound
from scotoma.runs.results import Role
from scotoma.runs.settings import build
from scotoma.runs.whole_files import read_checked_json, write_checked_json

FORMAT = "scotoma-verdict"
VERSION = 1

Sees = Literal["same", "fresh", "all"]
Outcome = Literal["leaks", "no leak found", "inconclusive"]


@dataclass(frozen=True)
class _Trial:
    """Who learned, from what, and with which seed."""

    attacker: str
    sees: Sees
    seed: int

    @property
    def name(self) -> str:
        """Tells it from all others on the same task."""
        return f"{self.attacker}/{self.sees}/{self.seed}"


@dataclass(frozen=True)
class Attempt(_Trial):
    """One attacker, trained once on one task.

    `sees` says on which images it learned: those that the encoder was trained on ("same"), images that the
    encoder has not seen ("fresh"), or all that are not held out, where it is not known what the encoder was
    trained on ("all"). `stopping` and `choosing` are its accuracies on the half of the validation images
    that it stops by and on the half by which the winner is chosen, `training` that on its own training
    images. A failed one has no figures, its `note` says why; "inconclusive" was still improving when its
    budget ended.
    """

    state: Literal["done", "inconclusive", "failed"]
    training: float | None
    stopping: float | None
    choosing: float | None
    seconds: float
    details: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Winner(_Trial):
    """The attacker that is best on the choosing half, and what it says of the test images, looked at once.

    `excess` is its accuracy less that of the attacker who knows the kept labels and nothing else, image by
    image on the same test images, `excess_low` the lower bound of its one-sided 97.5 % interval; `p` is the
    one-sided probability of such an excess if there were none, `p_holm` corrected for all hidden tasks.
    `smallest_leak` is the excess that these test images would have shown in four cases of five, corrected for
    all hidden tasks too. `bits` is the mutual information that its calibrated cross-entropy proves for the
    balanced prior, `tpr` the share of positives found at one false alarm among a hundred negatives (None:
    fewer than 1,000 negatives, or more than two classes).
    """

    accuracy: float
    low: float
    high: float
    excess: float
    excess_low: float
    p: float
    p_holm: float
    smallest_leak: float
    auc: float
    bits: float
    bits_low: float
    tpr: float | None = None

    @property
    def excess_high(self) -> float:
        """The upper bound of the one-sided 97.5 % interval of the excess."""
        return upper_bound(self.excess, self.excess_low)


# What an audit calls the reference without any encoder.
ORIGINALS = "original images"


@dataclass(frozen=True)
class Reference:
    """What the same task gives elsewhere: a floor, or another encoder attacked by two attackers.

    `accuracy` is None where the reference cannot be had, and `note` says why.
    """

    name: str
    accuracy: float | None
    low: float | None = None
    high: float | None = None
    attacker: str = ""
    note: str = ""


@dataclass(frozen=True)
class Flag:
    """Something that makes the verdict doubtful, found by a check: its code for machines, and a sentence.

    One that `blocks` makes "no leak found" impossible; it may be about the encoder or about one task.
    """

    code: str
    said: str
    blocks: bool = False
    task: str = ""


@dataclass(frozen=True)
class TaskVerdict:
    """What was found of one task.

    `counts` are images of each class by part (training, fresh, stopping, choosing, test). `code_length` is
    the online code length of the labels in bits an image, by logistic regression on standardised codes
    (None: not taken); guessing takes log2 of the number of classes.
    """

    task: str
    role: Role
    classes: tuple[str, ...]
    floor: float
    outcome: Outcome
    attempts: tuple[Attempt, ...]
    references: tuple[Reference, ...]
    counts: Mapping[str, tuple[int, ...]]
    winner: Winner | None = None
    code_length: float | None = None
    reasons: tuple[str, ...] = ()

    @property
    def chance(self) -> float:
        """Balanced accuracy of guessing."""
        return 1.0 / len(self.classes)


@dataclass(frozen=True)
class TargetSummary:
    """What was attacked. `about` is what is known of how it was made."""

    name: str
    kind: str
    digest: str
    code_shape: tuple[int, ...]
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "about", json.loads(json.dumps(dict(self.about))))


@dataclass(frozen=True)
class Verdict:
    """Everything that an audit found. `run` holds command, data, settings, seed, hardware, versions, seconds
    (in all and by attacker) and when it was started (UTC).
    """

    run: Mapping[str, Any]
    target: TargetSummary
    suite: str
    hide: tuple[str, ...]
    keep: tuple[str, ...]
    tasks: tuple[TaskVerdict, ...]
    flags: tuple[Flag, ...] = ()
    format: str = FORMAT
    version: int = VERSION

    def __post_init__(self) -> None:
        object.__setattr__(self, "run", json.loads(json.dumps(dict(self.run))))

    @property
    def overall(self) -> Outcome | Literal["nothing hidden"]:
        """The worst of the hidden tasks."""
        found = {each.outcome for each in self.tasks if each.role == "hide"}
        if not found:
            return "nothing hidden"
        if "leaks" in found:
            return "leaks"
        return "no leak found" if found == {"no leak found"} else "inconclusive"

    def write(self, path: Path) -> None:
        """Write atomically as JSON, with a checksum by which `read` notices any change."""
        write_checked_json(path, asdict(self))

    @staticmethod
    def read(path: Path) -> "Verdict":
        """Read `verdict.json`.

        Raises:
            InputError: the file is missing, broken, changed since it was written, or of another version.
        """
        return build(Verdict, read_checked_json(path, FORMAT, VERSION), str(path))
