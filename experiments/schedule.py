"""How much sooner does the schedule 'averaged' reach what the literal protocol reaches, and is it as strong?

    python experiments/schedule.py FOLDER --encoder ENCODER --data DATA --tasks a,b [--seeds 0,1,2]
    python experiments/schedule.py FOLDER

For each task and seed one attacker follows the paper's protocol (Adam at 1e-5 until saturation, a tenth of
it until saturation) and one the preset's schedule, on the same stored codes. A cell is a file in FOLDER: what
is there is not run again, and any number of encoders may share a folder. Without an encoder, or when the
cells are done, the table of all cells is printed and written to FOLDER/schedule.json.

The accuracy to reach is the validation accuracy of the weights that the literal attacker keeps. Where the
other never shows it, all of its iterations count as needed. Seconds are the processor's, of one thread, looks
at the validation images included: other work on the machine does not count.
"""

# ruff: noqa: E402 (the allocator must be tuned before torch is imported)
from scotoma.allocation import tune_allocator

tune_allocator()

import argparse
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from scipy.stats import t

from scotoma.data.images import open_images
from scotoma.data.tasks import Task
from scotoma.encoder_file import load_encoder
from scotoma.metrics import balanced_accuracy, image_weights
from scotoma.presets import load_preset
from scotoma.runs.results import Point
from scotoma.runs.seeds import derive_seed
from scotoma.runs.whole_files import read_json, write_json
from scotoma.verification.attackers import ON_CODES, build_network
from scotoma.verification.codes import Codes
from scotoma.verification.plan import VerificationPlan
from scotoma.verification.protocol import attack
from scotoma.verification.run import VerificationRequest, make_plan
from scotoma.verification.settings import AttackSettings
from scotoma.verification.suite import Suite, subjects_of

FORMAT, VERSION = "scotoma-schedule-cell", 1


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--tasks", default="")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--preset", default="small")
    parser.add_argument(
        "--look", type=int, default=100, help="the literal attacker's iterations between looks"
    )
    parser.add_argument("--patience", type=int, default=20, help="and its patience, in looks")
    parser.add_argument("--budget", type=int, default=200_000, help="and the most iterations it gets")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.encoder:
        run_cells(options)
    cells = [read_json(path, FORMAT, VERSION) for path in sorted(options.folder.glob("*--*.json"))]
    summary = summarise(cells)
    write_json(options.folder / "schedule.json", {"summary": summary, "cells": cells})
    for cell in cells:
        print(row(cell))
    print(*(f"{name}: {value}" for name, value in summary.items()), sep="\n")


def run_cells(options: argparse.Namespace) -> None:
    """Attack by both schedules wherever the folder has no cell yet."""
    encoder = load_encoder(options.encoder)
    card = encoder.card
    table = open_images(options.data, card.preprocessing.stored_side, card.preprocessing.channels)
    fast = load_preset(options.preset).verification
    literal = AttackSettings(
        evaluate_every=options.look,
        patience=options.patience,
        max_iterations=options.budget,
        views=fast.views,
    )
    plan = make_plan(encoder, VerificationRequest(tasks=tuple(options.tasks.split(","))), fast)
    subject = subjects_of(encoder, (), card.encoder, plan.attack)[0]
    suite = Suite(table, [subject], plan, options.folder)
    codes = suite.encode(subject)
    # What is done once a process, as choosing kernels, shall not count.
    attacked(codes, suite, suite.tasks[0], plan, replace(fast, max_iterations=20), 0)
    for seed in map(int, options.seeds.split(",")):
        for task in suite.tasks:
            path = options.folder / f"{encoder.digest[:8]}--{task}--{seed}.json"
            if not path.exists():
                found = {
                    name: attacked(codes, suite, task, plan, settings, seed)
                    for name, settings in (("fast", fast), ("literal", literal))
                }
                about = {"format": FORMAT, "version": VERSION, "encoder": encoder.digest, "seed": seed}
                write_json(path, about | {"task": str(task), "preset": options.preset} | found)
                print(row(read_json(path, FORMAT, VERSION)), flush=True)


