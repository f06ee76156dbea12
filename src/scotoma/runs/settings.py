"""How do a user's values become a frozen settings dataclass, and how are mistakes in them told?

`build` reads any frozen dataclass from a plain table (TOML, JSON, flags). It checks every value against the
field's type, never guesses, and names all problems in one `InputError`.
"""

import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from scotoma.errors import InputError
from scotoma.runs.json_text import shown

T = TypeVar("T")

MOST_PROBLEMS = 50


def read_toml(path: Path | str) -> dict[str, Any]:
    """Read a TOML file into a plain table.

    Raises:
        InputError: the file is missing, cannot be read or is not TOML.
    """
    path = Path(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"There is no settings file {path}.") from None
    except OSError as error:
        raise InputError(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError(f"The settings file {path} is not TOML: it is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"The settings file {path} is not TOML: {error}.") from None


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one table over another, table by table: what `over` does not name stays as in `under`."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        both_tables = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(below, value) if both_tables else value  # type: ignore[arg-type]
    return merged


def build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Make the frozen dataclass `cls` from a plain table.

    Understood are bool, int, float (an int will do), str, Path, Literal, `X | None`, `tuple[X, ...]`,
    `tuple[X, Y]`, `Mapping[str, X]`, nested dataclasses and Any. Fields without a default must be there.

    Args:
        cls: the dataclass, its `__post_init__` may raise InputError as well.
        values: the table, for example from `read_toml`.
        where: what the user calls the table (a path, "the command line"), for the message.

    Raises:
        InputError: unknown or missing keys, or values of another type; all of them at once.
    """
    reader = _Reader()
    built = reader.table(cls, values, "")
    if reader.problems:
        count = len(reader.problems)
        head = f"{where}: {count} problem{'s' if count > 1 else ''}."
        lines = [f"  - {problem}" for problem in reader.problems[:MOST_PROBLEMS]]
        if count > MOST_PROBLEMS:
            lines.append(f"  and {count - MOST_PROBLEMS:,} more")
        raise InputError("\n".join([head, *lines]))
    return built  # type: ignore[no-any-return]


def to_dict(settings: Any) -> dict[str, Any]:
    """The plain table of a dataclass, as JSON and TOML can hold it; `build` makes an equal one from it."""
    if not is_dataclass(settings) or isinstance(settings, type):
        raise TypeError(f"to_dict takes an instance of a dataclass, got {settings!r}")
    return {each.name: _plain(getattr(settings, each.name)) for each in fields(settings)}


def nearest(name: str, allowed: Sequence[str]) -> str:
    """The advice that ends a message on an unknown name: the nearest allowed one if any, then all."""
    # In quotes where a name holds a comma, as it is given.
    listed = ", ".join(f'"{each}"' if "," in each else each for each in allowed) or "none"
    close = closest(name, allowed, 0.6)
    return f"allowed: {listed}" if close is None else f"did you mean {close!r}? (allowed: {listed})"


def closest(name: str, allowed: Sequence[str], cutoff: float) -> str | None:
    """The allowed name that is most like another one, from a likeness of `cutoff` (0 to 1) on."""
    # Compared in lower case, so that "Bag" finds "bag".
    by_lower = {each.lower(): each for each in allowed}
    found = get_close_matches(name.lower(), list(by_lower), n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Path):
        return str(value)
    return value


@dataclass
class _Reader:
    """Reads values by their types; what it cannot read it notes in `problems` and goes on."""

    problems: list[str] = field(default_factory=list)

    def table(self, cls: Any, values: Any, key: str) -> Any:
        """The dataclass `cls` from a table, or None with a problem noted."""
        if not isinstance(values, Mapping):
            return self._wrong(key, "a table", values)
        known = {each.name: each for each in fields(cls) if each.init}
        before = len(self.problems)
        for name in values:
            if name not in known:
                self.problems.append(f"{_join(key, name)}: unknown key, {nearest(str(name), list(known))}")
        hints = get_type_hints(cls)
        read = {
            name: self.value(hints[name], values[name], _join(key, name)) for name in known if name in values
        }
        for name, each in known.items():
            if name not in values and _is_required(each):
                self.problems.append(f"{_join(key, name)}: missing, it must be {_describe(hints[name])}")
        if len(self.problems) > before:
            return None
        try:
            return cls(**read)
        except InputError as error:
            self.problems.append(f"{key}: {error}" if key else str(error))
            return None

    def value(self, kind: Any, value: Any, key: str) -> Any:
        """One value of type `kind`, or None with a problem noted."""
        origin, arguments = get_origin(kind), get_args(kind)
        if kind is Any or kind is object:
            return value
        if origin is Literal:
            matches = [each for each in arguments if each == value and type(each) is type(value)]
            return matches[0] if matches else self._not_allowed(key, arguments, value)
        if origin in (Union, types.UnionType):
            return self._union(kind, value, key)
        if origin in (tuple, list) or (isinstance(origin, type) and issubclass(origin, Sequence)):
            return self._items(kind, value, key)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            if not isinstance(value, Mapping) or not all(isinstance(each, str) for each in value):
                return self._wrong(key, _describe(kind), value)
            return {name: self.value(arguments[1], each, _join(key, name)) for name, each in value.items()}
        if is_dataclass(kind):
            return self.table(kind, value, key)
        return self._scalar(kind, value, key)

    def _scalar(self, kind: Any, value: Any, key: str) -> Any:
        # A bool is an int to Python, never to a user.
        if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if kind is int and isinstance(value, int) and not isinstance(value, bool):
            return value
        if kind is Path and isinstance(value, str | Path):
            return Path(value)
        if kind in (bool, str) and isinstance(value, kind):
            return value
        if kind in (None, types.NoneType) and value is None:
            return None
        if kind not in (bool, int, float, str, Path, None, types.NoneType):
            raise TypeError(f"settings cannot hold a field of type {kind!r} ({key})")
        return self._wrong(key, _describe(kind), value)

    def _union(self, kind: Any, value: Any, key: str) -> Any:
        trials = []
        for option in get_args(kind):
            trial = _Reader()
            read = trial.value(option, value, key)
            if not trial.problems:
                return read
            trials.append((option, trial.problems))
        # "X | None" is X to whoever gave a value: say what is wrong with the X.
        real = [problems for option, problems in trials if option is not types.NoneType]
        if len(real) == 1:
            self.problems += real[0]
            return None
        return self._wrong(key, _describe(kind), value)

    def _items(self, kind: Any, value: Any, key: str) -> Any:
        origin, arguments = get_origin(kind), get_args(kind)
        if not isinstance(value, list | tuple):
            return self._wrong(key, _describe(kind), value)
        if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
            if len(value) != len(arguments):
                return self._wrong(key, _describe(kind), value)
            kinds = list(arguments)
        else:
            kinds = [arguments[0]] * len(value)
        pairs = enumerate(zip(kinds, value, strict=True))
        read = [self.value(each, item, f"{key}[{index}]") for index, (each, item) in pairs]
        return read if origin is list else tuple(read)

    def _wrong(self, key: str, expected: str, value: Any) -> None:
        named = f"{key}: " if key else ""
        self.problems.append(f"{named}must be {expected}, got {_show(value)}")

    def _not_allowed(self, key: str, allowed: tuple[Any, ...], value: Any) -> None:
        # Of what kind a value is matters only where another kind is allowed: '1' is not 1.
        said = shown(value) if all(isinstance(each, type(value)) for each in allowed) else _show(value)
        advice = nearest(str(value), [str(each) for each in allowed])
        self.problems.append(f"{key}: {said} is not possible, {advice}")


def _is_required(each: "Field[Any]") -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _join(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)


_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
    types.NoneType: "nothing",
    Any: "anything",
}


def _describe(kind: Any) -> str:
    """What a type is called in a message to a user."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return "one of " + ", ".join(str(each) for each in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(each) for each in arguments if each is not types.NoneType)
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
        return f"a list of {len(arguments)}: " + ", ".join(_describe(each) for each in arguments)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return "a table"
    if origin is not None:
        return f"a list, each {_describe(arguments[0])}"
    return _NAMES.get(kind, "a table")


def _show(value: Any) -> str:
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    named = kinds.get(type(value))
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return f"the list {shown(list(value))}"
    return f"{shown(value)}, {named}" if named else shown(value)
