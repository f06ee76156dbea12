"""Whatever attackers would not see in float32 must not be said to be hidden."""

import numpy as np
import numpy.typing as npt
import pytest

from scotoma.audit.computed_codes import checked_codes
from scotoma.errors import InputError

RANDOM = np.random.default_rng(0)


def drawn(*shape: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(1).normal(size=shape)


@pytest.mark.parametrize(
    "codes",
    [
        drawn(200, 3),
        1e6 + drawn(200, 3) * 1e4,
        np.repeat(drawn(1, 3) * 1e6, 200, axis=0),  # no value varies, so that nothing is lost
        drawn(200, 3).astype(np.float16),
        RANDOM.integers(-(2**24), 2**24, (200, 3)),
        RANDOM.integers(0, 2, (200, 3)).astype(np.uint64) << np.uint64(40),  # large, but held
        drawn(200, 3) > 0,
    ],
)
def test_what_float32_holds_is_taken(codes: npt.NDArray[np.generic]) -> None:
    expected = codes.astype(np.float64)
    assert np.allclose(checked_codes(codes, "codes"), expected, rtol=1e-6)


def test_digits_of_whole_numbers_are_not_rounded_away() -> None:
    codes = RANDOM.integers(0, 2**41, (200, 2))
    codes[0, 0] = 2**24 + 1
    with pytest.raises(InputError) as error:
        checked_codes(codes, "hashes.npy")
    assert str(error.value) == (
        "hashes.npy: float32, in which attackers compute, holds whole numbers up to 16,777,216 exactly, and "
        "there are others, as 16777217: their last digits would not be seen. Give packed bits, such as "
        "hashes, as values of their own (numpy.unpackbits)."
    )


def test_what_is_small_beside_a_large_constant_is_not_rounded_away() -> None:
    codes = drawn(200, 4)
    codes[:, 2] += 1e8
    with pytest.raises(InputError) as error:
        checked_codes(codes, "codes.npy")
    assert str(error.value) == (
        "codes.npy: 1 of 4 values of a code vary so little, beside their size, that float32, in which "
        "attackers compute, cannot hold it. Subtract what is the same for all images, or round to float32 "
        "what is released."
    )
    # What is released as float32 has lost it already.
    assert checked_codes(codes.astype(np.float32), "codes.npy").shape == (200, 4)