def attacked(
    codes: Codes, suite: Suite, task: Task, plan: VerificationPlan, settings: AttackSettings, seed: int
) -> dict[str, Any]:
    """One attack: its curve with seconds, how it ended, and what it says right on the test images."""
    start = derive_seed(seed, "attack")
    network = build_network(ON_CODES, plan.encoder, plan.classifier, codes.shape, task.classes, start)
    curve: list[dict[str, float]] = []
    begun = time.process_time()

    def watch(point: Point) -> None:
        seconds = time.process_time() - begun
        figures = {"accuracy": point.val_accuracy, "cross_entropy": point.val_cross_entropy}
        curve.append({"iteration": point.iteration, "seconds": round(seconds, 2)} | figures)

    labels = suite.cell_folder.labels(task)
    outcome = attack(network, codes, labels, task, settings, start, watch=watch)
    truth = torch.from_numpy(task.classes_of(labels.test))
    weights = torch.from_numpy(image_weights(task, labels.test))
    return {
        "state": outcome.state,
        "val_accuracy": outcome.best.val_accuracy,
        "test_accuracy": balanced_accuracy(outcome.test_logits, truth, weights),
        "rates": sorted({point.rate for point in outcome.history}, reverse=True),
        "batch": settings.batch,
        "curve": curve,
    }


def row(cell: dict[str, Any]) -> str:
    """One cell as a line of the table."""
    fast, literal, needed = cell["fast"], cell["literal"], ratios(cell)
    return (
        f"{cell['encoder'][:8]} {cell['task']:18} {cell['seed']}  literal: val {literal['val_accuracy']:.3f} "
        f"test {literal['test_accuracy']:.3f} ({literal['state']}, {literal['curve'][-1]['iteration']} it.)  "
        f"fast: val {fast['val_accuracy']:.3f} test {fast['test_accuracy']:.3f} ({fast['state']}, "
        f"{fast['curve'][-1]['iteration']} it. at {fast['rates'][0]:g})  images {needed['images']:.0f}x, "
        f"seconds {needed['seconds']:.0f}x{'' if needed['reached'] else ' (not reached)'}"
    )


def ratios(cell: dict[str, Any]) -> dict[str, Any]:
    """Literal over fast: images and seconds until the literal attacker's validation accuracy is reached."""
    target = cell["literal"]["val_accuracy"]
    literal, fast = (needed(cell[name], target) for name in ("literal", "fast"))
    return {
        "images": literal["images"] / fast["images"],
        "seconds": literal["seconds"] / fast["seconds"],
        "reached": fast["reached"],
    }


def needed(run: dict[str, Any], target: float) -> dict[str, Any]:
    """Images and seconds until the first look at or above the target, or else all."""
    reached = [point for point in run["curve"] if point["accuracy"] >= target]
    point = reached[0] if reached else run["curve"][-1]
    images = point["iteration"] * run["batch"]
    return {"images": images, "seconds": max(point["seconds"], 0.01), "reached": bool(reached)}


def summarise(cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians of the ratios, and the mean paired difference on the test images with its lower limit.

    Seeds of one encoder and task share their images: their mean is one observation, and the limit is that of
    Student's t over encoders x tasks.
    """
    if not cells:
        return {"cells": 0}
    found = [ratios(cell) for cell in cells]
    groups: dict[tuple[str, str], list[float]] = {}
    for cell in cells:
        difference = cell["fast"]["test_accuracy"] - cell["literal"]["test_accuracy"]
        groups.setdefault((cell["encoder"], cell["task"]), []).append(100 * difference)
    means = [statistics.mean(group) for group in groups.values()]
    summary = {
        "cells": len(cells),
        "literal attackers still rising at their budget": sum(
            cell["literal"]["state"] == "inconclusive" for cell in cells
        ),
        "literal accuracy reached": sum(each["reached"] for each in found),
        "images, literal / fast, median": round(statistics.median(each["images"] for each in found), 1),
        "seconds, literal / fast, median": round(statistics.median(each["seconds"] for each in found), 1),
        "test, fast - literal, points, mean": round(statistics.mean(means), 2),
    }
    if len(means) > 1:
        error = statistics.stdev(means) / math.sqrt(len(means))
        low = statistics.mean(means) - float(t.ppf(0.95, len(means) - 1)) * error
        summary["lower 95 % limit (one-sided)"] = round(low, 2)
    return summary


if __name__ == "__main__":
    main()
