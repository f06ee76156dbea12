from dataclasses import replace

import numpy as np
import pytest
import torch

from scotoma.audit.decoder import SETTINGS, DecoderSettings, Pairs, decoder_for, learn_decoder, unit
from scotoma.audit.examples import Floats
from scotoma.errors import ScotomaError
from scotoma.runs.progress import Silent
from tests.audit.attribute_subjects import attribute_table, averages

QUICK = replace(SETTINGS, batch=32, evaluate_every=25, max_iterations=150)


def pairs(seed: int, flat: bool = False, images: int = 300) -> Pairs:
    table = attribute_table({"any": np.arange(images) % 2}, seed)
    pixels = table.pixels.transpose(0, 3, 1, 2)
    codes = averages().encode(pixels)
    return Pairs(codes.reshape(images, -1) if flat else codes, lambda places: pixels[places])


def error(decoded: torch.Tensor, some: Pairs) -> float:
    return float((decoded - some.targets(np.arange(len(some.codes)))).square().mean())


@pytest.mark.parametrize(
    ("shape", "size"),
    [((3, 7, 7), 28), ((3, 8, 8), 64), ((3, 5, 6), 20), ((1, 9, 9), 8), ((147,), 28), ((2, 1, 1), 5)],
)
def test_decoders_draw_images_of_any_size_from_codes_of_any_shape(shape: tuple[int, ...], size: int) -> None:
    drawn = decoder_for(shape, 3, size)(torch.randn(4, *shape)).detach()
    assert drawn.shape == (4, 3, size, size)
    assert 0 < float(drawn.min()) <= float(drawn.max()) < 1


@pytest.mark.parametrize("flat", [False, True])
def test_images_are_drawn_better_than_their_mean(flat: bool) -> None:
    training, stopping, test = pairs(0, flat), pairs(1, flat), pairs(2, flat)
    decoder = learn_decoder(training, stopping, 0, Silent(), QUICK)
    mean = training.targets(np.arange(300)).mean(dim=0)
    assert error(decoder.decode(test.codes), test) < 0.3 * error(mean.expand(300, -1, -1, -1), test)
    assert 0 < decoder.iterations <= 150


def test_codes_without_information_give_the_mean_image_and_learning_stops_early() -> None:
    random = np.random.default_rng(0)

    def nothing(some: Pairs) -> Pairs:
        return Pairs(random.normal(size=(300, 6)).astype(np.float32), some.images)

    stop_early: DecoderSettings = replace(QUICK, patience=2, max_iterations=2000)
    test = nothing(pairs(2))
    decoder = learn_decoder(nothing(pairs(0)), nothing(pairs(1)), 0, Silent(), stop_early)
    assert not decoder.rising
    assert decoder.iterations < 2000
    mean = pairs(0).targets(np.arange(300)).mean(dim=0)
    assert error(decoder.decode(test.codes), test) > 0.95 * error(mean.expand(300, -1, -1, -1), test)


def test_a_decoder_that_still_improves_when_its_budget_ends_says_so() -> None:
    decoder = learn_decoder(pairs(0), pairs(1), 0, Silent(), replace(QUICK, max_iterations=50))
    assert (decoder.rising, decoder.iterations) == (True, 50)


def test_the_same_seed_draws_the_same() -> None:
    short = replace(QUICK, max_iterations=25)
    codes: Floats = pairs(2).codes
    one, same, other = (
        learn_decoder(pairs(0), pairs(1), seed, Silent(), short).decode(codes) for seed in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_an_error_that_is_no_number_is_told() -> None:
    broken = pairs(0)
    stopping = Pairs(np.full_like(pairs(1).codes, np.nan), pairs(1).images)
    with pytest.raises(ScotomaError, match=r"^the decoder's error is not a finite number$"):
        learn_decoder(broken, stopping, 0, Silent(), replace(QUICK, max_iterations=25))


def test_pairs_can_be_picked_and_pixels_become_fractions() -> None:
    all_of_them = pairs(0)
    some = all_of_them.at(np.array([7, 3]))
    assert some.codes.tolist() == all_of_them.codes[[7, 3]].tolist()
    assert torch.equal(some.targets(np.array([1])), all_of_them.targets(np.array([3])))
    assert unit(np.array([0, 51, 255], np.uint8)).tolist() == pytest.approx([0, 0.2, 1])
