"""How many augmented encodings of each training image does an attacker need?

    python experiments/views.py ENCODER... --tasks a,b [--data DATA] [--views 1,2,4,0] [--out FILE]

For each encoder file and task an attacker is trained to saturation on each number of stored views (0: every
batch is cropped and encoded anew). Printed, and written to FILE as JSON: the best validation accuracy, mean
over the attackers' seeds, and the smallest number of views whose mean is within 1 point of encoding afresh.
"""

# ruff: noqa: E402 (the allocator must be tuned before torch is imported)
from scotoma.allocation import tune_allocator

tune_allocator()

import argparse
import json
import statistics
from dataclasses import replace
from pathlib import Path

from scotoma.data.images import open_images
from scotoma.encoder_file import FrozenEncoder, load_encoder
from scotoma.presets import load_preset
from scotoma.runs.seeds import derive_seed
from scotoma.runs.whole_files import write_json
from scotoma.verification.attackers import ON_CODES, build_network
from scotoma.verification.protocol import attack
from scotoma.verification.run import VerificationRequest, make_plan
from scotoma.verification.settings import AttackSettings
from scotoma.verification.suite import Suite, subjects_of


def main() -> None:
    """Print the table and write it down."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("encoders", nargs="+", type=Path)
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--tasks", required=True)
    parser.add_argument("--views", default="1,2,4,8,16,0")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    # Encoding afresh is what all others are held against.
    views = sorted({0, *(int(count) for count in options.views.split(","))})
    seeds = [int(seed) for seed in options.seeds.split(",")]
    rows = []
    for path in options.encoders:
        encoder = load_encoder(path)
        settings = load_preset(options.preset).verification
        for task in options.tasks.split(","):
            means = {count: measure(encoder, options.data, task, count, seeds, settings) for count in views}
            near = [count for count in views if count and means[count] >= means[0] - 0.01]
            enough = min(near, default=None)
            rows.append({"encoder": str(path), "task": task, "val_accuracy": means, "enough": enough})
            print(json.dumps(rows[-1]), flush=True)
    if options.out:
        write_json(options.out, rows)


def measure(
    encoder: FrozenEncoder, data: str, task: str, views: int, seeds: list[int], settings: AttackSettings
) -> float:
    """Best validation accuracy of an attack on `views` stored views, mean over attackers."""
    card = encoder.card
    table = open_images(data, card.preprocessing.stored_side, card.preprocessing.channels)
    plan = make_plan(encoder, VerificationRequest(tasks=(task,)), replace(settings, views=views))
    subject = subjects_of(encoder, (), card.encoder, plan.attack)[0]
    suite = Suite(table, [subject], plan, Path())
    codes = suite.encode(subject)
    accuracies = []
    for seed in seeds:
        start = derive_seed(seed, "attack")
        network = build_network(ON_CODES, card.encoder, card.classifier, codes.shape, 2, start)
        outcome = attack(
            network, codes, suite.cell_folder.labels(suite.tasks[0]), suite.tasks[0], plan.attack, start
        )
        accuracies.append(outcome.best.val_accuracy)
    return round(statistics.mean(accuracies), 4)


if __name__ == "__main__":
    main()
