from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from scotoma.audit.targets import ShapeFlags, checked, open_target
from scotoma.data.augmentation import Preprocessing
from scotoma.data.splits import Fractions, SplitRecipe
from scotoma.encoder_file import Card, load_encoder, save_encoder
from scotoma.errors import InputError
from scotoma.networks.encoder import Encoder
from scotoma.networks.population import set_population_statistics
from tests.examples import CLASSIFIER, ENCODER, PREPROCESSING

STORED = Preprocessing(size=8, stored_side=9, channels=1)
FORMS = (
    "Allowed: FILE.safetensors, FILE.onnx, module:function, identity, blur=8, pixelate=8, downsample=8, "
    "noise=0.5, jpeg=10."
)


def images(count: int, channels: int = 1, size: int = 8) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, channels, size, size), np.uint8)


def refusal(named: str, **flags: Any) -> str:
    with pytest.raises(InputError) as error:
        open_target(named, ShapeFlags(**flags))
    return str(error.value)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = Encoder(ENCODER)
    set_population_statistics(network, lambda: torch.randn(20, 1, 8, 8).split(20))
    card = Card(ENCODER, PREPROCESSING, CLASSIFIER, SplitRecipe(3, Fractions()), "0123", hide=("ant",))
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, network, card)
    return path


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            torch.complex(torch.ones(2, 3), torch.ones(2, 3)),
            "theirs gave Tensor; codes are an array of numbers",
        ),
        ((torch.ones(2, 3), torch.ones(2, 3)), "theirs gave 2 arrays; codes are one array of numbers"),
        ([np.ones((2, 3)), np.ones(2)], "theirs gave 2 arrays; codes are one array of numbers"),
        (torch.full((2, 3), 2**24 + 1), "theirs: float32, in which attackers compute, holds whole numbers"),
    ],
)
def test_no_part_of_what_is_given_is_left_out_silently(given: object, message: str) -> None:
    with pytest.raises(InputError) as error:
        checked("theirs", lambda pixels: given, STORED)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float64, torch.bool])
def test_tensors_of_other_kinds_are_codes(kind: torch.dtype) -> None:
    encode = checked("theirs", lambda pixels: torch.from_numpy(pixels[:, :, 0, 0] > 100).to(kind), STORED)
    assert np.array_equal(encode(images(5)), images(5)[:, :, 0, 0] > 100)


def test_our_own_encoder_gives_exactly_the_codes_that_it_gives_elsewhere(trained: Path) -> None:
    frozen, target = load_encoder(trained), open_target(str(trained), ShapeFlags())
    stored = np.random.default_rng(0).integers(0, 256, (150, 10, 10, 1), np.uint8)
    cropped = np.ascontiguousarray(stored[:, 1:9, 1:9].transpose(0, 3, 1, 2))
    assert np.array_equal(target.encode(cropped), frozen.encode(stored).numpy())
    assert (target.name, target.kind, target.digest) == ("encoder", "trained", frozen.digest)
    assert (target.preprocessing, target.card) == (PREPROCESSING, frozen.card)
    assert target.side_by_side and target.again is None


def test_our_own_encoder_knows_its_images(trained: Path) -> None:
    assert refusal(str(trained), size=8, layout="nchw") == (
        f"--size, --layout: {trained} knows the images that it takes, leave this out."
    )
    trained.write_bytes(trained.read_bytes()[:-1])
    with pytest.raises(InputError, match=str(trained)):
        open_target(str(trained), ShapeFlags())


def test_filters_are_targets() -> None:
    target = open_target("blur=4", ShapeFlags(16, 3))
    assert (target.name, target.kind, target.card) == ("blur 4", "blur", None)
    assert target.preprocessing == Preprocessing(size=16, stored_side=18, channels=3, flip=True)
    assert target.encode(images(3, 3, 16)).shape == (3, 3, 16, 16)
    assert target.side_by_side and target.again is None
    # Of the smallest, one pixel more is stored.
    assert open_target("identity", ShapeFlags(7, 1)).preprocessing.stored_side == 8
    assert open_target("blur=4", ShapeFlags(16, 1)).digest != target.digest
    noise = open_target("noise=0.5", ShapeFlags(8, 1))
    assert noise.again is not None
    assert np.array_equal(noise.again(images(3), 0), noise.encode(images(3)))
    assert not np.array_equal(noise.again(images(3), 1), noise.encode(images(3)))


