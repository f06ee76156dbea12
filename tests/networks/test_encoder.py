from typing import Any

import pytest
import torch
from torch import nn

from scotoma.errors import InputError
from scotoma.networks.encoder import Encoder, EncoderSettings, Normalisation, Pooling
from scotoma.networks.location_norm import ChannelNorm, LocationNorm

SMALL = EncoderSettings(size=16, channels=3, convolutions=(1, 2, 1), widths=(4, 6, 8))


@pytest.mark.parametrize(
    ("convolutions", "field"),
    [((1,), 3), ((2,), 5), ((1, 1), 8), ((1, 2, 2), 30), ((2, 3, 3, 4), 112), ((2, 2, 2, 2), 68)],
)
def test_receptive_field_and_stride_are_computed_from_the_layers(
    convolutions: tuple[int, ...], field: int
) -> None:
    stride = 2 ** (len(convolutions) - 1)
    settings = EncoderSettings(8 * stride, 3, convolutions, (4,) * len(convolutions))
    assert settings.stride == stride
    assert settings.receptive_field == field
    # Written out: a side of 2**stages at the last stage's stride, and each convolution adds one pixel a side.
    by_formula = stride + 2 * sum(count * 2**stage for stage, count in enumerate(convolutions))
    assert settings.receptive_field == by_formula


def test_the_paper_s_shape() -> None:
    paper = EncoderSettings(224, 3, (2, 3, 3, 4), (32, 64, 128, 256))
    assert (paper.stride, paper.receptive_field, paper.code_shape) == (8, 112, (3, 28, 28))


def linear(settings: EncoderSettings) -> Encoder:
    """Maxima let one pixel through, weights may cancel: poolings become means and weights positive."""
    encoder = Encoder(settings).eval().double()
    for name, module in encoder.features.named_children():
        if isinstance(module, Pooling):
            setattr(encoder.features, name, nn.AvgPool2d(2))
    for parameter in encoder.parameters():
        nn.init.constant_(parameter, 1 / 9)
    return encoder


@torch.no_grad()
def test_the_paper_s_field_is_112_pixels_by_perturbation_of_an_interior_output() -> None:
    settings = EncoderSettings(224, 1, (2, 3, 3, 4), (1, 1, 1, 1), code_channels=1)
    encoder = linear(settings)
    image = torch.full((1, 1, 224, 224), 0.5, dtype=torch.double)
    row, column = 13, 14
    # 112 pixels, centred on the 8x8 pixels of the output's own place.
    top, left = row * 8 - 52, column * 8 - 52
    plain = encoder.raw(image)[0, 0, row, column]
    for y, x, seen in [
        (top - 1, left, False),
        (top, left - 1, False),
        (top, left, True),
        (top + 111, left + 111, True),
        (top + 112, left + 111, False),
        (top + 111, left + 112, False),
    ]:
        changed = image.clone()
        changed[0, 0, y, x] += 1e6
        assert bool(encoder.raw(changed)[0, 0, row, column] != plain) is seen, (y - top, x - left)


def test_the_field_moves_by_the_stride() -> None:
    encoder = linear(EncoderSettings(224, 1, (2, 3, 3, 4), (1, 1, 1, 1), code_channels=1))
    for row in (13, 14):
        image = torch.full((1, 1, 224, 224), 0.5, dtype=torch.double, requires_grad=True)
        encoder.raw(image)[0, 0, row, 13].backward()
        assert image.grad is not None
        rows, columns = torch.nonzero(image.grad[0, 0], as_tuple=True)
        assert (int(rows.min()), int(rows.max())) == (row * 8 - 52, row * 8 + 59)
        assert (int(columns.min()), int(columns.max())) == (52, 163)


def test_a_pixel_outside_the_field_changes_nothing_and_one_inside_does() -> None:
    """By perturbation itself, on the network as it is, in population mode."""
    torch.manual_seed(0)
    settings = EncoderSettings(48, 1, (1, 1, 1), (4, 4, 4))  # field 18, stride 4
    assert settings.receptive_field == 4 + 2 * (1 + 2 + 4)
    encoder = Encoder(settings).eval()
    image = torch.rand(1, 1, 48, 48)
    top = 6 * 4 - 7  # first row that output row 6 sees
    with torch.no_grad():
        code = encoder(image)[0, :, 6, 6]
        for pixel, differs in ((top - 1, False), (top + 18, False), (top + 9, True)):
            changed = image.clone()
            changed[0, 0, pixel, top + 9] += 3
            assert bool((encoder(changed)[0, :, 6, 6] != code).any()) is differs


