"""How do networks get first weights that follow from a seed alone?"""

from collections.abc import Callable
from threading import Lock
from typing import TypeVar

import torch

Made = TypeVar("Made")

# Weights come from torch's one global generator, which threads would share.
_GENERATOR = Lock()


def from_seed(seed: int, make: Callable[[], Made]) -> Made:
    """What `make` makes, with the same weights for the same seed, whatever else draws random numbers."""
    with _GENERATOR, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()
