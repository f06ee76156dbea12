"""Verdicts as a suite of attackers writes them, made up: an encoder that hides `Male` and keeps `Smiling`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scotoma.runs.results import Role
from scotoma.runs.verdict import (
    Attempt,
    Flag,
    Outcome,
    Reference,
    Sees,
    TargetSummary,
    TaskVerdict,
    Verdict,
    Winner,
)

# attacker -> points above guessing that it is expected to find, seconds, number of seeds
ATTACKERS: dict[str, tuple[float, float, int]] = {
    "residual CNN": (0.9, 71.0, 3),
    "paper CNN, low rate": (0.75, 40.0, 3),
    "paper CNN": (0.8, 28.0, 3),
    "paper CNN, votes": (1.0, 0.0, 3),
    "MLP": (0.6, 12.0, 3),
    "kernel machine": (0.7, 22.0, 1),
    "pairs of values": (0.3, 6.0, 1),
    "boosted trees": (0.5, 9.0, 1),
    "nearest neighbours": (0.25, 1.4, 1),
    "logistic regression": (0.4, 0.8, 1),
    "logistic regression, raw codes": (0.4, 0.7, 1),
    "logistic regression, whitened codes": (0.38, 0.9, 1),
}
COUNTS = {
    "same": (4210, 5668),
    "fresh": (902, 1139),
    "stopping": (660, 882),
    "choosing": (655, 887),
    "test": (2130, 2867),
}
TOO_FEW = Flag(
    "too-few-test-images",
    "There are too few test images: a leak of less than 12.1 points would be missed in more than one case of "
    "five; 10 points are asked for.",
    blocks=True,
    task="Male",
)


def attempts(best: float, seed: int = 0, arms: tuple[Sees, ...] = ("same", "fresh")) -> tuple[Attempt, ...]:
    """Every attacker on every arm, the best on the choosing half first; the best finds `best`."""
    random = np.random.default_rng(seed)
    made = []
    for name, (share, seconds, seeds) in ATTACKERS.items():
        for sees in arms:
            for number in range(seeds):
                less = 1.0 if sees != "fresh" else 0.8
                said = 0.5 + (best - 0.5) * share * less + random.normal(0, 0.004, 3)
                made.append(
                    Attempt(
                        name,
                        sees,
                        number,
                        "done",
                        training=min(1.0, float(said[0]) + 0.08),
                        stopping=float(said[1]),
                        choosing=min(best, float(said[2])),
                        seconds=seconds,
                        details={"iterations": 2400, "rate": 0.002} if "CNN" in name else {"C": 0.1},
                    )
                )
    made.sort(key=lambda each: -(each.choosing or 0.0))
    return (replace(made[0], choosing=best), *made[1:])


def references(original: float, blurred: float) -> tuple[Reference, ...]:
    """Shuffled labels, the original images, blurred ones, and a random encoder."""
    return (
        Reference("shuffled labels", 0.497, 0.483, 0.511, "logistic regression"),
        Reference("original images", original, original - 0.009, original + 0.007, "paper CNN, votes"),
        Reference(
            "blurred images",
            blurred,
            blurred - 0.013,
            blurred + 0.013,
            "logistic regression",
            "at least: still rising",
        ),
        Reference("random encoder", None, note="not available: how the encoder is built is not known"),
    )


def winner(accuracy: float, floor: float, of: Attempt, **changes: Any) -> Winner:
    """The winner's look at the test images: twice the standard error is 1.4 points."""
    excess, half = accuracy - floor, 0.014
    p = 1e-9 if excess > half else 0.31
    made = Winner(
        attacker=of.attacker,
        sees=of.sees,
        seed=of.seed,
        accuracy=accuracy,
        low=accuracy - half,
        high=accuracy + half,
        excess=excess,
        excess_low=excess - half,
        p=p,
        p_holm=p,
        smallest_leak=0.02,
        auc=accuracy + 0.04,
        bits=0.09 if excess > half else -0.002,
        bits_low=0.07 if excess > half else -0.011,
        tpr=0.034,
    )
    return replace(made, **changes)


def task(
    name: str,
    role: Role,
    outcome: Outcome,
    accuracy: float,
    floor: float = 0.556,
    original: float = 0.962,
    blurred: float = 0.81,
    **changes: Any,
) -> TaskVerdict:
    """One task; `changes` replaces any of its fields."""
    tried = attempts(accuracy + 0.004, seed=len(name))
    made = TaskVerdict(
        task=name,
        role=role,
        classes=("0", "1"),
        floor=floor,
        outcome=outcome,
        attempts=tried,
        references=references(original, blurred),
        counts=COUNTS,
        winner=winner(accuracy, floor, tried[0]),
        code_length=0.93,
    )
    return replace(made, **changes)


