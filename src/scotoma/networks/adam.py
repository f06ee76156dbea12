"""How are weights updated? By Adam (Kingma and Ba, 2015), computed by torch's own fused kernel.

`torch.optim.Adam` computes the same, bit by bit, but loads torch's compiler with its first object, which
takes a second or two of each start.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

BETAS = (0.9, 0.999)
EPSILON = 1e-8
WARM_UP = 20  # steps over which a rate rises


def warming_up(rate: float, step: int) -> float:
    """The rate of an early step, counted from 0: Adam's first steps are as long as its rate allows, in
    whatever direction the first batches point.
    """
    return rate * min(1.0, (step + 1) / WARM_UP)


class Adam:
    """Adam at `rate`, which may be changed between steps.

    Step t with gradient g makes of the moments m and v and the weights w:
    m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g**2,
    w = w - rate m / (1 - b1**t) / (sqrt(v / (1 - b2**t)) + epsilon).

    Parameters without a gradient stay as they are, and so do their moments.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], rate: float) -> None:
        self.rate = rate
        self._parameters = list(parameters)
        self._means = [torch.zeros_like(each) for each in self._parameters]
        self._squares = [torch.zeros_like(each) for each in self._parameters]
        self._steps = [torch.zeros((), device=each.device) for each in self._parameters]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for each in self._parameters:
            each.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters by their gradients."""
        rows = [row for row, each in enumerate(self._parameters) if each.grad is not None]
        adam(
            [self._parameters[row] for row in rows],
            [each.grad for each in self._parameters if each.grad is not None],
            [self._means[row] for row in rows],
            [self._squares[row] for row in rows],
            [],
            [self._steps[row] for row in rows],
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=self.rate,
            weight_decay=0.0,
            eps=EPSILON,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """Moments and numbers of steps, not copied: `0.exp_avg`, `0.exp_avg_sq`, `0.step`, `1.exp_avg` ..."""
        named = zip(self._means, self._squares, self._steps, strict=True)
        return {
            f"{row}.{name}": tensor
            for row, tensors in enumerate(named)
            for name, tensor in zip(("exp_avg", "exp_avg_sq", "step"), tensors, strict=True)
        }

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a `state()`; what it lacks begins anew.

        Copied into the moments that are there, which lie in memory as their weights do (channels_last): the
        fused kernel walks through memory.

        Raises:
            ValueError: a tensor that is not of these parameters, by its name or shape.
        """
        own = self.state()
        if wrong := [name for name in tensors if name not in own or tensors[name].shape != own[name].shape]:
            raise ValueError(f"no moments of these parameters: {', '.join(wrong)}")
        for name, tensor in own.items():
            tensor.copy_(tensors.get(name, torch.zeros(())))
