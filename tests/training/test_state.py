import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from scotoma.data.sampling import Batches
from scotoma.data.tasks import training_tasks
from scotoma.errors import InputError
from scotoma.networks.adam import Adam
from scotoma.networks.classifier import Classifier
from scotoma.networks.encoder import Encoder
from scotoma.runs.tensor_file import write_tensors
from scotoma.training.adversarial import Game, play, start_game
from scotoma.training.state import (
    Record,
    checkpoints,
    last_iteration,
    load_checkpoint,
    place,
    save_checkpoint,
)
from tests.examples import CLASSIFIER, ENCODER, PREPROCESSING, TRAINING, image_table


def new_game(seed: int = 0) -> Game:
    torch.manual_seed(seed)
    classifiers = [Classifier(CLASSIFIER, ENCODER.code_shape, 2) for _ in range(2)]
    return start_game(Encoder(ENCODER), classifiers, 1, TRAINING)


def continue_to(game: Game, iteration: int) -> None:
    hidden, kept = training_tasks(["ant"], ["dog"], image_table().attributes)
    table = image_table()
    batches = Batches(table, np.arange(len(table)), [*hidden, *kept], 8, PREPROCESSING, 1)
    play(game, batches, replace(TRAINING, iterations=iteration), lambda now, losses: None)


def everything(game: Game) -> dict[str, Tensor]:
    """Weights, buffers and moments, by name."""
    tensors = {f"average {name}": tensor for name, tensor in game.average.state_dict().items()}
    tensors |= {f"encoder {name}": tensor for name, tensor in game.encoder.state_dict().items()}
    for number, classifier in enumerate(game.classifiers):
        tensors |= {f"{number} {name}": tensor for name, tensor in classifier.state_dict().items()}
    for side in ("encoder", "classifier"):
        optimiser: Adam = getattr(game, f"{side}_optimiser")
        tensors |= {f"{side} {name}": tensor for name, tensor in optimiser.state().items()}
    return tensors


def equal(one: Game, other: Game) -> bool:
    first, second = everything(one), everything(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_game_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    game = new_game()
    continue_to(game, 5)
    save_checkpoint(tmp_path, game, Record([{"iteration": 5}], [{"loss": 0.5}], 12.5), "f")
    other = new_game(seed=9)
    assert not equal(game, other)
    record = load_checkpoint(tmp_path, other, "f")
    assert record == Record([{"iteration": 5}], [{"loss": 0.5}], 12.5)
    assert other.iteration == 5 and equal(game, other)
    continue_to(game, 9)
    continue_to(other, 9)
    assert equal(game, other)


def test_moments_lie_in_memory_as_their_weights_do(tmp_path: Path) -> None:
    """The fused Adam takes that for granted, and would give moments to the wrong weights."""
    game = new_game()
    continue_to(game, 2)
    save_checkpoint(tmp_path, game, Record(), "f")
    load_checkpoint(tmp_path, game, "f")
    spread = 0
    classifiers = [weight for classifier in game.classifiers for weight in classifier.parameters()]
    for optimiser, weights in (
        (game.encoder_optimiser, list(game.encoder.parameters())),
        (game.classifier_optimiser, classifiers),
    ):
        state = optimiser.state()
        assert len(state) == 3 * len(weights)
        for row, weight in enumerate(weights):
            assert state[f"{row}.exp_avg"].stride() == state[f"{row}.exp_avg_sq"].stride() == weight.stride()
            spread += not weight.is_contiguous()
    assert spread > 2


def test_a_game_in_its_warm_up_is_kept_too(tmp_path: Path) -> None:
    game = new_game()
    game.iteration = -3
    save_checkpoint(tmp_path, game, Record(), "f")
    other = new_game(seed=1)
    assert load_checkpoint(tmp_path, other, "f") == Record()
    assert other.iteration == -3 and equal(game, other)


def test_without_a_checkpoint_there_is_nothing_to_continue(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path, new_game(), "f") is None
    assert last_iteration(tmp_path) is None


def written(folder: Path, *iterations: int) -> list[Path]:
    game = new_game()
    for iteration in iterations:
        game.iteration = iteration
        save_checkpoint(folder, game, Record([{"iteration": iteration}]), "f")
    return checkpoints(folder)


def test_the_last_two_are_kept_in_the_order_of_iterations(tmp_path: Path) -> None:
    names = [path.name for path in written(tmp_path, -4, 0, 5, 100)]
    assert names == ["checkpoint-1000000005.safetensors", "checkpoint-1000000100.safetensors"]
    assert last_iteration(tmp_path) == 100
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_what_cannot_be_read_gives_way_to_what_is_written_next(tmp_path: Path) -> None:
    """Two damaged files with higher numbers must not be the two that are kept."""
    for path in written(tmp_path, 9000, 10000):
        path.write_bytes(b"")
    assert last_iteration(tmp_path) is None
    assert load_checkpoint(tmp_path, new_game(), "f") is None
    assert [path.name for path in written(tmp_path, 1000)] == ["checkpoint-1000001000.safetensors"]
    assert len(written(tmp_path, 2000, 3000)) == 2
    game = new_game()
    assert load_checkpoint(tmp_path, game, "f") is not None
    assert game.iteration == last_iteration(tmp_path) == 3000


def flip_a_bit(data: bytes) -> bytes:
    return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]


