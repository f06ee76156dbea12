import gc
import weakref
from collections.abc import Sequence

import numpy as np
import pytest

from scotoma.data import splits
from scotoma.data.splits import PARTS, Fractions, Split, SplitRecipe, divide, split
from scotoma.data.table import ImageTable
from scotoma.errors import InputError

KEYS = np.array([f"{number:032x}" for number in range(20_000)])


def parts_of(keys: np.ndarray, seed: int) -> np.ndarray:
    """The number of the part in which each key is."""
    found = np.full(len(keys), -1)
    for number, part in enumerate(PARTS):
        found[getattr(split(keys, seed), part)] = number
    return found


def test_every_image_is_in_one_part_and_shares_are_met() -> None:
    parts = split(KEYS, seed=3)
    rows = np.concatenate([getattr(parts, part) for part in PARTS])
    assert sorted(rows.tolist()) == list(range(len(KEYS)))
    for part, share in zip(PARTS, (0.5, 0.1, 0.15, 0.25), strict=True):
        found = getattr(parts, part)
        assert found.dtype == np.int64
        assert (np.diff(found) > 0).all()
        # Five standard deviations of a binomial count.
        assert abs(len(found) / len(KEYS) - share) < 5 * (share * (1 - share) / len(KEYS)) ** 0.5


def test_a_part_depends_on_key_and_seed_only() -> None:
    whole = parts_of(KEYS, seed=1)
    order = np.random.default_rng(0).permutation(len(KEYS))[:777]
    assert (parts_of(KEYS[order], seed=1) == whole[order]).all()


def test_the_same_image_twice_is_on_one_side() -> None:
    parts = parts_of(np.concatenate([KEYS[:500], KEYS[:500]]), seed=0)
    assert (parts[:500] == parts[500:]).all()


def test_seeds_give_independent_splits() -> None:
    together = (parts_of(KEYS, seed=0) == parts_of(KEYS, seed=1)).mean()
    assert together == pytest.approx(0.5**2 + 0.1**2 + 0.15**2 + 0.25**2, abs=0.02)


def test_the_split_of_a_release_stays_the_same() -> None:
    parts = split(["a", "b", "c", "d", "e", "f", "g", "h"], seed=7)
    assert [getattr(parts, part).tolist() for part in PARTS] == [[0, 4, 5, 6, 7], [1], [2], [3]]


def test_a_table_is_divided_once_for_a_recipe_and_is_not_kept_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def counted(units: Sequence[str], seed: int, fractions: Fractions) -> Split:
        asked.append(seed)
        return split(units, seed, fractions)

    monkeypatch.setattr(splits, "split", counted)
    table = ImageTable(np.empty((len(KEYS), 0, 0, 0), np.uint8), KEYS, {}, "generated")
    recipe = SplitRecipe(1, Fractions())
    parts = divide(table, recipe)
    parts.training[0] = -1  # the caller's own
    parts = divide(table, SplitRecipe(1, Fractions()))
    assert all((vars(parts)[part] == vars(split(KEYS, 1))[part]).all() for part in PARTS)
    other = divide(table, SplitRecipe(2, Fractions()))
    assert all((vars(other)[part] == vars(split(KEYS, 2))[part]).all() for part in PARTS)
    assert asked == [1, 2]
    watched = weakref.ref(table)
    del table
    gc.collect()
    assert watched() is None


def test_no_images_give_empty_parts() -> None:
    assert [len(getattr(split([], seed=0), part)) for part in PARTS] == [0, 0, 0, 0]


def test_a_share_of_zero_leaves_a_part_empty() -> None:
    parts = split(KEYS, 0, Fractions(training=0.6, reserve=0.0, validation=0.15, test=0.25))
    assert len(parts.reserve) == 0
    assert len(parts.training) > 11_500


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ((0.5, 0.1, 0.15, 0.3), "they sum to 1.05, not to 1"),
        (
            (0.6, 0.1, 0.15, 0.15),
            "test is 0.15, at least 0.2 is needed for figures worth reporting",
        ),
        (
            (0.0, 0.5, 0.0, 0.5),
            "training is 0, so nothing is left for it; validation is 0, so nothing is left for it",
        ),
        (
            (1.2, -0.4, float("nan"), 0.2),
            "training is 1.2, a share between 0 and 1 is needed; "
            "reserve is -0.4, a share between 0 and 1 is needed; "
            "validation is nan, a share between 0 and 1 is needed",
        ),
    ],
)
def test_impossible_fractions(shares: tuple[float, float, float, float], message: str) -> None:
    with pytest.raises(InputError) as error:
        Fractions(*shares)
    assert str(error.value) == f"The fractions of the split cannot be used: {message}."
