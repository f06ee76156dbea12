import numpy as np
import pytest

from scotoma.audit.representations import MOST, by_channel, by_value, raw, standardised, whitened


def test_every_value_is_scaled_by_its_own_mean_and_deviation() -> None:
    codes = np.random.default_rng(0).normal(3, 2, size=(5000, 3)).astype(np.float32)
    codes[:, 1] *= 1e-4
    scaled = by_value(codes)(codes)
    exact = codes.astype(np.float64)
    assert scaled == pytest.approx((exact - exact.mean(0)) / exact.std(0), abs=1e-5)


def test_a_channel_is_scaled_as_a_whole() -> None:
    codes = np.random.default_rng(0).normal(size=(50, 2, 3, 3)).astype(np.float32)
    codes[:, 0, 0, 0] += 5
    scaled = by_channel(codes)(codes)
    assert scaled.mean(axis=(0, 2, 3)) == pytest.approx([0, 0], abs=1e-6)
    assert scaled.std(axis=(0, 2, 3)) == pytest.approx([1, 1], abs=1e-6)
    assert scaled[:, 0, 0, 0].mean() > 1


def test_a_constant_value_stays_constant_and_finite() -> None:
    codes = np.full((100, 2), 0.3, np.float32)
    codes[0, 1] = np.nextafter(np.float32(0.3), np.float32(1))  # a rounding error is no information
    assert np.abs(by_value(codes)(codes)).max() < 1e-6


def test_whitened_codes_have_uncorrelated_features_of_variance_one() -> None:
    random = np.random.default_rng(0)
    codes = (random.normal(size=(4000, 5)) @ random.normal(size=(5, 6))).astype(np.float32)
    codes[:, 0] *= 1e-3
    features = whitened(codes)(codes)
    # Six values that follow from five: one direction is empty.
    assert np.cov(features.T) == pytest.approx(np.eye(5), abs=1e-3)


@pytest.mark.parametrize("represent", [raw, standardised, whitened])
def test_many_values_become_components_and_constant_codes_one_zero(represent: object) -> None:
    random = np.random.default_rng(0)
    codes = random.normal(size=(600, MOST + 100)).astype(np.float32)
    assert represent(codes)(codes[:3]).shape == (3, MOST)  # type: ignore[operator]
    constant = np.full((50, 4), 0.7, np.float32)
    found = represent(constant)(constant)  # type: ignore[operator]
    assert np.abs(found).max() < 1e-6


def test_raw_codes_keep_the_proportions_of_their_values() -> None:
    codes = np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32)
    codes[:, 1] *= 10
    features = raw(codes)(codes)
    assert features.std(axis=0)[1] / features.std(axis=0)[0] == pytest.approx(10, rel=0.1)
