"""Does the rival compute what the library computes? Only then is its time worth comparing with.

Both sides are in fp32. What differs is the order of dimensions in memory, and with it the order of sums.
"""

import copy
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from scotoma.data.augmentation import centre_crop
from scotoma.data.sampling import Batch
from scotoma.networks.classifier import Classifier, ClassifierSettings
from scotoma.networks.encoder import Encoder, EncoderSettings, rounded
from scotoma.networks.location_norm import LocationNorm
from scotoma.networks.population import set_population_statistics
from scotoma.presets import load_preset
from scotoma.training.adversarial import Game, start_game, update_classifiers, update_encoder
from scotoma.training.schedule import encoder_rate
from scotoma.verification.settings import AttackSettings
from tests.benchmarks.scripts import FOLDER, load_script

SMALL = load_preset("small")
SETTINGS = replace(SMALL.training, precision="fp32")
ENCODER = EncoderSettings(size=8, channels=3, convolutions=(1, 2), widths=(4, 6), code_bits=1)
CLASSIFIER = ClassifierSettings(convolutions=(1, 1), widths=(4, 6), hidden=8)
SHARE = 8
POPULATION_BATCHES = 4
STEP_EDGE = 1e-5
# Relative and absolute tolerance.
LOSS = (1e-6, 1e-6)
GRADIENT = (1e-4, 1e-5)
# Adam divides a gradient by its own size: rounding errors of a small one become those of its weight.
WEIGHT = (1e-5, 1e-6)
CODE = (1e-5, 1e-5)


plain = load_script("plain")


def rivals() -> tuple[Game, list[nn.Sequential]]:
    """The library's game and the rival's networks (encoder, hidden, kept): small ones of the same weights."""
    torch.manual_seed(0)
    classifiers = [Classifier(CLASSIFIER, ENCODER.code_shape, 2) for _ in range(2)]
    game = start_game(Encoder(ENCODER), classifiers, 1, SETTINGS)
    game.iteration = 0
    encoder = plain.make_network(((4,), (6, 3)), side=8)
    hidden, kept = (plain.make_network(((4,), (6,)), side=4, hidden=8) for _ in range(2))
    copy_encoder(game.encoder, encoder)
    copy_classifier(classifiers[0], hidden)
    copy_classifier(classifiers[1], kept)
    return game, [encoder, hidden, kept]


