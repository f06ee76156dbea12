"""What if an encoder gives an image another code each time? Who collects several releases can average."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import numpy as np
import numpy.typing as npt

from scotoma.audit.examples import Floats
from scotoma.audit.targets import Target

ONE_RELEASE = ", one release"


def in_releases(target: Target) -> Callable[[npt.NDArray[np.uint8]], Floats]:
    """Encodes as for a new release at each call."""
    if (again := target.again) is None:
        return target.encode
    release = count()
    return lambda images: again(images, next(release))


def in_one_release(target: Target) -> Target:
    """An encoder of which every code is that of one release, called so."""
    return replace(target, name=f"{target.name}{ONE_RELEASE}")


def averaged(target: Target, releases: int) -> Target:
    """An encoder of which every code is the mean of several releases of the same image."""

    def encode(images: npt.NDArray[np.uint8]) -> Floats:
        again = target.again or (lambda some, release: target.encode(some))
        total = np.zeros(0)
        for release in range(releases):
            codes = again(images, release).astype(np.float64)
            total = codes if release == 0 else total + codes
        mean: Floats = (total / releases).astype(np.float32)
        return mean

    return replace(target, name=f"{target.name}, mean of {releases} releases", encode=encode)
