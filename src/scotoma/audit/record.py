"""What is written beside the verdict: the circumstances, and what the winners say of every test image?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scotoma.audit.judge import Case, attempts_of
from scotoma.audit.material import Material
from scotoma.audit.protocol import winner_of
from scotoma.audit.queue import can_attack
from scotoma.audit.suites import Attacker
from scotoma.audit.targets import Target
from scotoma.runs.verdict import TargetSummary
from scotoma.runs.whole_files import write_checked_json
from scotoma.verification.answers import ANSWERS_FORMAT, ANSWERS_VERSION, WINNERS, columns, winner_file
from scotoma.verification.surroundings import about_images


def write_winners(folder: Path, cases: Sequence[Case], material: Material) -> None:
    """Write what the winner of each task says of every test image, for comparisons with other encoders."""
    (folder / WINNERS).mkdir(exist_ok=True)
    for case in cases:
        winner, task = winner_of(case.found), case.task
        if winner is None:
            continue
        content = {
            "format": ANSWERS_FORMAT,
            "version": ANSWERS_VERSION,
            "task": str(task),
            "attacker": winner.attempt.attacker,
            **columns(material.table, material.known_rows(task, "test"), task, np.exp(winner.test)),
        }
        write_checked_json(winner_file(folder, str(task)), content)


def seconds_by_attacker(cases: Sequence[Case]) -> dict[str, float]:
    """Where the time went: seconds of one thread, over all tasks, arms and seeds."""
    seconds: dict[str, float] = {}
    for case in cases:
        for attempt in attempts_of(case):
            seconds[attempt.attacker] = round(seconds.get(attempt.attacker, 0.0) + attempt.seconds, 1)
    return seconds


def described(material: Material, attackers: Sequence[Attacker]) -> dict[str, Any]:
    """The images, and the attackers of the suite with those that cannot read such codes."""
    table = material.table
    return {
        "data": {**about_images(table, material.rows.items()), "digest": table.digest()},
        "attackers": [each.name for each in attackers],
        "not_applicable": [each.name for each in attackers if not can_attack(each, material)],
    }


def summary(target: Target | None, digest: str, shape: tuple[int, ...]) -> TargetSummary:
    """What was attacked; None for codes of which nothing else is known."""
    if target is None:
        return TargetSummary("codes", "codes", digest, shape)
    card = target.card
    about = dict(card.training) | {"hide": card.hide, "keep": card.keep} if card else {}
    return TargetSummary(target.name, target.kind, digest, shape, about)
