from dataclasses import dataclass
from pathlib import Path

import pytest

from scotoma.cli.options import assigned, names, overlay, read_options, read_with_tables, resumable, seconds
from scotoma.cli.verify_options import VerifyOptions
from scotoma.errors import InputError, TimeLimitReached


@dataclass(frozen=True)
class Options:
    data: str
    hide: tuple[str, ...] = ()
    seed: int = 7


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "my.toml"
    path.write_text('data = "a"\nhide = ["x, y", "z"]\n')
    return path


def test_flags_lie_over_the_file_and_defaults_under_it(config: Path) -> None:
    assert read_options(Options, config, {"data": None, "hide": None, "seed": None}) == Options(
        "a", ("x, y", "z"), 7
    )
    assert read_options(Options, config, {"data": "b", "seed": 0}) == Options("b", ("x, y", "z"), 0)
    assert read_options(Options, None, {"data": "b", "hide": ()}) == Options("b")


def test_a_table_of_flags_changes_single_keys_of_the_files_table(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text("[training]\niterations = 5\nbatch = 8\n")
    values, where = overlay(path, {"training": {"batch": 16}})
    assert values == {"training": {"iterations": 5, "batch": 16}}
    assert where == f"{path} with the command line over it"


def test_a_mistake_in_the_file_is_told_with_its_path(config: Path) -> None:
    config.write_text("hid = 1\n")
    with pytest.raises(InputError) as caught:
        read_options(Options, config, {})
    assert str(caught.value) == "\n".join(
        [
            f"{config} with the command line over it: 2 problems.",
            "  - hid: unknown key, did you mean 'hide'? (allowed: data, hide, seed)",
            "  - data: missing, it must be a text",
        ]
    )


def test_a_path_called_as_a_table_of_presets_is_none(config: Path) -> None:
    config.write_text('encoder = "e"\nsize = 28\nrate = 1\n[verification]\ndata = "a"\nviews = 1\n')
    with pytest.raises(InputError) as caught:
        read_with_tables(VerifyOptions, config, {})
    assert str(caught.value) == "\n".join(
        [
            f"{config} with the command line over it: 2 problems.",
            "  - rate: a setting of the table [verification], write it there",
            "  - verification.data: no setting of a table but an option, write it above all tables",
        ]
    )


def test_names_are_separated_by_commas() -> None:
    assert names(None, "--hide") is None
    assert names("a", "--hide") == ("a",)
    assert names("a, b/c,d e", "--hide") == ("a", "b/c", "d e")


def test_a_name_with_a_comma_stands_in_quotes() -> None:
    assert names('"brown, dark", a', "--hide") == ("brown, dark", "a")
    assert names('5" pipe,"say ""a"""', "--hide") == ('5" pipe', 'say "a"')
    with pytest.raises(InputError) as caught:
        names('a,"b', "--hide")
    assert str(caught.value) == (
        "--hide 'a,\"b' cannot be read (unexpected end of data): a name with a comma stands in double "
        "quotes, as in '\"a, b\",c'."
    )


@pytest.mark.parametrize("text", ["", " ", "a,", ",a", "a,,b"])
def test_an_empty_name_is_a_mistake(text: str) -> None:
    with pytest.raises(InputError) as caught:
        names(text, "--tasks")
    assert str(caught.value) == (
        f"--tasks {text!r} has an empty name: give names separated by single commas, as in a,b."
    )


def test_resumable_changes_nothing_but_ctrl_c_and_the_time_limit() -> None:
    with pytest.raises(ValueError, match="other"), resumable("advice"):
        raise ValueError("other")
    with pytest.raises(TimeLimitReached, match=r"^It is late\. advice$"), resumable("advice"):
        raise TimeLimitReached("It is late.")
    with pytest.raises(KeyboardInterrupt, match="advice"), resumable("advice"):
        raise KeyboardInterrupt


def test_assignments_are_tables_as_a_toml_file_has_them() -> None:
    given = ["training.batch=32", "encoder.code_bits = 2", "training.objective=gan", "training.alpha=0.5"]
    assert assigned([*given, 'training.precision="fp32"']) == {
        "training": {"batch": 32, "objective": "gan", "alpha": 0.5, "precision": "fp32"},
        "encoder": {"code_bits": 2},
    }
    # The last word counts, and a list is a list.
    assert assigned(["encoder.widths=1", "encoder.widths=[2, 3]"]) == {"encoder": {"widths": [2, 3]}}
    assert assigned([]) == {}


def test_only_settings_of_a_preset_are_set() -> None:
    """Else --set labels.missing would take away --group-by, and --set hide what --hide says."""
    with pytest.raises(InputError) as caught:
        assigned(["labels.missing=['?']", "training.batch=2", 'hide=["Young"]', "training2=1", "split=1"])
    assert str(caught.value) == (
        "--set labels, hide, training2, split: it takes settings of a preset only (encoder, images, "
        "classifier, training, split, verification), as in --set training.batch=32; for the rest there are "
        "flags."
    )


def test_all_that_is_no_assignment_is_told() -> None:
    with pytest.raises(InputError) as caught:
        assigned(["training.batch", "=3", "a.b=", "a b=1", "training.alpha=1"])
    assert str(caught.value) == (
        "--set 'training.batch', '=3', 'a.b=', 'a b=1': write KEY=VALUE, as in --set training.batch=32."
    )


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("30m", 1800), ("8h", 28_800), ("1.5 H", 5400), ("2d", 172_800)]
)
def test_durations_are_read(text: str, expected: float) -> None:
    assert seconds(text, "--time-limit") == expected


@pytest.mark.parametrize("text", ["", "30", "m", "-3m", "0s", "infh", "nans", "3w"])
def test_what_is_no_duration_is_told(text: str) -> None:
    with pytest.raises(InputError) as caught:
        seconds(text, "--time-limit")
    assert str(caught.value) == (
        f"--time-limit {text!r} is no duration: write a number with s, m, h or d, as in 30m."
    )
