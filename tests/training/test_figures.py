import math

import numpy as np
import pytest
import torch

from scotoma.data.tasks import Task
from scotoma.encoder_file import encode_pixels
from scotoma.metrics import logits_of
from scotoma.networks.classifier import Classifier
from scotoma.networks.encoder import Encoder
from scotoma.training import figures
from scotoma.training.adversarial import start_game
from scotoma.training.figures import (
    head_figures,
    in_training_figures,
    opposite_accuracy,
    weight_apart,
)
from tests.examples import CATEGORIES, image_table, training_plan


@pytest.mark.parametrize(
    ("apart", "weight"), [((), 0.0), (("bee",), 1 / 8), (("bee", "dog"), 2 / 8)], ids=["none", "one", "two"]
)
def test_opposite_answers_are_as_good_as_the_formula_says(apart: tuple[str, ...], weight: float) -> None:
    task = Task(("ant",), ("ant", "bee", "cat", "dog", "eel"), apart)
    labels = np.repeat(np.arange(5), (40, 10, 20, 30, 50))
    random = np.random.default_rng(0)
    logits = torch.from_numpy(random.normal(size=(len(labels), 2)))
    accuracy, _ = head_figures(logits, task, labels)
    # The figure lowers the first logit, of the reversed head by as much on the other side.
    lowered = math.log(1 - 2 * weight) * torch.tensor([1.0, 0.0], dtype=torch.float64)
    opposite, _ = head_figures(-logits - 2 * lowered, task, labels)
    assert opposite_accuracy(accuracy, task) == pytest.approx(opposite)
    assert accuracy + opposite == pytest.approx(1 + weight)


def test_a_head_that_was_not_asked_about_what_is_apart_is_read_at_the_right_prior() -> None:
    """A head learns the posterior of what it is trained on, half hidden and half what is left of 'other'.
    With one value of two levels for a code it can be written down, and so can the best answer to the whole.
    """
    task = Task(("ant",), ("ant", "bee", "cat", "dog"), ("bee", "cat"))
    assert weight_apart(task) == pytest.approx(2 / 6)
    levels = {"ant": (0.4, 0.6), "dog": (0.7, 0.3)}  # how often each category shows which value
    labels, logits = [], []
    for name, number in (("ant", 0), ("dog", 3), ("bee", 1), ("cat", 2)):
        for level, share in enumerate(levels.get(name, (0.5, 0.5))):
            posterior = [levels[each][level] for each in ("dog", "ant")]
            labels += [number] * round(100 * share)
            logits += [[math.log(each) for each in posterior]] * round(100 * share)
    accuracy, cross_entropy = head_figures(torch.tensor(logits), task, np.array(labels))
    # Ant weighs 1/2, dog 1/6, so that at either value ant is the better answer.
    joint = {level: (levels["dog"][level] / 6, levels["ant"][level] / 2) for level in (0, 1)}
    best = sum(max(each) for each in joint.values()) + 2 / 6
    bayes = -sum(weight * math.log(weight / sum(each)) for each in joint.values() for weight in each)
    assert accuracy == pytest.approx(best) == pytest.approx(0.5 + 2 / 6)
    assert cross_entropy == pytest.approx(bayes, abs=1e-5)


def test_an_adversary_that_is_always_wrong_recognises_everything_when_reversed() -> None:
    task = Task(("ant",), ("ant", "bee", "cat"), ("bee",))
    assert opposite_accuracy(0.25, task) == 1


def test_figures_of_some_images_at_a_time_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, table = training_plan(precision="fp32"), image_table()
    tasks = [Task(("ant",), CATEGORIES), Task(("bee",), CATEGORIES)]
    torch.manual_seed(0)
    networks = [Classifier(plan.classifier, plan.encoder.code_shape, 2) for _ in tasks]
    game = start_game(Encoder(plan.encoder), networks, 1, plan.training)
    rows = np.arange(1, len(table), 2)
    monkeypatch.setattr(figures, "SOME", len(rows) // 3)
    accuracies, cross_entropies = in_training_figures(game, table, rows, tasks, plan.preprocessing)
    assert game.encoder.training

    codes = encode_pixels(game.encoder.eval(), plan.preprocessing, table.pixels, rows)
    whole = [
        head_figures(logits_of(network, codes), task, task.labels_in(table)[rows])
        for network, task in zip(networks, tasks, strict=True)
    ]
    assert accuracies == [accuracy for accuracy, _ in whole]
    assert cross_entropies == pytest.approx([cross_entropy for _, cross_entropy in whole], abs=1e-6)
    assert accuracies[0] != accuracies[1]
