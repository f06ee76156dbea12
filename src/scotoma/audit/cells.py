"""What is kept of one attempt, so that it is not made again? Figures and answers, no test score."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import blake2b
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np

from scotoma.audit.protocol import Said
from scotoma.runs.file_names import file_name
from scotoma.runs.settings import build
from scotoma.runs.verdict import Attempt, Sees
from scotoma.runs.whole_files import read_checked_json, write_checked_json

FORMAT = "scotoma-attempt"
VERSION = 1
MOST = 1 << 30  # bytes
# Raised when an attacker of the same name would find something else than before, or codes may be others.
PROTOCOL = 6


class Attempts:
    """A folder with a file for each attacker, task, arm and seed; one that belongs to other codes, images or
    labels is not read.
    """

    def __init__(self, folder: Path, about: Sequence[Any], labels: Mapping[str, str] | None = None) -> None:
        """`about` names codes and images, `labels` the answers to each task where it does not."""
        self.folder, self._about, self._labels = folder, [PROTOCOL, *about], labels or {}
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, task: str, attacker: str, sees: Sees, number: int) -> list[Said] | None:
        """What was kept of an attempt; None where it is to be made, as it failed or was of something else.

        Raises:
            InputError: the file is broken, changed since it was written, or of another version.
        """
        path = self._path(task, attacker, sees, number)
        if not path.exists():
            return None
        content = read_checked_json(path, FORMAT, VERSION, MOST)
        if content.get("fingerprint") != self._fingerprint(task):
            return None
        found = []
        for each in content.get("said", []):
            attempt = build(Attempt, each["attempt"], str(path))
            logits = (np.array(each[part], np.float64) for part in ("choosing", "test"))
            found.append(Said(attempt, float(each["cross_entropy"]), *logits))
        return found or None

    def write(self, task: str, attacker: str, sees: Sees, number: int, said: Sequence[Said]) -> None:
        """Keep an attempt, with the further ways to read that belong to it."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "fingerprint": self._fingerprint(task),
            "said": [
                {
                    "attempt": asdict(each.attempt),
                    "cross_entropy": each.cross_entropy,
                    "choosing": each.choosing.tolist(),
                    "test": each.test.tolist(),
                }
                for each in said
            ],
        }
        write_checked_json(self._path(task, attacker, sees, number), content)

    def _path(self, task: str, attacker: str, sees: Sees, number: int) -> Path:
        name = "--".join(map(file_name, (task, attacker, sees, str(number))))
        return self.folder / f"{name}.json"

    def _fingerprint(self, task: str) -> str:
        return blake2b(
            dumps([*self._about, task, self._labels.get(task)]).encode(), digest_size=16
        ).hexdigest()
