"""How is a run written down so that somebody else can repeat it? As the command that starts it."""

import csv
import io
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path


def command_line(verb: str, data: Sequence[object], flags: Mapping[str, object]) -> str:
    """The shell command of a verb.

    Args:
        verb: for example "train".
        data: what comes without a flag.
        flags: by name; None, False and what is left empty is not written, True is a switch, a tuple is
            written with commas (as a row of CSV, so that its texts may hold some) and a list as one flag for
            each.
    """
    words = ["scotoma", verb, *map(str, data)]
    for name, value in flags.items():
        if isinstance(value, list):
            for each in value:
                words += [f"--{name}", str(each)]
        elif value is True:
            words.append(f"--{name}")
        elif isinstance(value, tuple) and value:
            words += _flag(name, _row(value))
        elif isinstance(value, str | int | Path) and value is not False:
            words += _flag(name, str(value))
    return shlex.join(words)


def _row(values: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _flag(name: str, value: str) -> list[str]:
    # On its own, a value that begins with - would be taken for another flag.
    return [f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value]
