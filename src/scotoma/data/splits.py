"""On which side of the experiment does an image stand?

Each image's part follows from a seed and its own content (its key) and from nothing else: the same image
twice never falls on two sides, and adding images moves none of the others.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from scotoma.errors import InputError

PARTS = ("training", "reserve", "validation", "test")
SMALLEST_TEST = 0.2

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fractions:
    """Expected share of each part. Reserve is for attackers only; the encoder never sees it.

    Raises:
        InputError: a share below 0, no training or validation images, less than 20 % test, a sum other than
            1.
    """

    training: float = 0.5
    reserve: float = 0.1
    validation: float = 0.15
    test: float = 0.25

    def __post_init__(self) -> None:
        problems = []
        for name, share in zip(PARTS, astuple(self), strict=True):
            if not (math.isfinite(share) and 0 <= share <= 1):
                problems.append(f"{name} is {share}, a share between 0 and 1 is needed")
        if not problems:
            problems += [
                f"{name} is 0, so nothing is left for it"
                for name in ("training", "validation")
                if getattr(self, name) == 0
            ]
            if self.test < SMALLEST_TEST:
                problems.append(
                    f"test is {self.test}, at least {SMALLEST_TEST} is needed for figures worth reporting"
                )
            total = math.fsum(astuple(self))
            if abs(total - 1) > 1e-9:
                problems.append(f"they sum to {total:.10g}, not to 1")
        if problems:
            raise InputError("The fractions of the split cannot be used: " + "; ".join(problems) + ".")


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers of each part, int64, ascending; together every row once."""

    training: Rows
    reserve: Rows
    validation: Rows
    test: Rows


def split(keys: Sequence[str] | npt.NDArray[np.str_], seed: int, fractions: Fractions | None = None) -> Split:
    """Divide images by the hash of (seed, key); `fractions` defaults to `Fractions()`.

    The shares are met in expectation: of 10,000 images, 2,500 +- 43 fall on a test share of .25.
    """
    position = _positions(keys, seed)
    bounds = np.cumsum(astuple(fractions or Fractions()))[:-1]
    part = np.searchsorted(bounds, position, side="right")
    return Split(*(np.flatnonzero(part == number).astype(np.int64) for number in range(len(PARTS))))


def _positions(keys: Sequence[str] | npt.NDArray[np.str_], seed: int) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each key, uniform over keys and independent between seeds."""
    prefix = hashlib.blake2b(f"scotoma split {seed}\n".encode(), digest_size=8)
    hashes = bytearray()
    for key in keys.tolist() if isinstance(keys, np.ndarray) else keys:
        one = prefix.copy()
        one.update(key.encode())
        hashes += one.digest()
    # 53 bits: what a double holds exactly, so that no hash is rounded up to 1.
    return (np.frombuffer(bytes(hashes), "<u8") >> np.uint64(11)).astype(np.float64) * 2.0**-53
