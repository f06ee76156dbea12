import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scotoma.objectives import (
    OBJECTIVES,
    cross_entropy,
    encoder_loss,
    gan,
    label_flip,
    max_entropy,
    negative_cross_entropy,
)

# Right, wrong, undecided, confidently wrong: two images each are classified correctly and not.
BINARY = [[2.0, -1.0], [0.5, 1.5], [3.0, 2.9], [-4.0, 4.0]]
BINARY_LABELS = [0, 0, 1, 0]
FOUR = [[2.0, 0.0, -1.0, 0.5], [0.0, 0.1, 3.0, -2.0], [1.0, 1.5, 0.2, 0.3], [-3.0, 0.0, 0.0, 2.0]]
FOUR_LABELS = [0, 1, 3, 3]
CASES = [(BINARY, BINARY_LABELS), (FOUR, FOUR_LABELS)]
IDS = ["K=2", "K=4"]


def probabilities(row: list[float]) -> list[float]:
    total = sum(math.exp(value) for value in row)
    return [math.exp(value) / total for value in row]


def to_others(row: list[float], avoided: int) -> float:
    """Mean over the other classes of -log p."""
    others = [-math.log(p) for k, p in enumerate(probabilities(row)) if k != avoided]
    return sum(others) / len(others)


def flip_of(row: list[float], label: int) -> float:
    return to_others(row, max(range(len(row)), key=row.__getitem__))


FORMULAS: dict[str, Callable[[list[float], int], float]] = {
    "label-flip": flip_of,
    "gan": to_others,
    "negative-cross-entropy": lambda row, label: math.log(probabilities(row)[label]),
    "max-entropy": lambda row, label: sum(p * math.log(p) for p in probabilities(row)),
}


@pytest.mark.parametrize(("logits", "labels"), CASES, ids=IDS)
@pytest.mark.parametrize("name", FORMULAS)
def test_objectives_are_their_formulas_on_correct_and_mistaken_images(
    name: str, logits: list[list[float]], labels: list[int]
) -> None:
    expected = sum(map(FORMULAS[name], logits, labels)) / len(labels)
    found = OBJECTIVES[name](torch.tensor(logits), torch.tensor(labels))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_every_objective_has_a_formula_here() -> None:
    assert list(OBJECTIVES) == list(FORMULAS)
    functions = (label_flip, gan, negative_cross_entropy, max_entropy)
    assert tuple(OBJECTIVES.values()) == functions


def test_flip_of_two_classes_is_the_cross_entropy_to_the_label_that_is_not_predicted() -> None:
    logits, flipped = torch.tensor(BINARY), torch.tensor([1, 0, 1, 0])
    assert float(label_flip(logits, torch.tensor(BINARY_LABELS))) == pytest.approx(
        float(cross_entropy(logits, flipped))
    )


@pytest.mark.parametrize(("logits", "labels"), CASES, ids=IDS)
def test_flip_and_gan_agree_on_correct_images_and_differ_on_mistaken_ones(
    logits: list[list[float]], labels: list[int]
) -> None:
    for row, label in zip(logits, labels, strict=True):
        one, truth = torch.tensor([row]), torch.tensor([label])
        correct = int(one.argmax()) == label
        same = math.isclose(float(label_flip(one, truth)), float(gan(one, truth)), rel_tol=1e-6)
        assert same is correct


@pytest.mark.parametrize("name", ["label-flip", "max-entropy"])
def test_flip_and_entropy_do_not_look_at_the_labels(name: str) -> None:
    logits = torch.tensor(FOUR)
    first, second = (OBJECTIVES[name](logits, torch.tensor(labels)) for labels in (FOUR_LABELS, [2, 2, 0, 1]))
    assert torch.equal(first, second)


def gradient(objective: Callable[[Tensor, Tensor], Tensor], row: list[float], label: int) -> Tensor:
    logits = torch.tensor([row], requires_grad=True)
    objective(logits, torch.tensor([label])).backward()
    assert logits.grad is not None
    return logits.grad[0]


@pytest.mark.parametrize("label", [0, 1])
def test_flip_lowers_confidence_be_the_prediction_right_or_not(label: int) -> None:
    """A descent step lowers the larger logit and raises the smaller one, whatever the truth."""
    step = -gradient(label_flip, [3.0, 0.0], label)
    assert step[0] < 0 < step[1]


def test_gan_makes_a_mistaken_classifier_more_confident() -> None:
    """What label flip is there to avoid: the classifier errs (truth 1, predicts 0) and is pushed on."""
    step = -gradient(gan, [3.0, 0.0], 1)
    assert step[1] < 0 < step[0]


@pytest.mark.parametrize("label", [0, 1])
def test_entropy_rises_down_to_an_even_prediction(label: int) -> None:
    step = -gradient(max_entropy, [3.0, 0.0], label)
    assert step[0] < 0 < step[1]
    assert float(gradient(max_entropy, [1.0, 1.0], label).abs().max()) < 1e-6


def test_negative_cross_entropy_is_gradient_reversal() -> None:
    forward = gradient(cross_entropy, [0.3, -0.2, 1.0], 1)
    torch.testing.assert_close(gradient(negative_cross_entropy, [0.3, -0.2, 1.0], 1), -forward)


def test_the_prediction_that_is_avoided_is_a_constant_of_the_gradient() -> None:
    """p - target of the cross-entropy, with the target uniform over the classes that are not predicted."""
    row = [1.0, 2.0, -1.0]
    p = torch.tensor(probabilities(row))
    torch.testing.assert_close(gradient(label_flip, row, 0), p - torch.tensor([0.5, 0.0, 0.5]))


def test_huge_logits_stay_finite() -> None:
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
    for objective in OBJECTIVES.values():
        loss = objective(logits, torch.tensor([1]))
        assert torch.isfinite(loss.detach())
        (slope,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(slope).all()


def test_equation_4_averages_the_heads_of_each_side_before_alpha_weighs_them() -> None:
    hidden = [torch.tensor(1.0), torch.tensor(2.0), torch.tensor(6.0)]
    kept = [torch.tensor(0.5), torch.tensor(1.5)]
    assert float(encoder_loss(hidden, kept, alpha=0.25)) == pytest.approx(3.0 + 0.25 * 1.0)


def test_equation_4_without_a_kept_head_is_the_hidden_side_alone() -> None:
    assert float(encoder_loss([torch.tensor(2.0)], [], alpha=0.25)) == 2.0
