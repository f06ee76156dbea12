import math

import numpy as np
import pytest
import torch
from torch import nn

from scotoma.data.tasks import Task
from scotoma.metrics import balanced_accuracy, balanced_cross_entropy, image_weights, logits_of

TASK = Task(("a",), ("a", "b", "c"))
# Two of a, one of b, three of c.
LABELS = np.array([0, 0, 1, 2, 2, 2])
LOGITS = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0], [0.0, 3.0], [1.0, 0.0], [1.0, 0.5]])
CLASSES = torch.tensor([1, 1, 0, 0, 0, 0])


def test_weights_make_classes_and_categories_within_other_count_alike() -> None:
    weights = image_weights(TASK, LABELS)
    assert weights == pytest.approx([1 / 4, 1 / 4, 1 / 4, 1 / 12, 1 / 12, 1 / 12])


def test_weights_of_a_three_way_task() -> None:
    task = Task(("a", "c"), ("a", "b", "c", "d"))
    weights = image_weights(task, np.array([0, 1, 2, 3, 3]))
    assert weights == pytest.approx([1 / 3, 1 / 6, 1 / 3, 1 / 12, 1 / 12])


def test_balanced_accuracy_written_out() -> None:
    found = balanced_accuracy(LOGITS, CLASSES, torch.from_numpy(image_weights(TASK, LABELS)))
    # One of two a; within other: all of b, two of three c.
    assert found == pytest.approx((1 / 2 + (1 + 2 / 3) / 2) / 2)


def test_weights_need_not_sum_to_one() -> None:
    """A category may be missing from the images; those that are there still make the whole."""
    present = LABELS != 1
    weights = torch.from_numpy(image_weights(TASK, LABELS[present]))
    assert float(weights.sum()) == pytest.approx(0.75)
    found = balanced_accuracy(LOGITS[torch.from_numpy(present)], CLASSES[torch.from_numpy(present)], weights)
    assert found == pytest.approx((1 / 2 * 1 / 2 + 1 / 4 * 2 / 3) / 0.75)


def test_balanced_cross_entropy_written_out() -> None:
    weights = image_weights(TASK, LABELS)
    losses = [
        math.log(sum(math.exp(value - row[label]) for value in row))
        for row, label in zip(LOGITS.tolist(), CLASSES.tolist(), strict=True)
    ]
    found = balanced_cross_entropy(LOGITS, CLASSES, torch.from_numpy(weights))
    assert found == pytest.approx(float(np.dot(weights, losses)))


def test_logits_are_those_of_evaluation_mode_and_training_goes_on() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Linear(4, 2))
    codes = torch.randn(7, 1, 2, 2)
    logits = logits_of(network, codes, batch=3)
    assert network.training and not logits.requires_grad
    torch.testing.assert_close(logits, network.eval()(codes).detach())


def test_bf16_logits_are_fp32_numbers_near_the_exact_ones() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2))
    codes = torch.randn(7, 1, 4, 4)
    exact, coarse = logits_of(network, codes), logits_of(network, codes, bf16=True)
    assert coarse.dtype == torch.float32
    assert not torch.equal(exact, coarse)
    torch.testing.assert_close(coarse, exact, atol=0.02, rtol=0.02)


def test_of_large_codes_fewer_are_looked_at_together() -> None:
    seen: list[int] = []

    class Counting(nn.Module):
        def forward(self, codes: torch.Tensor) -> torch.Tensor:
            seen.append(len(codes))
            return codes.flatten(1)[:, :2]

    logits_of(Counting(), torch.zeros(1200, 2, 1, 1))
    logits_of(Counting(), torch.zeros(5, 1, 512, 1024))
    logits_of(Counting(), torch.zeros(2, 1, 2048, 1024))
    assert seen == [1000, 200, 2, 2, 1, 1, 1]
