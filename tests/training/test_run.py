import json
import math
import re
import time
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from scotoma.data.splits import split
from scotoma.data.table import Sides, by_category
from scotoma.encoder_file import load_encoder
from scotoma.errors import InputError, TimeLimitReached, TrainingStopped
from scotoma.networks.classifier import Classifier
from scotoma.networks.encoder import Encoder
from scotoma.runs.settings import to_dict
from scotoma.training import run as run_module
from scotoma.training.adversarial import Game, start_game
from scotoma.training.collapse import Collapse
from scotoma.training.figures import in_training_figures
from scotoma.training.plan import TrainingPlan
from scotoma.training.probe import Probed
from scotoma.training.run import train
from scotoma.training.state import checkpoints, last_iteration
from scotoma.verification.parts import are_of_training
from tests.examples import CLASSIFIER, ENCODER, image_table, training_plan
from tests.recorded import Recorded

CONSTANT = Collapse(dead=0.75, low_variance=0.8, low_deviation=0.9, deviation=0.1)


def bytes_of(path: Path) -> dict[str, bytes]:
    return {
        name: tensor.numpy().tobytes() for name, tensor in load_encoder(path).network.state_dict().items()
    }


def test_a_run_ends_in_an_encoder_file_that_says_how_it_was_made(tmp_path: Path) -> None:
    table, plan = image_table(), training_plan()
    frozen = load_encoder(train(table, plan, tmp_path))
    card = frozen.card
    assert (card.hide, card.keep, card.categories) == (("ant",), ("dog",), table.categories)
    assert (card.encoder, card.classifier, card.preprocessing) == (
        plan.encoder,
        plan.classifier,
        plan.preprocessing,
    )
    assert (card.split, card.data_digest) == (plan.split, table.digest())
    training = card.training
    assert (training["objective"], training["iterations"], training["seed"]) == ("label-flip", 20, 5)
    assert set(training["hidden"]) == {"ant"} and 0 <= training["hidden"]["ant"] <= 1
    assert set(training["kept"]) == {"dog"}
    assert sum(training["images"].values()) == len(table)
    assert training["settings"]["classifier_steps"] == 2
    assert training["torch"] == torch.__version__
    # Population statistics over the mix of hidden and kept batches: nearly centred on validation images.
    codes = frozen.encode(table.pixels)
    assert codes.shape == (300, 3, 4, 4) and float(codes.mean().abs()) < 0.3


def test_figures_are_recorded_on_the_way(tmp_path: Path) -> None:
    train(image_table(), training_plan(), tmp_path)
    history = json.loads((tmp_path / "history.json").read_text())["history"]
    # Warm-up counts from -4; every fifth iteration, the first update of the encoder being 0.
    assert [point["iteration"] for point in history] == [0, 5, 10, 15, 20]
    for point in history:
        assert set(point["accuracy"]) == set(point["cross_entropy"]) == {"ant", "dog"}
        assert set(point["collapse"]) == {"dead", "low_variance", "low_deviation", "deviation"}


