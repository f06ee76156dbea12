"""What do encodings look like, and what can be read from them? (Figure 3 of the paper)

Every verification keeps pictures of a few test images of its own choice; each encoder's row shows them below
the images that they were made from, with the accuracies of fresh attackers at the right.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scotoma.experiments.artefact import MISSING, Artefact, percent, table
from scotoma.experiments.cells import AttackCell, Cell
from scotoma.experiments.grid import attacks_of, read_grid, rows_of
from scotoma.experiments.scales import LETTERS, Scale
from scotoma.experiments.table2 import cells as table2_cells
from scotoma.reports.gallery import ORIGINALS, fitted, read_gallery

_SIDE = 96  # pixels of a picture
_SHOWN = 8
_GAP = 4
_KEEP_TO_YOURSELF = (
    "The picture shows images whose licence does not let them be published: keep it to yourself."
)


@dataclass(frozen=True)
class PictureRow:
    """One encoder: test accuracies by column's letter; `gallery` is the file of its pictures, if any."""

    name: str
    hide: tuple[str, ...]
    keep: tuple[str, ...]
    accuracies: dict[str, float]
    gallery: str | None
    subject: str


@dataclass(frozen=True)
class Figure3:
    """All rows, of the first seed."""

    seed: int
    may_show: bool
    rows: tuple[PictureRow, ...]


def cells(scale: Scale, seeds: Sequence[int]) -> tuple[Cell, ...]:
    """Those of Table 2, of the first seed."""
    return table2_cells(scale, seeds[:1])


def collect(scale: Scale, seeds: Sequence[int], out: Path) -> Figure3:
    """Find the pictures and read the accuracies."""
    seed, grid = seeds[0], read_grid(scale, seeds[0], seeds, out)
    rows = []
    for name in rows_of(scale):
        is_encoder = name in scale.table2.rows
        own: AttackCell = attacks_of(scale, name if is_encoder else scale.table2.rows[0], seed, seed)[0]
        path = own.folder(out) / "gallery.npz"
        hide, keep = scale.table2.tasks(name) if is_encoder else ((), ())
        accuracies = {letter: grid[name, letter].test for letter in LETTERS if (name, letter) in grid}
        shown = "encoder" if is_encoder else ORIGINALS if name == "identity" else name
        gallery = str(path) if path.is_file() and not own.is_stale(out) else None
        rows.append(PictureRow(name, hide, keep, accuracies, gallery, shown))
    return Figure3(seed, scale.may_show, tuple(rows))


def markdown(found: Figure3) -> str:
    """What stands beside the pictures."""
    rows = [
        [
            row.name,
            ", ".join(row.hide) or "-",
            ", ".join(row.keep) or "-",
            _accuracies(row) or MISSING,
            "yes" if row.gallery else MISSING,
        ]
        for row in found.rows
    ]
    lines = [
        "# Figure 3: encoded images",
        "",
        f"Seed {found.seed}; test accuracy in % of fresh attackers on each column of Table 2. Values are "
        "replaced by their ranks among images. The pictures are in figure3.png.",
        *([] if found.may_show else ["", _KEEP_TO_YOURSELF]),
        "",
        table(["encoder", "hides", "keeps", "accuracy", "pictures"], rows),
    ]
    return "\n".join(lines)


def picture(found: Figure3) -> bytes:
    """The pictures as PNG: two strips a row, the images and their encodings; originals have one."""
    strips = [strip for row in found.rows for strip in _strips(row)]
    figure = Figure(figsize=(0.9 * _SHOWN + 4.2, max(len(strips), 1) * 0.95), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for number, (name, pixels, said) in enumerate(strips):
        axes: Any = figure.add_subplot(len(strips), 1, number + 1)
        axes.imshow(pixels)
        axes.axis("off")
        axes.text(-8, _SIDE / 2, name, ha="right", va="center", fontsize=9, parse_math=False)
        axes.text(pixels.shape[1] + 8, _SIDE / 2, said, va="center", fontsize=7, parse_math=False)
    drawn = io.BytesIO()
    canvas.print_png(drawn)
    return drawn.getvalue()


def _strips(row: PictureRow) -> list[tuple[str, npt.NDArray[np.uint8], str]]:
    """Name, pixels (side, width, 3) and accuracies of each strip; none where the pictures are missing."""
    if row.gallery is None:
        return []
    pictures = {each.name: each.pictures for each in read_gallery(Path(row.gallery)).rows}
    if row.subject not in pictures:
        return []
    strips = [(row.name, _strip(pictures[row.subject]), _accuracies(row, beside=True))]
    return strips if row.subject != "encoder" else [("", _strip(pictures[ORIGINALS]), ""), *strips]


def _strip(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Pictures side by side; all strips have one width, so that rows stand below each other."""
    strip = np.full((_SIDE, _SHOWN * (_SIDE + _GAP), 3), 255, np.uint8)
    for number, picture in enumerate(pictures[:_SHOWN]):
        left = number * (_SIDE + _GAP)
        strip[:, left : left + _SIDE] = np.asarray(fitted(picture, _SIDE))
    return strip


def _accuracies(row: PictureRow, beside: bool = False) -> str:
    """In one line, or, beside pictures, in lines of three."""
    said = [f"{letter} {percent(value)}" for letter, value in row.accuracies.items()]
    width = 3 if beside else max(len(said), 1)
    return "\n".join(", ".join(said[start : start + width]) for start in range(0, len(said), width))


FIGURE3_ARTEFACT = Artefact("figure3", cells, collect, markdown, picture)
