from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from scotoma.networks.classifier import Classifier, ImageClassifier
from scotoma.verification.attackers import ON_CODES, ON_IMAGES, Attacker, build_network
from scotoma.verification.settings import AttackSettings
from tests.examples import CLASSIFIER, ENCODER

SETTINGS = AttackSettings(rate=1e-3, image_rate=1e-2)


def weights(attacker: Attacker, seed: int) -> torch.Tensor:
    shape = (1, 8, 8) if attacker is ON_IMAGES else (3, 4, 4)
    network = build_network(attacker, ENCODER, CLASSIFIER, shape, 2, seed)
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_codes_and_images_are_attacked_by_their_own_network_and_rate() -> None:
    assert isinstance(build_network(ON_CODES, ENCODER, CLASSIFIER, (3, 4, 4), 2, 0), Classifier)
    assert isinstance(build_network(ON_IMAGES, ENCODER, CLASSIFIER, (1, 8, 8), 2, 0), ImageClassifier)
    assert (ON_CODES.rate(SETTINGS), ON_IMAGES.rate(SETTINGS)) == (1e-3, 1e-2)
    # A leak of tiny amplitude would be lost in bf16.
    assert not ON_CODES.bf16


@pytest.mark.parametrize("attacker", [ON_CODES, ON_IMAGES], ids=lambda attacker: attacker.name)
def test_initial_weights_follow_from_the_seed_alone(attacker: Attacker) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first, again, other = weights(attacker, 1), weights(attacker, 1), weights(attacker, 2)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.rand(2), expected)


def test_initial_weights_do_not_depend_on_what_is_built_at_the_same_time() -> None:
    """torch has one generator for all threads."""
    alone = [weights(ON_CODES, seed) for seed in range(40)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda seed: weights(ON_CODES, seed), range(40)))
    assert all(map(torch.equal, alone, together))
