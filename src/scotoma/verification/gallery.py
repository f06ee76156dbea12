"""What do encoded images look like? Pictures as in Figure 3, for the report."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from scotoma.data.sampling import generator
from scotoma.data.table import CATEGORY, MISSING, ImageTable
from scotoma.runs.seeds import derive_seed
from scotoma.runs.whole_files import write_bytes

IMAGES = 10

Pictures = npt.NDArray[np.uint8]


def choose_images(
    table: ImageTable, rows: npt.NDArray[np.int64], named: tuple[str, ...], seed: int
) -> list[int]:
    """Places within `rows` of some images to show: two of each named category first, then of others, a few in
    all; or some of each value of the named attributes.
    """
    random = generator(derive_seed(seed, "gallery"), 0)
    if CATEGORY in table.attributes:
        named_labels = [table.categories.index(name) for name in named][: IMAGES // 2]
        others = [label for label in range(len(table.categories)) if label not in named_labels]
        wanted = [(CATEGORY, label) for label in named_labels for _ in range(2)]
        wanted += [(CATEGORY, label) for label in random.permutation(others).tolist()]
    else:
        values = [(name, label) for name in named for label in range(len(table.attributes[name].values))]
        wanted = values * (IMAGES // len(values) + 1)
    chosen: list[int] = []
    for name, label in wanted[:IMAGES]:
        candidates = np.setdiff1d(np.flatnonzero(table.attributes[name].labels[rows] == label), chosen)
        if len(candidates):
            chosen.append(int(random.choice(candidates)))
    return chosen


def captions(table: ImageTable, rows: npt.NDArray[np.int64], named: tuple[str, ...]) -> list[str]:
    """What each of some images shows: its category, or what is known of the named attributes."""
    names = (CATEGORY,) if CATEGORY in table.attributes else named
    columns = [table.attributes[name] for name in names]
    return [
        ", ".join(each.values[each.labels[row]] for each in columns if each.labels[row] != MISSING)
        for row in rows.tolist()
    ]


def equalised(codes: Tensor, chosen: list[int]) -> Pictures:
    """Histogram-equalised pictures (chosen, height, width, channels) of codes (images, channels, height,
    width).

    Each value is replaced by its rank among all images at the same location and channel (section 4.3), so
    that what differs between images becomes visible, however small it is. Equal values get equal, middle
    ranks.
    """
    values = codes.numpy()
    picked = values[chosen][:, None]
    below = (values[None] < picked).mean(axis=1)
    equal = (values[None] == picked).mean(axis=1)
    pictures: Pictures = np.rint(255 * (below + equal / 2)).astype(np.uint8).transpose(0, 2, 3, 1)
    return pictures


def write_gallery(
    path: Path,
    table: ImageTable,
    rows: npt.NDArray[np.int64],
    named: tuple[str, ...],
    encoded: Mapping[str, Pictures],
) -> None:
    """Write the originals in `rows`, what they show and the pictures of each encoder as a .npz file,
    atomically.
    """
    buffer = io.BytesIO()
    np.savez(
        buffer,
        original=table.pixels[rows],
        category=np.array(captions(table, rows, named)),
        **encoded,  # type: ignore[arg-type] # numpy types them as its flag
    )
    write_bytes(path, buffer.getvalue())
