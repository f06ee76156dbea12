from pathlib import Path

from scotoma.runs.commands import command_line


def test_what_is_not_given_is_not_written() -> None:
    flags = {"keep": (), "root": None, "anonymous": False, "overwrite": True, "seed": 0, "out": Path("a b")}
    assert command_line("train", ["photos"], flags) == "scotoma train photos --overwrite --seed 0 --out 'a b'"


def test_a_value_that_begins_with_a_dash_is_no_flag() -> None:
    flags = {"missing": ("-1", "?"), "hide": ("a", "-b"), "root": "-x"}
    assert command_line("train", ["t.csv"], flags) == (
        "scotoma train t.csv '--missing=-1,?' --hide a,-b --root=-x"
    )
