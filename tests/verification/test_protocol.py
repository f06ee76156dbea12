from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scotoma.data.sampling import BalancedRows, generator
from scotoma.data.tasks import Task
from scotoma.errors import ScotomaError
from scotoma.metrics import balanced_accuracy, balanced_cross_entropy, image_weights, logits_of
from scotoma.objectives import cross_entropy
from scotoma.runs.results import Point
from scotoma.verification.calibration import calibrate
from scotoma.verification.codes import Codes, StoredViews
from scotoma.verification.protocol import Labels, Outcome, attack
from scotoma.verification.saturation import stage
from scotoma.verification.settings import AttackSettings

SETTINGS = AttackSettings(rate=1e-2, batch=16, evaluate_every=5, patience=3, rise=0.01, max_iterations=600)
TASK = Task(("a",), ("a", "b", "c"))


def labels_of(count: int) -> np.ndarray:
    return np.arange(count) % 3


LABELS = Labels(labels_of(90), labels_of(60), labels_of(75))


def codes(clean: bool = True, seed: int = 0) -> Codes:
    """Codes (images, 1, 2, 2) that show category a, and noise."""
    generator = torch.Generator().manual_seed(seed)

    def some(count: int) -> Tensor:
        values = torch.randn(count, 1, 2, 2, generator=generator)
        if clean:
            values[:, 0, 0, 0] += 3 * torch.from_numpy(labels_of(count) == 0)
        return values

    return Codes(StoredViews(some(90)[None]), some(60), some(75))


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 2))


def attacked(settings: AttackSettings = SETTINGS, **changes: object) -> Outcome:
    return attack(network(), codes(), LABELS, TASK, replace(settings, **changes), seed=1)  # type: ignore[arg-type]


def test_an_attack_saturates_drops_its_rate_once_by_ten_and_saturates_again() -> None:
    outcome = attacked()
    rates = [point.rate for point in outcome.history]
    drop = rates.index(min(rates))
    assert rates == [1e-2] * drop + [pytest.approx(1e-3)] * (len(rates) - drop)
    assert stage(outcome.history[: drop - 1], SETTINGS) == "first rate"
    assert stage(outcome.history[:drop], SETTINGS) == "second rate"
    assert stage(outcome.history, SETTINGS) == "saturated"
    assert stage(outcome.history[:-1], SETTINGS) == "second rate"
    assert outcome.state == "done"
    assert [point.iteration for point in outcome.history] == list(range(5, 5 * len(rates) + 1, 5))
    assert outcome.best.val_accuracy > 0.85


def test_the_weights_of_the_lowest_validation_cross_entropy_are_kept() -> None:
    found = network()
    watched: list[tuple[Point, dict[str, Tensor]]] = []

    def watch(point: Point) -> None:
        watched.append((point, {name: tensor.clone() for name, tensor in found.state_dict().items()}))

    outcome = attack(found, codes(), LABELS, TASK, SETTINGS, seed=1, watch=watch)
    best, weights = min(watched, key=lambda pair: pair[0].val_cross_entropy)
    assert outcome.best == best
    assert all(torch.equal(weights[name], tensor) for name, tensor in found.state_dict().items())
    validation = logits_of(found, codes().validation)
    classes = torch.from_numpy(TASK.classes_of(LABELS.validation))
    balance = torch.from_numpy(image_weights(TASK, LABELS.validation))
    fitted = calibrate(validation, classes, balance)
    torch.testing.assert_close(outcome.test_logits, fitted(logits_of(found, codes().test)))
    found_again = balanced_cross_entropy(fitted(validation), classes, balance)
    assert best.val_cross_entropy == pytest.approx(found_again)
    assert [point for point, _ in watched] == list(outcome.history)


def test_the_second_rate_starts_from_the_best_weights() -> None:
    """An attacker that overfits: what the drop starts from is not what the first rate ended with."""
    settings = replace(SETTINGS, rate=0.3, drop=1e-12, evaluate_every=1)
    found = network()
    weights: list[Tensor] = []
    points: list[Point] = []

    def watch(point: Point) -> None:
        points.append(point)
        weights.append(next(found.parameters()).detach().clone())

    attack(found, codes(clean=False), LABELS, TASK, settings, seed=1, watch=watch)
    drop = next(number for number, point in enumerate(points) if point.rate < 0.1)
    best = min(range(drop), key=lambda number: points[number].val_cross_entropy)
    assert best < drop - 1
    # At a rate of next to nothing the weights stay where the drop put them.
    torch.testing.assert_close(weights[drop], weights[best], atol=1e-6, rtol=0)


