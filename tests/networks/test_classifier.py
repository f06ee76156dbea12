from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from scotoma.errors import InputError
from scotoma.networks.classifier import Classifier, ClassifierSettings, ImageClassifier
from scotoma.networks.encoder import Encoder, EncoderSettings, Pooling

SETTINGS = ClassifierSettings(convolutions=(1, 2), widths=(4, 8), hidden=16)


@pytest.mark.parametrize("shape", [(3, 7, 7), (1, 28, 28), (3, 8, 6), (5, 1, 1), (2, 2, 1)])
def test_codes_of_any_size_become_logits(shape: tuple[int, int, int]) -> None:
    logits = Classifier(SETTINGS, shape, classes=3)(torch.randn(4, *shape))
    assert logits.shape == (4, 3)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"convolutions": (1,)},
            "'convolutions' has 1 stages and 'widths' 2: give as many of one as of the other, at least one",
        ),
        ({"hidden": 0}, "'convolutions', 'widths' and 'hidden' must all be at least 1"),
        ({"widths": (4, -1)}, "'convolutions', 'widths' and 'hidden' must all be at least 1"),
    ],
)
def test_impossible_settings(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        replace(SETTINGS, **changes)
    assert str(error.value) == f"classifier settings: {message}"


def test_the_attacker_on_images_has_the_encoder_s_stack_with_ordinary_normalisation() -> None:
    encoder = EncoderSettings(16, 3, (2, 1), (4, 6))
    network = ImageClassifier(encoder, SETTINGS, classes=2)
    own = [module.kernel_size for module in network.stack if isinstance(module, nn.Conv2d)]
    of_encoder = [
        module.kernel_size for module in Encoder(encoder).modules() if isinstance(module, nn.Conv2d)
    ]
    assert own == of_encoder == [(3, 3)] * 3
    assert sum(isinstance(module, nn.BatchNorm2d) for module in network.stack) == 3
    assert sum(isinstance(module, Pooling) for module in network.stack) == 1
    logits = network(torch.randn(4, 3, 16, 16))
    assert logits.shape == (4, 2)
    # End to end: the first convolution learns too.
    logits.sum().backward()
    first = next(network.stack.parameters())
    assert first.grad is not None and bool(first.grad.abs().sum() > 0)
