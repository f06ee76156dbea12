import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import save_file

from scotoma.data.splits import Fractions, SplitRecipe
from scotoma.encoder_file import (
    Card,
    FrozenEncoder,
    encode_pixels,
    encoder_digest,
    load_encoder,
    save_encoder,
)
from scotoma.errors import InputError
from scotoma.networks.encoder import Encoder
from scotoma.networks.population import set_population_statistics
from scotoma.runs.tensor_file import write_tensors
from tests.examples import CLASSIFIER, ENCODER, PREPROCESSING

CARD = Card(
    encoder=ENCODER,
    preprocessing=PREPROCESSING,
    classifier=CLASSIFIER,
    split=SplitRecipe(3, Fractions()),
    data_digest="0123",
    hide=("ant",),
    keep=(),
    categories=("ant", "bee"),
    training={"iterations": 7, "kept": {}},
)


def network() -> Encoder:
    torch.manual_seed(0)
    encoder = Encoder(ENCODER)
    set_population_statistics(encoder, lambda: torch.randn(20, 1, 8, 8).split(20))
    return encoder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, network(), CARD)
    return path


def pixels(count: int = 300) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 10, 10, 1), dtype=np.uint8)


def test_what_is_read_is_what_was_written(path: Path) -> None:
    frozen = load_encoder(path)
    assert frozen.card == CARD
    for name, tensor in network().state_dict().items():
        assert torch.equal(frozen.network.state_dict()[name], tensor), name
    assert not frozen.network.training
    assert not any(parameter.requires_grad for parameter in frozen.network.parameters())
    assert load_encoder(str(path)).digest == frozen.digest == encoder_digest(path)
    assert len(frozen.digest) == 32


def test_an_anonymous_card_stays_anonymous(path: Path) -> None:
    save_encoder(path, network(), replace(CARD, hide=None, keep=None, categories=None))
    card = load_encoder(path).card
    assert (card.hide, card.keep, card.categories) == (None, None, None)
    assert b"ant" not in path.read_bytes().replace(b"constant", b"")


def test_the_digest_names_the_exact_file(path: Path) -> None:
    before = load_encoder(path).digest
    save_encoder(path, network(), replace(CARD, data_digest="4567"))
    assert load_encoder(path).digest != before


def test_codes_are_the_network_s_output_for_the_centre_crop(path: Path) -> None:
    frozen, images = load_encoder(path), pixels(5)
    inner = torch.from_numpy(images[:, 1:9, 1:9]).permute(0, 3, 1, 2).float() / 127.5 - 1
    codes = frozen.encode(images)
    with torch.no_grad():
        torch.testing.assert_close(codes, network().eval()(inner), atol=1e-6, rtol=0)
    assert codes.shape == (5, 3, 4, 4) and codes.dtype == torch.float32


def test_codes_do_not_depend_on_what_is_encoded_beside(path: Path) -> None:
    frozen, images = load_encoder(path), pixels(300)
    together = frozen.encode(images)
    one_by_one = torch.cat([frozen.encode(images[row : row + 1]) for row in range(0, 300, 37)])
    torch.testing.assert_close(one_by_one, together[::37], atol=1e-5, rtol=0)
    assert torch.equal(frozen.encode(images), together)


def test_some_rows_are_encoded_without_the_others(path: Path) -> None:
    frozen, images = load_encoder(path), pixels(300)
    rows = np.arange(290, 0, -7)
    some = encode_pixels(frozen.network, frozen.card.preprocessing, images, rows)
    assert torch.equal(some, frozen.encode(images[rows]))


@pytest.mark.parametrize(("most", "sizes"), [(7 * 64, [7, 7, 6]), (63, [1] * 20), (10**6, [12, 8])])
def test_few_pixels_go_through_the_network_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, most: int, sizes: list[int]
) -> None:
    monkeypatch.setattr("scotoma.encoder_file.ENCODE_PIXELS", most)
    monkeypatch.setattr("scotoma.encoder_file.ENCODE_BATCH", 12)
    frozen, seen = load_encoder(path), []
    frozen.network.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    assert frozen.encode(pixels(20)).shape == (20, 3, 4, 4)
    assert seen == sizes