class Watched(nn.Module):
    """Counts how often it sees a batch of the test images' size."""

    def __init__(self, test: int) -> None:
        super().__init__()
        self.inner, self.test, self.looks = network(), test, 0

    def forward(self, images: Tensor) -> Tensor:
        self.looks += len(images) == self.test
        logits: Tensor = self.inner(images)
        return logits


def test_the_test_images_are_looked_at_once() -> None:
    watched = Watched(test=75)
    outcome = attack(watched, codes(), LABELS, TASK, SETTINGS, seed=1)
    assert watched.looks == 1 and len(outcome.history) > 5


def test_test_images_decide_nothing() -> None:
    other = replace(codes(), test=torch.randn(75, 1, 2, 2))
    one = attack(network(), codes(), LABELS, TASK, SETTINGS, seed=1)
    two = attack(network(), other, LABELS, TASK, SETTINGS, seed=1)
    assert one.history == two.history


@pytest.mark.parametrize(("budget", "evaluations"), [(5, 1), (12, 3), (20, 4)])
def test_an_attack_at_its_budget_s_end_is_inconclusive(budget: int, evaluations: int) -> None:
    outcome = attacked(max_iterations=budget)
    assert outcome.state == "inconclusive"
    assert [point.iteration for point in outcome.history][-1] == budget
    assert len(outcome.history) == evaluations


def test_an_attack_within_its_second_rate_is_inconclusive_too() -> None:
    whole = attacked()
    almost = attacked(max_iterations=whole.history[-2].iteration)
    assert min(point.rate for point in almost.history) < 1e-2
    assert almost.state == "inconclusive"
    assert attacked(max_iterations=whole.history[-1].iteration).state == "done"


@dataclass
class Poisoned:
    """Training codes that go wrong after a while."""

    after: int

    def draw(self, positions: np.ndarray, random: np.random.Generator) -> Tensor:
        self.after -= 1
        return torch.full((len(positions), 1, 2, 2), float("nan") if self.after < 0 else 1.0)


def poisoned_training() -> Codes:
    return replace(codes(), training=Poisoned(7))


def poisoned_validation() -> Codes:
    return replace(codes(), validation=torch.full((60, 1, 2, 2), float("inf")))


@pytest.mark.parametrize(
    ("poison", "iteration"),
    [(poisoned_training, 10), (poisoned_validation, 5)],
    ids=["training", "validation"],
)
def test_a_loss_that_is_not_finite_is_an_error(poison: Callable[[], Codes], iteration: int) -> None:
    with pytest.raises(ScotomaError) as error:
        attack(network(), poison(), LABELS, TASK, SETTINGS, seed=1)
    assert str(error.value) == (
        f"The attack became unstable before iteration {iteration}: its loss is not a finite number. Lower "
        "the attackers' 'rate' ('image_rate' on original images) in [verification]."
    )


@pytest.mark.parametrize("schedule", ["literal", "averaged"])
def test_images_without_a_label_count_nowhere(schedule: Literal["literal", "averaged"]) -> None:
    """The attack is the one on codes from which they were taken away, whatever they show."""
    settings = replace(SETTINGS, schedule=schedule, evaluate_every=40)
    whole = codes()
    parts = (LABELS.training, LABELS.validation, LABELS.test)
    missing = [np.arange(len(part)) % 4 == 1 for part in parts]
    labels = [np.where(lost, -1, part) for part, lost in zip(parts, missing, strict=True)]
    places = [torch.from_numpy(np.flatnonzero(~lost)) for lost in missing]
    assert isinstance(whole.training, StoredViews)
    views = whole.training.views.clone()
    views[:, torch.from_numpy(missing[0])] = 1e6
    there = Codes(StoredViews(views), whole.validation, whole.test)
    less = Codes(
        StoredViews(whole.training.views[:, places[0]]),
        whole.validation[places[1]],
        whole.test[places[2]],
    )
    few = Labels(*(part[kept.numpy()] for part, kept in zip(parts, places, strict=True)))
    found = attack(network(), there, Labels(*labels), TASK, settings, seed=1)
    expected = attack(network(), less, few, TASK, settings, seed=1)
    assert len(found.test_logits) == len(few.test)
    torch.testing.assert_close(found.test_logits, expected.test_logits)
    assert [point.val_accuracy for point in found.history] == [p.val_accuracy for p in expected.history]
    assert found.best.val_cross_entropy == pytest.approx(expected.best.val_cross_entropy)


