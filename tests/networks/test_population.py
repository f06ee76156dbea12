import pytest
import torch
from torch import Tensor

from scotoma.networks.encoder import Encoder, EncoderSettings
from scotoma.networks.location_norm import ChannelNorm, LocationNorm
from scotoma.networks.population import set_population_statistics

SETTINGS = EncoderSettings(16, 3, (1, 2, 1), (4, 6, 8))


def images(count: int = 50) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand(count, 3, 16, 16, generator=generator) * 2 - 1


def settled(settings: EncoderSettings = SETTINGS, sizes: tuple[int, ...] = (20, 7, 23)) -> Encoder:
    """An encoder with the population statistics of `images()`, taken in batches of different sizes."""
    torch.manual_seed(0)
    encoder = Encoder(settings)
    encoder(images(8))  # training leaves other running statistics behind
    set_population_statistics(encoder, lambda: images().split(list(sizes)))
    return encoder


@torch.no_grad()
def test_inputs_of_the_tanh_have_mean_0_and_variance_1_at_each_location() -> None:
    before = settled().before_tanh(images())
    torch.testing.assert_close(before.mean(0), torch.zeros(3, 4, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(before.var(0, correction=0), torch.ones(3, 4, 4), atol=1e-4, rtol=0)


@torch.no_grad()
def test_each_layer_has_the_moments_of_its_own_inputs_behind_frozen_layers() -> None:
    encoder = settled()
    assert not encoder.training
    x = images()
    for layer in [*encoder.features, encoder.output]:
        if isinstance(layer, LocationNorm):
            mean, variance = x.double().mean(0), x.double().var(0, correction=0)
            torch.testing.assert_close(layer.mean.double(), mean.permute(1, 2, 0), atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(
                layer.variance.double(), variance.permute(1, 2, 0), rtol=1e-4, atol=1e-6
            )
            x = ((x - mean) / (variance + layer.eps).sqrt()).float()
        else:
            x = layer(x)
    torch.testing.assert_close(encoder.before_tanh(images()), x, atol=1e-4, rtol=0)


@torch.no_grad()
def test_ordinary_normalisation_takes_moments_over_locations_too() -> None:
    encoder = settled(EncoderSettings(16, 3, (1, 1), (4, 4), normalisation="batch"))
    first = encoder.features[1]
    assert isinstance(first, ChannelNorm)
    inputs = encoder.features[0](images()).double()
    torch.testing.assert_close(first.running_mean, inputs.mean((0, 2, 3)).float())
    torch.testing.assert_close(first.running_var, inputs.var((0, 2, 3), correction=0).float())


def test_how_the_images_are_divided_into_batches_does_not_matter() -> None:
    one, many = settled(sizes=(50,)).state_dict(), settled(sizes=(1,) * 50).state_dict()
    for name in one:
        torch.testing.assert_close(many[name], one[name], atol=1e-5, rtol=1e-4, msg=name)


def test_a_small_variance_beside_a_large_mean_is_not_lost() -> None:
    encoder = Encoder(EncoderSettings(4, 1, (1,), (1,), code_channels=1, eps=1e-12))
    with torch.no_grad():
        (weight,) = encoder.parameters()
        weight.fill_(0)
        weight[0, 0, 1, 1] = 1
    values = 1000 + torch.tensor([-1.0, 0.0, 1.0])[:, None, None, None].expand(3, 1, 4, 4) / 64
    set_population_statistics(encoder, lambda: values.split(1))
    layer = encoder.normalisations()[0]
    assert isinstance(layer, LocationNorm)
    torch.testing.assert_close(layer.variance, torch.full((4, 4, 1), 2 / 3 / 64**2), rtol=1e-5, atol=0)


@pytest.mark.parametrize("size", [1, 3, 16, 50])
@torch.no_grad()
def test_a_code_depends_on_its_image_alone(size: int) -> None:
    encoder = settled()
    together = encoder(images())
    apart = torch.cat([encoder(batch) for batch in images().split(size)])
    torch.testing.assert_close(apart, together, atol=1e-5, rtol=0)


@torch.no_grad()
def test_codes_are_bit_identical_at_equal_batch_size() -> None:
    encoder = settled()
    batch = images()[:16]
    beside = torch.cat([batch[:1], torch.rand(15, 3, 16, 16)])
    assert torch.equal(encoder(batch), encoder(batch.clone()))
    assert torch.equal(encoder(batch)[0], encoder(beside)[0])
