"""What does Scotoma say of images and tables that are not as they should be?

    python experiments/hostile.py OUT.md

Makes each hostile input in a folder of its own, runs the command that a user would run on it, and writes down
exit code and message. Paths are shown from that folder; generated images only.
"""

import contextlib
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from scotoma.cli import main as scotoma
from scotoma.runs.run_folder import MARKER

Make = Callable[[Path], None]


def picture(path: Path, seed: int, side: int = 64) -> None:
    """A generated image, by its extension."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def folder(root: Path) -> None:
    """Two categories of 24 images."""
    for number in range(48):
        picture(root / "photos" / ("cats", "dogs")[number % 2] / f"{number}.png", number)


def table(text: str, name: str = "faces.csv", encoding: str = "utf-8") -> Make:
    """48 images, and a table with this text, in which IMAGES stands for sound rows."""

    def make(root: Path) -> None:
        for number in range(48):
            picture(root / f"{number}.png", number)
        rows = "\n".join(f"{number}.png,{number % 2},{20 + number}" for number in range(48))
        (root / name).write_bytes(text.replace("IMAGES", rows).encode(encoding))

    return make


def folder_with(change: Callable[[Path], object]) -> Make:
    """A sound folder of which something is changed."""

    def make(root: Path) -> None:
        folder(root)
        change(root / "photos")

    return make


def cut_short(photos: Path) -> None:
    """A JPEG file without its second half."""
    picture(photos / "cats" / "whole.jpg", 7, 200)
    content = (photos / "cats" / "whole.jpg").read_bytes()
    (photos / "cats" / "whole.jpg").write_bytes(content[: len(content) // 2])


def named_as_image(photos: Path) -> None:
    """A text with the extension of an image."""
    (photos / "dogs" / "a.png").write_text("hello")


def two_damaged(photos: Path) -> None:
    """Two kinds of damage at once."""
    cut_short(photos)
    named_as_image(photos)


def nearly_empty(photos: Path) -> None:
    """One image is left of a category: it falls on one side only."""
    for path in sorted((photos / "cats").iterdir())[1:]:
        path.unlink()


def bomb(photos: Path) -> None:
    """A small file of very many pixels."""
    Image.new("1", (10_000, 10_000)).save(photos / "cats" / "bomb.png")


def animated(photos: Path) -> None:
    """Two frames in one file, of each kind."""
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    for name in ("cats/moving.webp", "dogs/moving.png", "dogs/moving.gif"):
        frames[0].save(photos / name, save_all=True, append_images=frames[1:])


def no_photographs(photos: Path) -> None:
    """A pipe, which would never end, a picture that is not read, and what a run has written."""
    os.mkfifo(photos / "cats" / "pipe.jpg")
    Image.new("RGB", (64, 64)).save(photos / "cats" / "scan.tif")
    picture(photos / "sweep" / "sweep.png", 9)
    (photos / "sweep" / MARKER).write_text("{}")


def same_in_both(photos: Path) -> None:
    """One image in two categories, and in one twice."""
    shutil.copy(photos / "cats" / "0.png", photos / "dogs" / "again.png")
    shutil.copy(photos / "dogs" / "1.png", photos / "dogs" / "twice.png")


def nan(root: Path) -> None:
    """A table with a value that is no label."""
    table("file,Male,age\nIMAGES")(root)
    text = (root / "faces.csv").read_text().replace("\n5.png,1", "\n5.png,NaN")
    (root / "faces.csv").write_text(text)


CHECK = ["check", "photos"]
TRAIN = ["train", "photos", "--hide", "cats", "--preset", "demo", "--out", "run"]
FACES = ["train", "faces.csv", "--preset", "demo", "--out", "run", "--hide"]
CASES: dict[str, tuple[Make, list[str]]] = {
    "an empty file": (folder_with(lambda p: (p / "cats" / "empty.jpg").touch()), CHECK),
    "a file cut short": (folder_with(cut_short), CHECK),
    "a text named as an image": (folder_with(named_as_image), CHECK),
    "both of these, in training": (folder_with(two_damaged), TRAIN),
    "a decompression bomb": (folder_with(bomb), CHECK),
    "animations": (folder_with(animated), CHECK),
    "animations, in training": (folder_with(animated), TRAIN),
    "a pipe, another format, and a run's folder": (folder_with(no_photographs), CHECK),
    "the same pixels in two categories": (folder_with(same_in_both), CHECK),
    "images outside any category": (folder_with(lambda p: picture(p / "loose.png", 9)), CHECK),
    "one category only": (folder_with(lambda p: shutil.rmtree(p / "dogs")), CHECK),
    "too few images": (folder_with(nearly_empty), TRAIN),
    "a missing file of a table": (table("file,Male,age\nIMAGES\nnone.png,1,30"), [*FACES, "Male"]),
    "a row twice": (table("file,Male,age\nIMAGES\n0.png,0,20"), ["check", "faces.csv"]),
    "a row twice that differs": (table("file,Male,age\nIMAGES\n0.png,1,20"), [*FACES, "Male"]),
    "a path out of the folder": (table("file,Male,age\nIMAGES\n../../etc/x.png,1,20"), [*FACES, "Male"]),
    "NaN in a binary column": (nan, [*FACES, "Male"]),
    "a number without a threshold": (table("file,Male,age\nIMAGES"), [*FACES, "age"]),
    "a threshold on names": (table("file,hair\n0.png,black\n1.png,red\n2.png,black"), [*FACES, "hair>=3"]),
    "a constant column": (table("file,Male\n0.png,1\n1.png,1\n2.png,1"), [*FACES, "Male"]),
    "a column that is not there": (table("file,Male,age\nIMAGES"), [*FACES, "Mal"]),
    "ragged rows": (table("file,Male,age\nIMAGES\n5.png,1"), [*FACES, "Male"]),
    "a table in another encoding": (
        table("file,größe\n0.png,groß\n1.png,klein\n2.png,groß", encoding="latin-1"),
        ["check", "faces.csv"],
    ),
    "a table with a byte order mark, semicolons": (
        table("file;Male\n0.png;1\n1.png;0\n2.png;1", encoding="utf-8-sig"),
        ["check", "faces.csv"],
    ),
    "an empty table": (table(""), ["check", "faces.csv"]),
    "the same column twice": (table("file,Male,Male\n0.png,1,1\n1.png,0,0"), [*FACES, "Male"]),
}


def said(make: Make, command: list[str]) -> tuple[int, str]:
    """Exit code and last words of a command on a hostile input."""
    with tempfile.TemporaryDirectory() as root:
        make(Path(root))
        os.environ["SCOTOMA_CACHE"] = str(Path(root) / "cache")
        out, err = io.StringIO(), io.StringIO()
        with contextlib.chdir(root), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = scotoma(command)
        lines = [*remarks(out.getvalue()), *remarks(err.getvalue())]
        return code, "\n".join(lines).replace(f"{root}/", "")


def remarks(text: str) -> list[str]:
    """What is said beside tables and progress."""
    tables = ("│", "┃", "┏", "┡", "├", "└", "   ", "decoding", "looking")
    other = (*tables, "photos: ", "faces.csv: ", "width: ", "height: ", "gray: ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith(other)]


def main(out: Path) -> None:
    """Write the list."""
    parts = ["# Hostile inputs, and what each gets", "", "    python experiments/hostile.py OUT.md", ""]
    for name, (make, command) in CASES.items():
        code, text = said(make, command)
        shown = "\n".join(f"    {line}" for line in text.splitlines())
        parts += [f"**{name[0].upper()}{name[1:]}**: `scotoma {' '.join(command)}`, exit code {code}", ""]
        parts += [shown or "    (nothing is said)", ""]
    out.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
