"""Whatever images, groups and pairs there are: what does every division of them keep to?"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scotoma.data.splits import (
    PARTS,
    SYNONYMS,
    Fractions,
    SplitRecipe,
    divide,
    given_parts,
    parts_of_files,
)
from scotoma.data.table import ImageTable, by_category
from scotoma.data.units import units
from scotoma.errors import InputError

repeatable = settings(derandomize=True, deadline=None)


@dataclass
class Images:
    """Keys, some equal; groups, some blank; and pairs of rows."""

    keys: list[str]
    groups: list[str] | None
    pairs: list[tuple[int, int]] | None

    def table(self, order: list[int] | None = None, parts: list[int] | None = None) -> ImageTable:
        """The images, in another order if one is given."""
        rows = order or list(range(len(self.keys)))
        place = {row: at for at, row in enumerate(rows)}
        keys = np.array([self.keys[row] for row in rows], "<U32")
        groups = None if self.groups is None else [self.groups[row] for row in rows]
        pairs = [(place[one], place[other]) for one, other in self.pairs or ()]
        linked = None if self.pairs is None else np.array(pairs, np.int64).reshape(-1, 2)
        return ImageTable(
            np.zeros((len(rows), 1, 1, 1), np.uint8),
            keys,
            by_category(("a", "b"), np.zeros(len(rows), np.int64)),
            "generated",
            units=None if groups is None and linked is None else units(keys, groups, linked),
            parts=None if parts is None else np.array([parts[row] for row in rows], np.int64),
        )


@st.composite
def images(draw: st.DrawFn) -> Images:
    keys = draw(st.lists(st.integers(0, 40).map("{:032x}".format), min_size=1, max_size=40))
    names = st.sampled_from(["", " ", *(f"person {number}" for number in range(6))])
    groups = draw(st.none() | st.lists(names, min_size=len(keys), max_size=len(keys)))
    rows = st.integers(0, len(keys) - 1)
    return Images(keys, groups, draw(st.none() | st.lists(st.tuples(rows, rows), max_size=8)))


def parts_of(table: ImageTable, seed: int, fractions: Fractions | None = None) -> list[int]:
    """The number of each image's part; every image is in one."""
    found = [-1] * len(table)
    for number, rows in enumerate(vars(divide(table, SplitRecipe(seed, fractions or Fractions()))).values()):
        assert rows.tolist() == sorted(rows.tolist())
        for row in rows:
            assert found[row] == -1
            found[row] = number
    assert -1 not in found
    return found


@repeatable
@given(images(), st.integers(0, 9))
def test_no_image_is_in_two_parts_and_no_group_or_pair_is_cut(case: Images, seed: int) -> None:
    part = parts_of(case.table(), seed)
    for kind in (case.keys, case.groups or []):
        sides: dict[str, set[int]] = {}
        for row, name in enumerate(kind):
            if name.strip():
                sides.setdefault(name, set()).add(part[row])
        assert all(len(each) == 1 for each in sides.values())
    assert all(part[one] == part[other] for one, other in case.pairs or ())


@repeatable
@given(images(), st.integers(0, 9), st.randoms(use_true_random=False))
def test_the_order_of_images_moves_none(case: Images, seed: int, random: Random) -> None:
    order = list(range(len(case.keys)))
    random.shuffle(order)
    part = parts_of(case.table(), seed)
    assert parts_of(case.table(order), seed) == [part[row] for row in order]


@repeatable
@given(images(), st.data())
def test_parts_that_are_given_are_taken_where_they_cut_no_unit(case: Images, data: st.DataObject) -> None:
    of_unit = units(case.table().keys, case.groups, None).tolist()
    files = [f"{row}.png" for row in range(len(of_unit))]
    said = {unit: data.draw(st.sampled_from(sorted(SYNONYMS))) for unit in sorted(set(of_unit))}
    names = [said[unit] for unit in of_unit]
    expected = [PARTS.index(SYNONYMS[name]) for name in names]
    lacking = [name for name in ("training", "validation", "test") if PARTS.index(name) not in expected]
    if lacking:
        with pytest.raises(InputError) as error:
            given_parts(names, of_unit, files, "somewhere")
        assert str(error.value).splitlines()[1:] == [f"  there is no image for {name}" for name in lacking]
        return
    found = given_parts([f" {name.upper()} " for name in names], of_unit, files, "somewhere").tolist()
    assert found == expected == parts_of(case.table(parts=found), seed=5)
    row = data.draw(st.integers(0, len(names) - 1))
    if of_unit.count(of_unit[row]) > 1:
        names[row] = "reserve" if SYNONYMS[names[row]] != "reserve" else "test"
        with pytest.raises(InputError, match="are equal or belong together, in different parts"):
            given_parts(names, of_unit, files, "somewhere")


@repeatable
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_lists_give_back_what_was_written(parts: list[int], random: Random) -> None:
    files = [f"a {row % 3}/{row}.png" for row in range(len(parts))]
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(PARTS):
            lines = [file for file, part in zip(files, parts, strict=True) if part == number]
            random.shuffle(lines)
            (Path(folder) / f"{name}.txt").write_text("\n\n".join(lines) + "\r\n", newline="")
        assert parts_of_files(Path(folder), files, files) == [PARTS[part] for part in parts]
