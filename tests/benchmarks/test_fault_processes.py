"""Does a copy of the campaign's process end as a process does, and are those found that one has started?"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.scripts import load_script

processes = load_script("fault_processes")
STARTS = """
import subprocess, time
subprocess.Popen(["sleep", "60"])
print("started", flush=True)
time.sleep(60)
"""


@pytest.fixture
def copy(tmp_path: Path) -> Callable[..., Any]:
    """Runs `scotoma ARGUMENTS` in a copy, in a folder, with its words in the file `log`."""

    def start(*arguments: str, before: Callable[[], None] = lambda: None) -> Any:
        environment = {**os.environ, "HERE": "yes"}
        with (tmp_path / "log").open("wb") as log:
            return processes.start_copy(arguments, tmp_path, environment, log, before)

    return start


def test_a_copy_runs_a_command_in_its_folder_and_gives_its_exit_code(
    copy: Callable[..., Any], tmp_path: Path
) -> None:
    def before() -> None:
        Path("here").write_text(os.environ["HERE"])

    assert copy("report", "nothing", before=before).wait(60) == 2
    assert (tmp_path / "log").read_text() == "There is no folder nothing.\n"
    assert (tmp_path / "here").read_text() == "yes"
    assert "HERE" not in os.environ and Path.cwd() != tmp_path


def test_a_copy_is_killed_as_a_process_is(copy: Callable[..., Any]) -> None:
    process = copy(before=lambda: time.sleep(60))
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.kill()
    assert process.wait(60) == process.poll() == -signal.SIGKILL
    process.kill()  # nothing is left to send it to


def test_processes_that_one_has_started_are_found_and_waited_for() -> None:
    parent = subprocess.Popen([sys.executable, "-c", STARTS], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    parent.stdout.readline()
    (child,) = processes.children(parent.pid)
    parent.kill()
    parent.communicate()
    os.kill(child, signal.SIGKILL)
    processes.wait_for_orphans([child])
    assert processes.children(parent.pid) == []
