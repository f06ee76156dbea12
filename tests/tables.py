"""A table of attributes with its images, for tests: what each image shows can be read from its colour."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

HAIR = ("black", "blond", "brown")
PARTS = ("train", "train", "val", "test", "attack")
HEADER = ("file", "Male", "Smiling", "hair", "age", "person", "part")


def row_of(number: int) -> dict[str, str]:
    """What the table says of image `number`. Two images show one person, and some values are blank."""
    person = number // 2
    return {
        "file": f"img/{number:03}.png",
        "Male": "" if number % 11 == 7 else str(person % 2),
        "Smiling": str(number % 2),
        "hair": "" if number % 13 == 5 else HAIR[person // 2 % 3],
        "age": str(20 + number % 40),
        "person": f"p{person:03}",
        "part": PARTS[person % 5],
    }


def colour_of(number: int) -> tuple[int, int, int]:
    """Red tells images apart (below 256 of them), green shows hair, blue whether a person is male: what
    the table leaves blank is shown, too.
    """
    person = number // 2
    return number, 100 * (person // 2 % 3), 200 * (person % 2) + 50 * (number % 2)


def write_faces(folder: Path, images: int = 30, side: int = 8) -> Path:
    """So many PNG files of one colour each, and the table `faces.csv` beside them."""
    (folder / "img").mkdir(parents=True)
    for number in range(images):
        pixels = np.full((side, side, 3), colour_of(number), np.uint8)
        Image.fromarray(pixels).save(folder / row_of(number)["file"])
    return write_rows(folder / "faces.csv", [row_of(number) for number in range(images)])


def write_rows(path: Path, rows: list[dict[str, str]]) -> Path:
    """A table of these rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