@pytest.mark.parametrize(("size", "low", "high"), [(30, 28, 32), (3, 4, 8), (65, 64, 68), (0, 4, 8)])
def test_indivisible_sizes_are_told_with_the_nearest(size: int, low: int, high: int) -> None:
    with pytest.raises(InputError) as error:
        EncoderSettings(size, 3, (1, 1, 1), (4, 4, 4))
    assert str(error.value) == (
        f"encoder settings: an image side of {size} pixels is not divisible by the encoder's stride of 4 "
        f"(2 poolings): the nearest sizes are {low} and {high}"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"convolutions": (1, 2)},
            "'convolutions' has 2 stages and 'widths' 3: give as many of one as of the other, at least one",
        ),
        (
            {"convolutions": (), "widths": ()},
            "'convolutions' has 0 stages and 'widths' 0: give as many of one as of the other, at least one",
        ),
        ({"widths": (4, 0, 8)}, "'convolutions', 'widths' and 'code_channels' must all be at least 1"),
        ({"code_channels": 0}, "'convolutions', 'widths' and 'code_channels' must all be at least 1"),
        (
            {"channels": 4, "eps": 0.0},
            "'channels' is 4: images have 1 (gray) or 3 (RGB); 'eps' is 0.0: must be above 0",
        ),
    ],
)
def test_impossible_settings(changes: dict[str, Any], message: str) -> None:
    values: dict[str, Any] = {"size": 16, "channels": 3, "convolutions": (1, 2, 1), "widths": (4, 6, 8)}
    values |= changes
    with pytest.raises(InputError) as error:
        EncoderSettings(**values)
    assert str(error.value) == f"encoder settings: {message}"


def test_layers_are_as_the_paper_says() -> None:
    encoder = Encoder(SMALL)
    convolutions = [module for module in encoder.modules() if isinstance(module, nn.Conv2d)]
    assert [conv.out_channels for conv in convolutions] == [4, 6, 6, 3]
    assert all(conv.bias is None and conv.padding == (1, 1) for conv in convolutions)
    assert all(isinstance(norm, LocationNorm) and norm.bias is None for norm in encoder.normalisations())
    assert len(encoder.normalisations()) == len(convolutions)
    kinds = [type(module).__name__ for module in encoder.features]
    assert kinds == [
        *("Conv2d", "LocationNorm", "Pooling", "ReLU"),
        *("Conv2d", "LocationNorm", "ReLU"),
        *("Conv2d", "LocationNorm", "Pooling", "ReLU"),
        "Conv2d",
    ]


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_pooling_is_the_maximum_of_2x2_blocks_with_and_without_gradient(memory: torch.memory_format) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, 6).contiguous(memory_format=memory).requires_grad_()
    reference = x.detach().clone().requires_grad_()
    pooled, expected = Pooling()(x), nn.MaxPool2d(2)(reference)
    assert torch.equal(pooled, expected)
    pooled.square().sum().backward()
    expected.square().sum().backward()
    assert x.grad is not None and reference.grad is not None and torch.equal(x.grad, reference.grad)
    with torch.no_grad():
        assert torch.equal(Pooling()(x), expected)
        assert Pooling()(x).is_contiguous(memory_format=memory)


def test_pooling_before_relu_is_relu_before_pooling() -> None:
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(torch.relu(Pooling()(x)), Pooling()(torch.relu(x)))


@pytest.mark.parametrize(
    ("normalisation", "kind", "biases"),
    [
        ("location", LocationNorm, 0),
        ("location-with-bias", LocationNorm, 3),
        ("batch", ChannelNorm, 0),
        ("none", None, 0),
    ],
)
def test_the_ablations_change_the_intermediate_normalisation_only(
    normalisation: Normalisation, kind: type[nn.Module] | None, biases: int
) -> None:
    encoder = Encoder(EncoderSettings(16, 3, (1, 2, 1), (4, 6, 8), normalisation=normalisation))
    *inner, output = encoder.normalisations()
    assert [type(norm) for norm in inner] == ([kind] * 3 if kind else [])
    assert isinstance(output, LocationNorm) and output.bias is None
    assert sum(name.endswith("bias") for name, _ in encoder.named_parameters()) == biases
    assert encoder(torch.randn(4, 3, 16, 16)).shape == (4, 3, 4, 4)


@pytest.mark.parametrize("output", ["batch", "none"])
def test_the_output_normalisation_is_a_setting_of_its_own(output: Normalisation) -> None:
    encoder = Encoder(EncoderSettings(16, 3, (1, 1), (4, 4), output_normalisation=output))
    expected = {"batch": ChannelNorm, "none": nn.Identity}[output]
    assert type(encoder.output) is expected
    assert encoder(torch.randn(4, 3, 16, 16)).shape == (4, 3, 8, 8)


@torch.no_grad()
def test_training_codes_have_unit_variance_before_the_tanh_and_lie_within_one() -> None:
    torch.manual_seed(0)
    encoder = Encoder(SMALL)
    images = torch.rand(32, 3, 16, 16) * 2 - 1
    before = encoder.before_tanh(images)
    torch.testing.assert_close(before.mean(0), torch.zeros(3, 4, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(before.var(0, correction=0), torch.ones(3, 4, 4), atol=1e-3, rtol=0)
    codes = encoder(images)
    assert float(codes.abs().max()) < 1 and codes.shape[1:] == SMALL.code_shape


def test_codes_do_not_depend_on_the_scale_of_any_convolution() -> None:
    torch.manual_seed(0)
    encoder, images = Encoder(SMALL), torch.randn(16, 3, 16, 16)
    codes = encoder(images)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.mul_(3)
    torch.testing.assert_close(encoder(images), codes, atol=1e-3, rtol=0)
