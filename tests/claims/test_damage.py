"""Is damage to any file of Scotoma's noticed, whatever it is, and told in one message?"""

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from scotoma.cli.asked import SETTINGS, asked_before, write_asked
from scotoma.data.splits import Fractions, SplitRecipe, split
from scotoma.data.tasks import Task
from scotoma.encoder_file import Card, load_encoder, save_encoder
from scotoma.errors import InputError
from scotoma.networks.baselines import Identity
from scotoma.networks.encoder import Encoder
from scotoma.runs.json_text import checksum_of
from scotoma.runs.leaks import Excess
from scotoma.runs.results import Cell, Counts, Point, Results
from scotoma.runs.run_folder import MARKER, claim
from scotoma.runs.tensor_file import write_tensors
from scotoma.verification.attackers import ON_IMAGES
from scotoma.verification.cells import CellFolder, cell_file, read_predictions
from scotoma.verification.plan import Subject
from scotoma.verification.settings import AttackSettings
from tests.examples import CATEGORIES, CLASSIFIER, ENCODER, PREPROCESSING, image_table, verification_plan

ANT, BEE = (Task((name,), CATEGORIES) for name in CATEGORIES[:2])
IDENTITY = Identity(ENCODER)
SUBJECT = Subject("identity", "identity", IDENTITY, IDENTITY.code_shape, ON_IMAGES, 0, "identity", {})
TABLE = image_table()
CARD = Card(ENCODER, PREPROCESSING, CLASSIFIER, SplitRecipe(3, Fractions()), "0123", ("ant",), ())


@dataclass(frozen=True)
class Kind:
    """A kind of file: its name, how one is written into a folder, and how it is read from there."""

    name: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]
    format: str
    version: int

    def __str__(self) -> str:
        return self.name


def cells(folder: Path) -> CellFolder:
    return CellFolder(folder, TABLE, split(TABLE.keys, 3), verification_plan(AttackSettings()))


def cell(task: Task = ANT) -> Cell:
    made = cells(Path()).failed(SUBJECT, task, AttackSettings(), "", 0.0)
    point = Point(100, 1e-3, 0.25, 0.5, 0.75)
    figures: dict[str, Any] = {name: 0.625 for name in ("val_accuracy", "test_accuracy", "auc", "bits")}
    counts = Counts((0, 1), (2, 3), (4, 5))
    excess = Excess(0.125, 0.0625, 0.03125, 0.25, 0.5)
    return replace(made, state="done", seconds=1.5, curve=(point,), counts=counts, excess=excess, **figures)


def written_results(folder: Path) -> None:
    Results({"seed": 3}, ("ant",), (), (), (cell(),)).write(folder / "results.json")


def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder(ENCODER)


KINDS = [
    Kind(
        "results.json",
        written_results,
        lambda folder: Results.read(folder / "results.json"),
        "scotoma-results",
        2,
    ),
    Kind(
        cell_file(Path(), "identity", "ant").name,
        lambda folder: cells(folder).write(SUBJECT, ANT, cell(), torch.zeros(75, 2)),
        lambda folder: cells(folder).read(SUBJECT, ANT),
        "scotoma-cell",
        2,
    ),
    Kind(SETTINGS, lambda folder: write_asked(folder, {"seed": 7}, ()), asked_before, "scotoma-settings", 2),
    Kind(
        MARKER,
        lambda folder: claim(folder, "training"),
        lambda folder: claim(folder, "training", resume=True),
        "scotoma-run",
        1,
    ),
]
ENCODERS = Kind(
    "encoder.safetensors",
    lambda folder: save_encoder(folder / "encoder.safetensors", encoder(), CARD),
    lambda folder: load_encoder(folder / "encoder.safetensors"),
    "scotoma-encoder",
    2,
)


def message(kind: Kind, folder: Path) -> str:
    """What the error says behind the file's path."""
    with pytest.raises(InputError) as caught:
        kind.read(folder)
    path = str(folder / kind.name)
    assert str(caught.value).startswith(f"{path} ")
    return str(caught.value).removeprefix(f"{path} ")


