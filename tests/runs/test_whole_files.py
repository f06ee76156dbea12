import os
import stat
from pathlib import Path

import pytest

from scotoma.errors import ScotomaError
from scotoma.runs.whole_files import read_json, write_bytes, write_json
from tests.runs.told import files, told


def test_write_bytes_replaces_the_whole_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"a long first content")
    write_bytes(tmp_path / "a", b"short")
    assert (tmp_path / "a").read_bytes() == b"short"
    assert files(tmp_path) == ["a"]


def test_write_bytes_gives_the_permissions_of_an_ordinary_file(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_bytes(b"")
    write_bytes(tmp_path / "a", b"")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "ordinary")}
    assert len(modes) == 1


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a"
    write_bytes(path, b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ScotomaError) as caught:
        write_bytes(path, b"new")
    assert str(caught.value) == f"{path} cannot be written: No space left on device."
    assert path.read_bytes() == b"old"
    assert files(tmp_path) == ["a"]


def test_json_comes_back_equal(tmp_path: Path) -> None:
    content = {"format": "f", "version": 1, "x": 0.1, "ä": ["é", None, True], "n": 2**63}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json", "f", 1) == content
    assert "ä" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_holds_no_number_that_standard_json_lacks(tmp_path: Path, number: float) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(ScotomaError) as caught:
        write_json(path, {"x": [number]})
    assert str(caught.value) == f"{path} cannot be written: a number in it is NaN or infinite."
    assert files(tmp_path) == []


def test_read_json_says_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert told(read_json, path) == f"There is no file {path}."
    assert told(read_json, tmp_path) == f"{tmp_path} cannot be read: Is a directory."
    path.write_text('{"a": 1')
    assert told(read_json, path) == (
        f"{path} is not JSON: Expecting ',' delimiter: line 1 column 8 (char 7)."
    )
    path.write_bytes(b'"\xff"')
    assert told(read_json, path) == f"{path} is not JSON: it is not UTF-8 text."
    path.write_text("[1]")
    assert told(read_json, path) == f"{path} does not hold a JSON table."
    path.write_text('{"format": "other", "version": 2}')
    assert told(read_json, path, "mine") == f"{path} is no mine file: its format is 'other'."
    assert told(read_json, path, "other", 1) == (
        f"{path} has version 2 of other, this Scotoma reads version 1. "
        "Use the Scotoma that wrote it, or make it anew."
    )
