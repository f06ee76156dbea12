"""Does the suite find what is known to be there? Each planted leak, attacked by the whole suite.

    PYTHONPATH=. python benchmarks/planted.py [--images 8000] [--only NAME] [--out FILE.json] [--workers 2]

Every plant of tests/audit/plants.py: attackers learn from six tenths of so many codes and are judged as in an
audit, beside an oracle that knows the rule.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scotoma.audit.request import AuditRequest
from scotoma.audit.run import audit
from scotoma.data.table import Attribute, ImageTable
from scotoma.runs.progress import watched
from scotoma.runs.whole_files import write_json
from tests.audit.plants import PLANTS, Plant

NAMES = ("no", "yes")


def found(plant: Plant, images: int, workers: int) -> dict[str, Any]:
    """What the winner and the oracle reach on the test images, and which attackers come near the oracle."""
    random = np.random.default_rng(7)
    codes, classes = plant.make(random, images)
    keys = np.array([f"{number:032x}" for number in random.permutation(images)])
    planted = {"planted": Attribute(NAMES, classes)}
    table = ImageTable(np.empty((images, 0, 0, 0), np.uint8), keys, planted, "made up")
    with tempfile.TemporaryDirectory() as folder:
        request = AuditRequest(("planted",), references=())
        verdict = audit(codes, table, request, Path(folder), workers=workers, progress=watched())
    task = verdict.tasks[0]
    assert task.winner is not None
    oracle = float((plant.oracle(codes) == (classes == 1)).mean())
    near = sorted({each.attacker for each in task.attempts if (each.choosing or 0) > oracle - 0.04})
    return {
        "plant": plant.name,
        "images": images,
        "oracle": round(oracle, 4),
        "winner": task.winner.attacker,
        "test": round(float(task.winner.accuracy), 4),
        "low": round(float(task.winner.low), 4),
        "high": round(float(task.winner.high), 4),
        "bits": round(float(task.winner.bits), 3),
        "outcome": task.outcome,
        "near the oracle": near,
        "seconds": verdict.run["seconds"],
    }


def main() -> None:
    """Attack each, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--only")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for plant in PLANTS:
        if options.only in (None, plant.name):
            rows.append(found(plant, options.images, options.workers))
            print(rows[-1], flush=True)
            if options.out:
                write_json(options.out, {"plants": rows})


if __name__ == "__main__":
    main()
