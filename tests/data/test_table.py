import hashlib
from dataclasses import replace

import numpy as np
import pytest

from scotoma.data import table as table_module
from scotoma.data.table import (
    Attribute,
    ImageTable,
    by_category,
    conflicting_rows,
    repeated,
    require_categories,
)
from scotoma.errors import InputError

TABLE = ImageTable(
    pixels=np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1),
    keys=np.array(["k0", "k1", "k2", "k3", "k4", "k5"]),
    attributes=by_category(("bar", "office", "runway"), np.array([0, 1, 2, 0, 1, 2])),
    source="photos",
)


def test_a_group_keeps_rows_and_renumbers_labels() -> None:
    group = TABLE.restricted_to(["runway", "bar"])
    assert group.categories == ("bar", "runway")
    assert group.labels.tolist() == [0, 1, 0, 1]
    assert group.keys.tolist() == ["k0", "k2", "k3", "k5"]
    assert group.pixels.ravel().tolist() == [0, 2, 3, 5]
    assert len(group) == 4


def test_a_group_of_all_categories_copies_nothing() -> None:
    assert TABLE.restricted_to(["runway", "office", "bar"]) is TABLE


def test_images_belong_together_by_units_or_as_copies_of_each_other() -> None:
    rows = np.array([1, 3, 4])
    assert TABLE.units_of(rows) is None
    copied = replace(TABLE, keys=np.array(["k0", "k1", "k2", "k1", "k4", "k4"]))
    assert (found := copied.units_of(rows)) is not None and found.tolist() == ["k1", "k1", "k4"]
    # Copies elsewhere say nothing of these.
    assert copied.units_of(np.array([0, 1, 5])) is None
    grouped = replace(copied, units=np.array(["u", "v", "v", "w", "w", "w"]))
    assert (found := grouped.units_of(rows)) is not None and found.tolist() == ["v", "w", "w"]


def test_the_digest_knows_images_and_categories_but_no_order_and_no_size() -> None:
    order = np.array([5, 3, 1, 0, 2, 4])
    labels = by_category(TABLE.categories, TABLE.labels[order])
    shuffled = replace(TABLE, keys=TABLE.keys[order], attributes=labels, pixels=TABLE.pixels[:, :0])
    assert TABLE.digest() == shuffled.digest()
    labels = by_category(("office", "bar", "runway"), np.array([1, 0, 2, 1, 0, 2]))
    renumbered = replace(TABLE, attributes=labels)
    assert TABLE.digest() == renumbered.digest()
    others = [
        replace(TABLE, attributes=by_category(TABLE.categories, np.array([0, 1, 2, 0, 1, 1]))),
        replace(TABLE, keys=np.array(["k0", "k1", "k2", "k3", "k4", "k6"])),
        replace(TABLE, attributes=by_category(("bar", "office", "street"), TABLE.labels)),
        TABLE.restricted_to(["bar", "office"]),
    ]
    digests = {TABLE.digest(), *(other.digest() for other in others)}
    assert len(digests) == 5
    assert all(len(digest) == 32 and int(digest, 16) >= 0 for digest in digests)


def test_the_digest_of_some_attributes_knows_no_others() -> None:
    male = Attribute(("not Male", "Male"), np.array([0, 1, -1, 0, 1, 1]))
    young = Attribute(("not Young", "Young"), np.array([0, 1, 1, 0, 1, 1]))
    table = replace(TABLE, attributes={"Male": male, "Young": young})
    assert table.digest() == table.digest(["Young", "Male"]) != table.digest(["Male"])
    assert table.digest(["Male"]) == replace(table, attributes={"Male": male}).digest()
    known = replace(male, labels=np.array([0, 1, 0, 0, 1, 1]))
    assert table.digest(["Male"]) != replace(table, attributes={"Male": known}).digest()
    # Answers may hold blanks.
    labels = np.zeros(6, np.int64)
    digests = {
        replace(TABLE, attributes={"a": Attribute((one,), labels), "b": Attribute((other,), labels)}).digest()
        for one, other in (("dark red", "long"), ("dark", "red long"))
    }
    assert len(digests) == 2
    # A name that is no attribute is a category's.
    assert TABLE.digest(["bar", "office"]) == TABLE.digest()


@pytest.mark.parametrize("at_once", [4, 1000])
def test_the_digest_is_a_hash_of_sorted_lines(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "AT_ONCE", at_once)
    random = np.random.default_rng(0)
    keys = np.array([f"{number:x}" for number in random.integers(0, 20, 50)])  # some twice, of two lengths
    hair, male = ("dark", "dark red", "blond"), ("yes", "no")
    of_hair, of_male = random.integers(-1, 3, 50), random.integers(-1, 2, 50)
    answers = {"male": Attribute(male, of_male), "hair": Attribute(hair, of_hair)}
    table = replace(TABLE, keys=keys, attributes=answers)
    lines = [
        f"{key}\0{(*hair, '')[a]}\0{(*male, '')[b]}" for key, a, b in zip(keys, of_hair, of_male, strict=True)
    ]
    text = "\n".join(["hair\0male", *sorted(lines)])
    assert table.digest() == hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    names = ("zoo", "bar", "a la carte")
    labels = random.integers(0, 3, 50)
    table = replace(TABLE, keys=keys, attributes=by_category(names, labels))
    text = "\n".join(sorted(f"{key} {names[label]}" for key, label in zip(keys, labels, strict=True)))
    assert table.digest() == hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def test_wrong_names_are_told_of_at_once() -> None:
    with pytest.raises(InputError) as error:
        TABLE.restricted_to(["ofice", "bar", "bar", "zzz"])
    assert str(error.value) == (
        "There is no category 'ofice' in photos. Did you mean 'office'? There are: bar, office, runway.\n"
        "There is no category 'zzz' in photos. There are: bar, office, runway.\n"
        "The category 'bar' is named twice."
    )


@pytest.mark.parametrize(("names", "named"), [(["bar"], "only 'bar'"), ([], "none")])
def test_a_group_needs_two(names: list[str], named: str) -> None:
    with pytest.raises(InputError) as error:
        TABLE.restricted_to(names)
    assert str(error.value) == f"A group needs at least two categories, and {named} was named."


def test_of_many_categories_twenty_are_shown() -> None:
    with pytest.raises(InputError) as error:
        require_categories(["c0", "none"], [f"c{number}" for number in range(30)], "photos")
    shown = (
        "c0, c1, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19, c2, c20, c21, c22, c23, c24, c25, c26, ..."
    )
    assert str(error.value) == f"There is no category 'none' in photos. There are: {shown}."


def test_conflicts_are_equal_keys_in_different_categories() -> None:
    keys = ["x", "y", "x", "z", "y", "x"]
    assert conflicting_rows(keys, np.array([0, 1, 0, 1, 1, 2])) == [0, 2, 5]
    assert conflicting_rows(keys, np.array([0, 1, 0, 1, 1, 0])) == []


def test_repeated_names_come_once() -> None:
    assert repeated(["b", "a", "b", "b", "a", "c"]) == ["a", "b"]
