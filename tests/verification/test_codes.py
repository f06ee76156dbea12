import numpy as np
import torch
from torch import Tensor, nn

from scotoma.data.augmentation import centre_crop
from scotoma.data.splits import split
from scotoma.networks.encoder import Encoder
from scotoma.networks.population import set_population_statistics
from scotoma.runs.progress import Silent
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

    def forward(self, images: Tensor) -> Tensor:
        self.images += len(images)
        return images[:, :, ::2, ::2]


def encoded(views: int, seed: int = 1, network: nn.Module | None = None) -> Codes:
    return encode_table(network or encoder(), PREPROCESSING, TABLE, PARTS, views, seed, Silent())


def test_each_image_is_encoded_once_a_view_and_the_others_once() -> None:
    network = Counted()
    codes = encoded(3, network=network)
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
