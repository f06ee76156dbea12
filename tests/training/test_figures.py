import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scotoma.data.tasks import Task
from scotoma.training.figures import head_figures, opposite_accuracy


class Says(nn.Module):
    """Codes (images, 2) are the logits, times a sign."""

    def __init__(self, sign: float) -> None:
        super().__init__()
        self.sign = sign

    def forward(self, codes: Tensor) -> Tensor:
        return self.sign * codes


@pytest.mark.parametrize(
    ("apart", "weight"), [((), 0.0), (("bee",), 1 / 8), (("bee", "dog"), 2 / 8)], ids=["none", "one", "two"]
)
def test_opposite_answers_are_as_good_as_the_formula_says(apart: tuple[str, ...], weight: float) -> None:
    task = Task(("ant",), ("ant", "bee", "cat", "dog", "eel"), apart)
    labels = np.repeat(np.arange(5), (40, 10, 20, 30, 50))
    random = np.random.default_rng(0)
    codes = torch.from_numpy(random.normal(size=(len(labels), 2)))
    accuracy, _ = head_figures(Says(1), codes, task, labels)
    opposite, _ = head_figures(Says(-1), codes, task, labels)
    assert opposite_accuracy(accuracy, task) == pytest.approx(opposite)
    assert accuracy + opposite == pytest.approx(1 + weight)


def test_an_adversary_that_is_always_wrong_recognises_everything_when_reversed() -> None:
    task = Task(("ant",), ("ant", "bee", "cat"), ("bee",))
    assert opposite_accuracy(0.25, task) == 1
