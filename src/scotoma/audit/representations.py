"""In which form do attackers read codes? As they are, or with scales that the training codes teach."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scotoma.audit.examples import Floats

MOST = 512  # components
MOST_IMAGES = 8192  # that teach them
SOME = 2048  # images whose codes are scaled at a time

Exact = npt.NDArray[np.float64]
# Learned from training codes (images, values): codes to what an attacker reads (images, features).
Represent = Callable[[Floats], Callable[[Floats], Floats]]


@dataclass(frozen=True, eq=False)
class Scale:
    """Codes less `mean`, over `deviation`: of each value, or of each channel as a whole."""

    mean: Exact
    deviation: Exact

    def __call__(self, codes: Floats) -> Floats:
        """Scaled codes (images, ...). The difference is taken in double precision: a value may be constant
        but for a tiny shift.
        """
        scaled = np.empty(codes.shape, np.float32)
        for part, into in zip(_parts(codes), _parts(scaled), strict=True):
            into[:] = (part.astype(np.float64) - self.mean) / self.deviation
        return scaled


def by_value(codes: Floats) -> Scale:
    """Every value has mean 0 and deviation 1; constant ones are 0."""
    return _scale(codes, (0,))


def by_channel(codes: Floats) -> Scale:
    """Every channel of codes (images, channels, height, width) has mean 0 and deviation 1 over all places, so
    that what neighbours have in common stays.
    """
    return _scale(codes, (0, 2, 3))


def raw(codes: Floats) -> Callable[[Floats], Floats]:
    """Codes as they are, at one scale for all values; of many values, their principal components."""
    mean, deviation = codes.mean(axis=0, dtype=np.float64), float(codes.std(dtype=np.float64)) or 1.0
    scale = Scale(mean, np.full(mean.shape, deviation))
    return scale if codes.shape[1] <= MOST else _components(codes, scale, whiten=False)


def standardised(codes: Floats) -> Callable[[Floats], Floats]:
    """Every value with mean 0 and deviation 1; of many values, the principal components of these."""
    scale = by_value(codes)
    return scale if codes.shape[1] <= MOST else _components(codes, scale, whiten=False)


def whitened(codes: Floats) -> Callable[[Floats], Floats]:
    """The principal components of standardised codes, each with deviation 1: what little varies is as large
    as what varies much.
    """
    return _components(codes, by_value(codes), whiten=True)


def _components(codes: Floats, scale: Scale, whiten: bool) -> Callable[[Floats], Floats]:
    """Scaled codes to their projection on the directions of largest variance, at most `MOST`, of which none
    is rounding only. Of many images, some in equal steps teach the directions.
    """
    from sklearn.decomposition import PCA

    scaled = scale(codes[:: -(-len(codes) // MOST_IMAGES)])
    count = min(MOST, *scaled.shape)
    solver = "covariance_eigh" if scaled.shape[1] <= 4 * MOST else "randomized"
    with np.errstate(invalid="ignore"):  # of constant codes it divides no variance by none
        fitted = PCA(count, svd_solver=solver, random_state=0).fit(scaled)
    variance = fitted.explained_variance_
    there = variance > 1e-6 * float(variance.max())
    directions = fitted.components_[there].T
    if whiten:
        directions = directions / np.sqrt(variance[there])
    mean = fitted.mean_
    # A constant code has no direction: one feature that is always 0.
    features = max(directions.shape[1], 1)

    def reduce(some: Floats) -> Floats:
        reduced = np.zeros((len(some), features), np.float32)
        for part, into in zip(_parts(some), _parts(reduced), strict=True):
            into[:, : directions.shape[1]] = (scale(part) - mean) @ directions
        return reduced

    return reduce


def _scale(codes: Floats, axes: tuple[int, ...]) -> Scale:
    mean = codes.mean(axis=axes, keepdims=True, dtype=np.float64)
    # Some images at a time: in double precision all could be too many for the memory.
    squares = [((part - mean) ** 2).sum(axis=axes, keepdims=True) for part in _parts(codes)]
    deviation = np.sqrt(np.sum(squares, axis=0) * mean.size / codes.size)
    # What differs by rounding errors only is constant.
    largest = np.maximum(codes.max(axis=axes, keepdims=True), -codes.min(axis=axes, keepdims=True))
    constant = deviation <= 1e-7 * largest
    return Scale(
        np.where(constant, codes[:1].mean(axis=axes, keepdims=True), mean)[0],
        np.where(constant, 1.0, deviation)[0],
    )


def _parts(codes: Floats) -> Iterator[Floats]:
    return (codes[start : start + SOME] for start in range(0, len(codes), SOME))
