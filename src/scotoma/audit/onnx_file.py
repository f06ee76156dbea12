"""How is a network in an ONNX file attacked as an encoder?

It runs in ONNX Runtime on the processor, one thread a call. Nothing in it is executed but its operators.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scotoma.audit.input_shape import SCALINGS, Layout, Scaling, ShapeFlags, present
from scotoma.errors import InputError

TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


@dataclass(frozen=True, eq=False)
class OnnxEncoder:
    """A network with the shape of the images that it takes.

    encode: uint8 images (batch, channels, size, size) to what the network gives for them, not checked.
    digest: 32 hex characters over the file, weights that lie beside it included, and the images it takes.
    """

    encode: Callable[[npt.NDArray[np.uint8]], object]
    digest: str
    size: int
    channels: int


@dataclass(frozen=True)
class _Input:
    """What the network takes. batch: images at a time; 0 for any number."""

    name: str
    dtype: type[np.generic]
    size: int
    channels: int
    scaling: Scaling
    layout: Layout
    batch: int


def open_onnx(path: Path, shape: ShapeFlags) -> OnnxEncoder:
    """Read an ONNX file. Size, channels and layout come from the network's input where they are fixed there,
    else from the flags.

    Raises:
        InputError: no such file, damaged, or not from one batch of images to one batch of codes; flags that
            are missing or say something else than the file; ONNX Runtime is not installed. The callable
            raises it where the network does not succeed.
    """
    content = _content(path)
    session = _session(path, content)
    taken = _input(path, session.get_inputs(), [each.name for each in session.get_outputs()], shape)

    def run(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        given = present(pixels, taken.scaling, taken.layout).astype(taken.dtype, copy=False)
        try:
            return np.asarray(session.run(None, {taken.name: given})[0])
        except Exception as error:  # ONNX Runtime's own kinds have no common base
            came = f"{given.dtype} of shape {given.shape}"
            raise InputError(f"{path} failed on images ({came}): {_first_line(error)}") from error

    def run_in_batches(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Where the file fixes the number of images, the last batch is filled with its last image."""
        batches = [pixels[start : start + taken.batch] for start in range(0, len(pixels), taken.batch)]
        missing = taken.batch - len(batches[-1])
        batches[-1] = np.concatenate([batches[-1], batches[-1][-1:].repeat(missing, axis=0)])
        return np.concatenate([run(batch) for batch in batches])[: len(pixels)]

    images = f"{taken.size} {taken.channels} {taken.scaling} {taken.layout}"
    digest = blake2b(images.encode() + content, digest_size=16).hexdigest()
    return OnnxEncoder(run_in_batches if taken.batch else run, digest, taken.size, taken.channels)


def _content(path: Path) -> bytes:
    """The network in one piece, weights included that the file keeps in others beside it."""
    try:
        import onnx
    except ImportError:
        raise _not_installed(path) from None
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except Exception as error:  # of the parser, which is not among our requirements
        raise InputError(f"{path} is no ONNX file, or damaged or cut short: {_first_line(error)}") from error
    if not model.graph.node:
        raise InputError(f"{path} is no ONNX file, or damaged or cut short: there is no operator in it.")
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
        whole: bytes = model.SerializeToString()
    except Exception as error:  # there are checks of many kinds
        raise InputError(f"The weights of {path} cannot be read: {_first_line(error)}") from error
    return whole


def _session(path: Path, content: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise _not_installed(path) from None
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own kinds have no common base
        raise InputError(f"{path} is damaged, or ONNX Runtime cannot run it: {_first_line(error)}") from error


def _input(path: Path, inputs: Sequence[Any], outputs: Sequence[str], shape: ShapeFlags) -> _Input:
    problems = []
    if len(outputs) != 1:
        advice = "keep what is released, by onnx.utils.extract_model"
        problems.append(f"it has {len(outputs)} outputs ({', '.join(outputs)}), one is attacked: {advice}")
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        shown = ", ".join(f"{each.name} {_shown(each.shape)}" for each in inputs) or "none"
        problems.append(f"its inputs are {shown}; one is needed, images (batch, channels, height, width)")
        raise _refused(path, problems)
    (found,) = inputs
    batch, *sides = (each if isinstance(each, int) and each > 0 else None for each in found.shape)
    # Where the file does not say: channels last only if they are at no other place.
    last = sides[2] in (1, 3) and sides[0] not in (1, 3)
    layout = shape.layout or ("nhwc" if last else "nchw")
    fixed = (sides[0], *sides[1:]) if layout == "nchw" else (sides[2], *sides[:2])
    where = f"its input {found.name} {_shown(found.shape)}, read as {layout},"
    channels = _agreed("channels", {fixed[0]} - {None}, shape.channels, where, problems)
    size = _agreed("size", set(fixed[1:]) - {None}, shape.size, where, problems)
    if channels not in (1, 3) and channels is not None:
        problems.append(f"{where} has {channels} channels; images have 1 (gray) or 3 (RGB)")
    dtype = TYPES.get(found.type)
    if dtype is None:
        problems.append(f"its input {found.name} is {found.type}; allowed: {', '.join(TYPES)}")
    scaling = "bytes" if dtype is np.uint8 and shape.scaling is None else shape.scaling
    if scaling is None and dtype is not None:
        problems.append(f"nothing in it says how pixels are scaled: give --scaling {SCALINGS}")
    if dtype is np.uint8 and scaling != "bytes":
        problems.append(f"its input is uint8, which has no pixels scaled by --scaling {scaling}: give bytes")
    if problems:
        raise _refused(path, problems)
    assert dtype and size and channels and scaling
    return _Input(found.name, dtype, size, channels, scaling, layout, batch or 0)


def _agreed(
    name: str, fixed: set[int | None], asked: int | None, where: str, problems: list[str]
) -> int | None:
    """What the file and the flag say, where they do and agree."""
    if len(fixed) > 1:
        problems.append(f"{where} is not square; images are")
        return None
    in_file = next(iter(fixed), None)
    if in_file is None and asked is None:
        problems.append(f"{where} leaves the {name} open: give --{name}")
    elif None not in (in_file, asked) and in_file != asked:
        problems.append(f"{where} has {name} {in_file}, but --{name} says {asked}: leave it out")
    return in_file if in_file is not None else asked


def _shown(shape: Sequence[object]) -> str:
    return f"({', '.join('?' if each is None else str(each) for each in shape)})"


def _refused(path: Path, problems: Sequence[str]) -> InputError:
    return InputError("\n".join([f"{path} cannot be attacked:", *(f"  {each}." for each in problems)]))


def _not_installed(path: Path) -> InputError:
    return InputError(f'{path} is an ONNX file, which needs ONNX Runtime: pip install "scotoma[onnx]".')


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
