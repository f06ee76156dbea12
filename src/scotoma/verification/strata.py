"""How far off may a mean over the test images of some categories be, where some images belong together?

Categories are strata: their weights are fixed, and what varies is what varies within them. Images that belong
together are a unit, the cluster of survey statistics.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Units = Sequence[str] | npt.NDArray[np.str_] | Labels

# Degrees of freedom of Student's t with which it is the normal distribution.
LARGE = 1e9


@dataclass(frozen=True, eq=False)
class _Cells:
    """The images of one unit in one category: `cell` (images,) of each, category and unit (cells,)."""

    cell: Labels
    category: Labels
    unit: Labels

    @staticmethod
    def of(index: Labels, units: Units) -> "_Cells":
        _, unit = np.unique(np.asarray(units), return_inverse=True)
        categories = int(index.max()) + 1
        names, cell = np.unique(unit * categories + index, return_inverse=True)
        return _Cells(cell, names % categories, names // categories)

    def sums(self, values: Floats) -> Floats:
        """Of values (images,) over each cell."""
        return _sums(self.cell, values, len(self.category))


@dataclass(frozen=True, eq=False)
class Strata:
    """Categories that have images: index (images,) of each image's, numbers of images and weights, which sum
    to 1, (categories,). `cells` are None where each image is a unit of its own.
    """

    index: Labels
    numbers: Floats
    weights: Floats
    cells: _Cells | None

    @staticmethod
    def of(labels: Labels, weights: Floats, units: Units | None = None) -> "Strata":
        """Of images of the categories `labels` (images,), which have `weights` (all categories,).

        Raises:
            ValueError: there is no image.
        """
        if not len(labels):
            raise ValueError("there is no image to compare on")
        present, index, numbers = np.unique(labels, return_inverse=True, return_counts=True)
        there = weights[present]
        cells = None if units is None else _Cells.of(index, units)
        return Strata(index, numbers.astype(np.float64), there / there.sum(), cells)

    def mean(self, values: Floats) -> float:
        """Of values (images,): within each category, then with the categories' weights."""
        return float(self.weights @ (self.sums(values) / self.numbers))

    def sums(self, values: Floats | Bools) -> Floats:
        """Of values (images,) over each category."""
        return _sums(self.index, values.astype(np.float64), len(self.numbers))

    def variances(self, values: Floats) -> Floats:
        """Of values (images,) within each category; a single image lends it from all images."""
        means = self.sums(values) / self.numbers
        squares = self.sums((values - means[self.index]) ** 2)
        return np.where(self.numbers > 1, squares / np.maximum(self.numbers - 1, 1), values.var())

    def units(self, chosen: Bools) -> Floats:
        """How many units the chosen images (images,) of each category are, large ones counting more: (sum of
        n[u])**2 / sum of n[u]**2 for units of n[u] images (Kish, 1965).
        """
        images = self.sums(chosen)
        if self.cells is None:
            return images
        squares = self.cells.sums(chosen.astype(np.float64)) ** 2
        return images**2 / np.maximum(np.bincount(self.cells.category, squares), 1)

    def effects(self, values: Floats) -> Floats:
        """Design effects: how many times as much the mean of values (images,) of each category varies because
        images come in units, at least 1 (Rao and Scott, 1992).

        What units add that lie across categories, or take away, is shared by all of them. Where nothing
        varies within a category nothing is known of how units differ there: each counts for one image.
        """
        if self.cells is None:
            return np.ones(len(self.numbers))
        alone = self.variances(values) / self.numbers
        units = self.units(np.ones(len(values), bool))
        by_unit, together = self._jackknife(values, self.cells)
        total = float(self.weights**2 @ by_unit)
        across = together / total if total > 0 else 1.0
        known = (alone > 0) & (units > 1)
        found = np.where(known, across * by_unit / np.where(known, alone, 1.0), self.numbers / units)
        return np.maximum(found, 1.0)

    def error_of(self, values: Floats, least: float = 0.0) -> tuple[float, float]:
        """Standard error of the weighted mean of values (images,), each category's variance taken to be at
        `least` so large, and its degrees of freedom.
        """
        variances = np.maximum(self.variances(values), least)
        return self.error(variances * self.effects(values) / self.numbers)

    def error(self, variances: Floats) -> tuple[float, float]:
        """Standard error of a weighted mean, from the variances of the means of categories, and its degrees
        of freedom: Satterthwaite's (1946), of a category's units less one each, and no more than all units
        have.
        """
        parts = self.weights**2 * variances
        error = sqrt(float(parts.sum()))
        if self.cells is None:
            return error, LARGE
        every = np.ones(len(self.index))
        of_units = np.bincount(
            self.cells.unit, self.cells.sums(every) * (self.weights / self.numbers)[self.cells.category]
        )
        most = 1 / float((of_units**2).sum()) - 1
        freedoms = np.maximum(self.units(every > 0) - 1, 1.0)
        shares = parts / parts.sum() if error > 0 else self.weights
        return error, max(min(1 / float((shares**2 / freedoms).sum()), most), 1.0)

    def _jackknife(self, values: Floats, cells: _Cells) -> tuple[Floats, float]:
        """Variances of the means of categories (categories,), and of their weighted mean, from how they
        change when one unit is left out (Wolter, 2007, chapter 4). A category of one unit has none.
        """
        of, size = cells.category, len(self.numbers)
        left = self.numbers[of] - cells.sums(np.ones_like(values))
        means = (self.sums(values)[of] - cells.sums(values)) / np.maximum(left, 1)
        units = np.bincount(of, minlength=size)
        centre = _sums(of, means, size) / units
        changes = np.sqrt(1 - 1 / units)[of] * (means - centre[of])
        of_units = np.bincount(cells.unit, self.weights[of] * changes)
        return _sums(of, changes**2, size), float((of_units**2).sum())


def _sums(places: Labels, values: Floats, size: int) -> Floats:
    found: Floats = np.bincount(places, values, size).astype(np.float64)
    return found
