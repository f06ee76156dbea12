import pytest
import torch
from torch import Tensor

from scotoma.networks.encoder import Encoder, EncoderSettings
from scotoma.networks.population import set_population_statistics
from scotoma.training.collapse import Collapse, measure_collapse

SETTINGS = EncoderSettings(8, 1, (1, 1), (4, 4))


def images(count: int = 200) -> Tensor:
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def settled(settings: EncoderSettings = SETTINGS) -> Encoder:
    torch.manual_seed(0)
    encoder = Encoder(settings)
    set_population_statistics(encoder, lambda: images().split(50))
    return encoder


def test_a_new_encoder_has_not_collapsed() -> None:
    found = measure_collapse(settled(), images().split(64))
    assert (found.dead, found.low_variance, found.low_deviation) == (0, 0, 0)
    # Unit-variance Gaussian values leave the tanh with a deviation of .63.
    assert found.deviation == pytest.approx(0.63, abs=0.03)
    assert not found.collapsed


def test_a_constant_encoder_is_dead() -> None:
    encoder = settled()
    with torch.no_grad():
        list(encoder.parameters())[-1].zero_()
    set_population_statistics(encoder, lambda: images().split(50))
    found = measure_collapse(encoder, [images()])
    assert (found.dead, found.low_variance, found.low_deviation, found.deviation) == (1, 1, 1, 0)
    assert found.collapsed


def test_one_dead_channel_of_three_is_a_third() -> None:
    encoder = settled()
    with torch.no_grad():
        list(encoder.parameters())[-1][1].zero_()
    set_population_statistics(encoder, lambda: images().split(50))
    found = measure_collapse(encoder, [images()])
    assert found.dead == found.low_variance == found.low_deviation == pytest.approx(1 / 3)
    assert not found.collapsed


def test_rare_outliers_meet_the_variance_and_are_seen_after_the_tanh() -> None:
    """All images but one in a hundred look alike: variance 1 at every location, deviation far below .3."""
    pictures = torch.zeros(300, 1, 8, 8)
    pictures[::100] = images(3).abs() + 1
    torch.manual_seed(0)
    encoder = Encoder(SETTINGS)
    set_population_statistics(encoder, lambda: pictures.split(50))
    found = measure_collapse(encoder, [pictures])
    assert found.dead == 0 and found.low_variance == 0
    assert found.low_deviation > 0.9 and found.deviation < 0.2
    assert found.collapsed


def test_low_variance_is_measured_with_population_statistics() -> None:
    encoder = settled()
    quiet = images() / 4
    found = measure_collapse(encoder, [quiet])
    with torch.no_grad():
        before = encoder.before_tanh(quiet).var(dim=0, correction=0)
    assert found.low_variance == pytest.approx(float((before < 0.5).float().mean()))
    assert found.low_variance > 0.5


@pytest.mark.parametrize("training", [True, False])
def test_measuring_changes_nothing(training: bool) -> None:
    encoder = settled().train(training)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    measure_collapse(encoder, [images()])
    assert encoder.training is training
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())


@pytest.mark.parametrize(("share", "collapsed"), [(0.5, False), (0.51, True)])
@pytest.mark.parametrize("figure", ["dead", "low_variance", "low_deviation"])
def test_more_than_half_of_the_outputs_is_a_collapse(figure: str, share: float, collapsed: bool) -> None:
    figures = {"dead": 0.0, "low_variance": 0.0, "low_deviation": 0.0} | {figure: share}
    assert Collapse(deviation=0.6, **figures).collapsed is collapsed
