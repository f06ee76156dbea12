"""The scripts of `benchmarks/`, which belong to no package, as modules."""

import importlib.util
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "benchmarks"


def load_script(name: str, folder: Path = FOLDER) -> Any:
    """`benchmarks/NAME.py`, or that of another folder, run anew as a module."""
    specification = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
