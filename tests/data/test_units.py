import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scotoma.data.splits import PARTS, split
from scotoma.data.units import are_joined, units

Case = tuple[list[str], list[str] | None, list[tuple[int, int]] | None]

repeatable = settings(derandomize=True, deadline=None)


def key(number: int) -> str:
    return hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()


def group_name(group: str) -> str:
    return hashlib.blake2b(f"scotoma group\n{group}".encode(), digest_size=16).hexdigest()


def found(
    keys: Sequence[str], groups: Sequence[str] | None = None, pairs: Sequence[tuple[int, int]] | None = None
) -> list[str]:
    given = None if pairs is None else np.array(pairs, np.int64).reshape(-1, 2)
    names: npt.NDArray[np.str_] = units(np.array(keys, "<U32"), groups, given)
    assert names.dtype == np.dtype("<U32")
    return [str(name) for name in names]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Images with repeated keys, groups (some blank) and pairs, or without groups, or without pairs."""
    keys = draw(st.lists(st.integers(0, 20).map(key), min_size=1, max_size=25))
    names = st.sampled_from(["", " ", "\t", "anna", "Bo", "bo", "bo ", "ö"]) | st.text(max_size=3)
    groups = draw(st.none() | st.lists(names, min_size=len(keys), max_size=len(keys)))
    rows = st.integers(0, len(keys) - 1)
    return keys, groups, draw(st.none() | st.lists(st.tuples(rows, rows), max_size=12))


def written_out(keys: list[str], groups: list[str] | None, pairs: list[tuple[int, int]] | None) -> list[str]:
    """Units a second time: the smallest sets that no condition cuts, grown until none changes."""
    own = [group if group.strip() else "" for group in groups or [""] * len(keys)]
    sets = [{row} for row in range(len(keys))]
    for left in range(len(keys)):
        for right in range(len(keys)):
            same = keys[left] == keys[right] or (own[left] != "" and own[left] == own[right])
            if same or (left, right) in (pairs or []):
                joined = sets[left] | sets[right]
                for row in joined:
                    sets[row] = joined
    named = []
    for rows in sets:
        there = sorted(own[row] for row in rows if own[row])
        named.append(group_name(there[0]) if there else min(keys[row] for row in rows))
    return named


@repeatable
@given(cases())
def test_units_are_those_written_out_a_second_time(case: Case) -> None:
    assert found(*case) == written_out(*case)


@repeatable
@given(cases())
def test_no_key_group_or_pair_is_cut(case: Case) -> None:
    keys, groups, pairs = case
    names = found(*case)
    for values in (keys, [group if group.strip() else "" for group in groups or []]):
        for value in set(values) - {""}:
            assert len({name for name, one in zip(names, values, strict=True) if one == value}) == 1
    assert all(names[left] == names[right] for left, right in pairs or [])


@repeatable
@given(cases(), st.integers(0, 2**32))
def test_the_order_of_images_and_pairs_changes_no_name(case: Case, seed: int) -> None:
    keys, groups, pairs = case
    order = np.random.default_rng(seed).permutation(len(keys)).tolist()
    place = {row: new for new, row in enumerate(order)}
    shuffled = found(
        [keys[row] for row in order],
        None if groups is None else [groups[row] for row in order],
        None if pairs is None else [(place[right], place[left]) for left, right in reversed(pairs)],
    )
    assert shuffled == [found(*case)[row] for row in order]


@repeatable
@given(cases(), st.sampled_from(["", "somebody else"]))
def test_an_unrelated_image_changes_no_name(case: Case, group: str) -> None:
    keys, groups, pairs = case
    more = None if groups is None else [*groups, group]
    assert found([*keys, key(99)], more, pairs)[:-1] == found(*case)


@repeatable
@given(cases())
def test_without_groups_and_pairs_a_unit_is_the_key(case: Case) -> None:
    keys, _, _ = case
    assert found(keys) == keys
    assert found(keys, [" "] * len(keys), []) == keys


def test_names_of_a_chain() -> None:
    """a - b by group, b - c by pair, c - d by key; e alone in its group, f in none."""
    keys = [key(0), key(1), key(2), key(2), key(3), key(4)]
    names = found(keys, ["zoe", "zoe", "Yan", "", "zoé", " "], [(1, 2)])
    assert names == [group_name("Yan")] * 4 + [group_name("zoé"), key(4)]
    # It must stay so, or images that were split by groups change sides.
    assert names[0] == "38e536eecfef42343476e5b24fe16c16"


@pytest.mark.parametrize(
    ("keys", "groups", "joined"),
    [
        ([0, 1, 2], ["ann", "ann", "bob"], False),
        ([0, 1, 1], ["ann", "ann", "bob"], True),  # they share an image
        ([0, 0, 1], ["", "ann", "bob"], True),  # without the second the first would be nobody's
        ([0, 0, 1], ["", " ", "bob"], False),
    ],
)
def test_groups_are_joined_where_a_unit_has_images_of_several(
    keys: list[int], groups: list[str], joined: bool
) -> None:
    assert are_joined(units(np.array([key(each) for each in keys]), groups), groups) is joined


def test_a_pair_without_groups_has_the_smaller_key() -> None:
    assert found(["b" * 32, "a" * 32, "c" * 32], None, [(0, 1)]) == ["a" * 32, "a" * 32, "c" * 32]


def test_a_split_by_units_cuts_no_group() -> None:
    keys = [key(row) for row in range(2000)]
    groups = np.array([f"patient {row % 300}" for row in range(2000)])
    parts = split(units(np.array(keys), groups.tolist()), seed=0)
    sides = [set(groups[getattr(parts, part)].tolist()) for part in PARTS]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 300


def test_names_of_folders_that_are_no_text() -> None:
    assert found([key(0), key(1)], ["\udcff", "\udcff"]) == [found([key(2)], ["\udcff"])[0]] * 2


def test_no_images() -> None:
    assert found([]) == []
    assert found([], [], []) == []


def test_groups_must_be_as_many_as_images() -> None:
    with pytest.raises(ValueError) as error:
        found([key(0), key(1)], ["a"])
    assert str(error.value) == "1 groups for 2 images"
