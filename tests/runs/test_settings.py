import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from scotoma.errors import InputError
from scotoma.runs.settings import build, merge, nearest, read_toml, to_dict


@dataclass(frozen=True)
class Inner:
    rate: float = 1e-4
    kind: Literal["label-flip", "gan"] = "label-flip"

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise InputError("'rate' must be above 0")


@dataclass(frozen=True)
class Outer:
    steps: int
    name: str = "x"
    flip: bool = False
    widths: tuple[int, ...] = (1, 2)
    scale: tuple[float, float] = (0.5, 1.0)
    out: Path | None = None
    inner: Inner = Inner()
    inners: tuple[Inner, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def problems(values: Mapping[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        build(Outer, values, "my.toml")
    return str(caught.value)


def test_every_kind_of_value_is_built() -> None:
    built = build(
        Outer,
        {
            "steps": 3,
            "name": "n",
            "flip": True,
            "widths": [4, 5, 6],
            "scale": [1, 2.5],
            "out": "runs/a",
            "inner": {"rate": 2, "kind": "gan"},
            "inners": [{"rate": 0.5}],
            "extra": {"a": [1, None], "b": {"c": "d"}},
        },
        "my.toml",
    )
    assert built == Outer(
        steps=3,
        name="n",
        flip=True,
        widths=(4, 5, 6),
        scale=(1.0, 2.5),
        out=Path("runs/a"),
        inner=Inner(2.0, "gan"),
        inners=(Inner(0.5),),
        extra={"a": [1, None], "b": {"c": "d"}},
    )
    assert type(built.inner.rate) is float
    assert type(built.scale[0]) is float


def test_what_is_not_named_has_its_default() -> None:
    assert build(Outer, {"steps": 1}, "my.toml") == Outer(1)


def test_a_setting_may_be_nothing_only_where_it_is_optional() -> None:
    assert build(Outer, {"steps": 1, "out": None}, "my.toml").out is None
    assert problems({"steps": None}) == (
        "my.toml: 1 problem.\n  - steps: must be a whole number, got nothing"
    )


def test_all_problems_are_told_at_once_with_their_keys() -> None:
    told = problems(
        {
            "name": 3,
            "flip": 1,
            "widths": [1, "2", 3.0],
            "scale": [1.0],
            "out": 5,
            "inner": {"rat": 1, "kind": "gam", "rate": True},
            "inners": {"rate": 1},
            "extra": "e",
            "stepps": 3,
        }
    )
    assert told == "\n".join(
        [
            "my.toml: 13 problems.",
            "  - stepps: unknown key, did you mean 'steps'? "
            "(allowed: steps, name, flip, widths, scale, out, inner, inners, extra)",
            "  - name: must be a text, got 3, a whole number",
            "  - flip: must be true or false, got 1, a whole number",
            "  - widths[1]: must be a whole number, got '2', a text",
            "  - widths[2]: must be a whole number, got 3.0, a number",
            "  - scale: must be a list of 2: a number, a number, got the list [1.0]",
            "  - out: must be a path, got 5, a whole number",
            "  - inner.rat: unknown key, did you mean 'rate'? (allowed: rate, kind)",
            "  - inner.rate: must be a number, got true",
            "  - inner.kind: 'gam' is not possible, did you mean 'gan'? (allowed: label-flip, gan)",
            "  - inners: must be a list, each a table, got a table",
            "  - extra: must be a table, got 'e', a text",
            "  - steps: missing, it must be a whole number",
        ]
    )


def test_an_unknown_key_like_none_of_the_known_ones_gets_the_list() -> None:
    assert problems({"steps": 1, "inner": {"zzz": 1}}) == (
        "my.toml: 1 problem.\n  - inner.zzz: unknown key, allowed: rate, kind"
    )


def test_the_dataclass_own_checks_are_told_with_their_place() -> None:
    assert problems({"steps": 1, "inner": {"rate": -1.0}, "inners": [{}, {"rate": 0}]}) == "\n".join(
        [
            "my.toml: 2 problems.",
            "  - inner: 'rate' must be above 0",
            "  - inners[1]: 'rate' must be above 0",
        ]
    )


def test_a_literal_takes_a_value_of_its_own_type_only() -> None:
    @dataclass(frozen=True)
    class Channels:
        channels: Literal[1, 3]

    assert build(Channels, {"channels": 3}, "x").channels == 3
    for value, shown in ((True, "true"), (3.0, "3.0, a number")):
        with pytest.raises(InputError, match=re.escape(f"channels: {shown} is not possible")):
            build(Channels, {"channels": value}, "x")


def test_a_field_of_a_type_that_no_file_can_hold_is_the_programmers_error() -> None:
    @dataclass(frozen=True)
    class Bad:
        value: complex

    with pytest.raises(TypeError, match="settings cannot hold a field of type"):
        build(Bad, {"value": 1}, "x")


def test_to_dict_and_build_are_inverse() -> None:
    settings = Outer(
        3, inner=Inner(0.1, "gan"), inners=(Inner(), Inner(0.25)), out=Path("a/b"), extra={"k": (1, 2)}
    )
    plain = to_dict(settings)
    assert plain == {
        "steps": 3,
        "name": "x",
        "flip": False,
        "widths": [1, 2],
        "scale": [0.5, 1.0],
        "out": "a/b",
        "inner": {"rate": 0.1, "kind": "gan"},
        "inners": [{"rate": 1e-4, "kind": "label-flip"}, {"rate": 0.25, "kind": "label-flip"}],
        "extra": {"k": [1, 2]},
    }
    assert to_dict(build(Outer, plain, "x")) == plain


def test_to_dict_refuses_what_is_no_settings_object() -> None:
    with pytest.raises(TypeError, match="takes an instance of a dataclass"):
        to_dict(Outer)


def test_merge_lays_tables_over_tables_key_by_key() -> None:
    under = {"a": 1, "t": {"x": 1, "y": [1, 2]}, "u": {"z": 1}}
    assert merge(under, {"a": 2, "t": {"y": [3]}, "u": 5, "v": {"w": 1}}) == {
        "a": 2,
        "t": {"x": 1, "y": [3]},
        "u": 5,
        "v": {"w": 1},
    }
    assert under == {"a": 1, "t": {"x": 1, "y": [1, 2]}, "u": {"z": 1}}


def test_nearest_ignores_case_and_lists_all_when_nothing_is_near() -> None:
    assert nearest("BAG", ["bag", "shirt"]) == "did you mean 'bag'? (allowed: bag, shirt)"
    assert nearest("zzzz", ["bag", "shirt"]) == "allowed: bag, shirt"
    assert nearest("zzzz", []) == "allowed: none"
    assert nearest("zzzz", ["a, b", "c"]) == 'allowed: "a, b", c'


def test_read_toml_reads_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('hide = ["a"]\n[training]\nrate = 1e-4\n')
    assert read_toml(path) == {"hide": ["a"], "training": {"rate": 1e-4}}


def test_read_toml_says_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    def told(path: Path) -> str:
        with pytest.raises(InputError) as caught:
            read_toml(path)
        return str(caught.value)

    path = tmp_path / "a.toml"
    assert told(path) == f"There is no settings file {path}."
    assert told(tmp_path) == f"The settings file {tmp_path} cannot be read: Is a directory."
    path.write_text("a = \n")
    assert told(path) == f"The settings file {path} is not TOML: Invalid value (at line 1, column 5)."
    path.write_bytes(b'a = "\xff"')
    assert told(path) == f"The settings file {path} is not TOML: it is not UTF-8 text."
