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
from scotoma.training.figures import head_figures, in_training_figures, opposite_accuracy
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
    opposite, _ = head_figures(-logits, task, labels)
    assert opposite_accuracy(accuracy, task) == pytest.approx(opposite)
    assert accuracy + opposite == pytest.approx(1 + weight)


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
