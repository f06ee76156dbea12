"""How is a function that a user names, `module:function`, attacked as an encoder?

The module is imported, which runs it: name only code that you trust.
"""

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import torch

from scotoma.audit.input_shape import ShapeFlags, present
from scotoma.errors import InputError
from scotoma.runs.settings import nearest

Encode = Callable[[npt.NDArray[np.uint8]], object]


def open_function(named: str, shape: ShapeFlags) -> tuple[Encode, str]:
    """The function as an encoder, and its digest.

    It is called with a NumPy array of its own, images (batch, channels, height, width), uint8 unless another
    scaling or layout is asked for. What it returns is not checked here.

    Returns:
        What calls the function, and 32 hex characters over its name, the images that it takes, its text and
        its module's source file. Other modules, and files that it reads, do not count.

    Raises:
        InputError: no such module or function, or an import that fails. The callable raises it where the
            function does not succeed.
    """
    module_name, _, name = named.partition(":")
    module = _imported(module_name)
    if not hasattr(module, name):
        there = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
        raise InputError(f"There is no {name!r} in the module {module_name}: {nearest(name, there)}.")
    function = getattr(module, name)
    if not callable(function):
        raise InputError(f"{named} is no function but {type(function).__name__}, which cannot be called.")
    scaling, layout = shape.scaling or "bytes", shape.layout or "nchw"

    def encode(pixels: npt.NDArray[np.uint8]) -> object:
        given = present(pixels, scaling, layout)
        try:
            with _here_first(), _torch_as_it_is():
                return function(given)
        except (Exception, SystemExit) as error:
            came = f"{given.dtype} of shape {given.shape}"
            raise InputError(f"{named} failed on images ({came}): {_said(error)}") from error

    return encode, _digest([named, shape.size, shape.channels, scaling, layout], module, function)


def _imported(name: str) -> ModuleType:
    with _here_first(), _torch_as_it_is():
        importlib.invalidate_caches()
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit) as error:
            if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
                raise InputError(
                    f"There is no module {error.name!r} in {Path.cwd()} or among the installed packages. "
                    "Name it as it would be imported in this folder: module:function."
                ) from None
            raise InputError(f"The module {name} cannot be imported: {_said(error)}") from error


@contextmanager
def _here_first() -> Iterator[None]:
    """The current folder is where modules are looked for first."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        with suppress(ValueError):  # the module has removed it itself
            sys.path.remove(here)


@contextmanager
def _torch_as_it_is() -> Iterator[None]:
    """What somebody else's code sets for all of torch holds for that code only."""
    kind, gradients, threads = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_default_dtype(kind)
        torch.set_grad_enabled(gradients)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def _said(error: BaseException) -> str:
    """Kind and message of an error, and where in the files of this folder it arose."""
    said = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".removesuffix(": ")
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(Path.cwd())
        and "site-packages" not in Path(frame.filename).parts
        and frame.filename != __file__
    ]
    return f"{said} (line {frames[-1].lineno} of {Path(frames[-1].filename).name})" if frames else said


def _digest(called: Sequence[object], module: ModuleType, function: object) -> str:
    content = blake2b(f"scotoma function\n{called}\n".encode(), digest_size=16)
    with suppress(OSError, TypeError):  # built in, or an object that can be called
        content.update(inspect.getsource(function).encode())  # type: ignore[arg-type]
    with suppress(OSError, TypeError):  # built in
        content.update(Path(inspect.getsourcefile(module) or "").read_bytes())
    return content.hexdigest()
