import pytest
import torch
from torch import Tensor, nn

from scotoma.networks.location_norm import ChannelNorm, LocationNorm

FORMATS = [torch.contiguous_format, torch.channels_last]
EPS = 1e-3


def activations(seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    # Another mean and scale at every location.
    spread = torch.rand(1, 3, 4, 5) * 3 + 0.1
    return torch.randn(7, 3, 4, 5) * spread + torch.randn(1, 3, 4, 5) * 2


def written_out(x: Tensor, bias: Tensor | None = None) -> Tensor:
    """The formula, one location after another."""
    batch, channels, height, width = x.shape
    columns = []
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                values = x[:, c, i, j]
                mean = values.sum() / batch
                variance = ((values - mean) ** 2).sum() / batch
                y = (values - mean) / torch.sqrt(variance + EPS)
                columns.append(y if bias is None else y + bias[c])
    return torch.stack(columns, dim=1).reshape(x.shape)


@pytest.mark.parametrize("memory", FORMATS)
@pytest.mark.parametrize("with_bias", [False, True])
def test_training_mode_is_the_formula_in_value_and_gradient(
    memory: torch.memory_format, with_bias: bool
) -> None:
    norm = LocationNorm(3, 4, 5, eps=EPS, bias=with_bias)
    bias = None
    if norm.bias is not None:
        with torch.no_grad():
            norm.bias.copy_(torch.tensor([0.5, -1.0, 2.0]))
        bias = norm.bias.detach().clone().requires_grad_()
    x = activations().contiguous(memory_format=memory).requires_grad_()
    reference = x.detach().double().requires_grad_()
    direction = torch.randn(x.shape)

    y = norm(x)
    (y * direction).sum().backward()
    expected = written_out(reference, bias)
    (expected * direction).sum().backward()

    torch.testing.assert_close(y.double(), expected, atol=1e-5, rtol=1e-5)
    assert x.grad is not None and reference.grad is not None
    torch.testing.assert_close(x.grad.double(), reference.grad, atol=1e-4, rtol=1e-4)
    if norm.bias is not None and bias is not None:
        torch.testing.assert_close(norm.bias.grad, bias.grad)


@pytest.mark.parametrize("memory", FORMATS)
def test_evaluation_mode_uses_the_buffers_in_value_and_gradient(memory: torch.memory_format) -> None:
    norm = LocationNorm(3, 4, 5, eps=EPS).eval()
    norm.mean.copy_(torch.randn(4, 5, 3))
    norm.variance.copy_(torch.rand(4, 5, 3) + 0.2)
    x = activations().contiguous(memory_format=memory).requires_grad_()
    direction = torch.randn(x.shape)
    y = norm(x)
    (y * direction).sum().backward()
    for c, i, j in [(0, 0, 0), (2, 3, 4), (1, 2, 0)]:
        scale = (norm.variance[i, j, c] + EPS) ** -0.5
        torch.testing.assert_close(y[:, c, i, j], (x[:, c, i, j] - norm.mean[i, j, c]) * scale)
        assert x.grad is not None
        torch.testing.assert_close(x.grad[:, c, i, j], direction[:, c, i, j] * scale)


@pytest.mark.parametrize("memory", FORMATS)
@pytest.mark.parametrize("with_bias", [False, True])
def test_inference_writes_the_same_values_over_its_input(
    memory: torch.memory_format, with_bias: bool
) -> None:
    norm = LocationNorm(3, 4, 5, eps=EPS, bias=with_bias).eval()
    norm.mean.copy_(torch.randn(4, 5, 3))
    norm.variance.copy_(torch.rand(4, 5, 3) + 0.2)
    x = activations().contiguous(memory_format=memory)
    with torch.no_grad():
        if norm.bias is not None:
            norm.bias.copy_(torch.tensor([0.5, -1.0, 2.0]))
        expected = norm(x)
    assert not torch.equal(x, expected)
    with torch.inference_mode():
        y = norm(x)
    torch.testing.assert_close(y, expected, atol=1e-6, rtol=1e-6)
    assert y is x


def test_evaluation_of_an_image_does_not_depend_on_its_batch() -> None:
    norm = LocationNorm(3, 4, 5).eval()
    x = activations()
    assert torch.equal(norm(x)[2:3], norm(x[2:3]))


@pytest.mark.parametrize("memory", FORMATS)
def test_running_statistics_follow_mean_and_unbiased_variance(memory: torch.memory_format) -> None:
    norm = LocationNorm(3, 4, 5, momentum=0.25)
    x = activations().contiguous(memory_format=memory)
    norm(x)
    mean, variance = x.mean(0).permute(1, 2, 0), x.var(0, correction=1).permute(1, 2, 0)
    torch.testing.assert_close(norm.mean, 0.25 * mean)
    torch.testing.assert_close(norm.variance, 0.75 + 0.25 * variance)
    before = norm.mean.clone()
    norm.eval()(x)
    assert torch.equal(norm.mean, before)


def test_it_is_batch_normalisation_of_the_flattened_activations() -> None:
    x = activations()
    reference = nn.BatchNorm1d(60, affine=False, eps=EPS, momentum=0.1)
    norm = LocationNorm(3, 4, 5, eps=EPS)
    torch.testing.assert_close(norm(x), reference(x.flatten(1)).view(x.shape))
    torch.testing.assert_close(norm.mean.permute(2, 0, 1).flatten(), reference.running_mean)
    torch.testing.assert_close(norm.variance.permute(2, 0, 1).flatten(), reference.running_var)


def test_memory_format_is_kept() -> None:
    norm = LocationNorm(3, 4, 5)
    y = norm(activations().contiguous(memory_format=torch.channels_last))
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_bf16_activations_keep_fp32_statistics() -> None:
    x = activations().contiguous(memory_format=torch.channels_last)
    fine, coarse = LocationNorm(3, 4, 5, eps=EPS), LocationNorm(3, 4, 5, eps=EPS)
    y, rough = fine(x.bfloat16().float()), coarse(x.bfloat16())
    assert rough.dtype == torch.bfloat16 and coarse.mean.dtype == torch.float32
    # One rounding to 8 bits: values reach 2.3, whose half step is 2**-7.
    assert float((rough.float() - y).abs().max()) <= 2**-7
    torch.testing.assert_close(coarse.mean, fine.mean, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(coarse.variance, fine.variance, atol=1e-6, rtol=1e-4)


def test_an_image_pattern_that_is_the_same_for_all_images_is_removed_per_location_only() -> None:
    """What collapse exploits in batch normalisation: constant over images, different over locations."""
    constant = torch.randn(1, 3, 4, 5).expand(7, -1, -1, -1).contiguous()
    assert float(LocationNorm(3, 4, 5)(constant).abs().max()) < 1e-3
    assert float(ChannelNorm(3)(constant).std()) > 0.9


def test_channel_norm_is_batch_normalisation_without_scale_and_bias() -> None:
    x = activations()
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(ChannelNorm(3, eps=EPS)(x), (x - mean) / (variance + EPS).sqrt())
    assert list(ChannelNorm(3).parameters()) == []


def test_it_names_its_size() -> None:
    assert str(LocationNorm(3, 4, 5, eps=0.5, bias=True)) == "LocationNorm(3, 4, 5, eps=0.5, bias=True)"