class Given:
    """Stands for the photos of training: draws `batch(0)`, `batch(1)` and so on."""

    category = ("bar", "office", "runway")

    def draw(self, pools: list[list[str]], each: int, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        assert pools == [["bar"], ["runway"], ["office"], ["bar", "runway"]]
        return map(batch, range(count))


def trained(
    networks: list[nn.Sequential], iterations: int, warm_up: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[nn.Sequential, list[Tensor]]:
    """Train the rival's networks. Returns the average, and the losses (2,) of every update."""
    average, made, losses = copy.deepcopy(networks[0]), iter(networks), []
    computed = plain.losses

    def recorded(*arguments: Any, flip: bool) -> list[Tensor]:
        pair: list[Tensor] = computed(*arguments, flip=flip)
        losses.append(torch.stack(pair).detach())
        return pair

    with monkeypatch.context() as patch:
        patch.setattr(plain, "Photos", lambda folder, augment: Given())
        patch.setattr(plain, "make_network", lambda *_: next(made))
        patch.setattr(plain, "losses", recorded)
        patch.setattr(plain, "POPULATION_BATCHES", POPULATION_BATCHES)
        average.load_state_dict(plain.train("", "bar", "office", iterations, warm_up))
    return average.eval(), losses


def encoder_side(losses: Tensor) -> Tensor:
    return losses[0] + SETTINGS.alpha * losses[1]


@torch.no_grad()
def copy_encoder(source: Encoder, target: nn.Sequential) -> None:
    """Weights, and statistics from (height, width, channels) to flattened (channels, height, width)."""
    for name in ("weight", "mean", "variance"):
        for given, taken in zip(tensors(source, name), tensors(target, name), strict=True):
            taken.copy_(given if name == "weight" else given.permute(2, 0, 1).flatten())


def tensors(encoder: nn.Module, name: str) -> list[Tensor]:
    """The convolutions' weights, or the normalisations' means or variances, in the order of the data."""
    if name == "weight":
        return [layer.weight for layer in encoder.modules() if isinstance(layer, nn.Conv2d)]
    if isinstance(encoder, Encoder):
        return [getattr(layer, name) for layer in encoder.modules() if isinstance(layer, LocationNorm)]
    buffer = {"mean": "running_mean", "variance": "running_var"}[name]
    return [getattr(layer, buffer) for layer in encoder.modules() if isinstance(layer, nn.BatchNorm1d)]


def copy_classifier(source: Classifier, target: nn.Sequential) -> None:
    """Convolutions, normalisations and linear layers, one after the other."""
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.Linear, nn.BatchNorm1d)
    of_source, of_target = (
        [layer for layer in network.modules() if isinstance(layer, kinds)] for network in (source, target)
    )
    for given, taken in zip(of_source, of_target, strict=True):
        assert type(given) is type(taken)
        taken.load_state_dict(given.state_dict())


def batch(number: int) -> tuple[Tensor, Tensor]:
    """Random images (2 * SHARE, 3, 8, 8), and labels (2 * SHARE,)."""
    random = torch.Generator().manual_seed(number)
    images = torch.randn(2 * SHARE, 3, 8, 8, generator=random).clamp(-1, 1)
    return images, torch.arange(2 * SHARE) % 2


def for_library(images: Tensor, labels: Tensor) -> Batch:
    return Batch(images, labels.split(SHARE))


def require_values_off_edges(encoder: Encoder, numbers: range) -> None:
    """A value on the edge of a step of the rounding could fall to either side."""
    probe = copy.deepcopy(encoder)
    with torch.no_grad():
        values = [probe.before_tanh(batch(number)[0]) for number in numbers]
    assert min(float(value.abs().min()) for value in values) > STEP_EDGE


def gradients(network: nn.Module) -> list[Tensor]:
    found = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    assert len(found) == len(list(network.parameters()))
    return found


def require_close(ours: Iterable[Tensor], theirs: Iterable[Tensor], tolerance: tuple[float, float]) -> None:
    rtol, atol = tolerance
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(other, mine, rtol=rtol, atol=atol)


def test_the_classifiers_losses_and_gradients_are_the_librarys() -> None:
    game, networks = rivals()
    require_values_off_edges(game.encoder, range(1))
    losses = update_classifiers(game, for_library(*batch(0)), SETTINGS)
    rivals_losses = torch.stack(plain.losses(networks, *batch(0), flip=False))
    require_close([losses], [rivals_losses], LOSS)
    rivals_losses.sum().backward()
    for ours, theirs in zip(game.classifiers, networks[1:], strict=True):
        require_close(gradients(ours), gradients(theirs), GRADIENT)
    assert all(parameter.grad is None for parameter in networks[0].parameters())


def test_the_encoders_loss_and_gradients_are_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    game, networks = rivals()
    require_values_off_edges(game.encoder, range(1))
    images, labels = batch(0)
    encoder, classifier = copy.deepcopy(game.encoder), copy.deepcopy(game.classifiers[0])
    right = classifier(encoder(images)[:SHARE]).argmax(1) == labels[:SHARE]
    # The label flip differs from a flip of the true labels on misclassified images alone.
    assert 0 < right.sum() < SHARE
    loss = update_encoder(game, for_library(images, labels), SETTINGS)
    monkeypatch.setattr(plain, "CLASSIFIER_STEPS", 0)
    _, losses = trained(networks, 1, 0, monkeypatch)
    require_close([loss], map(encoder_side, losses), LOSS)
    require_close(gradients(game.encoder), gradients(networks[0]), GRADIENT)
    for network in networks[1:]:
        assert all(parameter.grad is None for parameter in network.parameters())


def test_an_iteration_after_warm_up_leaves_the_librarys_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    game, networks = rivals()
    updates = 1 + SETTINGS.classifier_steps  # of the classifiers, the first one is warm-up
    require_values_off_edges(game.encoder, range(updates + 1))
    for number in range(updates):
        update_classifiers(game, for_library(*batch(number)), SETTINGS)
    loss = update_encoder(game, for_library(*batch(updates)), SETTINGS)
    before = copy.deepcopy(networks[0])
    average, losses = trained(networks, 1, 1, monkeypatch)
    assert len(losses) == updates + 1
    require_close([loss], [encoder_side(losses[-1])], WEIGHT)
    pairs = zip((game.encoder, *game.classifiers, game.average), (*networks, average), strict=True)
    for ours, theirs in pairs:
        require_close(ours.parameters(), theirs.parameters(), WEIGHT)
    moved = [
        float((after - first).detach().abs().max())
        for after, first in zip(networks[0].parameters(), before.parameters(), strict=True)
    ]
    assert min(moved) > 10 * WEIGHT[1]


def test_evaluation_codes_are_the_librarys_with_the_same_population_statistics() -> None:
    game, (encoder, *_) = rivals()
    images = [batch(number)[0] for number in range(4)]
    set_population_statistics(game.encoder, lambda: iter(images))
    copy_encoder(game.encoder, encoder)
    encoder.eval()
    with torch.no_grad():
        # Before the rounding nothing is hidden by it.
        exact, other_exact = torch.tanh(game.encoder.before_tanh(images[0])), encoder(images[0])
        codes, others = game.encoder(images[0]), plain.rounded(other_exact)
    require_close([exact], [other_exact], CODE)
    assert torch.equal(codes, others)


def test_population_statistics_are_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    game, networks = rivals()
    monkeypatch.setattr(plain, "CLASSIFIER_STEPS", 0)
    average, _ = trained(networks, 1, 0, monkeypatch)
    with torch.no_grad():
        for ours, theirs in zip(tensors(game.encoder, "weight"), tensors(average, "weight"), strict=True):
            ours.copy_(theirs)
    # The iteration took batch 0.
    images = [batch(1 + number)[0] for number in range(POPULATION_BATCHES)]
    set_population_statistics(game.encoder, lambda: iter(images))
    for name in ("mean", "variance"):
        expected = [each.permute(2, 0, 1).flatten() for each in tensors(game.encoder, name)]
        require_close(expected, tensors(average, name), WEIGHT)


@pytest.mark.parametrize("bits", [1, 3])
def test_rounded_codes_and_their_gradient_are_the_librarys(bits: int) -> None:
    values = torch.linspace(-0.999, 0.999, 50, requires_grad=True)
    codes = plain.rounded(values, bits)
    assert torch.equal(codes, rounded(values, bits))
    codes.sum().backward()
    assert values.grad is not None and torch.equal(values.grad, torch.ones(50))


def test_the_encoders_rate_falls_as_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []

    class Recorded(torch.optim.Adam):
        def step(self, closure: Any = None) -> Any:
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    iterations = 2 * SETTINGS.drop_every + 1
    monkeypatch.setattr(torch.optim, "Adam", Recorded)
    monkeypatch.setattr(plain, "CLASSIFIER_STEPS", 0)
    trained(rivals()[1], iterations, 0, monkeypatch)
    assert rates == pytest.approx([encoder_rate(SETTINGS, iteration) for iteration in range(iterations)])


def test_sizes_and_numbers_are_those_of_the_preset() -> None:
    copy_encoder(Encoder(SMALL.encoder), plain.make_network(plain.ENCODER, plain.SIZE))
    classifier = plain.make_network(plain.CLASSIFIER, plain.CODE_SIDE, plain.HIDDEN_UNITS)
    copy_classifier(Classifier(SMALL.classifier, SMALL.encoder.code_shape, 2), classifier)
    training, attack, preprocessing = SMALL.training, SMALL.verification, SMALL.preprocessing
    assert (preprocessing.size, preprocessing.stored_side) == (plain.SIZE, plain.STORED_SIDE)
    assert (preprocessing.scale_low, preprocessing.scale_high) == plain.SCALES
    assert (SMALL.encoder.code_bits, SMALL.encoder.code_shape[-1]) == (plain.CODE_BITS, plain.CODE_SIDE)
    assert (training.batch, training.warm_up) == (plain.BATCH, plain.WARM_UP)
    assert (training.classifier_steps, training.alpha) == (plain.CLASSIFIER_STEPS, plain.ALPHA)
    assert (training.classifier_rate, training.encoder_rate) == (plain.CLASSIFIER_RATE, plain.ENCODER_RATE)
    assert (training.encoder_drop, training.drop_every) == (plain.ENCODER_DROP, plain.DROP_EVERY)
    assert training.encoder_average == plain.ENCODER_AVERAGE
    # Batches are the paper's: those of the preset belong to its own schedule.
    assert (AttackSettings().batch, attack.rate) == (plain.ATTACK_BATCH, plain.ATTACK_RATE)
    assert attack.evaluate_every == plain.EVALUATE_EVERY


def write_photos(folder: Path) -> Path:
    """Noise in three categories, each of its own brightness: 12 JPEG files of 80 x 72 pixels each."""
    random = np.random.default_rng(0)
    for number, category in enumerate(("bar", "office", "runway")):
        (folder / category).mkdir(parents=True)
        for image in range(12):
            pixels = random.integers(0, 100, (72, 80, 3), np.uint8) + np.uint8(70 * number)
            Image.fromarray(pixels).save(folder / category / f"{image:02}.jpg")
    return folder


def test_a_central_crop_is_the_librarys(tmp_path: Path) -> None:
    """Of an image whose shorter side is the stored one already, so that neither side resamples it."""
    photos = plain.Photos(write_photos(tmp_path))
    with Image.open(photos.files[0]) as image:
        stored = np.asarray(image)[None, :, 4:76]
    assert torch.equal(photos[0], centre_crop(stored, SMALL.preprocessing)[0])


def test_batches_are_balanced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "WORKERS", 0)
    photos = plain.Photos(write_photos(tmp_path), augment=True)
    photos.training = np.arange(36)
    pools = [["bar"], ["runway"], ["office"], ["bar", "runway"]]
    batches: list[tuple[Tensor, Tensor]] = list(photos.draw(pools, 2, 2))
    assert len(batches) == 2
    for images, labels in batches:
        assert images.shape == (8, 3, 64, 64)
        assert images.is_contiguous()
        assert labels.tolist() == [1, 1, 0, 0] * 2
        # Each category has its own brightness.
        category = ((images.mean((1, 2, 3)) + 1) * 127.5 - 50).div(70).round().int().tolist()
        assert category[:6] == [0, 0, 2, 2, 1, 1]
        assert set(category[6:]) <= {0, 2}