def test_an_attack_follows_from_its_seed() -> None:
    runs = [attack(network(), codes(), LABELS, TASK, SETTINGS, seed=seed) for seed in (1, 1, 2)]
    assert runs[0].history == runs[1].history
    assert torch.equal(runs[0].test_logits, runs[1].test_logits)
    assert runs[0].history != runs[2].history


def test_validation_figures_are_balanced_and_calibrated() -> None:
    found = network()
    last: list[tuple[Point, float]] = []

    def watch(point: Point) -> None:
        logits = logits_of(found, codes().validation)
        weights = torch.from_numpy(image_weights(TASK, LABELS.validation))
        classes = torch.from_numpy(TASK.classes_of(LABELS.validation))
        fitted = calibrate(logits, classes, weights)(logits)
        last.append((point, balanced_accuracy(fitted, classes, weights)))

    attack(found, codes(), LABELS, TASK, SETTINGS, seed=1, watch=watch)
    assert all(point.val_accuracy == accuracy for point, accuracy in last)


def test_bf16_reads_nearly_the_same_and_keeps_fp32_weights() -> None:
    found = network()
    outcome = attack(found, codes(), LABELS, TASK, SETTINGS, seed=1, bf16=True)
    assert outcome.best.val_accuracy == pytest.approx(attacked().best.val_accuracy, abs=0.05)
    assert {tensor.dtype for tensor in found.state_dict().values()} == {torch.float32}


AVERAGED = replace(SETTINGS, schedule="averaged", evaluate_every=40)


def test_the_averaged_schedule_has_one_rate_and_looks_sooner_at_first() -> None:
    outcome = attacked(AVERAGED)
    looks = [point.iteration for point in outcome.history]
    assert looks[:6] == [16, 32, 64, 104, 144, 184]
    assert {point.rate for point in outcome.history} == {1e-2}
    assert stage(outcome.history, AVERAGED) == "saturated" and outcome.state == "done"
    assert stage(outcome.history[:-1], AVERAGED) == "first rate"
    assert outcome.best.val_accuracy > 0.85


def test_looks_in_quick_succession_are_no_saturation() -> None:
    """Patience is counted in iterations: the first looks, so near to each other, cannot exhaust it."""
    outcome = attack(network(), codes(clean=False), LABELS, TASK, AVERAGED, seed=1)
    assert outcome.history[-1].iteration >= AVERAGED.patience * AVERAGED.evaluate_every


def test_the_averaged_schedule_keeps_the_running_average_behind_a_warm_up() -> None:
    settings = replace(AVERAGED, max_iterations=40, evaluate_every=30)
    found = network()
    outcome = attack(found, codes(), LABELS, TASK, settings, seed=1)
    assert [point.iteration for point in outcome.history] == [16, 32, 40]

    other, data = network(), codes()
    rows = BalancedRows(LABELS.training, np.arange(90), TASK)
    average = [parameter.detach().clone() for parameter in other.parameters()]
    optimiser = torch.optim.Adam(other.parameters(), lr=0.0)
    for iteration in range(outcome.best.iteration):
        random = generator(1, iteration)
        positions, classes = rows.draw(16, random)
        optimiser.param_groups[0]["lr"] = 1e-2 * min(1, (iteration + 1) / 20)
        loss = cross_entropy(other(data.training.draw(positions, random)), torch.from_numpy(classes))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay = min(0.99, (iteration + 1) / (iteration + 10))
        average = [
            decay * a + (1 - decay) * p.detach() for a, p in zip(average, other.parameters(), strict=True)
        ]
    for kept, expected in zip(found.parameters(), average, strict=True):
        torch.testing.assert_close(kept.detach(), expected, atol=1e-6, rtol=1e-5)
    assert not any(torch.equal(a, b) for a, b in zip(average, other.parameters(), strict=True))


def test_statistics_of_normalisation_are_averaged_with_the_weights() -> None:
    found = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Linear(4, 2))
    seen: list[Tensor] = []
    found[1].register_forward_hook(lambda norm, inputs, output: seen.append(norm.running_mean.clone()))
    attack(found, codes(), LABELS, TASK, replace(AVERAGED, max_iterations=10), seed=1)
    average = torch.zeros(4)
    for iteration, mean in enumerate(seen[:10]):
        decay = (iteration + 1) / (iteration + 10)
        average = decay * average + (1 - decay) * mean
    torch.testing.assert_close(found[1].running_mean, average)
