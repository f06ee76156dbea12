import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from scotoma.audit.input_shape import ShapeFlags
from scotoma.audit.onnx_file import open_onnx
from scotoma.audit.targets import open_target
from scotoma.errors import InputError

Shape = tuple[int | str | None, ...]


def images(count: int, channels: int = 3, size: int = 8) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (count, channels, size, size), np.uint8)


def write(
    path: Path, shape: Shape = ("batch", 3, 8, 8), dtype: int = TensorProto.FLOAT, outputs: int = 1
) -> Path:
    """A network that gives its input, cast to fp32, once for each output, and three times as much for y0."""
    three = numpy_helper.from_array(np.full((1,), 3, np.float32), "three")
    nodes = [helper.make_node("Cast", ["x"], ["cast"], to=TensorProto.FLOAT)]
    nodes += [helper.make_node("Mul", ["cast", "three"], [f"y{number}"]) for number in range(outputs)]
    made = helper.make_graph(
        nodes,
        "tripled",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_tensor_value_info(f"y{number}", TensorProto.FLOAT, None) for number in range(outputs)],
        [three],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, path)
    return path


def refusal(path: Path, **flags: Any) -> list[str]:
    with pytest.raises(InputError) as error:
        open_onnx(path, ShapeFlags(**flags))
    return str(error.value).splitlines()


class Small(torch.nn.Module):
    """Some layers of a convolutional network."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 4, 3, 2, padding=1)
        self.norm = torch.nn.BatchNorm2d(4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Codes (batch, 4, 4, 4)."""
        return torch.tanh(self.norm(self.convolution(images)))


def test_an_exported_network_gives_what_it_gave_in_torch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Small().eval()
    path = tmp_path / "small.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, 8, 8),),
            path,
            dynamo=True,
            dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
            verbose=False,
        )
    target = open_target(str(path), ShapeFlags(scaling="signed"))
    assert (target.name, target.kind, target.side_by_side) == ("small.onnx", "onnx", True)
    stored = target.preprocessing
    assert (stored.size, stored.stored_side, stored.channels, stored.flip) == (8, 9, 3, True)
    for count in (1, 5):
        pixels = images(count)
        with torch.inference_mode():
            expected = network(torch.from_numpy(pixels).float() / 127.5 - 1).numpy()
        codes = target.encode(pixels)
        assert codes.shape == (count, 4, 4, 4) and codes.dtype == np.float32
        assert codes == pytest.approx(expected, abs=1e-5)
    # Weights that lie beside it are part of it.
    beside = path.with_suffix(".onnx.data")
    weights = bytearray(beside.read_bytes())
    weights[3] ^= 1
    beside.write_bytes(weights)
    assert open_target(str(path), ShapeFlags(scaling="signed")).digest != target.digest
    beside.unlink()
    (told,) = refusal(path, scaling="signed")
    assert told.startswith(f"The weights of {path} cannot be read: ") and "small.onnx.data" in told


@pytest.mark.parametrize(
    ("dtype", "scaling", "factor", "offset"),
    [
        (TensorProto.FLOAT, "bytes", 1, 0),
        (TensorProto.FLOAT, "unit", 1 / 255, 0),
        (TensorProto.DOUBLE, "signed", 1 / 127.5, -1),
        (TensorProto.FLOAT16, "unit", 1 / 255, 0),
        (TensorProto.UINT8, None, 1, 0),
        (TensorProto.UINT8, "bytes", 1, 0),
    ],
)
def test_pixels_are_scaled_as_asked(
    tmp_path: Path, dtype: int, scaling: Any, factor: float, offset: float
) -> None:
    network = open_onnx(write(tmp_path / "m.onnx", dtype=dtype), ShapeFlags(scaling=scaling))
    pixels = images(3)
    expected = 3 * (pixels * np.float64(factor) + offset)
    assert network.encode(pixels) == pytest.approx(
        expected, abs=2e-3 if dtype == TensorProto.FLOAT16 else 1e-5
    )


@pytest.mark.parametrize(
    ("shape", "flags", "taken", "last"),
    [
        (("n", 3, 8, 8), {}, (8, 3), False),
        ((None, 1, None, 8), {}, (8, 1), False),
        (("n", "c", "h", "w"), {"size": 8, "channels": 3}, (8, 3), False),
        (("n", "c", "h", "w"), {"size": 8, "channels": 3, "layout": "nhwc"}, (8, 3), True),
        (("n", 8, 8, 3), {}, (8, 3), True),
        (("n", "h", 8, 1), {"size": 8, "channels": 1}, (8, 1), True),
        (("n", 3, 3, 3), {}, (3, 3), False),
    ],
)
def test_the_shape_is_taken_from_the_file_where_it_is_fixed(
    tmp_path: Path, shape: Shape, flags: dict[str, Any], taken: tuple[int, int], last: bool
) -> None:
    network = open_onnx(write(tmp_path / "m.onnx", shape), ShapeFlags(scaling="bytes", **flags))
    size, channels = taken
    assert (network.size, network.channels) == taken
    pixels = images(2, channels, size)
    expected = 3 * (np.moveaxis(pixels, 1, 3) if last else pixels).astype(np.float32)
    assert np.array_equal(network.encode(pixels), expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("batch", [1, 4])
def test_a_file_may_fix_the_number_of_images(tmp_path: Path, batch: int) -> None:
    target = open_target(str(write(tmp_path / "m.onnx", (batch, 3, 8, 8))), ShapeFlags(scaling="bytes"))
    for count in (0, 1, 4, 6):
        pixels = images(count)
        assert np.array_equal(target.encode(pixels), 3.0 * pixels)


def test_several_threads_may_encode_at_once(tmp_path: Path) -> None:
    target = open_target(str(write(tmp_path / "m.onnx")), ShapeFlags(scaling="bytes"))
    batches = np.split(images(80), 40)
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(target.encode, batches))
    assert np.array_equal(np.concatenate(at_once), 3.0 * np.concatenate(batches))


