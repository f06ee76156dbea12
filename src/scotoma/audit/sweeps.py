"""How much do attackers need: how many labelled images, and how much compute?

Accuracies are those on the choosing half, so that test labels stay unread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scotoma.audit.cells import Attempts
from scotoma.audit.examples import Examples, Learn, Learned, Occasion
from scotoma.audit.material import Material
from scotoma.audit.neural import SETTINGS
from scotoma.audit.protocol import Said
from scotoma.audit.queue import Crew, Job, make_attempts
from scotoma.audit.suites import Attacker
from scotoma.data.tasks import Task
from scotoma.metrics import image_weights
from scotoma.runs.more import Measured, Sweep, SweepPoint, Sweeps
from scotoma.runs.seeds import derive_seed
from scotoma.runs.verdict import Attempt, Sees
from scotoma.verification.settings import AttackSettings

SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)  # of the labelled images
BUDGETS = (1 / 16, 1 / 4, 1.0, 4.0)  # of the iterations that an attacker has at most
FEWEST = 2  # images of every category, whatever the share


@dataclass(frozen=True, eq=False)
class Curve:
    """One line that is to be measured: the attackers by amount. `iterations` are those of the whole budget; 0
    where the amount is one of labels.
    """

    attacker: str
    by_amount: dict[float, Attacker]
    iterations: int = 0


def label_curve(attacker: Attacker) -> Curve:
    """An attacker that learns from, and stops by, a share of the labelled images: of each category as many as
    its share, larger shares with all images of smaller ones. Calibration, a scale and a shift, takes the
    whole stopping half.
    """
    return Curve(attacker.name, {share: _with_share(attacker, share) for share in SHARES})


def compute_curve(
    name: str, learn: Callable[[AttackSettings], Learn], settings: AttackSettings = SETTINGS
) -> Curve:
    """A network that uses its whole budget, a share or a multiple of that of `settings`, and keeps the
    weights that are best on the stopping half.
    """
    by_amount = {}
    for budget in BUDGETS:
        iterations = max(round(budget * settings.max_iterations), 1)
        endless = replace(settings, max_iterations=iterations, patience=iterations)
        by_amount[budget] = Attacker(f"{name}, {iterations} iterations", learn(endless))
    return Curve(name, by_amount, settings.max_iterations)


def sweep(
    curves: Sequence[Curve],
    tasks: Sequence[Task],
    material: Material,
    attempts: Attempts,
    seed: int,
    crew: Crew,
) -> Sweeps:
    """Every curve on every task, with the arm that has most images; one draw of images and one seed each."""
    arm = max(material.arms, key=lambda each: len(material.rows[each]))
    plan = [(task, curve) for task in tasks for curve in curves if _applies(curve, material)]
    jobs = [Job(task, arm, attacker, 0) for task, curve in plan for attacker in curve.by_amount.values()]
    seed = derive_seed(seed, "sweeps")
    made = make_attempts(jobs, material, attempts, seed, crew, "sweeps")
    found = iter(made)
    return Sweeps(
        tuple(
            Sweep(
                str(task),
                1 / task.classes,
                curve.attacker,
                "compute" if curve.iterations else "labels",
                tuple(_point(amount, next(found), curve, material, task, arm) for amount in curve.by_amount),
            )
            for task, curve in plan
        )
    )


def on_choosing(found: list[Said] | Attempt, material: Material, task: Task) -> tuple[Measured | None, str]:
    """The accuracy of an attempt on the choosing half; where it failed, why."""
    if isinstance(found, Attempt):
        return None, found.note
    right = found[0].choosing.argmax(axis=1) == material.examples(task, "choosing").classes
    interval = material.interval(task, "choosing", right)
    return Measured(interval.estimate, interval.low, interval.high), ""


def _point(
    amount: float, found: list[Said] | Attempt, curve: Curve, material: Material, task: Task, arm: Sees
) -> SweepPoint:
    accuracy, note = on_choosing(found, material, task)
    parts = [material.examples(task, part) for part in (arm, "stopping")]
    share = 1.0 if curve.iterations else amount
    images = sum(len(_chosen(each, share, 0)) for each in parts)
    return SweepPoint(amount, images, round(amount * curve.iterations), accuracy, note)


def _applies(curve: Curve, material: Material) -> bool:
    return all(attacker.applies(material.shape) for attacker in curve.by_amount.values())


def _with_share(attacker: Attacker, share: float) -> Attacker:
    def learn(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
        return attacker.learn(_some(training, share, occasion), _some(stopping, share, occasion), occasion)

    return replace(attacker, name=f"{attacker.name}, {share:.0%} of the labels", learn=learn)


def _some(examples: Examples, share: float, occasion: Occasion) -> Examples:
    rows = _chosen(examples, share, derive_seed(occasion.seed, "labelled images"))
    labels = examples.labels[rows]
    return Examples(
        examples.codes.some(rows),
        labels,
        examples.classes[rows],
        image_weights(occasion.task, labels),
    )


def _chosen(examples: Examples, share: float, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Rows of a share of each category, in order."""
    order = np.random.default_rng(seed).permutation(len(examples))
    chosen = []
    for label in np.unique(examples.labels):
        of_label = order[examples.labels[order] == label]
        chosen.append(of_label[: max(FEWEST, round(share * len(of_label)))])
    rows: np.ndarray[tuple[int], np.dtype[np.int64]] = np.sort(np.concatenate(chosen))
    return rows