def changed(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


def enlarge(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(100 << 20)


class Executed:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


DEEP = "is not JSON that Scotoma reads: it is nested more than 64 levels deep."
JSON_DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "is not JSON: Expecting value: line 1 column 1 (char 0)."),
    "zeros": (
        lambda path: path.write_bytes(bytes(99)),
        "is not JSON: Expecting value: line 1 column 1 (char 0).",
    ),
    "cut": (
        lambda path: path.write_text('{"format": "sco'),
        "is not JSON: Unterminated string starting at: line 1 column 12 (char 11).",
    ),
    "no text": (lambda path: path.write_bytes(b"\x80\x04"), "is not JSON: it is not UTF-8 text."),
    "a list": (lambda path: path.write_text("[1]"), "does not hold a JSON table."),
    "a folder": (in_its_place, "cannot be read: Is a directory."),
    "100 MB": (enlarge, "has more than 67,108,864 bytes: no such file of Scotoma is that large."),
    "deep": (lambda path: path.write_text('{"a":' * 70 + "1" + "}" * 70), DEEP),
    "very deep": (lambda path: path.write_text("[" * 200_000), DEEP),
    "NaN": (lambda path: path.write_text('{"a": [NaN]}'), "is not JSON: NaN is no number in it."),
    "infinite": (
        lambda path: path.write_text('{"a": -Infinity}'),
        "is not JSON: -Infinity is no number in it.",
    ),
    "too large": (
        lambda path: path.write_text('{"a": 1e999}'),
        "is not JSON that Scotoma reads: the number 1e999 is too large.",
    ),
    "too long": (
        lambda path: path.write_text(f'{{"a": {"9" * 5000}}}'),
        "is not JSON that Scotoma reads: a number in it is too long.",
    ),
    "half a character": (
        lambda path: path.write_text('{"a": "\\ud800"}'),
        "is not JSON that Scotoma reads: a text in it holds half a character.",
    ),
}
CHANGED = (
    "was changed or damaged since it was written: its checksum does not fit. Put the original back, or "
    "delete the file and give the command that wrote it again."
)


# A cell with many test images may be as large; without a marker a folder is the user's.
OTHERWISE = [(KINDS[1], "100 MB"), (KINDS[3], "a folder")]
TABLE_OF_DAMAGE = [
    (kind, damage) for kind in KINDS for damage in JSON_DAMAGE if (kind, damage) not in OTHERWISE
]


@pytest.mark.parametrize(("kind", "damage"), TABLE_OF_DAMAGE, ids=str)
def test_broken_json_is_told(kind: Kind, damage: str, tmp_path: Path) -> None:
    kind.write(tmp_path)
    kind.read(tmp_path)
    harm, told = JSON_DAMAGE[damage]
    harm(tmp_path / kind.name)
    assert message(kind, tmp_path) == told


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_other_formats_and_versions_are_told(kind: Kind, tmp_path: Path) -> None:
    kind.write(tmp_path)
    path = tmp_path / kind.name
    changed(path, version="x" * 1000)
    assert message(kind, tmp_path) == (
        f"has version '{'x' * 79}... of {kind.format}, this Scotoma reads version {kind.version}. "
        "Use the Scotoma that wrote it, or make it anew."
    )
    changed(path, format="other")
    assert message(kind, tmp_path) == f"is no {kind.format} file: its format is 'other'."


@pytest.mark.parametrize("kind", KINDS[:3], ids=str)
def test_what_is_still_json_but_was_changed_is_told(kind: Kind, tmp_path: Path) -> None:
    kind.write(tmp_path)
    path = tmp_path / kind.name
    before = path.read_text()
    changed(path)
    kind.read(tmp_path)  # other spaces are no other content
    old, new = ("7", "9") if kind.name == SETTINGS else ("0.625", "0.525")
    assert old in before
    path.write_text(before.replace(old, new, 1))
    assert message(kind, tmp_path) == CHANGED
    changed(path, checksum=None)
    assert message(kind, tmp_path) == CHANGED


