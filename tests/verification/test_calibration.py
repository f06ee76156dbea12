import pytest
import torch

from scotoma.metrics import balanced_accuracy, balanced_cross_entropy
from scotoma.verification.calibration import PULL, calibrate

CLASSES = torch.tensor([0, 1] * 500)
WEIGHTS = torch.ones(1000, dtype=torch.float64) / 1000


def honest_logits() -> torch.Tensor:
    """Logits of the true model: a value that is normal about -1 or 1 has log odds of twice the value."""
    values = (2 * CLASSES - 1) + torch.randn(1000, generator=torch.Generator().manual_seed(0))
    return torch.stack([-values, values], dim=1)


def cross_entropy(logits: torch.Tensor) -> float:
    return balanced_cross_entropy(logits, CLASSES, WEIGHTS)


def test_overconfident_and_shifted_logits_give_the_figures_of_honest_ones() -> None:
    honest = honest_logits()
    distorted = 20 * honest + torch.tensor([3.0, -5.0])
    assert cross_entropy(distorted) > 1.5
    best = calibrate(honest, CLASSES, WEIGHTS)(honest)
    found = calibrate(distorted, CLASSES, WEIGHTS)(distorted)
    assert cross_entropy(found) == pytest.approx(cross_entropy(best), abs=2e-3)
    assert balanced_accuracy(found, CLASSES, WEIGHTS) == balanced_accuracy(best, CLASSES, WEIGHTS)


def test_the_solution_is_the_minimum_of_the_weighted_cross_entropy_with_its_pull() -> None:
    logits = 3 * honest_logits() + torch.tensor([1.0, 0.0])
    weights = torch.rand(1000, generator=torch.Generator().manual_seed(1)).double()
    weights /= weights.sum()
    found = calibrate(logits, CLASSES, weights)

    def objective(scale: float, shift: torch.Tensor) -> float:
        log_p = (scale * logits.double() + shift).softmax(dim=1).log()
        true, other = log_p[torch.arange(1000), CLASSES], log_p[torch.arange(1000), 1 - CLASSES]
        # 500 images of each class, and one more of each imagined: Platt's targets.
        losses = -(501 / 502 * true + 1 / 502 * other)
        return float((weights * losses).sum() + PULL * ((scale - 1) ** 2 + shift.mean() ** 2))

    least = objective(found.scale, found.shift)
    for scale in (-0.02, 0.02):
        assert objective(found.scale + scale, found.shift) > least
    for shift in (torch.tensor([0.05, 0.0]), torch.tensor([-0.05, 0.0]), torch.tensor([0.3, 0.3])):
        assert objective(found.scale, found.shift + shift.double()) > least


@pytest.mark.parametrize("factor", [1e3, 1e9, 1e20])
def test_logits_of_any_size_give_the_figures_of_those_of_size_one(factor: float) -> None:
    honest = honest_logits().double()
    found, large = calibrate(honest, CLASSES, WEIGHTS)(honest), honest * factor
    calibrated = calibrate(large, CLASSES, WEIGHTS)(large)
    assert cross_entropy(calibrated) == pytest.approx(cross_entropy(found), abs=2e-3)
    accuracy = balanced_accuracy(found, CLASSES, WEIGHTS)
    assert balanced_accuracy(calibrated, CLASSES, WEIGHTS) == pytest.approx(accuracy, abs=0.005)


def test_a_reversed_attacker_is_turned_round() -> None:
    reversed_logits = -honest_logits()
    found = calibrate(reversed_logits, CLASSES, WEIGHTS)
    assert found.scale < 0
    assert balanced_accuracy(reversed_logits, CLASSES, WEIGHTS) < 0.2
    assert balanced_accuracy(found(reversed_logits), CLASSES, WEIGHTS) > 0.8


def test_logits_that_know_nothing_are_calibrated_to_the_prior() -> None:
    noise = torch.randn(1000, 2, generator=torch.Generator().manual_seed(2)) * 10
    found = calibrate(noise, CLASSES, WEIGHTS)
    assert cross_entropy(noise) > 3
    assert cross_entropy(found(noise)) == pytest.approx(torch.tensor(2.0).log().item(), abs=0.01)


def test_classes_told_apart_without_error_keep_finite_numbers() -> None:
    certain = torch.stack([1 - 2.0 * CLASSES, 2.0 * CLASSES - 1], dim=1) * 50
    found = calibrate(certain, CLASSES, WEIGHTS)
    # Not surer than 500 images of each class without an error allow: 501 of 502.
    assert cross_entropy(found(certain)) == pytest.approx(1 / 502, rel=0.1)


def test_many_classes_with_few_images_each_may_be_sure_of_what_they_tell_apart() -> None:
    classes = torch.arange(400) % 20
    certain = torch.nn.functional.one_hot(classes, 20) * 50.0
    found = calibrate(certain, classes, torch.ones(400, dtype=torch.float64))(certain)
    # 20 images of each class: 21 of 22, so that .06 of the 4.3 bits are left open.
    sure = found.softmax(dim=1)[torch.arange(400), classes]
    assert sure.mean().item() == pytest.approx(21 / 22, abs=0.005)


def test_three_classes_have_a_shift_each() -> None:
    classes = torch.arange(900) % 3
    weights = torch.ones(900, dtype=torch.float64)
    values = torch.nn.functional.one_hot(classes, 3) * 2.0
    values = values + torch.randn(900, 3, generator=torch.Generator().manual_seed(3))
    offset = torch.tensor([4.0, 0.0, -4.0])
    found = calibrate(values + offset, classes, weights)
    assert balanced_accuracy(values + offset, classes, weights) < 0.6
    assert balanced_accuracy(found(values + offset), classes, weights) > 0.8
    expected = -found.scale * (offset - offset.mean())
    torch.testing.assert_close((found.shift - found.shift.mean()).float(), expected, atol=0.3, rtol=0)
