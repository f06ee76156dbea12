import os
import platform
import subprocess
import sys

import pytest

GLIBC = sys.platform.startswith("linux") and platform.libc_ver()[0] == "glibc"

# 64 blocks of 1 MiB, taken and freed eight times: with the system's settings every block is mapped anew.
FAULTS = """
import resource
from scotoma.allocation import tune_allocator
tuned = tune_allocator()
def take():
    blocks = [bytearray(2**20) for _ in range(64)]
    for block in blocks:
        block[::4096] = bytes(256)
take()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    take()
print(tuned, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(switch: str) -> tuple[str, int]:
    """Whether the allocator was tuned, and how many pages were faulted; in a process of its own."""
    environment = {**os.environ, "SCOTOMA_MALLOC": switch}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], env=environment, capture_output=True, text=True, check=True
    )
    tuned, count = done.stdout.split()
    return tuned, int(count)


@pytest.mark.skipif(not GLIBC, reason="the allocator is tuned on Linux with glibc only")
def test_freed_memory_is_used_again_unless_switched_off() -> None:
    tuned, few = faults("1")
    untuned, many = faults("0")
    assert (tuned, untuned) == ("True", "False")
    assert few * 10 < many


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    from scotoma.allocation import tune_allocator

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert tune_allocator() is False
    monkeypatch.setattr(sys, "platform", "darwin")
    assert tune_allocator() is False
