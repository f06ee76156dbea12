import math

import numpy as np

from scotoma.audit.logistic import fit_logistic


def test_the_solution_is_at_the_minimum_of_its_penalised_loss() -> None:
    """Written out for two classes and one feature; the loss is higher wherever one goes from there."""
    random = np.random.default_rng(0)
    features, classes = random.normal(size=(40, 1)).astype(np.float32), random.integers(2, size=40)
    weights = random.random(40)
    _, solution = fit_logistic(features, classes, weights, 2, prior=0.3)

    def loss(flat: list[float]) -> float:
        slopes, shift = flat[:2], flat[2:]
        total = (slopes[0] ** 2 + slopes[1] ** 2) / (2 * 40 * 0.3)
        for value, index, weight in zip(features[:, 0], classes, weights / weights.sum(), strict=True):
            logits = [value * slope + each for slope, each in zip(slopes, shift, strict=True)]
            total += weight * (math.log(sum(map(math.exp, logits))) - logits[index])
        return float(total)

    lowest = loss(solution.tolist())
    for step in (0.05, -0.05):
        for place in range(4):
            moved = [each + step * (index == place) for index, each in enumerate(solution)]
            assert loss(moved) > lowest


def test_only_the_proportions_of_weights_count() -> None:
    random = np.random.default_rng(1)
    features, classes = random.normal(size=(60, 3)).astype(np.float32), random.integers(3, size=60)
    weights = random.random(60)
    one, other = (fit_logistic(features, classes, weights * scale, 3, prior=1.0)[1] for scale in (1, 100))
    assert np.allclose(one, other, atol=1e-6)
