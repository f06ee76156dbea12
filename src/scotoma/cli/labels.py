"""How does a user say how a table of attributes is read, and what must stay together in a split?

The same flags for every verb that reads images with labels; in a TOML file they are the table [labels].
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from scotoma.cli.options import Names, Switch, names
from scotoma.errors import InputError
from scotoma.runs.settings import to_dict

if TYPE_CHECKING:
    from scotoma.data.images import Labelling


@Parameter(name="*")
@dataclass(frozen=True)
class LabelsFlags:
    """Flags on labels; None where one was not given.

    Args:
        file_column: of a table: the column with the images' paths. Default: found by itself.
        root: the folder that these paths start from. Default: the table's own.
        missing: values of the table that mean "not known", with commas, beside the blank.
        columns: how columns are read: binary, classes or number, as in age=classes,Male=binary. Default:
            found by itself.
        table_encoding: the table's text encoding. Default: utf-8.
        group_by: a column whose values (persons, places, videos) never stand on two sides of the split.
        group_near_duplicates: keep images that are nearly the same on one side of the split.
        split_column: the column that gives each image its part: train, reserve, validation or test.
        split_files: a folder with lists of files instead: training.txt, validation.txt, test.txt and, if
            wanted, reserve.txt.
        skip_unreadable: leave out image files that cannot be read; which ones is said everywhere.
    """

    file_column: str | None = None
    root: Path | None = None
    missing: Names = None
    columns: Annotated[str | None, Parameter(metavar="NAME=KIND,...")] = None
    table_encoding: str | None = None
    group_by: str | None = None
    group_near_duplicates: Switch = None
    split_column: str | None = None
    split_files: Path | None = None
    skip_unreadable: Switch = None

    def given(self) -> dict[str, Any] | None:
        """The flags that were given, as the table [labels] has them; None for none.

        Raises:
            InputError: a list that cannot be read.
        """
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        values["missing"] = names(self.missing, "--missing")
        values["columns"] = None if self.columns is None else _kinds(self.columns)
        return {name: value for name, value in values.items() if value is not None} or None


@dataclass(frozen=True)
class LabelsOptions:
    """The table [labels]: see `LabelsFlags`."""

    file_column: str | None = None
    root: Path | None = None
    missing: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    table_encoding: str = "utf-8"
    group_by: str | None = None
    group_near_duplicates: bool = False
    split_column: str | None = None
    split_files: Path | None = None
    skip_unreadable: bool = False

    def labelling(self, attributes: tuple[str, ...] = ()) -> "Labelling":
        """What is asked of the images, with questions to a table."""
        from scotoma.data.attribute_table import Reading
        from scotoma.data.images import Labelling
        from scotoma.data.table import Sides

        encoding = self.table_encoding
        return Labelling(
            attributes=tuple(dict.fromkeys(attributes)),
            reading=Reading(self.file_column, self.root, self.missing, self.columns, encoding),
            sides=Sides(self.group_by, self.group_near_duplicates, self.split_column),
            split_files=self.split_files,
            skip_unreadable=self.skip_unreadable,
        )

    def table(self) -> dict[str, Any]:
        """What was set, as a TOML file has it in [labels]."""
        untouched, own = to_dict(LabelsOptions()), to_dict(self)
        return {name: value for name, value in own.items() if value != untouched[name]}

    def flags(self) -> dict[str, object]:
        """The flags that ask for this, for `command_line`."""
        columns = tuple(f"{name}={kind}" for name, kind in self.columns.items())
        encoding = None if self.table_encoding == "utf-8" else self.table_encoding
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values |= {"columns": columns, "table_encoding": encoding}
        return {name.replace("_", "-"): value for name, value in values.items()}


def labels_table(flags: LabelsFlags | None) -> dict[str, Any] | None:
    """The table [labels] of flags, as far as any were given."""
    return None if flags is None else flags.given()


def _kinds(text: str) -> dict[str, str]:
    pairs = [each.rpartition("=") for each in names(text, "--columns") or ()]
    wrong = ["".join(pair) for pair in pairs if not (pair[0] and pair[2])]
    if wrong:
        raise InputError(f"--columns {text!r}: give NAME=KIND, as in age=classes, got {', '.join(wrong)}.")
    return {name: kind for name, _, kind in pairs}
