from pathlib import Path

from scotoma.runs.file_names import file_name
from scotoma.runs.whole_files import write_bytes


def test_short_names_stay_as_they_are_but_for_signs() -> None:
    names = {
        "office": "office",
        "a b/c=1": "a%20b%2Fc%3D1",
        "Терминал": "%D0%A2%D0%B5%D1%80%D0%BC%D0%B8%D0%BD%D0%B0%D0%BB",
        "机场": "%E6%9C%BA%E5%9C%BA",
        "x" * 100: "x" * 100,
    }
    assert {name: file_name(name) for name in names} == names


def test_long_names_are_shortened_and_stay_apart(tmp_path: Path) -> None:
    letters = ["Ж" * 39, "Ж" * 60, "机场" * 40, "机场" * 40 + "机", "x" * 101, "😀" * 200]
    found = [file_name(name) for name in letters]
    assert found[0] == "%D0%96" * 10 + "~f5c8ce375de58a19b1eef26fdbb20fa5"
    assert [len(name) for name in found] == [93] * 6
    assert len(set(found)) == 6
    for one, other in zip(found, reversed(found), strict=True):
        write_bytes(tmp_path / f"{one}--{other}.json", b"")
    assert len(list(tmp_path.iterdir())) == 6
