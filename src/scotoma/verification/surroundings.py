"""With which images, machine and versions was something found? For the record beside the figures."""

import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scotoma.data.sampling import Rows
from scotoma.data.table import ImageTable
from scotoma.networks.precision import multiplies_in_bf16
from scotoma.runs.threads import cores


def about_images(table: ImageTable, parts: Iterable[tuple[str, Rows]]) -> dict[str, Any]:
    """Where images come from and how many stand in each part; where some count together, as those of one
    person do, also of how many groups these are.
    """
    split, groups = {}, {}
    for part, rows in parts:
        units = table.units_of(rows)
        split[part] = len(rows)
        groups[part] = len(rows if units is None else np.unique(units))
    return {
        "source": table.source,
        "images": len(table),
        "skipped": list(table.skipped),
        "notes": list(table.notes),
        "sides": table.sides.recorded(),
        "split": split,
        **({"groups": groups} if groups != split else {}),
    }


def surroundings(workers: int, *packages: str) -> dict[str, Any]:
    """Hardware, with the number of attacks side by side, and versions, those of further packages too."""
    return {
        "hardware": {
            "processor": _processor(),
            "cores": cores(),
            "workers": workers,
            "bf16": multiplies_in_bf16(),
            "system": _system(),
        },
        "versions": {
            "scotoma": version("scotoma"),
            "torch": torch.__version__,
            **{name: version(name) for name in packages},
            "python": platform.python_version(),
        },
    }


def _processor() -> str:
    """The processor's name where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _system() -> str:
    """Kind of system, machine and C library: what a figure can depend on, and no name of a kernel's build."""
    library = " ".join(each for each in platform.libc_ver() if each)
    return f"{platform.system()} {platform.machine()}" + (f", {library}" if library else "")
