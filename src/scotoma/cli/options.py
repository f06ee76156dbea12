"""How do a TOML file and flags become one verb's options? The file first, flags over it."""

import csv
import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints

from cyclopts import Parameter, Token

from scotoma.errors import InputError, TimeLimitReached
from scotoma.runs.settings import build, merge, read_toml
from scotoma.runs.words import counted

T = TypeVar("T")

# Flags are None when they are not given, so that the TOML file below them is seen.
Switch = Annotated[bool | None, Parameter(negative="")]
Names = Annotated[str | None, Parameter(metavar="A,B")]


def _whole_number(_: object, tokens: Sequence[Token]) -> int:
    """What a flag says, where that is a number without a sign or a fraction."""
    text = tokens[0].value
    if not text.isdecimal():
        raise ValueError(f"{text!r} is no whole number from 0 on")
    return int(text)


Whole = Annotated[int | None, Parameter(converter=_whole_number, metavar="N")]
Settings = Annotated[list[str] | None, Parameter(name="--set", metavar="KEY=VALUE", negative="")]


# What --set is for: the tables of a preset.
TABLES = ("encoder", "images", "classifier", "training", "split", "verification")


def overlay(config: Path | None, flags: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Lay flags over a TOML file.

    Args:
        config: the TOML file, None for none.
        flags: by name; None stands for a flag that was not given. A table sets single keys of a table.

    Returns:
        The table, and what to call it in a message.

    Raises:
        InputError: the file is missing or not TOML.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if config is None:
        return given, "the command line"
    return merge(read_toml(config), given), f"{config} with the command line over it"


def read_options(cls: type[T], config: Path | None, flags: Mapping[str, Any]) -> T:
    """A verb's frozen options from a TOML file with flags over it; see `overlay` and `build`.

    Raises:
        InputError: names every unknown, missing or wrong option.
    """
    return build(cls, *overlay(config, flags))


def read_with_tables(cls: type[T], config: Path | None, flags: Mapping[str, Any]) -> tuple[T, str]:
    """`read_options` of a verb whose file may hold tables of a preset; and what a message calls that file.

    Raises:
        InputError: names every option that stands in a wrong table, or else as `read_options`.
    """
    values, where = overlay(config, flags)
    if misplaced := list(_misplaced(cls, values)):
        raise InputError("\n".join([f"{where}: {counted(len(misplaced), 'problem')}.", *misplaced]))
    return build(cls, values, where), where


def _misplaced(cls: Any, values: Mapping[str, Any]) -> Iterator[str]:
    """What to say of each key that is unknown where it stands but known elsewhere. In TOML all that follows
    the head of a table is of that table.
    """
    kinds = get_type_hints(cls)
    own = [each.name for each in fields(cls) if each.init]
    tables = {key: table for key, table in values.items() if key in own and isinstance(table, Mapping)}
    unknown = [key for key in values if key not in own]
    if not tables and not unknown:
        return
    from scotoma.presets import names_by_table

    known = {
        table: settings
        for table, settings in names_by_table().items()
        if get_origin(kinds.get(table)) is Mapping
    }
    known |= {key: [each.name for each in fields(kinds[key])] for key in own if is_dataclass(kinds[key])}
    misplaced = [(key, key) for key in unknown]
    for table, settings in tables.items():
        misplaced += [(key, f"{table}.{key}") for key in settings if key not in known.get(table, [key])]
    for key, written in misplaced:
        homes = [f"[{table}]" for table, settings in known.items() if key in settings]
        if key in own and key not in known:
            yield f"  - {written}: no setting of a table but an option, write it above all tables"
        elif homes:
            yield f"  - {written}: a setting of the table {' or '.join(homes)}, write it there"


def names(text: str | None, flag: str) -> tuple[str, ...] | None:
    """The names in a comma-separated flag; None when it was not given.

    A name that holds a comma stands in double quotes, as in CSV: `command_line` writes it so.

    Raises:
        InputError: a name is empty, or a quote is not closed.
    """
    if text is None:
        return None
    try:
        rows = list(csv.reader([text], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise InputError(
            f"{flag} {text!r} cannot be read ({error}): a name with a comma stands in double quotes, as in "
            "'\"a, b\",c'."
        ) from None
    found = tuple(each.strip() for each in (rows[0] if any(rows) else [""]))
    if "" in found:
        raise InputError(
            f"{flag} {text!r} has an empty name: give names separated by single commas, as in a,b."
        )
    return found


def seed_numbers(text: str | None, flag: str) -> tuple[int, ...] | None:
    """The seeds in a comma-separated flag; None when it was not given.

    Raises:
        InputError: one is no whole number from 0 on, or stands twice.
    """
    found = names(text, flag)
    if found is None:
        return None
    if wrong := [each for each in found if not each.isdecimal()]:
        raise InputError(f"{flag} {text!r}: {', '.join(wrong)} is no whole number from 0 on; write 0,1,2.")
    numbers = tuple(int(each) for each in found)
    if len(set(numbers)) < len(numbers):
        raise InputError(f"{flag} {text!r} names a seed twice.")
    return numbers


def seconds(text: str, flag: str) -> float:
    """A duration such as 90s, 30m or 8h, in seconds.

    Raises:
        InputError: it is none, or not above 0.
    """
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    number, unit = text.strip()[:-1], text.strip()[-1:].lower()
    try:
        found = float(number) * units[unit]
    except (ValueError, KeyError):
        found = 0.0
    if not 0 < found < math.inf:
        raise InputError(f"{flag} {text!r} is no duration: write a number with s, m, h or d, as in 30m.")
    return found


def assigned(texts: Sequence[str]) -> dict[str, Any]:
    """The tables of --set: "training.batch=32" is what a TOML file says so, with or without quotes.

    Raises:
        InputError: tells every text that is no assignment, and every key that is no setting of a preset: else
            --set could take the place of a flag.
    """
    tables: dict[str, Any] = {}
    wrong = []
    for text in texts:
        key, sign, value = text.partition("=")
        quoted = f"{key}={json.dumps(value.strip())}"
        found = (_parsed(text) or _parsed(quoted)) if sign and value.strip() else None
        if found:
            tables = merge(tables, found)
        else:
            wrong.append(repr(text))
    if wrong:
        raise InputError(f"--set {', '.join(wrong)}: write KEY=VALUE, as in --set training.batch=32.")
    if others := [key for key, table in tables.items() if key not in TABLES or not isinstance(table, dict)]:
        raise InputError(
            f"--set {', '.join(others)}: it takes settings of a preset only ({', '.join(TABLES)}), as in "
            "--set training.batch=32; for the rest there are flags."
        )
    return tables


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


@contextmanager
def resumable(advice: str) -> Iterator[None]:
    """Let Ctrl-C or the time limit within say how to go on, for example 'The same command continues from
    iteration 400.'
    """
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(advice) from None
    except TimeLimitReached as end:
        raise TimeLimitReached(f"{end} {advice}") from None