def verdict(*tasks: TaskVerdict, **changes: Any) -> Verdict:
    """A verdict on these tasks; `changes` replaces any of its fields."""
    seconds: dict[str, float] = {}
    for each in tasks:
        for attempt in each.attempts:
            seconds[attempt.attacker] = round(seconds.get(attempt.attacker, 0.0) + attempt.seconds, 1)
    run = {
        "command": "scotoma verify encoder.onnx --suite standard --data faces.csv --hide Male --keep Smiling",
        "data": {
            "source": "faces.csv",
            "images": 20000,
            "digest": "0e5af7d8c96b4412",
            "split": {"same": 9878, "fresh": 2041, "stopping": 1542, "choosing": 1542, "test": 4997},
            "skipped": [],
            "notes": [],
        },
        "attackers": [name for name in ATTACKERS if "votes" not in name],
        "not_applicable": [],
        "seed": 0,
        "seconds_by_attacker": seconds,
        "started": "2025-11-24T09:12:44+00:00",
        "seconds": 433.8,
        "hardware": {"cores": 2, "workers": 2, "system": "Linux"},
        "versions": {"scotoma": "0.1.0", "torch": "2.13.0", "scikit-learn": "1.7.2", "python": "3.11.9"},
    }
    made = Verdict(
        run=run,
        target=TargetSummary("encoder.onnx", "ONNX file", "93ce4417aa02", (3, 7, 7), {"inputs": "images"}),
        suite="standard",
        hide=tuple(each.task for each in tasks if each.role == "hide"),
        keep=tuple(each.task for each in tasks if each.role == "keep"),
        tasks=tasks,
    )
    return replace(made, **changes)


def smiling(accuracy: float = 0.902, **changes: Any) -> TaskVerdict:
    """The kept task."""
    return replace(task("Smiling", "keep", "leaks", accuracy, 0.5, 0.921, 0.84), **changes)


def leaks() -> Verdict:
    """The best attacker is far above the floor."""
    return verdict(task("Male", "hide", "leaks", 0.66), smiling())


def none_found() -> Verdict:
    """The best attacker is at the floor, and there are images enough."""
    return verdict(task("Male", "hide", "no leak found", 0.553), smiling())


def inconclusive() -> Verdict:
    """No leak, but too few test images to say so."""
    made = task("Male", "hide", "inconclusive", 0.561, reasons=(TOO_FEW.said,))
    assert made.winner is not None
    few = replace(made.winner, low=0.49, high=0.632, excess_low=-0.078, smallest_leak=0.121, tpr=None)
    return verdict(replace(made, winner=few), smiling(), flags=(TOO_FEW,))


def with_failures() -> Verdict:
    """Two attackers failed on the hidden task, and every one on the kept task."""
    why = "The loss is not finite: a rate of 0.002 is too high for these codes."
    failed = tuple(
        Attempt("MLP", "same", seed, "failed", None, None, None, 3.2, note=why) for seed in range(2)
    )
    hidden = task("Male", "hide", "inconclusive", 0.561)
    rising = replace(
        hidden.attempts[1], state="inconclusive", note="validation was still rising at the budget's end"
    )
    rest = [each for each in hidden.attempts[2:] if (each.attacker, each.sees) != ("MLP", "same")]
    said = f"Attackers that failed: MLP/same/0 ({why}); MLP/same/1 ({why})."
    flags = (Flag("failed", said, blocks=True, task="Male"),)
    hidden = replace(hidden, attempts=(hidden.attempts[0], rising, *rest, *failed), reasons=(said,))
    kept = smiling(attempts=failed, winner=None, outcome="inconclusive", reasons=("every attack failed",))
    return verdict(hidden, kept, flags=flags)


def with_flags() -> Verdict:
    """Three hidden tasks, one of four classes; flags about the encoder and about tasks."""
    flags = (
        Flag("stochastic", "The same images encoded twice have different codes (by 3.1 % of their size)."),
        Flag(
            "batch-dependent",
            "An image has another code when it is encoded alone (by 12 % of its size): codes depend on the "
            "batch. Usual reason: batch normalisation left in training mode.",
            blocks=True,
        ),
        TOO_FEW,
        Flag(
            "dependent-labels",
            "Who knows the kept labels alone is right in 71.2 %, guessing in 50.0 %: what is kept tells much "
            "of what is hidden, and no encoder can prevent that.",
            task="Wearing_Lipstick",
        ),
        Flag("duplicates", "14 of 8,081 validation and test images are also among those learned from."),
    )
    hair = task("Hair", "hide", "leaks", 0.41, 0.25, 0.88, 0.61, classes=("bald", "black", "blond", "gray"))
    assert hair.winner is not None
    hair = replace(
        hair, counts={part: (10, 20, 30, 40) for part in COUNTS}, winner=replace(hair.winner, tpr=None)
    )
    male = inconclusive().tasks[0]
    male = replace(male, reasons=(flags[1].said, TOO_FEW.said))
    lipstick = task("Wearing_Lipstick", "hide", "inconclusive", 0.705, 0.712, reasons=(flags[1].said,))
    return verdict(male, hair, lipstick, smiling(), task("Young", "other", "leaks", 0.62, 0.5), flags=flags)


def alone() -> Verdict:
    """Codes of which nothing else is known: no reference, no kept task, one kind of training images."""
    tried = attempts(0.57, arms=("all",))
    made = task("Male", "hide", "leaks", 0.56, 0.5, attempts=tried, references=(), code_length=None)
    made = replace(made, winner=winner(0.56, 0.5, tried[0]))
    target = TargetSummary("codes", "codes", "77aa", (147,))
    return verdict(made, target=target)


EXAMPLES = {
    "leaks": leaks,
    "none": none_found,
    "inconclusive": inconclusive,
    "failures": with_failures,
    "flags": with_flags,
    "alone": alone,
}


def write_audit(folder: Path, made: Verdict | None = None) -> Path:
    """A run folder with verdict.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (leaks() if made is None else made).write(folder / "verdict.json")
    return folder