def test_codes_can_be_trained_on(path: Path) -> None:
    codes = load_encoder(path).encode(pixels(4))
    weight = torch.ones(1, requires_grad=True)
    (weight * codes).sum().backward()
    assert weight.grad is not None and not codes.is_inference()


def test_no_images_give_no_codes(path: Path) -> None:
    assert load_encoder(path).encode(pixels(0)).shape == (0, 3, 4, 4)


@pytest.mark.parametrize(
    ("images", "came"),
    [
        (np.zeros((2, 8, 8, 1), np.uint8), "uint8 of shape (2, 8, 8, 1)"),
        (np.zeros((2, 10, 10, 3), np.uint8), "uint8 of shape (2, 10, 10, 3)"),
        (np.zeros((2, 10, 10, 1), np.float32), "float32 of shape (2, 10, 10, 1)"),
        (np.zeros((10, 10, 1), np.uint8), "uint8 of shape (10, 10, 1)"),
    ],
)
def test_other_images_are_refused(path: Path, images: npt.NDArray[Any], came: str) -> None:
    with pytest.raises(InputError) as error:
        load_encoder(path).encode(images)
    assert str(error.value) == (
        f"the images are {came}; this encoder takes uint8 of shape (images, 10, 10, 1)"
    )


def message(path: Path) -> str:
    with pytest.raises(InputError) as error:
        load_encoder(path)
    return str(error.value)


def card_file(path: Path, values: Any, tensors: dict[str, torch.Tensor] | None = None) -> None:
    text = values if isinstance(values, str) else json.dumps(values)
    save_file(tensors or {"weight": torch.zeros(2)}, path, metadata={"scotoma": text})


def test_missing_and_foreign_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    assert message(path) == f"There is no encoder file {path}."
    assert message(tmp_path) == f"{tmp_path} is a folder, give an encoder file (encoder.safetensors)."
    path.write_bytes(b"hello, world")
    assert message(path).startswith(f"{path} is no encoder file, or it is damaged: ")
    save_file({"weight": torch.zeros(2)}, path)
    assert message(path) == f"{path} is a safetensors file, but no encoder file of Scotoma: it has no card."
    card_file(path, "{")
    assert message(path) == (
        f"{path} is damaged: its card is not JSON: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)."
    )
    for foreign in ({"format": "other"}, [1]):
        card_file(path, foreign)
        assert message(path) == f"{path} is no encoder file of Scotoma: its card has another format."
    card_file(path, {"format": "scotoma-encoder", "version": 9})
    assert message(path) == (
        f"{path} has version 9 of the encoder file, this Scotoma reads version 2. "
        "Use the Scotoma that wrote it, or train again."
    )
    write_tensors(path, {"weight": torch.zeros(2)}, {"format": "scotoma-encoder", "version": 2})
    assert message(path).startswith(f"{path}: 5 problems.\n")


def test_a_truncated_file_is_told(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])
    assert message(path).startswith(f"{path} is no encoder file, or it is damaged: ")


def test_weights_that_do_not_fit_or_are_not_finite_are_told(path: Path) -> None:
    encoder = network()
    with torch.no_grad():
        next(encoder.parameters())[0, 0, 0, 0] = float("nan")
    save_encoder(path, encoder, CARD)
    assert message(path) == f"{path} is damaged: some of its weights are not finite numbers."
    save_encoder(path, network(), replace(CARD, encoder=replace(ENCODER, widths=(4, 7))))
    fits = load_encoder(path)  # the last width is the code's: nothing is different
    assert isinstance(fits, FrozenEncoder)
    save_encoder(path, network(), replace(CARD, encoder=replace(ENCODER, widths=(5, 6))))
    assert message(path) == (
        f"{path} is damaged: its weights do not fit its settings (features.0.weight, features.1.mean, "
        "features.1.variance and 1 more)."
    )


def test_nothing_is_left_beside_the_file(path: Path) -> None:
    assert [each.name for each in path.parent.iterdir()] == ["encoder.safetensors"]
