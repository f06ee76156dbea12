import io
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from scotoma.audit.classical import neighbours
from scotoma.audit.computed_codes import code_keys, open_codes
from scotoma.audit.examples import Occasion
from scotoma.audit.material import rows_of_parts, split_codes
from scotoma.audit.protocol import attack_once
from scotoma.audit.suites import Attacker
from scotoma.cli.release import codes_file
from scotoma.data.attribute_table import Reading
from scotoma.data.images import Labelling
from scotoma.data.splits import Fractions, SplitRecipe, divide
from scotoma.data.table import MISSING, Sides
from scotoma.data.tasks import attack_tasks
from scotoma.errors import InputError

HEADER = "Male,hair,age,person,part\n"
ROWS = "1,black,40,p1,train\n0,red,18,p2,val\n,red,?,p1,train\n1,black,35,p3,test\n0,,20,,attack\n"


def codes(count: int = 5) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(count, 3, 2, 2)).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "codes.npy"
    np.save(path, codes())
    return path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(HEADER + ROWS, encoding="utf-8")
    return path


def refusal(path: Path, labels: Path, *attributes: str, **asked: Any) -> list[str]:
    with pytest.raises(InputError) as error:
        open_codes(path, labels, attributes, Labelling(**asked))
    return str(error.value).splitlines()


def test_codes_are_read_with_their_labels(path: Path, labels: Path) -> None:
    read, table = open_codes(
        path, labels, ("Male", "hair=black"), Labelling(("age>=35",), Reading(missing=("?",)))
    )
    assert np.array_equal(read, codes()) and read.dtype == np.float32
    assert len(table) == 5 and table.pixels.shape == (5, 0, 0, 0) and table.pixels.dtype == np.uint8
    assert table.source == str(path)
    said = {name: (each.values, each.labels.tolist()) for name, each in table.attributes.items()}
    assert said == {
        "Male": (("not Male", "Male"), [1, 0, MISSING, 1, 0]),
        "hair=black": (("not hair=black", "hair=black"), [1, 0, 0, 1, MISSING]),
        "age>=35": (("not age>=35", "age>=35"), [1, 0, MISSING, 1, 0]),
    }
    assert (table.units, table.parts, table.sides) == (None, None, Sides())
    assert str(attack_tasks(["Male"], table.attributes)[0]) == "Male"


def test_equal_codes_have_a_key_a_row(path: Path, labels: Path) -> None:
    same = codes()
    same[3] = same[0]
    same[:, 0, 0, 0] = 0
    same[3, 0, 0, 0] = -0.0
    np.save(path, same)
    # A code says nothing of what it was made from: equal ones may have different labels.
    labels.write_text("Male\n1\n0\n1\n0\n1\n")
    _, table = open_codes(path, labels, ["Male"])
    assert table.attributes["Male"].labels.tolist() == [1, 0, 1, 0, 1]
    assert len(set(table.keys.tolist())) == 5
    assert {len(key) for key in table.keys.tolist()} == {32}
    of_codes = code_keys(same)
    assert of_codes[3] == of_codes[0] and len(set(of_codes.tolist())) == 4
    assert table.keys[:3].tolist() == of_codes[:3].tolist() and table.keys[4] == of_codes[4]
    # Of codes that are equal by nature any two may part.
    alone = replace(table, units=None)
    parts = [divide(alone, SplitRecipe(seed, Fractions())) for seed in range(20)]
    together = [any({0, 3} <= set(rows.tolist()) for rows in vars(each).values()) for each in parts]
    assert any(together) and not all(together)
    # The order of the codes changes places of equal ones only.
    np.save(path, same[::-1])
    _, turned = open_codes(path, labels, ["Male"])
    assert turned.keys.tolist() == table.keys[[4, 0, 2, 1, 3]].tolist()