def test_the_same_plan_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    found = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        (tmp_path / name).mkdir()
        found.append(bytes_of(train(image_table(), training_plan(seed=seed), tmp_path / name)))
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_looking_and_saving_more_often_changes_no_weight(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    often = train(image_table(), training_plan(evaluate_every=1, checkpoint_every=1), tmp_path / "a")
    rarely = train(image_table(), training_plan(evaluate_every=99, checkpoint_every=99), tmp_path / "b")
    assert bytes_of(often) == bytes_of(rarely)


def test_training_does_not_disturb_the_user_s_random_numbers(tmp_path: Path) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    train(image_table(), training_plan(iterations=2), tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_a_finished_run_is_not_run_again_and_not_taken_for_another(tmp_path: Path) -> None:
    path = train(image_table(), training_plan(), tmp_path)
    before = path.read_bytes()
    train(image_table(), training_plan(), tmp_path)
    assert path.read_bytes() == before
    with pytest.raises(InputError, match="was begun with other settings"):
        train(image_table(), training_plan(keep=("eel",)), tmp_path)
    with pytest.raises(InputError, match="was begun with other settings"):
        train(image_table(per_category=61), training_plan(), tmp_path)
    assert path.read_bytes() == before


def test_a_run_on_images_that_are_divided_in_another_way_is_another_run(tmp_path: Path) -> None:
    table = image_table()
    parts = np.arange(len(table)) // 2 % 4
    of_column = replace(table, parts=parts, sides=Sides(column="part"))
    # The training images are the same, validation and test change places.
    other = replace(of_column, parts=np.array([0, 1, 3, 2])[parts])
    plan = training_plan(checkpoint_every=5)
    with pytest.raises(TimeLimitReached):
        train(of_column, plan, tmp_path, deadline=0.0)
    with pytest.raises(InputError, match="was begun with other settings"):
        train(other, plan, tmp_path)
    path = train(of_column, plan, tmp_path)
    before = path.read_bytes()
    for checkpoint in checkpoints(tmp_path):
        checkpoint.unlink()
    with pytest.raises(InputError, match="is not the encoder of this run"):
        train(other, plan, tmp_path)
    assert train(of_column, plan, tmp_path).read_bytes() == before


def test_an_anonymous_file_tells_no_name_even_of_a_run_that_was_finished(tmp_path: Path) -> None:
    path = train(image_table(), training_plan(), tmp_path)
    weights = bytes_of(path)
    train(image_table(), training_plan(), tmp_path, anonymous=True)
    card = load_encoder(path).card
    assert (card.hide, card.keep, card.categories) == (None, None, None)
    assert set(card.training["hidden"]) == {"hidden 1"} and set(card.training["kept"]) == {"kept 1"}
    assert not any(name.encode() in path.read_bytes() for name in ('"ant"', '"bee"', '"dog"'))
    assert bytes_of(path) == weights


def test_nobody_who_has_the_images_can_try_which_names_made_an_anonymous_file(tmp_path: Path) -> None:
    table = image_table()
    card = load_encoder(train(table, training_plan(), tmp_path, anonymous=True)).card
    digests = {table.digest([name]) for name in table.categories} | {table.digest()}
    assert not digests & set(re.findall("[0-9a-f]{32}", json.dumps(to_dict(card))))
    # The images alone are known again, whatever is guessed.
    assert {are_of_training(card, table, (name,), ()) for name in table.categories} == {True}
    fewer = replace(
        table,
        pixels=table.pixels[1:],
        keys=table.keys[1:],
        attributes=by_category(table.categories, table.labels[1:]),
    )
    assert not are_of_training(card, fewer, ("ant",), ())


def test_several_hidden_and_none_kept(tmp_path: Path) -> None:
    path = train(image_table(), training_plan(hide=("ant", "eel"), keep=()), tmp_path)
    training = load_encoder(path).card.training
    assert (set(training["hidden"]), training["kept"]) == ({"ant", "eel"}, {})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classifier_rate": 1e30, "precision": "fp32"}, "encoder_rate"),
        ({"objective": "negative-cross-entropy", "encoder_rate": 1e38, "precision": "fp32"}, "encoder_rate"),
    ],
)
def test_a_loss_that_is_not_finite_stops_the_run(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainingStopped) as error:
        train(image_table(), training_plan(**changes), tmp_path)
    iteration = int(str(error.value).split()[4].rstrip(":"))
    assert str(error.value) == (
        f"Training stopped at iteration {iteration}: a loss or a weight is not a finite number. Lower "
        "'encoder_rate' or 'classifier_rate' in [training], or set precision = \"fp32\", and start anew with "
        "--overwrite."
    )
    assert not (tmp_path / "encoder.safetensors").exists()
    for path in checkpoints(tmp_path):
        assert path.name < f"checkpoint-{iteration + 10**9:010d}.safetensors"


def collapsing(monkeypatch: pytest.MonkeyPatch, from_iteration: int, plan: TrainingPlan) -> TrainingPlan:
    """Let the figures say collapse at each look from a number of iterations on (looks of warm-up count)."""
    calls = iter(range(0, 10**6, plan.training.evaluate_every))
    healthy = replace(CONSTANT, dead=0.0, low_variance=0.0, low_deviation=0.0)

    def measured(*_: Any) -> Collapse:
        return CONSTANT if next(calls) >= from_iteration else healthy

    monkeypatch.setattr(run_module, "measure_collapse", measured)
    return plan


