"""How does the fault campaign get a disk that is full, or that nobody may write to?

With the right to mount: a small file system in memory. Without: a limit on the size of files, and a folder
without permission to write.
"""

import os
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOM = 64 << 20
PAGE = 4096


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

    def filled(self, folder: Path, share: float, sizes: Sequence[int]) -> Callable[[], None] | None:
        """Leave room for a share of what a run writes, or of its largest file where room is no disk's.

        Args:
            folder: the disk, empty.
            share: below 1, so that there is too little room.
            sizes: of the files that the run leaves, in bytes.

        Returns:
            What has to be called in the run's process, if anything.
        """
        if self.mounts:
            _mount(folder, "-o", f"remount,size={max(int(share * sum(sizes)) // PAGE, 1) * PAGE}")
            return None
        limit = max(int(share * max(sizes)), 2 * PAGE)  # what it prints is a file, too
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
