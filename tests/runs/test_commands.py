import shlex
from pathlib import Path

import pytest

from scotoma.cli.options import names
from scotoma.runs.commands import command_line


def test_what_is_not_given_is_not_written() -> None:
    flags = {"keep": (), "root": None, "anonymous": False, "overwrite": True, "seed": 0, "out": Path("a b")}
    assert command_line("train", ["photos"], flags) == "scotoma train photos --overwrite --seed 0 --out 'a b'"


def test_a_value_that_begins_with_a_dash_is_no_flag() -> None:
    flags = {"missing": ("-1", "?"), "hide": ("a", "-b"), "root": "-x"}
    assert command_line("train", ["t.csv"], flags) == (
        "scotoma train t.csv '--missing=-1,?' --hide a,-b --root=-x"
    )


@pytest.mark.parametrize(
    "given", [("a, b", "c"), ('"x"',), ('5" pipe', "y,"), ("age>=35", "hair=brown, dark")]
)
def test_names_are_written_as_the_command_line_reads_them(given: tuple[str, ...]) -> None:
    *_, flag, written = shlex.split(command_line("train", ["t.csv"], {"hide": given}))
    assert (flag, names(written, flag)) == ("--hide", given)
