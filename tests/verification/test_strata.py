import math

import numpy as np
import pytest

from scotoma.verification.strata import LARGE, Strata

HALVES = np.array([0.5, 0.5])


def test_means_and_errors_without_units_written_out() -> None:
    labels, values = np.array([0, 0, 0, 2]), np.array([1.0, 0.0, 2.0, 3.0])
    # Of three categories the second has no image: a quarter and three quarters are left.
    found = Strata.of(labels, np.array([0.2, 0.2, 0.6]))
    assert found.mean(values) == pytest.approx(0.25 * 1 + 0.75 * 3)
    # The single image of the third has the variance of all images.
    assert found.variances(values) == pytest.approx([1.0, 1.25])
    assert found.effects(values).tolist() == [1, 1]
    expected = math.hypot(0.25 * 0.2, 0.75 * 0.3), LARGE
    assert found.error(np.array([0.04, 0.09])) == pytest.approx(expected)


def test_no_image() -> None:
    with pytest.raises(ValueError) as error:
        Strata.of(np.zeros(0, int), HALVES)
    assert str(error.value) == "there is no image to compare on"


def test_large_units_count_more() -> None:
    labels, units = np.array([0, 0, 0, 1, 1, 1, 1]), np.array(list("aabbcde"))
    found = Strata.of(labels, HALVES, units)
    assert found.units(np.ones(7, bool)) == pytest.approx([9 / 5, 4])
    assert found.units(labels == 1) == pytest.approx([0, 4])
    assert Strata.of(labels, HALVES).units(labels == 1).tolist() == [0, 4]


def test_each_category_has_the_effect_of_its_own_units() -> None:
    """Four units of five equal images beside twenty single images; the middle of three values is left out."""
    labels = np.repeat([0, 1], 20)
    units = np.concatenate([np.repeat(np.arange(4), 5), np.arange(4, 24)])
    values = np.concatenate([np.repeat([0.0, 0.0, 1.0, 1.0], 5), np.tile([0.0, 1.0], 10)])
    # Between units (0, 0, 1, 1) have the variance 1/3, a mean of four 1/12; of single ones 5/19 / 20.
    assert Strata.of(labels, HALVES, units).effects(values) == pytest.approx([(1 / 12) / (5 / 19 / 20), 1])


def test_where_nothing_varies_each_unit_counts_for_one_image() -> None:
    labels = np.repeat([0, 1], 20)
    units = np.concatenate([np.repeat(np.arange(4), 5), np.arange(4, 24)])
    values = np.concatenate([np.ones(20), np.tile([0.0, 1.0], 10)])
    assert Strata.of(labels, HALVES, units).effects(values) == pytest.approx([5, 1])


def test_one_unit_counts_for_one_image() -> None:
    values = np.tile([0.0, 1.0], 10)
    found = Strata.of(np.zeros(20, int), np.ones(1), np.full(20, "x"))
    assert found.effects(values) == pytest.approx([20])
    assert found.error(np.array([0.25])) == (0.5, 1)


@pytest.mark.parametrize(("turned", "effect"), [(False, 2), (True, 1)])
def test_what_units_across_categories_add_is_shared(turned: bool, effect: float) -> None:
    """Ten units have an image of each category, of equal values (or opposite ones): a mean of both varies as
    one of them does (or not at all), that is twice as much as if they were single.
    """
    of_units = np.tile([0.0, 1.0], 5)
    values = np.concatenate([of_units, 1 - of_units if turned else of_units])
    found = Strata.of(np.repeat([0, 1], 10), HALVES, np.tile(np.arange(10), 2))
    assert found.effects(values) == pytest.approx([effect, effect])


def test_degrees_of_freedom() -> None:
    labels = np.repeat([0, 1], 20)
    units = np.concatenate([np.repeat(np.arange(4), 5), np.arange(4, 24)])
    found = Strata.of(labels, HALVES, units)
    # Welch's: what varies is of the category with four units, of the other, or of both alike.
    assert found.error(np.array([0.1, 0.0]))[1] == pytest.approx(3)
    assert found.error(np.array([0.0, 0.1]))[1] == pytest.approx(1 / (4 * 0.125**2 + 20 * 0.025**2) - 1)
    assert found.error(np.array([0.1, 0.1]))[1] == pytest.approx(1 / (0.25 / 3 + 0.25 / 19))
    # The same ten units in both categories are no twenty.
    both = Strata.of(labels, HALVES, np.tile(np.arange(10), 4))
    assert both.error(np.array([0.1, 0.1]))[1] == pytest.approx(9)
