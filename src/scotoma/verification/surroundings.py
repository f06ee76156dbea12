"""On which machine, and with which versions, was something found? For the record beside the figures."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from scotoma.data.photos import cores
from scotoma.networks.precision import multiplies_in_bf16


def surroundings(workers: int, *packages: str) -> dict[str, Any]:
    """Hardware, with the number of attacks side by side, and versions, those of further packages too."""
    return {
        "hardware": {
            "processor": _processor(),
            "cores": cores(),
            "workers": workers,
            "bf16": multiplies_in_bf16(),
            "system": platform.platform(),
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
