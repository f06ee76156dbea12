"""A training run that kills itself at a given moment: `python -m tests.training.killed_run FOLDER MOMENT`.

Moments are counted over everything that a run does in turn: making a batch, and before and after each file
is put in its place. A negative moment never comes.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from scotoma.data.sampling import Batch, Batches
from scotoma.training.run import train
from tests.examples import image_table, training_plan

_batch_at, _replace = Batches.at, os.replace
_left = [0]


def _moment() -> None:
    if _left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    _left[0] -= 1


def _at(batches: Batches, number: int) -> Batch:
    _moment()
    return _batch_at(batches, number)


def _put(*places: Any) -> None:
    _moment()
    _replace(*places)
    _moment()


def main(folder: Path, moment: int) -> None:
    """Run until the moment."""
    torch.set_num_threads(1)
    _left[0] = moment
    Batches.at = _at  # type: ignore[assignment,method-assign]
    os.replace = _put  # type: ignore[assignment]
    train(
        image_table(),
        training_plan(encoder_average=0.8, keep_dropout=0.5, probe_every=3, probe_steps=4),
        folder,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
