from pathlib import Path
from threading import Lock

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scotoma.data.augmentation import centre_crop
from scotoma.data.splits import split
from scotoma.errors import ScotomaError
from scotoma.networks.encoder import Encoder
from scotoma.networks.population import set_population_statistics
from scotoma.runs.progress import Silent
from scotoma.verification import codes as codes_module
from scotoma.verification.codes import Codes, FreshViews, StoredViews, encode_table
from tests.examples import ENCODER, PREPROCESSING, image_table

TABLE = image_table()
PARTS = split(TABLE.keys, 3)


def encoder() -> Encoder:
    torch.manual_seed(0)
    network = Encoder(ENCODER)
    set_population_statistics(network, lambda: [torch.randn(50, 1, 8, 8)])
    return network.eval()


class Counted(nn.Module):
    """Counts how many images are encoded."""

    def __init__(self) -> None:
        super().__init__()
        self.images = 0
        self.lock = Lock()

    def forward(self, images: Tensor) -> Tensor:
        with self.lock:
            self.images += len(images)
        return images[:, :, ::2, ::2]


def encoded(
    views: int,
    seed: int = 1,
    network: nn.Module | None = None,
    shape: tuple[int, int, int] = ENCODER.code_shape,
    folder: Path = Path(),
) -> Codes:
    network = network or encoder()
    return encode_table(network, shape, PREPROCESSING, TABLE, PARTS, views, seed, Silent(), folder)


def test_each_image_is_encoded_once_a_view_and_the_others_once() -> None:
    network = Counted()
    codes = encoded(3, network=network, shape=(1, 4, 4))
    assert isinstance(codes.training, StoredViews)
    assert codes.training.views.shape == (3, len(PARTS.training), 1, 4, 4)
    assert network.images == 3 * len(PARTS.training) + len(PARTS.validation) + len(PARTS.test)
    before = network.images
    codes.training.draw(np.arange(20), np.random.default_rng(0))
    assert network.images == before


def test_held_out_codes_are_those_of_the_centre_crop_in_order_and_full_precision() -> None:
    codes = encoded(1)
    for found, rows in ((codes.validation, PARTS.validation), (codes.test, PARTS.test)):
        with torch.no_grad():
            expected = encoder()(centre_crop(TABLE.pixels[rows], PREPROCESSING))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        assert found.dtype == torch.float32
    assert codes.shape == (3, 4, 4)


def test_views_differ_and_follow_from_the_seed() -> None:
    one, again, other = encoded(2).training, encoded(2).training, encoded(2, seed=2).training
    assert isinstance(one, StoredViews) and isinstance(again, StoredViews) and isinstance(other, StoredViews)
    assert torch.equal(one.views, again.views)
    assert not torch.equal(one.views, other.views)
    assert not torch.equal(one.views[0], one.views[1])
    # Views of an image resemble each other more than they resemble another image.
    apart = (one.views[0] - one.views[1]).square().mean()
    assert float(apart) < float((one.views[0] - one.views[1].roll(60, 0)).square().mean())


def test_a_view_is_drawn_at_random_for_the_image_that_was_asked_for() -> None:
    views = torch.arange(4.0)[:, None] * 100 + torch.arange(10.0)
    stored = StoredViews(views[..., None, None, None])
    positions = np.array([7, 0, 7, 3] * 50)
    drawn = stored.draw(positions, np.random.default_rng(0)).flatten()
    assert (drawn % 100).tolist() == positions.tolist()
    assert set((drawn // 100).tolist()) == {0, 1, 2, 3}


def test_fresh_views_are_new_each_time_and_encoded() -> None:
    codes = encoded(0)
    assert isinstance(codes.training, FreshViews)
    random = np.random.default_rng(0)
    first, second = (codes.training.draw(np.array([4, 4]), random) for _ in range(2))
    assert first.shape == (2, 3, 4, 4)
    assert not torch.equal(first, second) and not torch.equal(first[0], first[1])
    again = codes.training.draw(np.array([4, 4]), np.random.default_rng(0))
    assert torch.equal(first, again)


def test_codes_beyond_the_memory_lie_in_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = encoded(2)
    monkeypatch.setattr(codes_module, "IN_MEMORY", 100)
    mapped = encoded(2, folder=tmp_path)
    assert isinstance(in_memory.training, StoredViews) and isinstance(mapped.training, StoredViews)
    assert torch.equal(mapped.training.views, in_memory.training.views)
    assert torch.equal(mapped.validation, in_memory.validation)
    assert torch.equal(mapped.test, in_memory.test)
    positions, random = np.arange(5), np.random.default_rng
    drawn = [codes.training.draw(positions, random(0)) for codes in (mapped, in_memory)]
    assert torch.equal(*drawn)
    assert list(tmp_path.iterdir()) == []
    maps = Path("/proc/self/maps").read_text()
    assert str(tmp_path) in maps


def test_a_full_disk_is_told_before_anything_is_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(codes_module, "IN_MEMORY", 100)
    monkeypatch.setattr("os.posix_fallocate", full)
    network = Counted()
    with pytest.raises(ScotomaError) as error:
        encoded(2, network=network, shape=(1, 4, 4), folder=tmp_path)
    assert str(error.value) == (
        f"The attackers' codes need 0.0 GiB in {tmp_path}: No space left on device. Make room, choose "
        "another folder, or lower 'views' in [verification]."
    )
    assert network.images == 0 and list(tmp_path.iterdir()) == []


def test_codes_do_not_depend_on_the_number_of_threads() -> None:
    threads = torch.get_num_threads()
    one = encoded(1).training
    torch.set_num_threads(threads + 1)
    two = encoded(1).training
    assert torch.get_num_threads() == threads + 1
    torch.set_num_threads(threads)
    assert isinstance(one, StoredViews) and isinstance(two, StoredViews)
    assert torch.equal(one.views, two.views)
