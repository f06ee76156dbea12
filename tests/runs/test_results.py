import json
from dataclasses import asdict, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args, get_type_hints

import jsonschema
import pytest

from scotoma.errors import InputError, ScotomaError
from scotoma.runs.leaks import Excess
from scotoma.runs.results import FORMAT, VERSION, Cell, Counts, EncoderSummary, Point, Results
from scotoma.runs.whole_files import write_checked_json

SCHEMA: dict[str, Any] = json.loads((files("scotoma") / "runs" / "results.schema.json").read_text())

DONE = Cell(
    encoder="encoder",
    task="shirt",
    classes=("other", "shirt"),
    role="hide",
    attacker="paper",
    seed=3,
    state="done",
    val_accuracy=0.68,
    test_accuracy=0.66,
    test_low=0.63,
    test_high=0.69,
    floor=10 / 18,
    auc=0.7,
    cross_entropy=0.62,
    bits=0.1,
    iterations=100,
    seconds=1.5,
    counts=Counts((90, 10), (18, 2), (45, 5)),
    curve=(Point(50, 1e-3, 0.7, 0.69, 0.5), Point(100, 1e-4, 0.6, 0.62, 0.68)),
    settings={"rate": 1e-3, "stages": (1, 2)},
    excess=Excess(estimate=0.104, low=0.07, p=1e-9, smallest_leak=0.05, error=0.017),
)
FAILED = replace(
    DONE,
    state="failed",
    val_accuracy=None,
    test_accuracy=None,
    test_low=None,
    test_high=None,
    auc=None,
    cross_entropy=None,
    bits=None,
    iterations=0,
    curve=(),
    note="unstable",
    excess=None,
)
RESULTS = Results(
    run={"seed": 3, "data": {"categories": ("bag", "shirt"), "images": 20}},
    hide=("shirt",),
    keep=(),
    encoders=(
        EncoderSummary("identity", "identity", "identity", (1, 28, 28)),
        EncoderSummary("encoder", "trained", "ab" * 16, (3, 7, 7), {"hide": ("shirt",), "keep": None}),
    ),
    cells=(DONE, FAILED),
)


def test_what_is_read_equals_what_was_written(tmp_path: Path) -> None:
    RESULTS.write(tmp_path / "results.json")
    read = Results.read(tmp_path / "results.json")
    assert read == RESULTS
    assert read.cells[0].curve[1].rate == 1e-4
    # Free tables hold lists from the beginning, as JSON does.
    assert RESULTS.encoders[1].training == {"hide": ["shirt"], "keep": None}


def test_a_written_file_follows_the_published_schema(tmp_path: Path) -> None:
    RESULTS.write(tmp_path / "results.json")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads((tmp_path / "results.json").read_text()), SCHEMA)


def test_a_file_of_an_earlier_version_lacks_the_comparison_with_the_kept_labels(tmp_path: Path) -> None:
    old = asdict(RESULTS)
    for each in old["cells"]:
        del each["excess"]
    write_checked_json(tmp_path / "results.json", old)
    jsonschema.validate(json.loads((tmp_path / "results.json").read_text()), SCHEMA)
    assert [each.excess for each in Results.read(tmp_path / "results.json").cells] == [None, None]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 1),
        (("checksum",), "none"),
        (("surplus",), 1),
        (("cells", 0, "state"), "finished"),
        (("cells", 0, "test_accuracy"), 1.2),
        (("cells", 0, "floor"), None),
        (("cells", 0, "counts", "train_positive"), -1),
        (("cells", 0, "curve", 0, "rate"), 0),
        (("encoders", 0, "kind"), "mystery"),
    ],
)
def test_the_schema_refuses_what_is_wrong(tmp_path: Path, path: tuple[str | int, ...], value: Any) -> None:
    RESULTS.write(tmp_path / "results.json")
    content = json.loads((tmp_path / "results.json").read_text())
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMA)


@pytest.mark.parametrize(
    ("kind", "described"),
    [
        (Results, SCHEMA),
        *((kind, SCHEMA["$defs"][kind.__name__]) for kind in (EncoderSummary, Cell, Excess, Counts, Point)),
    ],
)
def test_schema_and_dataclasses_name_the_same_fields(kind: type, described: dict[str, Any]) -> None:
    # The checksum belongs to the file, not to what it tells.
    names = [each.name for each in fields(kind)] + (["checksum"] if kind is Results else [])
    assert sorted(described["properties"]) == sorted(names)
    # Files of earlier versions lack the comparison.
    assert sorted(described["required"]) == sorted(name for name in names if name != "excess")
    hints = get_type_hints(kind)
    for name, about in described["properties"].items():
        if "enum" in about:
            assert tuple(about["enum"]) == get_args(hints[name])


def test_schema_and_code_agree_on_format_and_version() -> None:
    assert SCHEMA["properties"]["format"] == {"const": FORMAT}
    assert SCHEMA["properties"]["version"] == {"const": VERSION}


def test_numbers_that_are_none_are_not_written(tmp_path: Path) -> None:
    broken = replace(RESULTS, cells=(replace(DONE, auc=float("nan")),))
    path = tmp_path / "results.json"
    with pytest.raises(ScotomaError) as error:
        broken.write(path)
    assert str(error.value) == f"{path} cannot be written: a number in it is NaN or infinite."
    assert not path.exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    with pytest.raises(InputError) as error:
        Results.read(path)
    assert str(error.value) == f"There is no file {path}."
    path.write_text('{"format": "scotoma-results", "version": 7}')
    with pytest.raises(InputError) as error:
        Results.read(path)
    assert str(error.value) == (
        f"{path} has version 7 of scotoma-results, this Scotoma reads version 2. "
        "Use the Scotoma that wrote it, or make it anew."
    )
