"""Who attacks? Networks from scratch, as specifications: a new attacker is one more line of data."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from scotoma.networks.classifier import Classifier, ClassifierSettings, ImageClassifier
from scotoma.networks.encoder import EncoderSettings
from scotoma.networks.first_weights import from_seed
from scotoma.verification.settings import AttackSettings

Build = Callable[[EncoderSettings, ClassifierSettings, tuple[int, int, int], int], nn.Module]


@dataclass(frozen=True)
class Attacker:
    """A family of attackers: its name in tables, its network, its first rate, and whether bf16 is good
    enough.

    Codes are read in full precision: a leak of tiny amplitude would be lost in eight bits. Original images
    have eight bits to begin with.
    """

    name: str
    build: Build
    rate: Callable[[AttackSettings], float]
    bf16: bool = False


def _on_codes(
    encoder: EncoderSettings, classifier: ClassifierSettings, shape: tuple[int, int, int], classes: int
) -> nn.Module:
    return Classifier(classifier, shape, classes)


def _on_images(
    encoder: EncoderSettings, classifier: ClassifierSettings, shape: tuple[int, int, int], classes: int
) -> nn.Module:
    return ImageClassifier(encoder, classifier, classes)


ON_CODES = Attacker("paper", _on_codes, lambda settings: settings.rate)
ON_IMAGES = Attacker("paper, end to end", _on_images, lambda settings: settings.image_rate, bf16=True)


def build_network(
    attacker: Attacker,
    encoder: EncoderSettings,
    classifier: ClassifierSettings,
    shape: tuple[int, int, int],
    classes: int,
    seed: int,
) -> nn.Module:
    """The attacker's network with initial weights that follow from the seed alone."""
    return from_seed(seed, lambda: attacker.build(encoder, classifier, shape, classes))
