"""How is JSON read that may be damaged or hostile, and how is a changed digit noticed?

A digit that changed is still JSON. What matters is therefore written with a checksum over its content, which
guards against damage and edits, not against forgery: whoever writes a file can compute its checksum.
"""

import json
import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NoReturn

CHECKSUM = "checksum"
# Far deeper than anything that Scotoma writes, far less deep than what code that walks through it can bear.
DEPTH = 64
_SHOWN = 80


class JsonError(ValueError):
    """Text that cannot be taken: says what is wrong, to stand behind the name of the file."""


def parse_json(data: bytes | str) -> Any:
    """Standard JSON as plain values.

    Raises:
        JsonError: it is no UTF-8 text or no JSON, holds NaN, an infinity or half a character, or is nested
            too deep.
    """
    try:
        text = data if isinstance(data, str) else data.decode()
        content = json.loads(text, parse_constant=_not_finite, parse_float=_finite)
    except UnicodeDecodeError:
        raise JsonError("is not JSON: it is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise JsonError(f"is not JSON: {error}") from None
    except RecursionError:
        raise _too_deep() from None
    except JsonError:
        raise
    except ValueError:
        raise JsonError("is not JSON that Scotoma reads: a number in it is too long") from None
    _require_shallow(content)
    if "\\u" in text:
        _require_characters(content)
    return content


def checksum_of(content: Mapping[str, Any]) -> str:
    """32 hex characters that name the content of a JSON table, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def shown(value: Any) -> str:
    """A value as a message shows it: however long it is, the message stays short."""
    text = repr(value[:_SHOWN] if isinstance(value, str | list) else value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _not_finite(name: str) -> NoReturn:
    raise JsonError(f"is not JSON: {name} is no number in it")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise JsonError(f"is not JSON that Scotoma reads: the number {shown(text)[1:-1]} is too large")
    return number


def _require_shallow(content: Any) -> None:
    level = [content]
    for _ in range(DEPTH + 1):
        values = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for some in values for each in some if isinstance(each, dict | list)]
        if not level:
            return
    raise _too_deep()


def _require_characters(content: Any) -> None:
    """An escape may stand for half of a character, which no file and no terminal takes."""
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise JsonError("is not JSON that Scotoma reads: a text in it holds half a character") from None


def _too_deep() -> JsonError:
    return JsonError(f"is not JSON that Scotoma reads: it is nested more than {DEPTH} levels deep")
