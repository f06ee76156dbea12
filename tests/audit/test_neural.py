from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import torch

from scotoma.audit.examples import Encoded, Examples, Floats, Labels, Occasion
from scotoma.audit.networks import ResidualNetwork, classifier_for, perceptron, stages_before
from scotoma.audit.neural import (
    SETTINGS,
    half_of_batches,
    is_map,
    mlp,
    network,
    paper,
    residual,
    shifted,
    thinned,
)
from scotoma.audit.representations import by_channel
from scotoma.data.tasks import Task
from scotoma.errors import ScotomaError
from scotoma.metrics import image_weights

TASK = Task(("yes",), ("no", "yes"))
QUICK = replace(SETTINGS, batch=32, evaluate_every=20, patience=3, max_iterations=200)
SHAPE = (2, 4, 4)


def examples(codes: Floats, classes: Labels, views: Floats | None = None) -> Examples:
    none = np.empty((0, *codes.shape), np.float32)
    encoded = Encoded(codes, none if views is None else views)
    return Examples(encoded, classes, classes, image_weights(TASK, classes))


def planted(seed: int, images: int = 400, size: float = 1.0, offset: float = 0.0) -> Examples:
    """Noise, but for one value: `offset` and a shift of `size` that tells the class."""
    random = np.random.default_rng(seed)
    classes = random.integers(2, size=images)
    codes = random.normal(size=(images, *SHAPE)).astype(np.float32)
    codes[:, 1, 2, 3] = offset + size * classes
    return examples(codes, classes)


def accuracy(**plant: float) -> float:
    """Of a perceptron on noise with a planted value."""
    training, stopping, test = (planted(seed, **plant) for seed in range(3))  # type: ignore[arg-type]
    learned = network(mlp(32), 2e-3, settings=QUICK)(training, stopping, Occasion(TASK, 0))
    return float((learned.read(test.codes).argmax(axis=1) == test.classes).mean())


def test_a_label_in_one_value_is_found_and_noise_is_not() -> None:
    assert accuracy() > 0.99
    assert accuracy(size=0.0) == pytest.approx(0.5, abs=0.08)


def test_a_shift_of_a_ten_thousandth_of_a_value_is_found() -> None:
    assert accuracy(size=1e-4, offset=1.0) > 0.99


@pytest.mark.parametrize("build", [paper, residual(8)], ids=["paper", "residual"])
def test_convolutional_networks_read_maps(build: object) -> None:
    learn = network(build, 2e-3, by_channel, augment=shifted, settings=QUICK)  # type: ignore[arg-type]
    random = np.random.default_rng(5)
    found = []
    for _ in range(3):
        classes = random.integers(2, size=300)
        codes = random.normal(size=(300, *SHAPE)).astype(np.float32)
        codes[:, 1] += classes[:, None, None] * np.float32(1.5)
        found.append(examples(codes, classes))
    learned = learn(found[0], found[1], Occasion(TASK, 0))
    assert (learned.read(found[2].codes).argmax(axis=1) == found[2].classes).mean() > 0.97


def test_the_same_seed_learns_the_same_and_another_seed_something_else() -> None:
    learn = network(mlp(8), 2e-3, settings=QUICK)
    training, stopping, test = planted(0), planted(1), planted(2)
    one, same, other = (
        learn(training, stopping, Occasion(TASK, seed)).read(test.codes) for seed in (0, 0, 1)
    )
    assert (one == same).all()
    assert not (one == other).all()


def test_votes_average_the_log_probabilities_of_all_views() -> None:
    training, stopping = planted(0), planted(1)
    views = np.random.default_rng(3).normal(size=(2, 400, *SHAPE)).astype(np.float32)
    with_views = examples(stopping.codes.centre, stopping.classes, views)
    learned = network(mlp(8), 2e-3, votes=True, settings=QUICK)(training, with_views, Occasion(TASK, 0))
    none = np.empty((0, 400, *SHAPE), np.float32)
    each = [
        torch.from_numpy(learned.read(Encoded(view, none))).log_softmax(1).numpy()
        for view in (stopping.codes.centre, *views)
    ]
    assert learned.also["votes"](with_views.codes) == pytest.approx(np.mean(each, axis=0))
    without = network(mlp(8), 2e-3, votes=True, settings=QUICK)(training, stopping, Occasion(TASK, 0))
    assert dict(without.also) == {}