@pytest.mark.parametrize(("begins", "every", "stops"), [(10, 2, 12), (10, 10, 20), (20, 10, 20)])
def test_a_collapse_that_lasts_stops_the_run_and_does_not_become_an_encoder_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begins: int, every: int, stops: int
) -> None:
    plan = collapsing(monkeypatch, begins, training_plan(on_collapse="stop", evaluate_every=every))
    with pytest.raises(TrainingStopped) as error:
        train(image_table(), plan, tmp_path)
    assert str(error.value) == (
        f"Training stopped at iteration {stops}: the encoder has collapsed. Of its outputs, 75% are dead, "
        "80% have a variance below 0.5 and 90% a deviation below 0.3 after the tanh. Use "
        "normalisation = \"location\", a larger 'batch' "
        "or a lower 'encoder_rate'; on_collapse = \"record\" goes on regardless."
    )
    with pytest.raises(TrainingStopped, match="the encoder has collapsed"):
        train(image_table(), plan, tmp_path)
    assert not (tmp_path / "encoder.safetensors").exists()
    # The advice can be followed: the run goes on, and what was seen is recorded.
    path = train(image_table(), training_plan(on_collapse="record"), tmp_path)
    assert load_encoder(path).card.training["collapse"]["dead"] == 0.75


def test_a_deadline_leaves_a_checkpoint_and_no_encoder(tmp_path: Path) -> None:
    plan = training_plan()
    with pytest.raises(TimeLimitReached) as error:
        train(image_table(), plan, tmp_path, deadline=time.monotonic())
    first, iterations = 1 - plan.training.warm_up, plan.training.iterations
    assert str(error.value) == (
        f"The time limit is reached in the warm-up ({-first} to go); the run has {iterations} iterations."
    )
    assert last_iteration(tmp_path) == first
    assert not (tmp_path / "encoder.safetensors").exists()


def test_an_encoder_may_pass_through_a_collapse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = replace(CONSTANT, dead=0.0, low_variance=0.0, low_deviation=0.0)
    looks = chain([CONSTANT, CONSTANT, healthy] * 2, repeat(healthy))
    monkeypatch.setattr(run_module, "measure_collapse", lambda *_: next(looks))
    plan = training_plan(on_collapse="stop", evaluate_every=4, iterations=20)
    history = json.loads((train(image_table(), plan, tmp_path).parent / "history.json").read_text())
    dead = [look["collapse"]["dead"] for look in history["history"]]
    assert dead.count(0.75) >= 3
    assert dead[-1] == 0.0