def test_the_script_trains_verifies_and_encodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, encoder, codes = write_photos(tmp_path / "photos"), tmp_path / "plain.pt", tmp_path / "codes.npy"
    for name, value in {"WORKERS": 0, "BATCH": 4, "ATTACK_BATCH": 4, "POPULATION_BATCHES": 2}.items():
        monkeypatch.setattr(plain, name, value)
    for line, printed in (
        (
            "train {folder} {encoder} --hide bar --keep office --iterations 2 --warm-up 1",
            r"\d+\.\d\d iterations a second\n",
        ),
        (
            "verify {folder} {encoder} --task office,runway --iterations 3",
            r"office: test accuracy [01]\.\d{3}\nrunway: test accuracy [01]\.\d{3}\n"
            r"2 tasks in \d+\.\d s, \d+\.\d\d iterations a second\n",
        ),
    ):
        arguments = [word.format(folder=folder, encoder=encoder) for word in line.split()]
        monkeypatch.setattr(sys, "argv", ["plain.py", *arguments])
        plain.main()
        assert re.fullmatch(printed, capsys.readouterr().out)
    # As a user starts it, with its workers.
    command = ["encode", str(folder), str(encoder), "--codes", str(codes)]
    done = subprocess.run(
        [sys.executable, "-W", "error", str(FOLDER / "plain.py"), *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "images a second" in done.stdout
    encoded = np.load(codes)
    assert encoded.shape == (36, 3, 8, 8)
    assert set(np.unique(encoded)) == {-0.5, 0.5}
