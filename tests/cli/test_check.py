import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scotoma.cli import main


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve images in each of two categories, [b] has a larger one; a text beside them."""
    random = np.random.default_rng(0)
    for category in ("a", "[b]"):
        folder = tmp_path / "photos" / category
        folder.mkdir(parents=True)
        for number in range(12):
            side = 20 if category == "[b]" and number == 0 else 8
            pixels = random.integers(0, 256, (side, 10, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:02}.png")
    (tmp_path / "photos" / "notes.txt").write_text("n")
    return tmp_path / "photos"


def rows(out: str) -> dict[str, list[int]]:
    """Figures of the table by category."""
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if "│" in line]
    return {row[0]: [int(figure) for figure in row[1:]] for row in cells if row[1].isdigit()}


def test_what_is_there_is_told(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(photos)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[:4] == [
        f"{photos}: 24 images in 2 categories",
        "width: 10 to 10 pixels, median 10",
        "height: 8 to 20 pixels, median 8",
        "gray: 0.0 % of the images",
    ]
    table = rows(out)
    assert list(table) == ["[b]", "a"]
    for images, *parts, unreadable in table.values():
        assert (images, unreadable) == (12, 0)
        assert sum(parts) == 12
    assert "  .txt: 1" in out.splitlines()


def test_the_seed_decides_the_division(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = []
    for seed in ("0", "0", "1"):
        assert main(["check", str(photos), "--seed", seed]) == 0
        tables.append(rows(capsys.readouterr().out))
    assert tables[0] == tables[1]
    assert tables[0] != tables[2]


def test_a_file_that_cannot_be_read_is_named_and_ends_with_2(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "a" / "broken.jpg").write_bytes(b"no picture")
    assert main(["check", str(photos)]) == 2
    told = capsys.readouterr()
    assert "1 file cannot be read:" in told.out.splitlines()
    assert any(line.startswith("  a/broken.jpg: ") for line in told.out.splitlines())
    assert rows(told.out)["a"][-1] == 1
    assert told.err.endswith(
        "1 file cannot be read, and training would stop there: repair or move away what is named above.\n"
    )


def test_images_that_are_there_twice_are_named(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(photos / "a" / "00.png", photos / "a" / "same.png")
    shutil.copy(photos / "a" / "01.png", photos / "[b]" / "other.png")
    assert main(["check", str(photos)]) == 0
    lines = capsys.readouterr().out.splitlines()
    place = lines.index("1 group of equal images in one category (all used, always on the same side):")
    assert lines[place + 1] == "  a/00.png = a/same.png"
    place = lines.index("1 group of equal images in different categories (none used):")
    assert lines[place + 1] == "  [b]/other.png = a/01.png"


def test_long_lists_end_with_a_count(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(13):
        (photos / "a" / f"x{number:02}.jpg").write_bytes(b"no picture")
    assert main(["check", str(photos)]) == 2
    lines = capsys.readouterr().out.splitlines()
    place = lines.index("13 files cannot be read:")
    assert [line.split(":")[0] for line in lines[place + 1 : place + 11]] == [
        f"  a/x{number:02}.jpg" for number in range(10)
    ]
    assert lines[place + 11] == "  and 3 more (--full names all)"
    assert main(["check", str(photos), "--full"]) == 2
    lines = capsys.readouterr().out.splitlines()
    place = lines.index("13 files cannot be read:")
    assert [line.split(":")[0] for line in lines[place + 1 : place + 14]] == [
        f"  a/x{number:02}.jpg" for number in range(13)
    ]
    assert not any("and 3 more" in line for line in lines)


def test_all_problems_of_a_table_are_named_if_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("file,age\n" + "".join(f"{number}.jpg,1\n" for number in range(30)))
    assert main(["check", str(table)]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[20:22] == [
        "  line 21: there is no file '19.jpg'",
        "  and 10 more missing files (scotoma check --full names all)",
    ]
    assert main(["check", str(table), "--full"]) == 2
    missing = [f"  line {number + 2}: there is no file '{number}.jpg'" for number in range(30)]
    assert capsys.readouterr().err.splitlines()[1:31] == missing


def problems(told: str) -> list[str]:
    """The indented lines of an error."""
    return [line for line in told.splitlines() if line.startswith("  ")]


def test_all_problems_of_lists_are_named_if_asked_for(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    for name in ("training", "validation", "test"):
        (lists / f"{name}.txt").write_text("".join(f"{name}{number}.jpg\n" for number in range(10)))
    assert main(["check", str(photos), "--split-files", str(lists)]) == 2
    first = problems(capsys.readouterr().err)
    assert first[-1].endswith(" more (scotoma check --full names all)")
    assert main(["check", str(photos), "--split-files", str(lists), "--full"]) == 2
    every = problems(capsys.readouterr().err)
    assert every[:20] == first[:20]
    assert "  'test9.jpg' in test.txt, line 10, is none of the images" in every[20:]
    assert every[-1].endswith(" is in no list")


def test_options_come_from_a_file_too(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = photos.parent / "my.toml"
    shutil.copytree(photos / "a", photos / "c")
    for number, path in enumerate((photos / "c").iterdir()):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    config.write_text(f'data = "{photos}"\ncategories = ["a", "c"]\nseed = 3\n')
    assert main(["check", "--config", str(config)]) == 0
    out = capsys.readouterr().out
    assert list(rows(out)) == ["a", "c"]
    assert "how seed 3 divides them" in out


def test_a_bomb_is_told_in_our_words_alone(photos: Path) -> None:
    """In a process of its own: tests turn warnings into errors."""
    Image.new("1", (10_000, 10_000)).save(photos / "a" / "bomb.png")
    command = [sys.executable, "-m", "scotoma", "check", str(photos)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "  a/bomb.png: more than 89,478,485 pixels, taken for a decompression bomb\n" in ended.stdout
    assert "Warning" not in ended.stderr
