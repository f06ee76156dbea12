import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.scripts import load_script

disks = load_script("fault_disks")
WRITE = "open('a', 'wb').write(bytes(20_000))"


@pytest.fixture
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What is found where mounting is not permitted."""

    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    with monkeypatch.context() as context:
        context.setattr(disks, "_mount", refused)
        yield disks.find_disk(tmp_path)


def written(folder: Path, disk: Any, share: float) -> str:
    """What a process says that writes 20,000 bytes where there is room for a share of them."""
    before = disk.filled(folder, share, [20_000])
    ended = subprocess.run(
        [sys.executable, "-c", WRITE], cwd=folder, capture_output=True, text=True, preexec_fn=before
    )
    return ended.stderr


def test_without_the_right_to_mount_files_are_limited(limited: Any, tmp_path: Path) -> None:
    assert limited.said.startswith("Full disks: RLIMIT_FSIZE, as mounting is not permitted. ")
    with limited.mounted(tmp_path):
        assert limited.full in written(tmp_path, limited, 0.5)
        assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY  # here
        limited.emptied(tmp_path)
        assert subprocess.run([sys.executable, "-c", WRITE], cwd=tmp_path).returncode == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to everything")
def test_without_the_right_to_mount_permissions_are_taken(limited: Any, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    limited.forbid(tmp_path)
    with pytest.raises(PermissionError, match=limited.forbidden):
        (tmp_path / "run/a").write_text("")
    limited.allow(tmp_path)
    (tmp_path / "run/a").write_text("")


def test_a_small_file_system_is_full_and_read_only_when_it_shall_be(tmp_path: Path) -> None:
    disk = disks.find_disk(tmp_path)
    if not disk.mounts:
        pytest.skip("mounting is not permitted")
    folder = tmp_path / "disk"
    folder.mkdir()
    with disk.mounted(folder):
        assert disk.full in written(folder, disk, 0.5)
        disk.emptied(folder)
        (folder / "a").write_bytes(bytes(20_000))
        disk.forbid(folder)
        with pytest.raises(OSError, match=disk.forbidden):
            (folder / "b").write_text("")
        disk.allow(folder)
        (folder / "b").write_text("")
    assert list(folder.iterdir()) == []
