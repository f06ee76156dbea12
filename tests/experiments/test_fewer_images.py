"""`experiments/fewer_images.py`: less to learn from, the same images to be tested on."""

from pathlib import Path

import numpy as np

from scotoma.data.fashion import GARMENTS, embedded_set
from scotoma.data.images import open_images
from scotoma.data.splits import split
from tests.benchmarks.scripts import FOLDER, load_script

fewer_images = load_script("fewer_images", FOLDER.parent / "experiments")


def test_only_training_images_are_left_out(tmp_path: Path) -> None:
    learned, there, tested = fewer_images.write_fewer("fashion-mnist", tmp_path / "few", seed=1, images=5)
    whole = open_images("fashion-mnist", 28, 1)
    before = split(whole.keys, 1)
    assert (learned, there, tested) == (50, len(before.training), len(before.test))

    few = open_images(tmp_path / "few", 28, 1)
    after = split(few.keys, 1)
    for part in ("reserve", "validation", "test"):
        assert sorted(few.keys[getattr(after, part)]) == sorted(whole.keys[getattr(before, part)])
    assert set(few.keys[after.training]) <= set(whole.keys[before.training])
    assert np.bincount(few.labels[after.training]).tolist() == [5] * 10

    # Category "6" are shirts, and so on.
    pixels, labels = embedded_set()
    garment = {image.tobytes(): GARMENTS[label] for image, label in zip(pixels, labels, strict=True)}
    named = [GARMENTS[int(few.categories[label])] for label in few.labels]
    assert named == [garment[image.tobytes()] for image in few.pixels]
