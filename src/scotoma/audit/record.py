"""What is written beside the verdict: the circumstances, and what the winners say of every test image?"""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import sklearn
import torch

from scotoma.audit.judge import Case, attempts_of
from scotoma.audit.material import Part
from scotoma.audit.protocol import best
from scotoma.audit.suites import Attacker
from scotoma.audit.targets import Target
from scotoma.data.photos import cores
from scotoma.data.sampling import Rows
from scotoma.data.table import MISSING, ImageTable
from scotoma.runs.run_folder import write_checked_json
from scotoma.runs.verdict import TargetSummary
from scotoma.verification.answers import ANSWERS_FORMAT, ANSWERS_VERSION


def write_winners(folder: Path, cases: Sequence[Case], table: ImageTable, test_rows: Rows) -> None:
    """Write what the winner of each task says of every test image, for comparisons with other encoders."""
    folder.mkdir(exist_ok=True)
    for case in cases:
        said = [one for each in case.found if isinstance(each, list) for one in each]
        if not said:
            continue
        winner, task = best(said), case.task
        labels = task.labels_in(table)
        rows = test_rows[labels[test_rows] != MISSING]
        content = {
            "format": ANSWERS_FORMAT,
            "version": ANSWERS_VERSION,
            "task": str(task),
            "attacker": winner.attempt.attacker,
            "key": table.keys[rows].tolist(),
            "category": [task.categories[label] for label in labels[rows]],
            "class": task.classes_of(labels[rows]).tolist(),
            "probability": np.exp(winner.test)[:, 1:].round(6).tolist(),
        }
        write_checked_json(folder / f"{quote(str(task), safe='')}.json", content)


def seconds_by_attacker(cases: Sequence[Case]) -> dict[str, float]:
    """Where the time went: seconds of one thread, over all tasks, arms and seeds."""
    seconds: dict[str, float] = {}
    for case in cases:
        for attempt in attempts_of(case):
            seconds[attempt.attacker] = round(seconds.get(attempt.attacker, 0.0) + attempt.seconds, 1)
    return seconds


def described(
    table: ImageTable, rows: Mapping[Part, Rows], attackers: Sequence[Attacker], shape: tuple[int, ...]
) -> dict[str, Any]:
    """The images, and the attackers of the suite with those that cannot read codes of such a shape."""
    return {
        "data": {
            "source": table.source,
            "images": len(table),
            "digest": table.digest(),
            "split": {part: len(some) for part, some in rows.items()},
            "skipped": list(table.skipped),
            "notes": list(table.notes),
        },
        "attackers": [each.name for each in attackers],
        "not_applicable": [each.name for each in attackers if not each.applies(shape)],
    }


def summary(target: Target | None, digest: str, shape: tuple[int, ...]) -> TargetSummary:
    """What was attacked; None for codes of which nothing else is known."""
    if target is None:
        return TargetSummary("codes", "codes", digest, shape)
    card = target.card
    about = dict(card.training) | {"hide": card.hide, "keep": card.keep} if card else {}
    return TargetSummary(target.name, target.kind, digest, shape, about)


def surroundings(workers: int) -> dict[str, Any]:
    """Hardware and versions."""
    return {
        "hardware": {"cores": cores(), "workers": workers, "system": platform.platform()},
        "versions": {
            "scotoma": version("scotoma"),
            "torch": torch.__version__,
            "scikit-learn": sklearn.__version__,
            "python": platform.python_version(),
        },
    }