def flip_a_bit_of_the_card(data: bytes) -> bytes:
    """The iteration, 10, becomes 11; every tensor is as it was."""
    return data.replace(b'\\"iteration\\": 10,', b'\\"iteration\\": 11,')


def swap_names(data: bytes) -> bytes:
    """The moments of the encoder's first weight under each other's names."""
    first, second = b"encoder.output.mean", b"average.output.mean"
    return data.replace(first, b"#").replace(second, first).replace(b"#", second)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-10],
        lambda data: b"",
        lambda data: b"\x00" * len(data),
        lambda data: pickle.dumps({"iteration": 10}),
        flip_a_bit,
        flip_a_bit_of_the_card,
        swap_names,
        None,
    ],
    ids=["truncated", "empty", "zeros", "pickle", "one bit", "one bit of the card", "names", "folder"],
)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    tmp_path: Path, damage: Callable[[bytes], bytes] | None
) -> None:
    before, last = written(tmp_path, 5, 10)
    data = last.read_bytes()
    if damage is None:
        last.unlink()
        last.mkdir()
    else:
        assert damage(data) != data
        last.write_bytes(damage(data))
    game = new_game()
    record = load_checkpoint(tmp_path, game, "f")
    assert (game.iteration, record) == (5, Record([{"iteration": 5}]))
    assert equal(game, new_game())
    before.write_bytes(b"")
    assert load_checkpoint(tmp_path, new_game(), "f") is None


def card(path: Path) -> dict[str, Any]:
    with safe_open(str(path), "pt") as file:
        about: dict[str, Any] = json.loads(file.metadata()["scotoma"])
    del about["checksum"]
    return about


@pytest.mark.parametrize(
    "change", [{"format": "other"}, {"version": 1}, {"iteration": "x"}, {"fingerprint": 1}]
)
def test_a_checkpoint_of_another_format_is_passed_over(tmp_path: Path, change: dict[str, Any]) -> None:
    _, last = written(tmp_path, 5, 10)
    write_tensors(last, load_file(last), card(last) | change)
    game = new_game()
    load_checkpoint(tmp_path, game, "f")
    assert game.iteration == 5


def test_a_checkpoint_under_another_s_name_is_passed_over(tmp_path: Path) -> None:
    before, last = written(tmp_path, 5, 10)
    before.replace(tmp_path / "checkpoint-1000000100.safetensors")
    (tmp_path / "checkpoint-mine.safetensors").write_bytes(b"")
    assert last_iteration(tmp_path) == 10
    game = new_game()
    load_checkpoint(tmp_path, game, "f")
    assert game.iteration == 10
    last.unlink()
    assert load_checkpoint(tmp_path, game, "f") is None


def test_tensors_of_another_network_are_told(tmp_path: Path) -> None:
    (last,) = written(tmp_path, 5)
    tensors = load_file(last)
    for wrong in (
        {"encoder.features.0.weight": torch.zeros(2)},
        {"encoder-optimiser.999.step": torch.zeros(2)},
    ):
        write_tensors(last, tensors | wrong, card(last))
        with pytest.raises(InputError) as error:
            load_checkpoint(tmp_path, new_game(), "f")
        assert str(error.value) == (
            f"{last} is damaged: its tensors are not those of this run. Delete it to go on from an earlier "
            "checkpoint, or give --overwrite to start anew."
        )


def test_another_run_is_not_continued(tmp_path: Path) -> None:
    written(tmp_path, 5)
    with pytest.raises(InputError) as error:
        load_checkpoint(tmp_path, new_game(), "g")
    assert str(error.value) == (
        f"The run in {tmp_path} was begun with other settings, other data or another number of threads and "
        "cannot be continued with these: give the same command again, choose another --out, or give "
        "--overwrite to start anew."
    )


@pytest.mark.parametrize(
    ("iteration", "said"),
    [
        (1200, "at iteration 1,200"),
        (0, "at iteration 0"),
        (-1, "in the warm-up (1 to go)"),
        (-5000, "in the warm-up (5,000 to go)"),
    ],
)
def test_where_a_run_is(iteration: int, said: str) -> None:
    assert place(iteration) == said
