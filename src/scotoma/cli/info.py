"""The verb `info`: what is this file or folder, and what would Scotoma run on here?"""

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from scotoma.allocation import SWITCH, tune_allocator
from scotoma.errors import InputError


def info(path: Path | None = None) -> None:
    """Say what an encoder file or a run folder holds; without one, what Scotoma runs on here.

    Args:
        path: an encoder file (.safetensors) or a folder that train or verify wrote.
    """
    if path is None:
        facts = _machine()
    elif path.is_dir():
        facts = _run_folder(path)
    elif path.is_file():
        facts = _tensor_file(path)
    else:
        raise InputError(f"There is no file or folder {path}.")
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")


def _machine() -> dict[str, str]:
    import torch

    cuda = torch.cuda.is_available()
    return {
        "scotoma": version("scotoma"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if cuda else "CPU",
        "threads": f"{torch.get_num_threads()} of {os.cpu_count()} cores",
        "allocator": "tuned" if tune_allocator() else f"the system's ({SWITCH}=0, or not Linux with glibc)",
    }


def _run_folder(folder: Path) -> dict[str, str]:
    from scotoma.runs.results import Results
    from scotoma.runs.run_folder import FORMAT, MARKER, VERSION, read_json

    if not (folder / MARKER).is_file():
        raise InputError(f"{folder} is no run folder of Scotoma: it has no {MARKER}.")
    facts = {"run": str(read_json(folder / MARKER, FORMAT, VERSION).get("kind"))}
    facts["files"] = ", ".join(
        sorted(each.name for each in folder.iterdir() if not each.name.startswith("."))
    )
    if (folder / "results.json").is_file():
        results = Results.read(folder / "results.json")
        facts["hides"] = ", ".join(results.hide) or "nothing"
        facts["keeps"] = ", ".join(results.keep) or "nothing"
        for cell in results.cells:
            facts[f"{cell.encoder}, {cell.task}"] = (
                f"{cell.test_accuracy:.3f} ({cell.state}, {cell.attacker})"
            )
    return facts


def _tensor_file(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            sizes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{path} is no encoder file: it is not safetensors ({error}).") from None
    numbers = sum(_product(shape) for shape in sizes)
    facts = {"file": f"{path.stat().st_size:,} bytes", "numbers": f"{numbers:,} in {len(sizes)} tensors"}
    for name in sorted(metadata):
        facts |= _flat(name, _parsed(metadata[name]))
    return facts


def _product(shape: list[int]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _flat(name: str, value: object) -> dict[str, str]:
    if isinstance(value, dict) and value:
        return {key: text for each in value for key, text in _flat(f"{name}.{each}", value[each]).items()}
    if isinstance(value, list):
        return {name: ", ".join(str(each) for each in value) or "none"}
    return {name: str(value)}