def test_functions_are_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scotoma_tested_targets.py").write_text("def total(images):\n    return images.sum(axis=(2, 3))\n")
    target = open_target("scotoma_tested_targets:total", ShapeFlags(8, 3))
    assert (target.name, target.kind) == ("scotoma_tested_targets:total", "function")
    assert not target.side_by_side
    pixels = images(5, 3)
    assert np.array_equal(target.encode(pixels), pixels.sum(axis=(2, 3)).astype(np.float32))
    assert refusal("scotoma_tested_targets:total", channels=1) == (
        "scotoma_tested_targets:total takes images of any size: give --size (--size: pixels a side; "
        "--channels: 1 for gray, 3 for RGB)."
    )


def test_unknown_words_are_told_with_the_nearest(tmp_path: Path) -> None:
    assert refusal("blurr=8", size=8) == (
        f"There is nothing to attack that is named 'blurr=8'. Did you mean blur=8? {FORMS}"
    )
    assert refusal("Jpg") == f"There is nothing to attack that is named 'Jpg'. Did you mean jpeg=10? {FORMS}"
    assert refusal("x") == f"There is nothing to attack that is named 'x'. {FORMS}"
    weights = tmp_path / "model.pt"
    weights.touch()
    assert refusal(str(weights)) == (
        f"There is nothing to attack that is named '{weights}'. Files that can be attacked are "
        f"encoder.safetensors, as it was trained here, and ONNX files. {FORMS}"
    )
    missing = tmp_path / "none.safetensors"
    assert refusal(str(missing)) == f"There is no encoder file {missing}."


def test_all_that_is_wrong_with_a_filter_is_told_at_once() -> None:
    assert refusal("blur=0", size=8, scaling="unit") == (
        "'blur=0': '0' cannot be the number of blur. It is a whole number from 1 to 8, the side of the "
        "averaged window in pixels: blur=8.\n"
        "--scaling: only for ONNX files and functions, leave this out.\n"
        "blur=0 takes images of any size: give --channels (--size: pixels a side; --channels: 1 for gray, 3 "
        "for RGB)."
    )
    assert refusal("identity", size=8, channels=2) == "Images can have 1 channel (gray) or 3 (RGB), not 2."
    assert refusal("identity", size=0, channels=1) == "Images need at least 1 pixel a side, not 0."


def test_several_threads_may_encode_at_once(trained: Path) -> None:
    targets = [open_target(str(trained), ShapeFlags())]
    targets += [open_target(named, ShapeFlags(8, 1)) for named in ("blur=3", "noise=0.5", "jpeg=10")]
    batches = np.split(images(60), 20)
    for target in targets:
        assert target.side_by_side
        with ThreadPoolExecutor(4) as pool:
            at_once = list(pool.map(target.encode, batches))
        for batch, codes in zip(batches, at_once, strict=True):
            assert np.array_equal(codes, target.encode(batch)), target.name


@pytest.mark.parametrize(
    "given",
    [
        lambda pixels: pixels.reshape(len(pixels), -1) / 2,
        lambda pixels: (pixels.reshape(len(pixels), -1) / 2).astype(np.float16),
        lambda pixels: torch.from_numpy(pixels).flatten(1).bfloat16().requires_grad_() / 2,
        lambda pixels: (pixels.reshape(len(pixels), -1) / 2).tolist(),
    ],
    ids=["fp64", "fp16", "torch", "lists"],
)
def test_arrays_of_any_numbers_become_fp32(given: Any) -> None:
    codes = checked("some", given, STORED)(images(3))
    assert codes.dtype == np.float32 and codes.shape == (3, 64)
    assert codes == pytest.approx(images(3).reshape(3, -1) / 2, rel=0.01)