def test_all_that_does_not_fit_is_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", ("n", 3, 8, "w"), outputs=2)
    assert refusal(path, size=9, channels=1) == [
        f"{path} cannot be attacked:",
        "  it has 2 outputs (y0, y1), one is attacked: keep what is released, by onnx.utils.extract_model.",
        "  its input x (n, 3, 8, w), read as nchw, has channels 3, but --channels says 1: leave it out.",
        "  its input x (n, 3, 8, w), read as nchw, has size 8, but --size says 9: leave it out.",
        "  nothing in it says how pixels are scaled: give --scaling bytes (0 to 255), unit (0 to 1) or "
        "signed (-1 to 1).",
    ]
    path = write(tmp_path / "m.onnx", (None, None, None, None))
    assert refusal(path, scaling="unit") == [
        f"{path} cannot be attacked:",
        "  its input x (?, ?, ?, ?), read as nchw, leaves the channels open: give --channels.",
        "  its input x (?, ?, ?, ?), read as nchw, leaves the size open: give --size.",
    ]
    path = write(tmp_path / "m.onnx", (1, 4, 8, 6))
    assert refusal(path, scaling="unit") == [
        f"{path} cannot be attacked:",
        "  its input x (1, 4, 8, 6), read as nchw, is not square; images are.",
        "  its input x (1, 4, 8, 6), read as nchw, has 4 channels; images have 1 (gray) or 3 (RGB).",
    ]
    path = write(tmp_path / "m.onnx", dtype=TensorProto.UINT8)
    assert refusal(path, scaling="unit") == [
        f"{path} cannot be attacked:",
        "  its input is uint8, which has no pixels scaled by --scaling unit: give bytes.",
    ]
    path = write(tmp_path / "m.onnx", dtype=TensorProto.INT64)
    assert refusal(path) == [
        f"{path} cannot be attacked:",
        "  its input x is tensor(int64); allowed: tensor(float), tensor(float16), tensor(double), "
        "tensor(uint8).",
    ]
    path = write(tmp_path / "m.onnx", ("n", 192))
    assert refusal(path, scaling="unit") == [
        f"{path} cannot be attacked:",
        "  its inputs are x (n, 192); one is needed, images (batch, channels, height, width).",
    ]


def test_a_damaged_file_is_one_error(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx")
    data = path.read_bytes()
    head = f"{path} is no ONNX file, or damaged or cut short: "
    for cut in (0, 1, 20, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        (told,) = refusal(path, scaling="unit")
        assert told.startswith((head, f"{path} is damaged, or ONNX Runtime cannot run it: ")), told
    path.write_bytes(b"")
    assert refusal(path, scaling="unit") == [head + "there is no operator in it."]
    path.write_bytes(data.replace(b"Mul", b"Mup"))
    (told,) = refusal(path, scaling="unit")
    assert told.startswith(f"{path} is damaged, or ONNX Runtime cannot run it: ") and "Mup" in told
    path.unlink()
    assert refusal(path, scaling="unit") == [f"There is no file {path}."]
    path.mkdir()
    assert refusal(path, scaling="unit") == [f"{path} cannot be read: Is a directory."]


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_its_packages_it_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    path = write(tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, package, None)
    assert refusal(path, scaling="unit") == [
        f'{path} is an ONNX file, which needs ONNX Runtime: pip install "scotoma[onnx]".'
    ]


def test_the_digest_names_the_exact_file_and_how_it_gets_images(tmp_path: Path) -> None:
    first = open_onnx(write(tmp_path / "a.onnx"), ShapeFlags(scaling="unit")).digest
    same = open_onnx(write(tmp_path / "b.onnx"), ShapeFlags(scaling="unit")).digest
    scaled = open_onnx(write(tmp_path / "b.onnx"), ShapeFlags(scaling="bytes")).digest
    other = open_onnx(write(tmp_path / "a.onnx", ("n", 3, 8, 8)), ShapeFlags(scaling="unit")).digest
    assert len({first, scaled, other}) == 3 and first == same and len(first) == 32
