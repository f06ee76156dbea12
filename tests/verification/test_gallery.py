from pathlib import Path

import numpy as np
import torch

from scotoma.verification.gallery import IMAGES, choose_images, equalised, write_gallery
from tests.examples import CATEGORIES, image_table

TABLE = image_table()
ROWS = np.arange(1, len(TABLE), 2)


def test_named_categories_come_first_and_twice() -> None:
    chosen = choose_images(TABLE, ROWS, ("dog", "ant"), seed=0)
    shown = [TABLE.categories[label] for label in TABLE.labels[ROWS[chosen]]]
    assert shown[:4] == ["dog", "dog", "ant", "ant"]
    assert sorted(shown[4:]) == ["bee", "cat", "eel"]
    assert len(set(chosen)) == len(chosen) <= IMAGES
    assert chosen == choose_images(TABLE, ROWS, ("dog", "ant"), seed=0)
    assert chosen != choose_images(TABLE, ROWS, ("dog", "ant"), seed=-1)


def test_a_category_without_enough_images_is_shown_as_often_as_it_can_be() -> None:
    rows = np.flatnonzero((TABLE.labels != 0) | (np.arange(len(TABLE)) == 0))
    chosen = choose_images(TABLE, rows, ("ant",), seed=0)
    assert (TABLE.labels[rows[chosen]] == 0).sum() == 1


def test_values_become_ranks_among_all_images_at_their_place() -> None:
    # Two locations of very different amplitude; equal values share the middle rank.
    codes = torch.tensor([[0.0, 1.0], [1e-6, 1.0], [2e-6, 3.0], [3e-6, -1.0]]).reshape(4, 1, 1, 2)
    pictures = equalised(codes, [2, 0, 1])
    assert pictures.shape == (3, 1, 2, 1) and pictures.dtype == np.uint8
    ranks = [[2.5 / 4, 3.5 / 4], [0.5 / 4, 2 / 4], [1.5 / 4, 2 / 4]]
    assert pictures[:, 0, :, 0].tolist() == np.rint(255 * np.array(ranks)).tolist()


def test_a_constant_place_is_middle_gray() -> None:
    assert set(equalised(torch.ones(5, 3, 2, 2), [0, 4]).flatten().tolist()) == {128}


def test_the_file_holds_originals_categories_and_a_picture_for_each_encoder(tmp_path: Path) -> None:
    pictures = np.zeros((2, 4, 4, 3), np.uint8)
    write_gallery(
        tmp_path / "gallery.npz", TABLE, ROWS[[0, 100]], (), {"blur": pictures, "encoder": pictures}
    )
    with np.load(tmp_path / "gallery.npz", allow_pickle=False) as file:
        assert sorted(file.files) == ["blur", "category", "encoder", "original"]
        assert (file["original"] == TABLE.pixels[ROWS[[0, 100]]]).all()
        assert file["category"].tolist() == [CATEGORIES[0], CATEGORIES[3]]
