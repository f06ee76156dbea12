"""What can be attacked? Whatever turns images into codes, opened by the one text that names it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scotoma.audit.filters import FORMS, read_filter
from scotoma.audit.input_shape import ShapeFlags
from scotoma.audit.onnx_file import open_onnx
from scotoma.audit.precision import require_held
from scotoma.audit.python_function import open_function
from scotoma.data.augmentation import Preprocessing
from scotoma.data.decoding import require_size
from scotoma.encoder_file import Card, FrozenEncoder, encode_pixels, load_encoder
from scotoma.errors import InputError

__all__ = ["ShapeFlags", "Target", "open_target"]

Pixels = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.float32]
Encode = Callable[[Pixels], Codes]

# Kinds of numbers that NumPy does not have.
SHORT = (torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)
LARGEST = 4096  # pixels a side: a hundred such images are 5 GB
FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


@dataclass(frozen=True, eq=False)
class Target:
    """An encoder under attack.

    name: its label in tables: "encoder", "blur 8", "model.onnx", "module:function".
    kind: "trained", "identity", "blur", "pixelate", "downsample", "noise", "jpeg", "onnx" or "function".
    digest: 32 hex characters that name exactly what is attacked.
    preprocessing: how images are stored for it, and cropped.
    encode: uint8 images (batch, channels, size, size) to fp32 codes (batch, ...), checked: all finite and of
        one shape, or an InputError that says what came.
    card: of our own encoder file.
    side_by_side: whether several threads may call `encode` at once.
    again: where codes are random, the same for another release (number 0 is what `encode` gives).
    """

    name: str
    kind: str
    digest: str
    preprocessing: Preprocessing
    encode: Encode
    card: Card | None = None
    side_by_side: bool = True
    again: Callable[[Pixels, int], Codes] | None = None


def open_target(named: str, shape: ShapeFlags) -> Target:
    """Open what a text names: an encoder file (.safetensors), an ONNX file (.onnx), a Python function
    (module:function), or a filter: identity, blur=8, pixelate=8, downsample=8, noise=0.5, jpeg=10.

    Our own file knows the images that it takes; of everything else `shape` must say what it does not know.
    All but our own are tried at once on two images of noise.

    Raises:
        InputError: nothing of this name, a file or function that cannot be used, flags that are missing or do
            not belong here.
    """
    if named.endswith(".safetensors"):
        return _trained(named, shape)
    if named.endswith(".onnx"):
        network = open_onnx(Path(named), shape)
        stored = _preprocessing(network.size, network.channels)
        name = Path(named).name
        return Target(name, "onnx", network.digest, stored, checked(name, network.encode, stored))
    if FUNCTION.fullmatch(named):
        stored = _asked(named, shape)
        encode, digest = open_function(named, shape)
        encode = checked(named, encode, stored)
        return Target(named, "function", digest, stored, encode, side_by_side=False)
    word = named.partition("=")[0]
    if word not in FORMS:
        raise InputError(_unknown(named, word))
    return _filter(named, shape)


def checked(name: str, encode: Callable[[Pixels], object], stored: Preprocessing) -> Encode:
    """An encoder held to what it has to give; it is tried at once on two images of noise, whose codes say the
    shape of all others.

    Raises:
        InputError: at once or when it is called: images of another shape or type; codes that are no numbers,
            not finite, not one for each image, or of another shape than before.
    """
    wanted = (stored.channels, stored.size, stored.size)
    tried = np.random.default_rng(0).integers(0, 256, (2, *wanted), np.uint8)
    shape = _codes(name, encode(tried), 2).shape[1:]

    def run(pixels: Pixels) -> Codes:
        if pixels.shape[1:] != wanted or pixels.dtype != np.uint8:
            raise InputError(
                f"{name}: the images are {pixels.dtype} of shape {pixels.shape}; it takes uint8 of shape "
                f"(images, {', '.join(map(str, wanted))})."
            )
        if not len(pixels):
            return np.empty((0, *shape), np.float32)
        codes = _codes(name, encode(pixels), len(pixels))
        if codes.shape[1:] != shape:
            raise InputError(
                f"{name} gave codes of shape {codes.shape[1:]} for {len(pixels)} images, and of shape "
                f"{shape} before; all codes must have one shape."
            )
        return codes

    return run


def _codes(name: str, given: object, images: int) -> Codes:
    """What an encoder gave for some images as an array of its own, fp32, once it is known to be codes; one
    number an image is a code of one value, (images, 1).
    """
    if isinstance(given, tuple | list) and any(np.ndim(each) > 1 for each in given):
        raise InputError(f"{name} gave {len(given)} arrays; codes are one array of numbers (images, ...).")
    try:
        array = _array(given) if isinstance(given, Tensor) else np.asarray(given)
    except Exception as error:  # whatever an object of somebody else's raises
        raise InputError(f"{name} gave {type(given).__name__}, which is no array: {error}") from error
    if array.dtype.kind not in "fiub":
        what = array.dtype if isinstance(given, np.ndarray) else type(given).__name__
        raise InputError(f"{name} gave {what}; codes are an array of numbers (images, ...).")
    if array.shape[:1] != (images,):
        raise InputError(
            f"{name} gave an array of shape {array.shape} for {images} images; "
            f"codes have shape ({images}, ...), one for each image."
        )
    if not array.size:
        raise InputError(f"{name} gave an array of shape {array.shape}: the codes hold no values.")
    with np.errstate(over="ignore"):
        codes = np.array(array, np.float32, order="C")
    require_held(array, codes, name)
    if bad := int((~np.isfinite(codes)).reshape(images, -1).any(axis=1).sum()):
        raise InputError(
            f"{name} gave codes that are not finite (NaN, or beyond float32) for {bad} of {images} images."
        )
    return codes[:, None] if codes.ndim == 1 else codes


def _array(given: Tensor) -> npt.NDArray[Any]:
    """A tensor as an array of its own kind of numbers, so far as NumPy has that."""
    held = given.detach().cpu()
    return (held.float() if held.dtype in SHORT else held.resolve_conj().resolve_neg()).numpy()


def _trained(named: str, shape: ShapeFlags) -> Target:
    if given := shape.given("size", "channels", "scaling", "layout"):
        raise InputError(f"{', '.join(given)}: {named} knows the images that it takes, leave this out.")
    return target_of_ours(load_encoder(named))


def target_of_ours(frozen: FrozenEncoder) -> Target:
    """An encoder of ours as it is attacked."""
    stored = frozen.card.preprocessing
    cropped = replace(stored, stored_side=stored.size)

    def encode(pixels: Pixels) -> Codes:
        # What is cropped already is its own centre.
        codes: Codes = encode_pixels(frozen.network, cropped, pixels.transpose(0, 2, 3, 1)).numpy()
        return codes

    return Target(
        "encoder", "trained", frozen.digest, stored, checked("encoder", encode, stored), frozen.card
    )


def _filter(named: str, shape: ShapeFlags) -> Target:
    problems = []
    made = stored = None
    try:
        made = read_filter(named, shape.size)
    except InputError as error:
        problems.append(str(error))
    if given := shape.given("scaling", "layout"):
        problems.append(f"{', '.join(given)}: only for ONNX files and functions, leave this out.")
    try:
        stored = _asked(named, shape)
    except InputError as error:
        problems.append(str(error))
    if problems or made is None or stored is None:
        raise InputError("\n".join(problems))
    digest = made.digest(stored.size, stored.channels)
    encode = checked(str(made), made.encode, stored)
    return Target(str(made), made.kind, digest, stored, encode, again=made.again())


def _asked(named: str, shape: ShapeFlags) -> Preprocessing:
    """The images that the flags ask for."""
    missing = [f"--{name}" for name in ("size", "channels") if getattr(shape, name) is None]
    if shape.size is None or shape.channels is None:
        raise InputError(
            f"{named} takes images of any size: give {' and '.join(missing)} "
            "(--size: pixels a side; --channels: 1 for gray, 3 for RGB)."
        )
    return _preprocessing(shape.size, shape.channels)


def _preprocessing(size: int, channels: int) -> Preprocessing:
    """Some more than is encoded is stored, so that there is room for random crops."""
    require_size(size, channels)
    if size > LARGEST:
        raise InputError(f"--size {size}: images can have at most {LARGEST:,} pixels a side.")
    return Preprocessing(size, size + max(size // 8, 1), channels)


def _unknown(named: str, word: str) -> str:
    near = get_close_matches(word.lower(), FORMS, n=1, cutoff=0.5)
    hint = f" Did you mean {FORMS[near[0]]}?" if near else ""
    if Path(named).exists():
        hint = " Files that can be attacked are encoder.safetensors, as it was trained here, and ONNX files."
    forms = ", ".join(["FILE.safetensors", "FILE.onnx", "module:function", *FORMS.values()])
    return f"There is nothing to attack that is named {named!r}.{hint} Allowed: {forms}."
