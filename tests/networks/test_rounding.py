import pytest
import torch

from scotoma.errors import InputError
from scotoma.networks.encoder import Encoder, EncoderSettings, rounded


def test_values_are_the_middles_of_equal_steps() -> None:
    codes = torch.tensor([-0.999, -0.51, -0.5, -0.01, 0.0, 0.49, 0.5, 0.999])
    assert rounded(codes, 1).tolist() == [-0.5, -0.5, -0.5, -0.5, 0.5, 0.5, 0.5, 0.5]
    assert rounded(codes, 2).tolist() == [-0.75, -0.75, -0.25, -0.25, 0.25, 0.25, 0.75, 0.75]


@pytest.mark.parametrize("bits", [1, 3, 8, 16])
def test_no_value_moves_by_more_than_half_a_step_and_the_ends_stay_inside(bits: int) -> None:
    codes = torch.cat([torch.linspace(-1, 1, 4001), torch.randn(1000).tanh()])
    found = rounded(codes, bits)
    # Half a step, and what single precision adds.
    assert float((found - codes).abs().max()) <= 2.0**-bits + 1e-6
    assert float(found.abs().max()) < 1
    assert len(found.unique()) <= 2**bits


def test_rounding_is_exact_and_idempotent() -> None:
    codes = torch.randn(10_000, generator=torch.Generator().manual_seed(0)).tanh().requires_grad_()
    found = rounded(codes, 4)
    assert set((found.detach() * 16).tolist()) <= {float(odd) for odd in range(-15, 16, 2)}
    assert torch.equal(rounded(found, 4), found)


def test_the_gradient_passes_as_if_nothing_had_been_rounded() -> None:
    codes = torch.tensor([-0.7, 0.2, 0.9], requires_grad=True)
    (rounded(codes, 1) * torch.tensor([1.0, -2.0, 3.0])).sum().backward()
    assert codes.grad is not None
    assert codes.grad.tolist() == [1.0, -2.0, 3.0]


def test_an_encoder_with_bits_releases_only_these_values_in_both_modes() -> None:
    torch.manual_seed(0)
    encoder = Encoder(EncoderSettings(8, 1, (1, 1), (4, 4), code_bits=2))
    images = torch.rand(6, 1, 8, 8) * 2 - 1
    exact = Encoder(EncoderSettings(8, 1, (1, 1), (4, 4)))
    exact.load_state_dict(encoder.state_dict())
    for training in (True, False):
        found, wanted = encoder.train(training)(images), exact.train(training)(images)
        assert set(found.unique().tolist()) <= {-0.75, -0.25, 0.25, 0.75}
        assert torch.equal(found, rounded(wanted, 2))


@pytest.mark.parametrize("bits", [-1, 17])
def test_other_numbers_of_bits_are_refused(bits: int) -> None:
    with pytest.raises(InputError) as caught:
        EncoderSettings(8, 1, (1, 1), (4, 4), code_bits=bits)
    assert str(caught.value) == (
        f"encoder settings: 'code_bits' is {bits}: must be 1 to 16, or 0 for no rounding"
    )
