"""Does the encoder still give the codes that attempts in a folder rest on?

A digest of a function covers its text, not the weights that it reads from somewhere. What some codes give in
a few random directions is kept with the attempts, and compared before these are used again.
"""

from pathlib import Path

import numpy as np

from scotoma.audit.encoder_flags import TOLERANCE
from scotoma.audit.examples import Floats
from scotoma.errors import InputError
from scotoma.runs.whole_files import read_checked_json, write_checked_json

FORMAT = "scotoma-codes-seen"
VERSION = 1
NAME = "codes-seen.json"
SEEN = 64  # codes
DIRECTIONS = 4


def require_same_codes(folder: Path, codes: Floats, about: str) -> None:
    """Compare codes (images, ...) with those of an earlier audit in a folder; the first leaves what the next
    compares with. `about` names the encoder and the images: of others nothing is compared.

    Raises:
        InputError: the same images have other codes now.
    """
    path = folder / NAME
    flat = codes[:SEEN].reshape(min(len(codes), SEEN), -1).astype(np.float64)
    directions = np.random.default_rng(0).normal(size=(flat.shape[1], DIRECTIONS))
    seen = flat @ directions / np.sqrt(flat.shape[1])
    if path.exists():
        content = read_checked_json(path, FORMAT, VERSION)
        before = np.array(content.get("seen"), np.float64)
        if content.get("about") == about:
            size = np.sqrt(np.square(before).mean())
            if before.shape != seen.shape or np.abs(before - seen).max() > TOLERANCE * max(size, 1e-12):
                raise InputError(
                    f"The encoder gives other codes than when {folder} was begun, for the same images: "
                    "something that it reads has changed, its weights for one. Attack what it is now in "
                    "another folder (--out), or give --overwrite."
                )
            return
    write_checked_json(path, {"format": FORMAT, "version": VERSION, "about": about, "seen": seen.tolist()})
