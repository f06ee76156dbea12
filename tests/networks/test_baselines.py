import pytest
import torch

from scotoma.networks.baselines import Blur, Identity
from scotoma.networks.encoder import EncoderSettings

PAPER = EncoderSettings(224, 3, (2, 3, 3, 4), (32, 64, 128, 256))


def test_identity_is_the_image() -> None:
    identity = Identity(EncoderSettings(8, 3, (1, 1), (2, 2)))
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(identity(images), images)
    assert identity.code_shape == (3, 8, 8)


def test_the_paper_s_blur_is_120_pixels_wide_at_stride_8() -> None:
    blur = Blur(PAPER)
    assert (blur.window, blur.stride, blur.code_shape) == (120, 8, (3, 28, 28))
    assert blur(torch.rand(1, 3, 224, 224)).shape == (1, 3, 28, 28)


@pytest.mark.parametrize("convolutions", [(1,), (2,), (1, 1), (1, 2, 2), (2, 2, 2, 2)])
def test_windows_are_centred_on_what_an_output_stands_for(convolutions: tuple[int, ...]) -> None:
    settings = EncoderSettings(32, 1, convolutions, (2,) * len(convolutions))
    blur = Blur(settings)
    assert (blur.window - blur.stride) % 2 == 0
    assert abs(blur.window - settings.receptive_field * 15 / 14) <= 1
    codes = blur(torch.rand(2, 1, 32, 32))
    assert codes.shape[1:] == (1, 32 // blur.stride, 32 // blur.stride)


def test_windows_at_the_border_average_real_pixels() -> None:
    settings = EncoderSettings(12, 2 + 1, (1, 1), (2, 2))  # field 8, window 8 or 9, stride 2
    blur = Blur(settings)
    torch.manual_seed(0)
    images = torch.rand(2, 3, 12, 12)
    codes = blur(images)
    margin = (blur.window - blur.stride) // 2
    for row in range(6):
        for column in range(6):
            total, count = torch.zeros(2, 3), 0
            for y in range(row * 2 - margin, row * 2 - margin + blur.window):
                for x in range(column * 2 - margin, column * 2 - margin + blur.window):
                    if 0 <= y < 12 and 0 <= x < 12:
                        total += images[:, :, y, x]
                        count += 1
            torch.testing.assert_close(codes[:, :, row, column], total / count)


def test_a_constant_image_stays_constant() -> None:
    codes = Blur(PAPER)(torch.full((1, 3, 224, 224), 0.25))
    torch.testing.assert_close(codes, torch.full((1, 3, 28, 28), 0.25))
