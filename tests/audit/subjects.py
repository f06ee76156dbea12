"""What tests of whole audits attack: small images, an encoder that averages, and quick attackers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scotoma.audit.classical import logistic_standardised
from scotoma.audit.neural import SETTINGS, mlp, network
from scotoma.audit.suites import Attacker
from scotoma.audit.targets import Target
from tests.examples import PREPROCESSING

Images = npt.NDArray[np.uint8]

SHORT = replace(SETTINGS, batch=16, evaluate_every=8, patience=2, max_iterations=48)
QUICK = (
    Attacker(
        "MLP",
        network(mlp(8), 1e-2, votes=True, settings=SHORT),
        by_chance=True,
        more_than="logistic regression",
    ),
    Attacker("logistic regression", logistic_standardised),
    Attacker("for maps of pairs", logistic_standardised, applies=lambda shape: shape[0] == 2),
)


def means(images: Images) -> npt.NDArray[np.float32]:
    """Codes (images, 1, 2, 2): the means of quarters."""
    quarters = images.reshape(len(images), 1, 2, 4, 2, 4).astype(np.float32)
    return quarters.mean(axis=(3, 5))


def target(encode: Callable[[Images], npt.NDArray[np.float32]] = means, **changes: Any) -> Target:
    made = Target("means", "function", "d" * 32, PREPROCESSING, encode)
    return replace(made, **changes)


def nothing(images: Images) -> npt.NDArray[np.float32]:
    """Codes that are all equal."""
    return np.full((len(images), 1, 2, 2), 0.5, np.float32)
