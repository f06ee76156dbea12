"""What tests of files and folders share."""

from pathlib import Path

import pytest

from scotoma.errors import InputError


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def told(function: object, *arguments: object, **named: object) -> str:
    assert callable(function)
    with pytest.raises(InputError) as caught:
        function(*arguments, **named)
    return str(caught.value)
