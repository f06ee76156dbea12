"""Does float32, in which attackers compute, hold what codes tell?"""

from typing import Any

import numpy as np
import numpy.typing as npt

from scotoma.errors import InputError

LOST = 0.05  # of the deviation of a value, by rounding it
FEWEST = 32  # codes, of which there is a deviation to speak of
NUMBERS = 1 << 20  # that are compared at a time


def require_held(given: npt.NDArray[Any], codes: npt.NDArray[np.float32], name: str) -> None:
    """Check that what attackers see is what is released: of whole numbers every digit, of others all that is
    not small beside how the value varies from image to image.

    Args:
        given: codes as they are released, (images, ...).
        codes: the same as fp32.
        name: of their source.

    Raises:
        InputError: attackers would not see it all.
    """
    if given.dtype.kind in "iu":
        with np.errstate(invalid="ignore"):
            changed = codes.astype(given.dtype) != given
        if changed.any():
            raise InputError(
                f"{name}: float32, in which attackers compute, holds whole numbers up to 16,777,216 exactly, "
                f"and there are others, as {given[changed][0]}: their last digits would not be seen. Give "
                "packed bits, such as hashes, as values of their own (numpy.unpackbits)."
            )
    elif given.dtype.itemsize > codes.dtype.itemsize and len(given) >= FEWEST:
        lost = _lost(given.reshape(len(given), -1), codes.reshape(len(codes), -1))
        if lost:
            values = codes[0].size
            raise InputError(
                f"{name}: {lost:,} of {values:,} values of a code vary so little, beside their size, that "
                "float32, in which attackers compute, cannot hold it. Subtract what is the same for all "
                "images, or round to float32 what is released."
            )


def _lost(given: npt.NDArray[Any], codes: npt.NDArray[np.float32]) -> int:
    """How many values of codes (images, values) rounding changes by too much."""
    step, found = max(NUMBERS // len(given), 1), 0
    for start in range(0, given.shape[1], step):
        exact = given[:, start : start + step].astype(np.float64)
        with np.errstate(invalid="ignore"):  # what is not finite is told by whoever calls
            error = np.abs(codes[:, start : start + step] - exact).max(axis=0)
            varies = exact.max(axis=0) > exact.min(axis=0)
            found += int((varies & (error > LOST * exact.std(axis=0))).sum())
    return found