def test_an_attacker_that_still_improves_when_its_budget_ends_says_so() -> None:
    short = replace(QUICK, max_iterations=20)
    learned = network(mlp(8), 2e-3, settings=short)(planted(0), planted(1), Occasion(TASK, 0))
    assert learned.rising
    assert learned.details == {"rate": 2e-3, "iterations": 20}


def test_an_attacker_that_is_told_to_stop_stops() -> None:
    stop = Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        network(mlp(8), 2e-3, settings=QUICK)(planted(0), planted(1), Occasion(TASK, 0, stop))


def test_progress_is_the_share_of_the_budget() -> None:
    told: list[float] = []
    occasion = Occasion(TASK, 0, progress=told.append)
    learned = network(mlp(8), 2e-3, settings=QUICK)(planted(0), planted(1), occasion)
    assert told == sorted(told)
    assert told[-1] == learned.details["iterations"] / QUICK.max_iterations


def test_augmentation_moves_maps_by_one_place_at_most_and_leaves_out_a_tenth() -> None:
    codes = torch.arange(1.0, 17).reshape(1, 1, 4, 4).repeat(2000, 1, 1, 1)
    seen = set()
    for seed in range(40):
        moved = shifted(codes, np.random.default_rng(seed))
        seen.add(int(moved[:, 0, 1, 1].max()))
    assert seen == {1, 2, 3, 5, 6, 7, 9, 10, 11}
    assert float((thinned(codes, np.random.default_rng(0)) == 0).float().mean()) == pytest.approx(
        0.1, abs=0.01
    )


def test_what_a_map_is_and_how_large_maps_are_pooled() -> None:
    assert is_map((3, 7, 7))
    assert not is_map((147,))
    assert not is_map((3, 1, 49))
    assert [stages_before(side) for side in (7, 16, 17, 28, 64, 224)] == [0, 0, 1, 1, 2, 4]


@pytest.mark.parametrize("shape", [(3, 7, 7), (1, 28, 28), (3, 64, 60), (5, 2, 3)])
def test_networks_take_maps_of_any_size(shape: tuple[int, int, int]) -> None:
    codes = torch.randn(4, *shape)
    for made in (classifier_for(shape, 3), ResidualNetwork(shape, 8, 3), perceptron(shape, 16, 3)):
        assert made(codes).shape == (4, 3)


def test_a_network_that_begins_on_images_goes_on_from_what_they_taught() -> None:
    """Codes that show the class in the way the images do, and too few updates to learn it from them."""
    settings = replace(QUICK, evaluate_every=40, max_iterations=40)
    codes = [planted(seed, size=3.0) for seed in range(3)]
    training, stopping = (replace(each, originals=each.codes.centre) for each in codes[:2])

    def cross_entropy(begin_on_images: bool) -> float:
        learn = network(mlp(32), 5e-4, settings=settings, begin_on_images=begin_on_images)
        learned = learn(training, stopping, Occasion(TASK, 0))
        logits = torch.from_numpy(learned.read(codes[2].codes))
        return float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(codes[2].classes)))

    assert cross_entropy(True) < cross_entropy(False) - 0.05


def test_a_network_that_begins_on_images_needs_them() -> None:
    learn = network(mlp(8), 1e-3, settings=QUICK, begin_on_images=True)
    with pytest.raises(ScotomaError) as told:
        learn(planted(0), planted(1), Occasion(TASK, 0))
    assert str(told.value) == "It begins with the original images, and these are not known."


def test_codes_are_augmented_where_there_are_no_views_of_images() -> None:
    seen: list[int] = []

    def noted(codes: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
        seen.append(len(codes))
        return codes

    learn = network(mlp(8), 2e-3, augment=noted, settings=replace(QUICK, max_iterations=20))
    learn(planted(0), planted(1), Occasion(TASK, 0))
    assert seen == [QUICK.batch] * 20
    training = planted(0)
    views = replace(training, codes=Encoded(training.codes.centre, training.codes.centre[None]))
    seen.clear()
    learn(views, planted(1), Occasion(TASK, 0))
    assert seen == []


def test_about_every_other_batch_is_augmented() -> None:
    augment = half_of_batches(lambda codes, random: codes + 1)
    random = np.random.default_rng(0)
    changed = sum(float(augment(torch.zeros(1), random)) for _ in range(1000))
    assert changed == pytest.approx(500, abs=50)
