"""What is a network on average, lately?"""

import copy

import torch
from torch import Tensor, nn

DECAY = 0.99


class RunningAverage:
    """A copy of a network whose weights, and statistics of normalisation, are a running average of its own.

    It stands for a rate that falls: what the last updates add by chance averages out.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        pairs = zip(_tensors(self.network), _tensors(network), strict=True)
        self._pairs = [(average, now) for average, now in pairs if average.is_floating_point()]

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """average = a average + (1 - a) weights, after so many updates of the network.

        The decay a rises to its value, so that the random first weights are forgotten.
        """
        decay = min(DECAY, updates / (updates + 9))
        for average, now in self._pairs:
            average.lerp_(now, 1 - decay)


def _tensors(network: nn.Module) -> list[Tensor]:
    """Weights and statistics themselves, no copies: later updates show in them."""
    return list(network.state_dict().values())
