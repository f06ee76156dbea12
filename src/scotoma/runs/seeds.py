"""Where does every random number come from?

One run seed is hashed with the purpose (and ranks) that it serves. Sums such as seed + rank would make run 1,
rank 2 and run 2, rank 1 the same; hashes do not overlap.
"""

import json
from hashlib import blake2b

from scotoma.errors import InputError


def require_seed(seed: object) -> None:
    """Check a run's seed, which may come from a TOML file or from Python.

    Raises:
        InputError: it is no whole number, or below 0.
    """
    if not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed: {seed!r} is no whole number from 0 on")


def derive_seed(seed: int, purpose: str, *ranks: int) -> int:
    """A seed for one purpose of one run: 63 bits, the same on every machine and in every process.

    Args:
        seed: the run's seed, as the user gave it.
        purpose: what the numbers are for, for example "augmentation".
        ranks: further whole numbers that tell repeats apart (a step, an attacker's number).
    """
    # JSON keeps the parts apart, so that ("a", 11) and ("a1", 1) differ.
    text = json.dumps([int(seed), purpose, *(int(rank) for rank in ranks)])
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
