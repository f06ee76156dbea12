"""Has the encoder collapsed to a (nearly) constant output?"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from scotoma.networks.encoder import Encoder

# Unit-variance Gaussian inputs leave the tanh with a deviation of .63; half of that is called low.
LOW_NORMALISED_VARIANCE = 0.5
LOW_DEVIATION = 0.3
COLLAPSED_SHARE = 0.5


@dataclass(frozen=True)
class Collapse:
    """Shares of the encoder's outputs (locations and channels), measured with population statistics.

    dead: the last convolution's variance is below eps, so that normalisation cannot restore it.
    low_variance: variance below .5 after normalisation, the figure of section 4.2.
    low_deviation: standard deviation below .3 after the tanh, where the quieter collapse shows: unit variance
        met by rare outliers while nearly all images share one value.
    deviation: mean standard deviation after the tanh.
    """

    dead: float
    low_variance: float
    low_deviation: float
    deviation: float

    @property
    def collapsed(self) -> bool:
        """More than half of the outputs are dead, low in variance or low in deviation."""
        return max(self.dead, self.low_variance, self.low_deviation) > COLLAPSED_SHARE


@torch.no_grad()
def measure_collapse(encoder: Encoder, images: Iterable[Tensor]) -> Collapse:
    """Figures over batches of fixed images (batch, channels, height, width); the encoder's mode is kept."""
    training = encoder.training
    encoder.eval()
    raw = torch.cat([encoder.raw(batch) for batch in images]).double()
    normalised = encoder.output(raw.float()).double()
    encoder.train(training)
    deviation = torch.tanh(normalised).std(dim=0, correction=0)

    def share(low: Tensor) -> float:
        return float(low.double().mean())

    return Collapse(
        dead=share(raw.var(dim=0, correction=0) < encoder.settings.eps),
        low_variance=share(normalised.var(dim=0, correction=0) < LOW_NORMALISED_VARIANCE),
        low_deviation=share(deviation < LOW_DEVIATION),
        deviation=float(deviation.mean()),
    )
