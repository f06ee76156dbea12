from collections import Counter
from dataclasses import replace

import pytest

from scotoma.training.schedule import classifier_batch, encoder_batch, encoder_rate, warm_up_batch
from scotoma.training.settings import TrainingSettings


def test_the_paper_s_rate_drops_four_times_to_a_tenth() -> None:
    paper = TrainingSettings()
    rates = [encoder_rate(paper, iteration) for iteration in range(0, paper.iterations, 1000)]
    distinct = list(dict.fromkeys(rates))
    assert distinct == pytest.approx([1e-4 * 10 ** (-number / 4) for number in range(5)])
    assert distinct[-1] == pytest.approx(1e-5)
    assert encoder_rate(paper, 199_999) == 1e-4
    assert encoder_rate(paper, 200_000) < 1e-4


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("warm_up", [0, 7])
def test_encoder_and_classifiers_never_see_the_same_batch_and_none_comes_twice(
    steps: int, warm_up: int
) -> None:
    settings = replace(TrainingSettings(), classifier_steps=steps, warm_up=warm_up)
    classifiers = [warm_up_batch(iteration) for iteration in range(warm_up)]
    encoder = []
    for iteration in range(50):
        classifiers += [classifier_batch(settings, iteration, step) for step in range(steps)]
        encoder.append(encoder_batch(settings, iteration))
    assert not set(classifiers) & set(encoder)
    assert max(Counter(classifiers + encoder).values()) == 1
    assert sorted(classifiers + encoder) == list(range(warm_up + 50 * (steps + 1)))
