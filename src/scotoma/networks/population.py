"""What are the encoder's population statistics? Those of each layer's inputs when the encoder runs as it is
shipped.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress

import torch
from torch import Tensor, nn

from scotoma.networks.encoder import Encoder
from scotoma.networks.location_norm import LocationNorm


class _LayerReached(Exception):
    """Ends a forward pass at the layer that is being measured."""


@torch.no_grad()
def set_population_statistics(encoder: Encoder, images: Callable[[], Iterable[Tensor]]) -> None:
    """Give every normalisation layer the exact mean and biased variance of its inputs over `images`.

    Layer by layer in the order of the data, in evaluation mode, so that each layer is measured behind layers
    that already use their own population statistics. (Averages of batch statistics, which training keeps for
    its own figures, belong to layers behind *batch*-normalised ones; over a deep stack the difference adds
    up.)

    Args:
        encoder: is left in evaluation mode.
        images: called once a layer; yields batches (batch, channels, height, width), the same at each call.
    """
    encoder.eval()
    for layer in encoder.normalisations():
        mean, variance = _moments_of_inputs(encoder, layer, images())
        if isinstance(layer, LocationNorm):
            layer.mean.copy_(mean)
            layer.variance.copy_(variance)
        else:
            assert isinstance(layer, nn.BatchNorm2d)
            assert layer.running_mean is not None and layer.running_var is not None
            channel_mean = mean.mean(dim=(0, 1))
            layer.running_var.copy_((variance + (mean - channel_mean).square()).mean(dim=(0, 1)))
            layer.running_mean.copy_(channel_mean)


def _moments_of_inputs(encoder: Encoder, layer: nn.Module, images: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and biased variance over the images, each (height, width, channels), of what reaches `layer`.

    Chan, Golub and LeVeque's pairwise update in double precision: sums of squares would lose a tiny variance
    beside a large mean.
    """
    count = 0
    mean = torch.zeros(())
    squares = torch.zeros(())

    def measure(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal count, mean, squares
        values = inputs[0].permute(0, 2, 3, 1).to(torch.float64, copy=True)
        batch_mean = values.mean(dim=0)
        delta, total = batch_mean - mean, count + len(values)
        squares = squares + values.sub_(batch_mean).square_().sum(dim=0)  # in place: they are large
        squares = squares + delta.square() * (count * len(values) / total)
        mean = mean + delta * (len(values) / total)
        count = total
        raise _LayerReached

    hook = layer.register_forward_pre_hook(measure)
    try:
        for batch in images:
            with suppress(_LayerReached):
                encoder(batch)
    finally:
        hook.remove()
    return mean, squares / count