def test_an_average_that_has_collapsed_is_not_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last weights are sound at every look; what would be shipped is not."""
    healthy = replace(CONSTANT, dead=0.0, low_variance=0.0, low_deviation=0.0)
    averages: list[Encoder] = []

    def begun(*given: Any) -> Game:
        game = start_game(*given)
        averages.append(game.average)
        return game

    monkeypatch.setattr(run_module, "start_game", begun)
    monkeypatch.setattr(
        run_module,
        "measure_collapse",
        lambda encoder, _: CONSTANT if any(encoder is each for each in averages) else healthy,
    )
    plan = training_plan(on_collapse="stop", encoder_average=0.5)
    for _ in range(2):  # the same command again finds the same
        with pytest.raises(TrainingStopped) as error:
            train(image_table(), plan, tmp_path)
        assert str(error.value).startswith(
            f"Training stopped at iteration {plan.training.iterations}: the encoder that would be shipped "
            "has collapsed. Of its outputs, 75% are dead,"
        )
        assert not (tmp_path / "encoder.safetensors").exists()
    recording = training_plan(on_collapse="record", encoder_average=0.5)
    assert train(image_table(), recording, tmp_path).exists()


def test_the_last_look_is_at_the_statistics_that_are_shipped(tmp_path: Path) -> None:
    """Running averages need hundreds of iterations to tell of an encoder; this run has three."""
    plan = training_plan(warm_up=0, iterations=3, evaluate_every=3, encoder_average=0)
    training = load_encoder(train(image_table(), plan, tmp_path)).card.training
    (last,) = json.loads((tmp_path / "history.json").read_text())["history"]
    assert last["collapse"] == training["collapse"]
    assert last["accuracy"] == training["hidden"] | training["kept"]


def test_a_collapse_before_the_first_encoder_update_is_not_its_doing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = training_plan(on_collapse="stop", iterations=3, warm_up=10)
    figures = iter([CONSTANT] * 2 + [replace(CONSTANT, dead=0.0, low_variance=0.0, low_deviation=0.0)] * 9)
    monkeypatch.setattr(run_module, "measure_collapse", lambda *_: next(figures))
    assert train(image_table(), plan, tmp_path).exists()


def test_the_ablation_without_normalisation_dies_and_that_is_recorded(tmp_path: Path) -> None:
    """A constant encoder, made by weights of zero: real figures, no substitute."""
    plan = training_plan(on_collapse="stop", encoder_rate=1e-12)
    plan = replace(plan, encoder=replace(plan.encoder, normalisation="none", eps=1e9))
    with pytest.raises(TrainingStopped, match="100% are dead"):
        train(image_table(), plan, tmp_path)


def test_a_category_that_a_part_lacks_is_told_before_anything_runs(tmp_path: Path) -> None:
    table = image_table()
    few = np.flatnonzero((table.labels != 2) | (np.arange(len(table)) == 120))
    poor = replace(
        table,
        pixels=table.pixels[few],
        keys=table.keys[few],
        attributes=by_category(table.categories, table.labels[few]),
    )
    with pytest.raises(InputError, match=r"^too few images: the .* part has no image of cat"):
        train(poor, training_plan(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_category_that_only_the_test_part_lacks_is_told_before_anything_runs(tmp_path: Path) -> None:
    """Nobody could verify such an encoder."""
    table = image_table()
    test = set(split(table.keys, training_plan().split.seed, training_plan().split.fractions).test.tolist())
    left = np.array([row for row in range(len(table)) if table.labels[row] != 2 or row not in test])
    poor = replace(
        table,
        pixels=table.pixels[left],
        keys=table.keys[left],
        attributes=by_category(table.categories, table.labels[left]),
    )
    with pytest.raises(InputError) as error:
        train(poor, training_plan(), tmp_path)
    assert str(error.value) == (
        "too few images: the test part has no image of cat. Add images, or leave categories out"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_progress_of_a_run_that_goes_on_counts_what_is_left(tmp_path: Path) -> None:
    plan = training_plan(iterations=6, warm_up=2)
    told = Recorded()
    with pytest.raises(TimeLimitReached):
        train(image_table(), plan, tmp_path, progress=told, deadline=time.monotonic())
    assert (told.told[0], told.done) == (("training", 8), 1)
    told = Recorded()
    train(image_table(), plan, tmp_path, progress=told)
    assert (told.told[0], told.done) == (("training", 7), 7)


def test_seconds_go_on_over_processes(tmp_path: Path) -> None:
    path = train(image_table(), training_plan(iterations=8), tmp_path)
    with safe_open(str(checkpoints(tmp_path)[-1]), "pt") as file:
        until_checkpoint = json.loads(file.metadata()["scotoma"])["seconds"]
    assert until_checkpoint > 0
    path.unlink()
    again = train(image_table(), training_plan(iterations=8), tmp_path)
    assert load_encoder(again).card.training["seconds"] >= round(until_checkpoint, 1)


def test_an_adversary_without_kept_negatives_is_told_the_kept_images(tmp_path: Path) -> None:
    """A classifier that calls everything hidden is right on the hidden images, and on those set apart."""
    table = image_table()
    encoder = Encoder(ENCODER)
    classifiers = [Classifier(CLASSIFIER, encoder.settings.code_shape, 2) for _ in range(2)]
    last = classifiers[0].layers[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias.copy_(torch.tensor([-1.0, 1.0]))
    plan = training_plan()
    rows = split(table.keys, plan.split.seed, plan.split.fractions).validation
    figures = {}
    for negatives in ("all", "not-kept"):
        plan = training_plan(negatives=negatives)
        hidden, kept = plan.tasks(table.attributes)
        assert hidden[0].apart == (("dog",) if negatives == "not-kept" else ())
        game = start_game(encoder, classifiers, 1, plan.training)
        figures[negatives] = in_training_figures(game, table, rows, [*hidden, *kept], plan.preprocessing)
    accuracies, cross_entropies = zip(*(figures[name] for name in ("all", "not-kept")), strict=True)
    # Balanced: half for the hidden, an eighth for each of the four others, one of which is told.
    assert [each[0] for each in accuracies] == pytest.approx([0.5, 0.5 + 1 / 8])
    # What is left of 'other' weighs three quarters of what it did in training.
    expected = [
        sum(
            weight * math.log1p(math.exp(sign * (2 - math.log(left))))
            for sign, weight in ((-1, 1 / 2), (1, left / 2))
        )
        for left in (1, 3 / 4)
    ]
    assert [each[0] for each in cross_entropies] == pytest.approx(expected)
    assert accuracies[0][1] == accuracies[1][1] and cross_entropies[0][1] == cross_entropies[1][1]


def test_the_encoder_with_the_best_probe_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = {10: -0.5, 13: -0.7, 16: -0.7, 19: -0.6, 20: -0.1}
    shipped: dict[int, torch.Tensor] = {}

    def planned(encoder: Encoder, *_: object) -> Probed:
        """The probe at 13 is best; the one at 16, as good as that, comes later."""
        shipped[len(shipped)] = encoder.state_dict()["features.0.weight"].clone()
        return Probed(list(losses.values())[len(shipped) - 1], (0.6, 0.9), (0.65, 0.2))

    monkeypatch.setattr(run_module, "probe", planned)
    monkeypatch.setattr(run_module, "probes_at", lambda settings, iteration: iteration in losses)
    plan = training_plan(encoder_average=0.5)
    frozen = load_encoder(train(image_table(), plan, tmp_path))
    assert torch.equal(frozen.network.state_dict()["features.0.weight"], shipped[1])
    assert not torch.equal(shipped[0], shipped[1]) and not torch.equal(shipped[1], shipped[2])
    probes = json.loads((tmp_path / "history.json").read_text())["probes"]
    assert {each["iteration"]: each["loss"] for each in probes} == losses
    about = frozen.card.training
    assert about["probe"] == probes[1]
    # The adversary's figures are those of that moment.
    assert [about["hidden"]["ant"], about["kept"]["dog"]] == probes[1]["in_training"]


def test_a_probe_of_a_collapsed_encoder_chooses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of a constant encoder is low, as nobody learns anything from it."""
    losses = {10: -0.5, 13: -0.9, 16: -0.7, 19: -0.6}
    healthy = replace(CONSTANT, dead=0.0, low_variance=0.0, low_deviation=0.0)
    shipped: list[torch.Tensor] = []

    def planned(encoder: Encoder, *_: object) -> Probed:
        shipped.append(encoder.state_dict()["features.0.weight"].clone())
        return Probed(list(losses.values())[len(shipped) - 1], (0.6, 0.9), (0.65, 0.2))

    monkeypatch.setattr(run_module, "probe", planned)
    monkeypatch.setattr(run_module, "probes_at", lambda settings, iteration: iteration in losses)
    monkeypatch.setattr(run_module, "measure_collapse", lambda *_: CONSTANT if len(shipped) == 1 else healthy)
    plan = training_plan(encoder_average=0.5, evaluate_every=100, on_collapse="record")
    frozen = load_encoder(train(image_table(), plan, tmp_path))
    assert torch.equal(frozen.network.state_dict()["features.0.weight"], shipped[2])
    probes = json.loads((tmp_path / "history.json").read_text())["probes"]
    assert [each["collapsed"] for each in probes] == [False, True, False, False]
    assert frozen.card.training["probe"] == probes[2]


def test_probes_change_no_weight_of_training_and_name_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    # One probe only, at the end: it chooses what would be shipped without it.
    probing = training_plan(probe_every=100, probe_steps=3)
    with_one = train(image_table(), probing, tmp_path / "a", anonymous=True)
    without = train(image_table(), training_plan(), tmp_path / "b")
    assert bytes_of(with_one) == bytes_of(without)
    with safe_open(str(with_one), "pt") as file:
        about = str(file.metadata())
    assert "probe" in about and "ant" not in about and "dog" not in about
