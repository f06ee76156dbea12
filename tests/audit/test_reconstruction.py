import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from scotoma.audit.cells import Attempts
from scotoma.audit.decoder import SETTINGS
from scotoma.audit.examples import Floats
from scotoma.audit.material import HELD_OUT, Material
from scotoma.audit.neural import mlp, network
from scotoma.audit.queue import Crew
from scotoma.audit.reconstruction import (
    NO_IMAGES,
    PICTURE,
    Surroundings,
    _nearest,
    _shown_codes,
    _strip,
    reconstruct,
)
from scotoma.audit.suites import Attacker
from scotoma.audit.targets import Target
from scotoma.data.table import ImageTable
from scotoma.runs.more import Reconstruction
from tests.audit.attribute_subjects import QUICK, attribute_table, averages, material_of, task_of

IMAGES = 500


def bright_table() -> ImageTable:
    """Images of which some are brighter, which is what is hidden."""
    labels = np.random.default_rng(1).integers(2, size=IMAGES)
    table = attribute_table({"hidden": labels})
    brighter = np.clip(table.pixels // 2 + (100 * labels[:, None, None, None]), 0, 255).astype(np.uint8)
    return replace(table, pixels=brighter)


def around(folder: Path, iterations: int = 120) -> Surroundings:
    return Surroundings(
        Attacker("MLP on reconstructions", network(mlp(8), 2e-3, settings=QUICK), by_chance=True),
        Attempts(folder / "cells", []),
        folder,
        Crew(1),
        replace(SETTINGS, batch=32, evaluate_every=40, max_iterations=iterations),
    )


def encoded(table: ImageTable, target: Target) -> Material:
    return material_of(target.encode(table.pixels.transpose(0, 3, 1, 2)), table)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reconstruction, Path]:
    folder, table = tmp_path_factory.mktemp("reconstruction"), bright_table()
    material = encoded(table, averages())
    tasks = [task_of("hidden", table)]
    return reconstruct(material, averages(), tasks, 0, around(folder)), folder


def test_codes_that_hold_images_give_them_back(found: tuple[Reconstruction, Path]) -> None:
    decoder, mean, nearest = found[0].likeness
    assert [each.name for each in (decoder, mean, nearest)] == ["decoder", "mean image", "nearest neighbour"]
    assert decoder.psnr.low > nearest.psnr.high > mean.psnr.high
    assert decoder.ssim.low > mean.ssim.high
    for each in found[0].likeness:
        assert each.psnr.low < each.psnr.value < each.psnr.high
    assert (found[0].images, found[0].note) == (len(material_rows("test")), "")
    assert found[0].iterations == 120


def material_rows(part: str) -> list[int]:
    rows: list[int] = encoded(bright_table(), averages()).rows[part].tolist()  # type: ignore[index]
    return rows


def test_the_mean_image_is_a_floor_that_the_test_computes_too(found: tuple[Reconstruction, Path]) -> None:
    pixels = bright_table().pixels[..., 0] / 255
    mean = pixels[material_rows("all")].mean(axis=0)
    errors = ((pixels[material_rows("test")] - mean) ** 2).mean(axis=(1, 2))
    assert found[0].likeness[1].psnr.value == pytest.approx((-10 * np.log10(errors)).mean(), abs=1e-3)


def test_what_is_hidden_is_seen_in_the_drawings(found: tuple[Reconstruction, Path]) -> None:
    (attack,) = found[0].attacks
    assert (attack.task, attack.chance, attack.note) == ("hidden", 0.5, "")
    assert attack.accuracy is not None
    assert attack.accuracy.low > 0.85


def test_the_picture_has_a_row_each_for_originals_codes_drawings_and_neighbours(
    found: tuple[Reconstruction, Path],
) -> None:
    with Image.open(found[1] / PICTURE) as picture:
        assert picture.size == (8 * 64 + 7 * 4, 4 * 64 + 3 * 4)
        pixels = np.asarray(picture)
    assert (pixels[:, 64:68] == 255).all()
    originals, drawn = pixels[:64, :64], pixels[136:200, :64]
    assert np.abs(originals.astype(int) - drawn).mean() < 20


def test_codes_that_hold_nothing_give_no_more_than_the_floor(tmp_path: Path) -> None:
    def encode(images: npt.NDArray[np.uint8]) -> Floats:
        seed = int(images.astype(np.int64).sum())
        return np.random.default_rng(seed).normal(size=(len(images), 6)).astype(np.float32)

    table, target = bright_table(), replace(averages(), encode=encode)
    tasks = [task_of("hidden", table)]
    found = reconstruct(encoded(table, target), target, tasks, 0, around(tmp_path))
    decoder, mean, nearest = found.likeness
    assert decoder.psnr.value < mean.psnr.value + 0.3
    assert nearest.ssim.high < mean.ssim.low
    assert found.attacks[0].accuracy is not None
    assert found.attacks[0].accuracy.low < 0.5
    with Image.open(tmp_path / PICTURE) as picture:
        assert picture.size[1] == 3 * 64 + 2 * 4  # no picture of a code that is no map


def test_without_images_there_is_nothing_to_draw(tmp_path: Path) -> None:
    table = bright_table()
    found = reconstruct(encoded(table, averages()), None, [task_of("hidden", table)], 0, around(tmp_path))
    assert found == Reconstruction((), (), note=NO_IMAGES)
    assert not (tmp_path / PICTURE).exists()


def test_test_labels_are_not_read(tmp_path: Path) -> None:
    table = bright_table()
    tasks, material = [task_of("hidden", table)], encoded(table, averages())
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    before = reconstruct(material, averages(), tasks, 0, around(tmp_path / "a", 40))
    table.attributes["hidden"].labels[material.rows["test"]] = 0
    assert reconstruct(material, averages(), tasks, 0, around(tmp_path / "b", 40)) == before
    assert "test" in HELD_OUT


def test_the_nearest_is_nearest_when_every_value_counts_alike() -> None:
    random = np.random.default_rng(0)
    candidates, codes = (
        (random.normal(size=(count, 3)) * [1, 100, 0.01]).astype(np.float32) for count in (50, 7)
    )
    scale = candidates.std(axis=0)
    distances = (((codes[:, None] - candidates[None]) / scale) ** 2).sum(axis=2)
    assert _nearest(candidates, codes).tolist() == distances.argmin(axis=1).tolist()


def test_codes_are_shown_where_they_are_maps() -> None:
    maps = np.random.default_rng(0).normal(size=(20, 4, 5, 5)).astype(np.float32)
    shown = _shown_codes(maps)
    assert shown is not None
    assert shown.shape == (8, 3, 5, 5)
    assert 0 <= float(shown.min()) < float(shown.max()) <= 1
    assert _shown_codes(maps.reshape(20, -1)) is None
    two = _shown_codes(maps[:, :2])
    assert two is not None and two.shape == (8, 1, 5, 5)


def test_large_pictures_are_reduced_and_colours_stay() -> None:
    red = torch.zeros(3, 3, 100, 100)
    red[:, 0] = 1
    with Image.open(io.BytesIO(_strip(red, None, red[:, :, :5, :5]))) as picture:
        assert picture.size == (3 * 64 + 2 * 4, 2 * 64 + 4)
        assert picture.getpixel((30, 30)) == (255, 0, 0)
        assert picture.getpixel((30, 100)) == (255, 0, 0)
