"""Codes with a leak that is known: noise of full variance, and the rule by which an oracle tells it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scotoma.audit.examples import Encoded, Examples, Floats, Labels
from scotoma.data.tasks import Task
from scotoma.metrics import image_weights

TASK = Task(("yes",), ("no", "yes"))
SHAPE = (3, 8, 8)
VALUES = 192

Random = np.random.Generator


@dataclass(frozen=True, eq=False)
class Plant:
    """A leak. `make` gives codes (images, 3, 8, 8) and classes; `oracle` tells the classes by the rule."""

    name: str
    make: Callable[[Random, int], tuple[Floats, Labels]]
    oracle: Callable[[Floats], npt.NDArray[np.bool_]]

    def __repr__(self) -> str:
        return self.name


def examples(codes: Floats, classes: Labels, task: Task = TASK) -> Examples:
    """What attackers get, with no views."""
    encoded = Encoded(codes, np.empty((0, *codes.shape), np.float32))
    return Examples(encoded, classes, task.classes_of(classes), image_weights(task, classes))


def noise(random: Random, images: int) -> Floats:
    return random.normal(size=(images, *SHAPE)).astype(np.float32)


def coins(random: Random, images: int) -> Labels:
    return random.integers(2, size=images)


def _one_value(random: Random, images: int) -> tuple[Floats, Labels]:
    codes, classes = noise(random, images), coins(random, images)
    codes[:, 1, 3, 4] = np.abs(codes[:, 1, 3, 4]) * (2 * classes - 1)
    return codes, classes


def _xor(random: Random, images: int) -> tuple[Floats, Labels]:
    codes = noise(random, images)
    return codes, ((codes[:, 0, 1, 2] > 0) ^ (codes[:, 2, 6, 5] > 0)).astype(np.int64)


PATTERN = np.random.default_rng(99).normal(size=SHAPE).astype(np.float32)


def _sign_of_the_code(random: Random, images: int) -> tuple[Floats, Labels]:
    codes, classes = noise(random, images) + 0.5 * PATTERN, coins(random, images)
    return codes * (2 * classes - 1).astype(np.float32)[:, None, None, None], classes


def _tiny_shift(random: Random, images: int) -> tuple[Floats, Labels]:
    codes, classes = noise(random, images), coins(random, images)
    codes[:, 0, 0, 0] = 1 + np.float32(1e-4) * classes
    return codes, classes


BOARD = np.where(np.indices((8, 8)).sum(axis=0) % 2 == 0, 1.0, -1.0).astype(np.float32)


def _checkerboard(random: Random, images: int) -> tuple[Floats, Labels]:
    codes, classes = noise(random, images), coins(random, images)
    return codes + 0.2 * BOARD * (2 * classes - 1).astype(np.float32)[:, None, None, None], classes


def _common_variance(random: Random, images: int) -> tuple[Floats, Labels]:
    codes, classes = noise(random, images), coins(random, images)
    return codes * np.where(classes == 1, 1.15, 0.87).astype(np.float32)[:, None, None, None], classes


def _conditional(random: Random, images: int) -> tuple[Floats, Labels]:
    # What is kept stands in one value; another tells the label, in a direction that the first decides.
    codes, classes = noise(random, images), coins(random, images)
    kept = 2 * coins(random, images) - 1
    codes[:, 0, 2, 2] = np.abs(codes[:, 0, 2, 2]) * kept
    codes[:, 1, 5, 5] = (0.3 + np.abs(codes[:, 1, 5, 5])) * kept * (2 * classes - 1)
    return codes, classes


def _magnitude_of_a_channel(random: Random, images: int) -> tuple[Floats, Labels]:
    codes, classes = noise(random, images), coins(random, images)
    codes[:, 1] *= np.where(classes == 1, 1.3, 0.75).astype(np.float32)[:, None, None]
    return codes, classes


def _energy(codes: Floats) -> Floats:
    energy: Floats = np.square(codes).mean(axis=(1, 2, 3))
    return energy


PLANTS = (
    Plant("one value", _one_value, lambda codes: codes[:, 1, 3, 4] > 0),
    Plant("XOR of two signs", _xor, lambda codes: (codes[:, 0, 1, 2] > 0) ^ (codes[:, 2, 6, 5] > 0)),
    Plant("sign of the code", _sign_of_the_code, lambda codes: (codes * PATTERN).sum(axis=(1, 2, 3)) > 0),
    Plant("tiny shift", _tiny_shift, lambda codes: codes[:, 0, 0, 0] > 1 + 5e-5),
    Plant("checkerboard", _checkerboard, lambda codes: (codes * BOARD).sum(axis=(1, 2, 3)) > 0),
    Plant("common variance", _common_variance, lambda codes: _energy(codes) > 1.0),
    Plant("conditional on the kept", _conditional, lambda codes: codes[:, 0, 2, 2] * codes[:, 1, 5, 5] > 0),
    Plant("magnitude of a channel", _magnitude_of_a_channel, lambda codes: _energy(codes[:, 1:2]) > 1.0),
)


def rare(random: Random, images: int) -> tuple[Floats, Labels]:
    """One value that tells the label of every tenth image, by a size that no other image has there: the
    oracle is right of 55 % of all images, and of those.
    """
    codes, classes = noise(random, images), coins(random, images)
    informative = random.random(images) < 0.1
    codes[informative, 1, 3, 4] = (6 * (2 * classes - 1))[informative]
    return codes, classes


def is_informative(codes: Floats) -> npt.NDArray[np.bool_]:
    """Of codes of `rare`."""
    informative: npt.NDArray[np.bool_] = np.abs(codes[:, 1, 3, 4]) == 6
    return informative


# An even and an odd part of one size: the motif and the same turned around have nothing in common.
_EVEN = np.array([[1, -1, 1], [-1, 0, -1], [1, -1, 1]]) / np.sqrt(8)
_ODD = np.array([[1, 1, -1], [-1, 0, 1], [1, -1, -1]]) / np.sqrt(8)
MOTIF = (6 * (_EVEN + _ODD)).astype(np.float32)
TURNED = MOTIF[::-1, ::-1]


def _motif(random: Random, images: int) -> tuple[Floats, Labels]:
    codes, classes = noise(random, images), coins(random, images)
    signs = (2 * random.integers(2, size=(images, 3)) - 1).astype(np.float32)
    places = random.integers(8, size=(images, 3, 2, 1)) + np.arange(3)
    for code, label, sign, place in zip(codes, classes, signs, places % 8, strict=True):
        for channel in range(3):
            rows, columns = place[channel]
            code[channel][np.ix_(rows, columns)] += sign[channel] * (TURNED if label else MOTIF)
    return codes, classes


def _is_turned(codes: Floats) -> npt.NDArray[np.bool_]:
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(codes, ((0, 0), (0, 0), (0, 2), (0, 2)), mode="wrap"), (3, 3), axis=(2, 3)
    )
    found = [np.abs(np.einsum("icxyab,ab->icxy", windows, each)) for each in (MOTIF, TURNED)]
    best = [each.max(axis=(2, 3)).sum(axis=1) for each in found]
    turned: npt.NDArray[np.bool_] = best[1] > best[0]
    return turned


# In every channel at a place of its own and with a sign of its own, across the border too, so that no value
# and no product of two tells anything. What looks for the motif everywhere alike, a convolution, finds it;
# nearest neighbours, by codes that happen to have it at the same places, a part.
MOTIF_ANYWHERE = Plant("motif anywhere", _motif, _is_turned)
