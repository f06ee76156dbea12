"""Does the encoder still give the codes that attempts in a folder rest on?

A digest of a function covers its text, not the weights that it reads from somewhere. What some codes give in
a few random directions is kept with the attempts, and compared before these are used again.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from scotoma.audit.encoder_flags import BESIDE, TOLERANCE
from scotoma.audit.examples import Floats
from scotoma.errors import InputError
from scotoma.runs.whole_files import read_checked_json, write_checked_json

FORMAT = "scotoma-codes-seen"
VERSION = 1
NAME = "codes-seen.json"
SEEN = 64  # codes
DIRECTIONS = 4
# Of two root mean squares of so many numbers one is hardly ever twice the other.
LUCK = 2.0
SMALLEST = 1e-16

Values = npt.NDArray[np.float64]


def require_same_codes(
    folder: Path, codes: Floats, about: str, one_release: Floats | None = None, releases: int = 1
) -> None:
    """Compare codes (images, ...) with those of an earlier audit in a folder; the first leaves what the next
    compares with.

    Args:
        folder: of the audit.
        codes: of some images; where they are random, the mean of so many `releases`.
        about: names the encoder and the images: of others nothing is compared.
        one_release: where codes are random, those of another release of the same images.
        releases: how many were averaged.

    Raises:
        InputError: the same images have other codes now, by more than rounding, or chance.
    """
    path, seen = folder / NAME, _seen(codes)
    if path.exists():
        content = read_checked_json(path, FORMAT, VERSION)
        before = np.array(content.get("seen"), np.float64)
        if content.get("about") == about:
            if _differ(before, seen, None if one_release is None else _seen(one_release), releases):
                raise InputError(
                    f"The encoder gives other codes than when {folder} was begun, for the same images: "
                    "something that it reads has changed, its weights for one. Attack what it is now in "
                    "another folder (--out), or give --overwrite."
                )
            return
    write_checked_json(path, {"format": FORMAT, "version": VERSION, "about": about, "seen": seen.tolist()})


def _differ(before: Values, now: Values, one_release: Values | None, releases: int) -> bool:
    """Whether what was seen of codes (images, directions) differs by more than rounding, and for means of
    random codes by more than chance.
    """
    if before.shape != now.shape:
        return True
    size = np.maximum(before.std(axis=0), BESIDE * np.sqrt(np.square(before).mean()))
    rounding = np.maximum(TOLERANCE * size, SMALLEST)
    if one_release is None:
        return bool((np.abs(before - now).max(axis=0) > rounding).any())
    # One release differs from the mean of n others by noise (1 + 1/n), and two means by noise (1/n + 1/n).
    chance = LUCK * _size(one_release - now) * np.sqrt(2 / (releases + 1))
    return bool((_size(before - now) > rounding + chance).any())


def _seen(codes: Floats) -> Values:
    """The first codes in a few random directions, (images, directions)."""
    flat = codes[:SEEN].reshape(min(len(codes), SEEN), -1).astype(np.float64)
    directions = np.random.default_rng(0).normal(size=(flat.shape[1], DIRECTIONS))
    found: Values = flat @ directions / np.sqrt(flat.shape[1])
    return found


def _size(values: Values) -> Values:
    """The root mean square in each direction, (directions,)."""
    found: Values = np.sqrt(np.square(values).mean(axis=0))
    return found