@pytest.mark.parametrize("kind", KINDS[:3], ids=str)
def test_a_flipped_bit_in_json_changes_nothing_unnoticed(kind: Kind, tmp_path: Path) -> None:
    kind.write(tmp_path)
    path, expected = tmp_path / kind.name, kind.read(tmp_path)
    data = path.read_bytes()
    noticed = 0
    positions = range(0, len(data), max(len(data) // 500, 1))
    for position in positions:
        path.write_bytes(flipped(data, position))
        try:
            assert kind.read(tmp_path) == expected
        except InputError:
            noticed += 1
    assert noticed > 0.95 * len(positions)


def flipped(data: bytes, position: int) -> bytes:
    """One bit is another: in a digit the one that makes another digit of it, else one after another."""
    bit = 1 if chr(data[position]).isdigit() else 1 << position % 8
    return data[:position] + bytes([data[position] ^ bit]) + data[position + 1 :]


def test_a_flipped_bit_in_an_encoder_file_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    ENCODERS.write(tmp_path)
    path = tmp_path / ENCODERS.name
    data, weights = path.read_bytes(), load_file(path)
    # Every byte of the header's beginning, then evenly spread, weights and the running statistics included.
    positions = [*range(40), *range(40, len(data), len(data) // 400), len(data) - 1]
    noticed = 0
    for position in positions:
        path.write_bytes(flipped(data, position))
        try:
            found = load_encoder(path)
        except InputError:
            noticed += 1
        else:  # 1e-05 and 1E-05 are one number
            assert found.card == CARD
            found_weights = found.network.state_dict()
            assert all(torch.equal(found_weights[name], weights[name]) for name in weights)
    assert noticed >= len(positions) - 3


def header(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return found


def rewritten(path: Path, tensors: dict[str, torch.Tensor] | None = None, **card: Any) -> None:
    """The file with other tensors, or other entries in its card; the checksum stays."""
    told = json.loads(header(path.read_bytes())["__metadata__"]["scotoma"]) | card
    save_file(load_file(path) | (tensors or {}), path, metadata={"scotoma": json.dumps(told)})


def swap(path: Path) -> None:
    """Two tensors of one shape under each other's names."""
    tensors = load_file(path)
    first, second = "output.mean", "output.variance"
    rewritten(path, {first: tensors[second], second: tensors[first]})


def reshape(path: Path) -> None:
    """The same numbers in another shape."""
    weight = load_file(path)["features.0.weight"]
    rewritten(path, {"features.0.weight": weight.reshape(1, *weight.shape[:1], 3, 3)})


def retype(path: Path) -> None:
    """The same bytes as another type of number."""
    rewritten(path, {"output.mean": load_file(path)["output.mean"].view(torch.int32)})


def unknown_type(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"dtype":"F32"', b'"dtype":"F99"', 1))


def forge(path: Path, **encoder: Any) -> None:
    """Other settings with a checksum that fits."""
    card = json.loads(header(path.read_bytes())["__metadata__"]["scotoma"])
    del card["checksum"]
    write_tensors(path, load_file(path), card | {"encoder": card["encoder"] | encoder})


FITS_NOT = (
    "was changed or damaged since it was written: its checksum does not fit. Put the original back, or train "
    "again."
)
NO_FILE = "is no encoder file, or it is damaged: it is not whole safetensors."
ENCODER_DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), NO_FILE),
    "zeros": (lambda path: path.write_bytes(bytes(999)), NO_FILE),
    "cut": (
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        NO_FILE,
    ),
    "longer": (
        lambda path: path.write_bytes(path.read_bytes() + b"x"),
        NO_FILE,
    ),
    "a folder": (in_its_place, "is a folder, give an encoder file (encoder.safetensors)."),
    "swapped names": (swap, FITS_NOT),
    "another shape": (reshape, FITS_NOT),
    "another type": (retype, FITS_NOT),
    "another card": (lambda path: rewritten(path, data_digest="4567"), FITS_NOT),
    "no checksum": (lambda path: rewritten(path, checksum=None), FITS_NOT),
    "one tensor more": (lambda path: rewritten(path, {"more": torch.zeros(1)}), FITS_NOT),
    "an older version": (
        lambda path: rewritten(path, version=1),
        "has version 1 of the encoder file, this Scotoma reads version 2. Use the Scotoma that wrote it, or "
        "train again.",
    ),
    "a checkpoint": (
        lambda path: rewritten(path, format="scotoma-checkpoint"),
        "is no encoder file of Scotoma: its card has another format.",
    ),
    "a deep card": (
        lambda path: save_file({}, path, metadata={"scotoma": "[" * 100_000}),
        "is damaged: its card is not JSON that Scotoma reads: it is nested more than 64 levels deep.",
    ),
    "more weights than memory": (
        lambda path: forge(path, widths=[10**9, 10**9]),
        "is damaged: its weights do not fit its settings (features.0.weight, features.1.mean, "
        "features.1.variance and 1 more).",
    ),
    "sizes without end": (
        lambda path: forge(path, widths=[10**30, 10**30]),
        "is damaged: its weights do not fit its settings (sizes that no tensor has).",
    ),
    "layers without end": (
        lambda path: forge(path, convolutions=[10**9, 1]),
        "is damaged: its weights do not fit its settings (too few tensors).",
    ),
}


@pytest.mark.parametrize("damage", ENCODER_DAMAGE)
def test_a_damaged_encoder_file_is_told(damage: str, tmp_path: Path) -> None:
    ENCODERS.write(tmp_path)
    harm, told = ENCODER_DAMAGE[damage]
    harm(tmp_path / ENCODERS.name)
    assert message(ENCODERS, tmp_path) == told


def test_a_type_of_number_that_nobody_knows_is_told(tmp_path: Path) -> None:
    ENCODERS.write(tmp_path)
    unknown_type(tmp_path / ENCODERS.name)
    assert message(ENCODERS, tmp_path) == NO_FILE


@pytest.mark.parametrize("kind", [*KINDS, ENCODERS], ids=str)
def test_a_pickle_under_the_name_is_not_executed(kind: Kind, tmp_path: Path) -> None:
    kind.write(tmp_path)
    (tmp_path / kind.name).write_bytes(pickle.dumps(Executed(tmp_path / "executed")))
    assert message(kind, tmp_path)
    torch.save({"weight": Executed(tmp_path / "executed")}, tmp_path / kind.name)
    assert message(kind, tmp_path)
    assert not (tmp_path / "executed").exists()


def test_a_cell_under_another_s_name_is_not_read_as_that(tmp_path: Path) -> None:
    kind, folder = KINDS[1], cells(tmp_path)
    kind.write(tmp_path)
    other = cell_file(tmp_path, "identity", "bee")
    shutil.copy(tmp_path / kind.name, other)
    assert folder.read(SUBJECT, BEE) is None  # the attack runs, as if there were none
    with pytest.raises(InputError) as caught:
        read_predictions(other, cell(BEE))
    assert str(caught.value) == (
        f"{other} is not the attack that results.json tells of. Put the original back, or delete both and "
        "give the same command again."
    )
    found = read_predictions(tmp_path / kind.name, cell())
    assert found is not None and set(found) == {"key", "category", "class", "probability"}
    assert read_predictions(tmp_path / "absent", cell()) is None


def test_a_checksum_names_the_content_whatever_the_order() -> None:
    content = {"b": [1, 0.1, None], "a": "ä"}
    assert checksum_of(content) == checksum_of(dict(sorted(content.items())))
    others: list[dict[str, Any]] = [
        content | {"b": [1.0, 0.1, None]},
        content | {"a": "a"},
        {"b": content["b"]},
    ]
    assert len({checksum_of(each) for each in [content, *others]}) == 4
    assert checksum_of(asdict(cell())) != checksum_of(asdict(cell(BEE)))
