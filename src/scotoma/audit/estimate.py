"""How long will attempts take, roughly? Some updates are timed, and as many counted as there usually are."""

import time

import torch

from scotoma.audit.neural import SETTINGS, is_map, mlp, paper

# Rules of thumb: the updates after which most networks stop, and what a linear attacker takes of their time.
USUAL_UPDATES = 1500
LINEAR = 300
MLP_WIDTH = 256  # as in the suite
TIMED = 10  # updates


def seconds_of_update(network: torch.nn.Module, shape: tuple[int, ...]) -> float:
    """Of one update of a network on one batch of codes of this shape."""
    codes = torch.rand(SETTINGS.batch, *shape)
    begun = 0.0
    for update in range(TIMED + 2):
        if update == 2:  # the first ones are slower
            begun = time.monotonic()
        network(codes).square().mean().backward()
    return (time.monotonic() - begun) / TIMED


def seconds_of_pair(shape: tuple[int, ...], most_updates: int = SETTINGS.max_iterations) -> float:
    """Of a network and a linear attacker on codes of this shape."""
    build = paper if is_map(shape) else mlp(MLP_WIDTH)
    return (min(USUAL_UPDATES, most_updates) + LINEAR) * seconds_of_update(build(shape, 2), shape)


def in_minutes(seconds: float) -> str:
    """A duration as one says it: "a minute", "12 min", "2.5 h"."""
    if seconds < 60:
        return "a minute"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
