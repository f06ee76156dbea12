import random
import signal
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from scotoma.training.run import train
from scotoma.training.state import checkpoints
from tests.examples import image_table, training_plan

ROOT = Path(__file__).parents[2]


def run_in_a_process(folder: Path, moment: int) -> int:
    command = [sys.executable, "-m", "tests.training.killed_run", str(folder), str(moment)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert finished.returncode in (0, -signal.SIGKILL), finished.stderr
    return finished.returncode


def test_a_run_killed_at_random_moments_ends_with_bit_identical_weights(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    train(
        image_table(),
        training_plan(encoder_average=0.8, keep_dropout=0.5, probe_every=3, probe_steps=4),
        whole,
    )
    # 64 batches, about 20 of evaluations and 40 places of files: each try comes some way.
    moments = random.Random(4)
    codes = [run_in_a_process(killed, moments.randrange(15, 70)) for _ in range(3)]
    assert -signal.SIGKILL in codes
    assert run_in_a_process(killed, -1) == 0

    expected, found = (load_file(folder / "encoder.safetensors") for folder in (whole, killed))
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    # Everything else that training changes is the same too: classifiers, moments of both optimisers, average.
    states = [load_file(checkpoints(folder)[-1]) for folder in (whole, killed)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert (whole / "history.json").read_text() == (killed / "history.json").read_text()