def test_codes_are_nobody_elses_memory() -> None:
    buffer = np.zeros((2, 5), np.float32)

    def reuse(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        buffer[:] = pixels.reshape(2, -1)[:, :5]
        return buffer

    encode = checked("some", reuse, STORED)
    first, second = encode(images(4)[:2]), encode(images(4)[2:])
    assert not np.array_equal(first, second)


def test_a_code_may_be_one_number_and_there_may_be_no_image() -> None:
    encode = checked("some", lambda pixels: pixels.mean(axis=(1, 2, 3)), STORED)
    assert encode(images(3)).tolist() == images(3).mean(axis=(1, 2, 3), keepdims=True)[..., 0, 0].tolist()
    assert encode(images(0)).shape == (0, 1)
    encode = checked("some", lambda pixels: pixels[:, 0, :2], STORED)
    assert encode(images(0)).shape == (0, 2, 8)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda pixels: None, "some gave NoneType; codes are an array of numbers (images, ...)."),
        (lambda pixels: {}, "some gave dict; codes are an array of numbers (images, ...)."),
        (
            lambda pixels: pixels.astype(np.complex64),
            "some gave complex64; codes are an array of numbers (images, ...).",
        ),
        (
            lambda pixels: pixels.astype(str),
            "some gave <U3; codes are an array of numbers (images, ...).",
        ),
        (
            lambda pixels: pixels.sum(),
            "some gave an array of shape () for 2 images; codes have shape (2, ...), one for each image.",
        ),
        (
            lambda pixels: pixels[:1].astype(float),
            "some gave an array of shape (1, 1, 8, 8) for 2 images; codes have shape (2, ...), one for each "
            "image.",
        ),
        (lambda pixels: pixels[:, :0], "some gave an array of shape (2, 0, 8, 8): the codes hold no values."),
        (
            lambda pixels: np.array([0.0, np.nan]),
            "some gave codes that are not finite (NaN, or beyond float32) for 1 of 2 images.",
        ),
        (
            lambda pixels: np.array([1e39, -np.inf]),
            "some gave codes that are not finite (NaN, or beyond float32) for 2 of 2 images.",
        ),
    ],
)
def test_what_are_no_codes_is_told_before_anything_is_encoded(given: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        checked("some", given, STORED)
    assert str(error.value) == message


def test_ragged_lists_are_no_codes() -> None:
    with pytest.raises(InputError, match=r"^some gave list, which is no array: setting an array element"):
        checked("some", lambda pixels: [[1.0], [1.0, 2.0]], STORED)


def test_codes_have_one_shape() -> None:
    encode = checked("some", lambda pixels: pixels.reshape(len(pixels), -1)[:, : len(pixels)], STORED)
    with pytest.raises(InputError) as error:
        encode(images(3))
    assert str(error.value) == (
        "some gave codes of shape (3,) for 3 images, and of shape (2,) before; all codes must have one shape."
    )


@pytest.mark.parametrize(
    "pixels",
    [
        images(3, 3),
        images(3, size=9),
        images(3).astype(np.float32),
        images(3)[0],
        images(3).transpose(0, 2, 3, 1),
    ],
    ids=["channels", "size", "type", "one", "order"],
)
def test_other_images_are_refused(pixels: Any) -> None:
    encode = checked("some", lambda pixels: pixels, STORED)
    with pytest.raises(InputError) as error:
        encode(pixels)
    assert str(error.value) == (
        f"some: the images are {pixels.dtype} of shape {pixels.shape}; it takes uint8 of shape "
        "(images, 1, 8, 8)."
    )


def test_the_store_is_not_what_is_encoded() -> None:
    # Images of the size of the store would be cropped: that is for whoever reads them.
    encode = checked("some", lambda pixels: pixels, replace(STORED, stored_side=12))
    assert encode(images(3)).shape == (3, 1, 8, 8)
