"""One column of four classes out of CelebA's columns of hair colours: black, blond, brown, other.

    python experiments/hair.py faces/metadata.csv hair.csv

An image with several colours gets a blank: its hair is not known. Paths stay as they are: give the folder of
the images to Scotoma as --root.
"""

import csv
import sys
from pathlib import Path

COLOURS = {"Black_Hair": "black", "Blond_Hair": "blond", "Brown_Hair": "brown"}
KEPT = ("file", "Male", "Smiling", "Young", "Eyeglasses")


def main(source: Path, target: Path) -> None:
    """Write the new table."""
    with source.open(newline="", encoding="utf-8") as file, target.open("w", newline="") as out:
        rows = csv.DictReader(file)
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*KEPT, "hair"])
        for row in rows:
            named = [colour for column, colour in COLOURS.items() if row[column] == "1"]
            hair = "other" if not named else named[0] if len(named) == 1 else ""
            writer.writerow([*(row[column] for column in KEPT), hair])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
