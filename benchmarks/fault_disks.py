"""How does the fault campaign get a disk that is full, or that nobody may write to?

With the right to mount: a small file system in memory. Without: a limit on the size of files, and a folder
without permission to write.
"""

import os
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOM = 64 << 20
# The bytes that the files of a job need at least at one time; smaller disks are full before it ends.
NEEDED = {"training": 120_000, "cache": 900_000, "verification": 300_000}
# The same for the largest file alone.
LARGEST = {"training": 30_000, "cache": 800_000, "verification": 40_000}


@dataclass(frozen=True)
class Disk:
    """A folder whose room and permission can be taken away and given back.

    `said` tells how that is done, `full` and `forbidden` are what a run says of it.
    """

    said: str
    mounts: bool
    forbids: bool
    full: str
    forbidden: str

    @contextmanager
    def mounted(self, folder: Path) -> Iterator[None]:
        """Make a folder the root of a disk."""
        if not self.mounts:
            yield
            return
        _mount(folder, "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs")
        try:
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)

    def filled(self, folder: Path, share: float, job: str) -> Callable[[], None] | None:
        """Leave room for a share of what a job writes; what has to be called in its process, if anything."""
        if self.mounts:
            pages = max(int(share * NEEDED[job]) // 4096, 1)
            _mount(folder, "-o", f"remount,size={pages * 4096}")
            return None
        limit = max(int(share * LARGEST[job]), 1)
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    def emptied(self, folder: Path) -> None:
        """Give a filled disk room again."""
        if self.mounts:
            _mount(folder, "-o", f"remount,size={ROOM}")

    def forbid(self, folder: Path) -> None:
        """Make a disk read-only."""
        if self.mounts:
            _mount(folder, "-o", "remount,ro")
        else:
            for each in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
                each.chmod(0o555)

    def allow(self, folder: Path) -> None:
        """Make it writable again."""
        if self.mounts:
            _mount(folder, "-o", "remount,rw")
        else:
            folder.chmod(0o755)
            for each in folder.rglob("*"):
                if each.is_dir():
                    each.chmod(0o755)


def find_disk(work: Path) -> Disk:
    """What this machine and this user allow."""
    with tempfile.TemporaryDirectory(dir=work) as name:
        try:
            _mount(Path(name), "-t", "tmpfs", "-o", "size=1m", "tmpfs")
        except (OSError, subprocess.CalledProcessError):
            pass
        else:
            subprocess.run(["umount", name], check=True)
            said = "Full and read-only disks: a small tmpfs."
            return Disk(said, True, True, "No space left on device", "Read-only file system")
    forbids = os.geteuid() != 0
    said = "Full disks: RLIMIT_FSIZE, as mounting is not permitted. Read-only disks: "
    said += "folders of mode 0555." if forbids else "not tried, as root may write to everything."
    return Disk(said, False, forbids, "File too large", "Permission denied")


def _mount(folder: Path, *options: str) -> None:
    subprocess.run(["mount", *options, str(folder)], check=True, capture_output=True)
