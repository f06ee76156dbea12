"""A small table with attributes, its codes in parts, and attackers that need a moment."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from scotoma.audit.classical import logistic_standardised
from scotoma.audit.examples import Floats, Labels
from scotoma.audit.material import Material, rows_of_parts, split_codes
from scotoma.audit.neural import SETTINGS, mlp, network
from scotoma.audit.suites import Attacker
from scotoma.audit.targets import Target
from scotoma.data.augmentation import Preprocessing
from scotoma.data.splits import Fractions, SplitRecipe, divide
from scotoma.data.table import Attribute, ImageTable
from scotoma.data.tasks import Task, attack_tasks

SIZE = 8
PREPROCESSING = Preprocessing(size=SIZE, stored_side=SIZE, channels=1)
QUICK = replace(SETTINGS, batch=32, evaluate_every=20, patience=3, max_iterations=80)
LINEAR = Attacker("linear", logistic_standardised)
NETWORK = Attacker("network", network(mlp(16), 2e-3, settings=QUICK), by_chance=True)


def attribute_table(labels: Mapping[str, Labels], seed: int = 0) -> ImageTable:
    """Images that fall from light to dark in a direction of their own, with these attributes."""
    random = np.random.default_rng(seed)
    images = len(next(iter(labels.values())))
    slopes, level = random.normal(size=(images, 2, 1, 1)), random.uniform(80, 180, (images, 1, 1))
    down, across = np.meshgrid(np.arange(SIZE) - 3.5, np.arange(SIZE) - 3.5, indexing="ij")
    pixels = (level + 12 * (slopes[:, 0] * down + slopes[:, 1] * across)).clip(0, 255).astype(np.uint8)
    keys = np.array([f"{number:032x}" for number in range(images)])
    attributes = {
        name: Attribute(tuple(f"{name} {value}" for value in range(each.max() + 1)), each)
        for name, each in labels.items()
    }
    return ImageTable(pixels[..., None], keys, attributes, "made up")


def material_of(codes: Floats, table: ImageTable) -> Material:
    """In the usual parts, of which it is not known what an encoder was trained on."""
    parts = divide(table, SplitRecipe(0, Fractions()))
    names = table.categories or tuple(table.attributes)
    (task, *_) = attack_tasks(names, table.attributes)
    return split_codes(codes, table, rows_of_parts(table, parts, ("all",), task, 0))


def averages(side: int = 4) -> Target:
    """An encoder that averages squares of pixels: codes (images, 1, side, side)."""

    def encode(images: npt.NDArray[np.uint8]) -> Floats:
        width = SIZE // side
        squares = images.reshape(len(images), 1, side, width, side, width)
        codes: Floats = squares.mean(axis=(3, 5)).astype(np.float32)
        return codes

    return Target("averages", "function", "ab" * 16, PREPROCESSING, encode)


def task_of(name: str, table: ImageTable) -> Task:
    return attack_tasks([name], table.attributes)[0]
