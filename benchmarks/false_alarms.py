"""What does the suite say where there is nothing? *Leaks* nominally in 2.5 cases of a hundred.

    python benchmarks/false_alarms.py [--seeds 100] [--out FILE.json]

Codes of 400 images that tell nothing (normal noise, codes that are all equal, codes that tell something whose
labels were shuffled) are attacked by the quick attackers of the suite, and judged as in an audit: with equal
classes, with one in five, and with three hidden tasks, of which Holm's correction has to make one. So few
test images are too few for *no leak found*; with 4,000 it has to be what is said.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch

from scotoma.audit import run, suites
from scotoma.audit.request import AuditRequest
from scotoma.audit.run import audit
from scotoma.audit.suites import STANDARD
from scotoma.data.table import Attribute, ImageTable
from scotoma.runs.verdict import Outcome
from scotoma.runs.whole_files import write_json

IMAGES, VALUES = 400, 24
WORDS: tuple[Outcome, ...] = ("leaks", "no leak found", "inconclusive")
QUICK = tuple(
    each
    for each in STANDARD
    if "logistic" in each.name or each.name in ("nearest neighbours", "boosted trees")
)

Codes = npt.NDArray[np.float32]
Random = np.random.Generator


@dataclass(frozen=True)
class Setting:
    """Codes that tell nothing of the labels."""

    name: str
    codes: Callable[[Random, int], Codes]
    share: float = 0.5
    tasks: int = 1
    images: int = IMAGES


def noise(random: Random, images: int) -> Codes:
    """Normal noise."""
    return random.normal(size=(images, VALUES)).astype(np.float32)


def constant(random: Random, images: int) -> Codes:
    """Codes that are all equal."""
    return np.full((images, VALUES), 0.25, np.float32)


def clusters(random: Random, images: int) -> Codes:
    """Codes that tell something, of which the labels know nothing."""
    return noise(random, images) + 3 * random.integers(2, size=(images, 1)).astype(np.float32)


SETTINGS = (
    Setting("noise", noise),
    Setting("noise, one in five", noise, share=0.2),
    Setting("noise, three hidden tasks", noise, tasks=3),
    Setting("noise, 4,000 images", noise, images=4000),
    Setting("constant codes", constant),
    Setting("shuffled labels", clusters),
)


def said(setting: Setting, seed: int) -> str:
    """The verdict of an audit on all hidden tasks together."""
    random = np.random.default_rng([seed, SETTINGS.index(setting)])
    codes = setting.codes(random, setting.images)
    keys = np.array([f"{number:032x}" for number in random.permutation(setting.images)])
    names = [f"task {number}" for number in range(setting.tasks)]
    attributes = {
        name: Attribute(("no", "yes"), (random.random(setting.images) < setting.share).astype(np.int64))
        for name in names
    }
    table = ImageTable(np.empty((setting.images, 0, 0, 0), np.uint8), keys, attributes, "made up")
    request = AuditRequest(tuple(names), references=(), seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        return audit(codes, table, request, Path(folder), workers=1).overall


def main() -> None:
    """Count, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    counts = {}
    with (
        patch.dict(suites.SUITES, {"standard": suites.Suite(QUICK)}),
        patch.object(run, "code_length", lambda *_: None),
    ):
        for setting in SETTINGS:
            found = Counter(said(setting, seed) for seed in range(options.seeds))
            counts[setting.name] = {word: found[word] for word in WORDS}
            print(f"{setting.name}: {', '.join(f'{word} {found[word]}' for word in WORDS)}", flush=True)
    if options.out:
        attackers = [each.name for each in QUICK]
        write_json(options.out, {"seeds": options.seeds, "said": counts, "attackers": attackers})


if __name__ == "__main__":
    main()
