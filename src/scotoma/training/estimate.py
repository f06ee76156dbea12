"""How long will a training run take? A few updates are timed on networks that are thrown away afterwards."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from scotoma.data.sampling import Batches
from scotoma.data.splits import Split, divide
from scotoma.data.table import ImageTable
from scotoma.data.tasks import Task
from scotoma.networks.classifier import Classifier
from scotoma.networks.encoder import Encoder
from scotoma.training.adversarial import Game, start_game, update_classifiers, update_encoder
from scotoma.training.figures import in_training_figures
from scotoma.training.plan import TrainingPlan
from scotoma.training.probe import Coded, attack_shortly
from scotoma.training.run import COLLAPSE_BATCHES, POPULATION_BATCHES
from scotoma.training.schedule import probes_at

ENOUGH_SECONDS = 0.4
REPEATS = 3
TIMED_IMAGES = 128


def estimate_seconds(table: ImageTable, plan: TrainingPlan, start: int | None = None) -> float:
    """Seconds that the run of `plan` will take here and now, from iteration `start` on (default: all of it).

    The run itself is not touched: networks and optimisers are copies of its kind, made and thrown away here.
    Takes a second or two, or twice an iteration's time where that is more.
    """
    settings = plan.training
    hidden, kept = plan.tasks(table.attributes)
    parts = divide(table, plan.split)
    game = _scratch_game(plan, hidden, kept)
    batches = Batches(table, parts.training, [*hidden, *kept], settings.batch, plan.preprocessing, plan.seed)
    classifiers = _seconds(lambda: update_classifiers(game, batches.at(0), settings))
    encoder = _seconds(lambda: update_encoder(game, batches.at(0), settings))
    figures = _seconds_of_figures(game, table, parts, [*hidden, *kept], plan)
    look = figures + COLLAPSE_BATCHES * classifiers
    # Population statistics: every layer in turn, on average half way through the encoder.
    finish = POPULATION_BATCHES * len(game.encoder.normalisations()) / 2 * classifiers + look
    done = -settings.warm_up if start is None else start
    left = settings.iterations - max(done, 0)
    updates = max(-done, 0) * classifiers + left * (settings.classifier_steps * classifiers + encoder)
    probes = sum(probes_at(settings, number) for number in range(max(done, 0) + 1, settings.iterations + 1))
    if probes:
        updates += (
            probes * _seconds_of_probe(game, table, parts, plan, len(hidden), figures) + probes * finish
        )
    return updates + (settings.iterations - done) / settings.evaluate_every * look + finish


def _scratch_game(plan: TrainingPlan, hidden: list[Task], kept: list[Task]) -> Game:
    with torch.random.fork_rng(devices=[]):
        encoder = Encoder(plan.encoder)
        shape = plan.encoder.code_shape
        classifiers = [Classifier(plan.classifier, shape, task.classes) for task in (*hidden, *kept)]
    game = start_game(encoder, classifiers, len(hidden), plan.training)
    game.iteration = 0
    return game


def _seconds_of_figures(
    game: Game, table: ImageTable, parts: Split, tasks: list[Task], plan: TrainingPlan
) -> float:
    some = parts.validation[:TIMED_IMAGES]
    seconds = _seconds(lambda: in_training_figures(game, table, some, tasks, plan.preprocessing))
    return seconds * len(parts.validation) / max(len(some), 1)


def _seconds_of_probe(
    game: Game, table: ImageTable, parts: Split, plan: TrainingPlan, hidden: int, figures: float
) -> float:
    """A probe: all images encoded, and so many updates on codes for each hidden task."""
    task, few = plan.tasks(table.attributes)[0][0], replace(plan.training, probe_steps=1)
    coded = Coded(torch.zeros(len(table), *plan.encoder.code_shape), table, np.arange(len(table)))
    look = Coded(coded.codes[:TIMED_IMAGES], table, coded.rows[:TIMED_IMAGES])
    step = _seconds(lambda: attack_shortly(coded, look, task, replace(plan, training=few), 0))
    encoding = figures * (1 + len(parts.training) / max(len(parts.validation), 1))
    return encoding + hidden * plan.training.probe_steps * step


def _seconds(work: Callable[[], object]) -> float:
    """Seconds of one call: the median of some. The first, which chooses kernels, counts only if slow."""
    times: list[float] = []
    while len(times) <= REPEATS and sum(times) < ENOUGH_SECONDS:
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    later = sorted(times[1:] or times)
    return later[len(later) // 2]