def test_few_equal_codes_among_many_that_differ_are_of_one_image(path: Path, labels: Path) -> None:
    some = codes(40)
    some[1], some[5] = some[0], some[4]
    np.save(path, some)
    labels.write_text("Male\n" + "1\n0\n" * 20)
    _, table = open_codes(path, labels, ["Male"])
    assert table.units is not None and table.units[0] == table.units[1] and table.units[4] == table.units[5]
    assert len(set(table.units.tolist())) == 38
    assert table.notes[-1] == "4 codes equal another, and most do not: equal ones are taken for one image's"
    often = some.copy()
    often[:12] = often[0]  # one code comes often: it is so by nature
    np.save(path, often)
    assert open_codes(path, labels, ["Male"])[1].units is None
    np.save(path, some[np.arange(40) // 4])  # few codes
    assert open_codes(path, labels, ["Male"])[1].units is None


def test_equal_codes_join_no_groups(path: Path, labels: Path) -> None:
    """Two bits an image, three images a person: equal codes would make one unit of all persons."""
    np.save(path, np.random.default_rng(0).integers(2, size=(300, 2)))
    labels.write_text("Male,person\n" + "".join(f"{row % 2},p{row // 3}\n" for row in range(300)))
    _, table = open_codes(path, labels, ["Male"], Labelling(sides=Sides("person")))
    assert table.units is not None and len(set(table.units.tolist())) == 100
    parts = divide(table, SplitRecipe(0, Fractions()))
    assert all(len(rows) for rows in vars(parts).values())


def parity_of_bits(path: Path, labels: Path, told: bool) -> float:
    """How often neighbours are right on 9 bits an image that determine its label, or on others."""
    random = np.random.default_rng(0)
    bits, others = random.integers(2, size=(2, 3000, 9))
    np.save(path, bits if told else others)
    labels.write_text("odd\n" + "".join(f"{row.sum() % 2}\n" for row in bits))
    read, table = open_codes(path, labels, ["odd"])
    (task,) = attack_tasks(["odd"], table.attributes)
    parts = divide(table, SplitRecipe(0, Fractions()))
    material = split_codes(read, table, rows_of_parts(table, parts, ("all",), task, 0))
    occasion = Occasion(task, 0)
    (said,) = attack_once(Attacker("neighbours", neighbours), material, "all", occasion, 0)
    return float((said.test.argmax(axis=1) == material.examples(task, "test").classes).mean())


def test_a_leak_of_few_bits_is_found_and_none_where_is_none(path: Path, labels: Path) -> None:
    assert parity_of_bits(path, labels, told=True) > 0.95
    assert parity_of_bits(path, labels, told=False) == pytest.approx(0.5, abs=0.06)  # of 750: three errors


def test_what_encode_writes_is_read(tmp_path: Path, labels: Path) -> None:
    path = tmp_path / "codes.npz"
    with codes_file(path, (5, 3, 2, 2)) as write:
        write(codes()[:2])
        write(codes()[2:])
    read, _ = open_codes(path, labels, ["Male"])
    assert np.array_equal(read, codes())


@pytest.mark.parametrize(
    "dtype", [">f4", "<f8", "f2", "i8", "u1", "?"], ids=["big", "double", "half", "int", "byte", "bool"]
)
def test_numbers_of_any_kind_become_fp32(path: Path, labels: Path, dtype: str) -> None:
    given = (10 * codes()).astype(np.float64).clip(0).astype(dtype)
    np.save(path, np.asfortranarray(given))
    read, _ = open_codes(path, labels, ["Male"])
    assert read.dtype == np.dtype("=f4") and read.flags.c_contiguous
    assert np.array_equal(read, given.astype(np.float32))


def test_a_code_may_be_one_number(path: Path, labels: Path) -> None:
    np.save(path, np.arange(5))
    read, _ = open_codes(path, labels, ["Male"])
    assert read.tolist() == [[0], [1], [2], [3], [4]]


def test_an_archive_holds_one_array_or_names_it(tmp_path: Path, labels: Path) -> None:
    path = tmp_path / "codes.npz"
    np.savez(path, anything=codes())
    assert np.array_equal(open_codes(path, labels, ["Male"])[0], codes())
    np.savez_compressed(path, other=np.zeros(3), codes=codes())
    assert np.array_equal(open_codes(path, labels, ["Male"])[0], codes())
    np.savez(path, a=codes(), b=codes())
    assert refusal(path, labels) == [f"{path} holds the arrays a, b: name the one that is meant 'codes'."]
    np.savez(path)
    assert refusal(path, labels) == [f"{path} holds the arrays none: name the one that is meant 'codes'."]


def test_nothing_is_unpickled(path: Path, labels: Path) -> None:
    np.save(path, np.array([{"a": 1}] * 5, object), allow_pickle=True)
    objects = [f"{path} holds Python objects, which are not read; codes are numbers."]
    assert refusal(path, labels) == objects
    np.savez(path.with_suffix(".npz"), codes=np.array([None] * 5), allow_pickle=True)
    path.write_bytes(path.with_suffix(".npz").read_bytes())
    assert refusal(path, labels)[0].startswith(str(path))
    path.write_bytes(pickle.dumps(codes()))
    assert refusal(path, labels) == [f"{path} is no .npy or .npz file, or damaged or cut short."]


def test_a_damaged_file_is_told(tmp_path: Path, path: Path, labels: Path) -> None:
    damaged = [f"{path} is no .npy or .npz file, or damaged or cut short."]
    whole = path.read_bytes()
    archive = io.BytesIO()
    np.savez_compressed(archive, codes=codes(), other=codes())
    for data in (whole, archive.getvalue()):
        for cut in (0, 3, 20, len(data) // 2, len(data) - 1):
            path.write_bytes(data[:cut])
            assert refusal(path, labels) == damaged, cut
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("codes.npy", whole[:-1])
    assert refusal(path, labels) == damaged
    path.write_bytes(whole.replace(b"(5, 3, 2, 2), ", b"(99999999999,)"))
    (told,) = refusal(path, labels)
    assert told in (*damaged, f"{path} says that it holds more than there is memory for.")
    assert refusal(tmp_path / "none.npy", labels) == [f"There is no file {tmp_path / 'none.npy'}."]
    assert refusal(tmp_path, labels) == [f"{tmp_path} cannot be read: Is a directory."]


def test_what_are_no_codes_is_told(path: Path, labels: Path) -> None:
    np.save(path, codes().astype(np.complex64))
    assert refusal(path, labels) == [f"{path} holds complex64; codes are numbers."]
    np.save(path, np.array(["a"] * 5))
    assert refusal(path, labels) == [f"{path} holds <U1; codes are numbers."]
    np.save(path, np.float32(3))
    assert refusal(path, labels) == [f"{path} holds an array of shape (); codes are an array (images, ...)."]
    np.save(path, np.zeros((5, 0)))
    assert refusal(path, labels) == [
        f"{path} holds an array of shape (5, 0); codes are an array (images, ...)."
    ]
    bad = codes().astype(np.float64)
    bad[1, 0, 0, 0], bad[4] = np.nan, 1e40
    np.save(path, bad)
    assert refusal(path, labels) == [
        f"{path}: 2 of 5 codes are not finite (NaN, or beyond float32), in rows 1, 4 (the first is 0). Leave "
        "them out, with their rows of the table."
    ]
    np.save(path, np.full((30, 2), np.nan))
    assert "in rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ... (the first is 0)" in refusal(path, labels)[0]


def test_all_problems_are_told_at_once(path: Path, labels: Path) -> None:
    np.save(path, codes(7))
    there = "Male, hair, age, person, part"
    assert refusal(
        path,
        labels,
        "Mael",
        "age>=35",
        reading=Reading(file_column="file", missing=()),
        sides=Sides("visitor", near_duplicates=True, column="prt"),
        skip_unreadable=True,
        split_files=Path("lists"),
    ) == [
        "--file-column, --group-near-duplicates, --split-files, --skip-unreadable: only for image files, and "
        "these are codes; leave this out.",
        f"{path} holds 7 codes and {labels} 5 rows: a row is needed for each code, in the same order. Blank "
        "lines are no rows.",
        f"There is no column 'Mael' in {labels}: did you mean 'Male'? (allowed: {there}).",
        "The column 'age' cannot be compared with 35: it holds '?' (line 4) beside numbers. If that means "
        "that the value is not known, declare it: --missing '?'.",
        f"There is no column 'visitor' in {labels}: allowed: {there}.",
        f"There is no column 'prt' in {labels}: did you mean 'part'? (allowed: {there}).",
    ]
    path.unlink()
    labels.write_text("Male,hair\n1\n")
    assert refusal(path, labels, "Male") == [
        f"There is no file {path}.",
        f"The table {labels} cannot be used:",
        "  line 2: 1 field where the header has 2",
    ]


def test_groups_never_part(path: Path, labels: Path) -> None:
    _, table = open_codes(path, labels, ["Male"], Labelling(sides=Sides("person")))
    assert table.units is not None and table.parts is None and table.sides == Sides("person")
    assert table.units[0] == table.units[2] and len(set(table.units)) == 4


def test_a_row_whose_group_is_missing_stands_alone(path: Path, labels: Path) -> None:
    asked = Labelling(reading=Reading(missing=("p1",)), sides=Sides(group_by="person"))
    _, table = open_codes(path, labels, ("Male",), asked)
    assert table.units is not None and len(set(table.units)) == 5


def test_parts_are_taken_from_a_column(path: Path, labels: Path) -> None:
    _, table = open_codes(path, labels, ["Male"], Labelling(sides=Sides("person", column="part")))
    parts = divide(table, SplitRecipe(0, Fractions()))
    assert {name: rows.tolist() for name, rows in vars(parts).items()} == {
        "training": [0, 2],
        "reserve": [4],
        "validation": [1],
        "test": [3],
    }
    labels.write_text((HEADER + ROWS).replace("?,p1,train", "?,p1,test"))
    told = refusal(path, labels, "Male", sides=Sides("person", column="part"))
    assert told[0].startswith("The parts from the column 'part' cannot be used (allowed: ")
    assert told[1:] == ["  line 2 and line 4 are equal or belong together, in different parts"]
