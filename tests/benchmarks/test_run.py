"""Do rival and library get the same job from the benchmark?"""

import sys
from typing import Any

import pytest
import torch

from scotoma.networks.encoder import Encoder
from scotoma.networks.population import set_population_statistics
from scotoma.presets import load_preset
from tests.benchmarks.scripts import FOLDER, load_script


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    # As Python does for a script: what lies beside it can be imported.
    monkeypatch.syspath_prepend(str(FOLDER))
    yield load_script("run")
    sys.modules.pop("iteration", None)


def test_the_rival_gets_the_librarys_encoder(bench: Any) -> None:
    plain = load_script("plain")
    torch.manual_seed(0)
    ours = Encoder(load_preset("small").encoder)
    images = torch.rand(6, 3, 64, 64) * 2 - 1
    set_population_statistics(ours, lambda: [images])
    theirs = plain.make_network(plain.ENCODER, plain.SIZE).eval()
    theirs.load_state_dict(bench.for_rival(ours))
    with torch.no_grad():
        expected = torch.tanh(ours.before_tanh(images))
        torch.testing.assert_close(theirs(images), expected, atol=1e-4, rtol=0)
        # Not the same for all images: equal constants would prove nothing.
        assert float(expected.std(dim=0).mean()) > 0.3


def test_rates_are_taken_by_turns_and_their_medians_divided(bench: Any) -> None:
    turns: list[str] = []
    rates = {"rival": [1.0, 9.0, 2.0], "library": [8.0, 7.0, 70.0]}

    def of(name: str) -> float:
        turns.append(name)
        return rates[name].pop(0)

    row = bench.compared("work", lambda: of("rival"), lambda: of("library"), 3)
    assert turns == ["rival", "library"] * 3
    assert row == {
        "what": "work",
        "rival": 2.0,
        "library": 8.0,
        "ratio": 4.0,
        "pairs": [(1.0, 8.0), (9.0, 7.0), (2.0, 70.0)],
    }


def test_the_rate_is_read_from_what_the_rival_prints(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = "bar: test accuracy 0.706\n2 tasks in 83.8 s, 1.43 iterations a second\n"
    monkeypatch.setattr(bench, "run", lambda command: printed)
    assert bench.rival("verify") == 1.43


def test_convolutions_are_timed_one_by_one_on_what_reaches_them(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[tuple[int, ...], torch.dtype]] = []

    def note(work: Any, repeats: int) -> float:
        output = work()
        seen.append((tuple(output.shape), output.dtype))
        return 0.5

    monkeypatch.setattr(bench, "median_time", note)
    encoder = Encoder(load_preset("small").encoder).eval()
    images = torch.zeros(2, 3, 64, 64)
    assert bench.convolution_seconds(encoder, images, torch.bfloat16) == 3.5
    shapes = [(16, 64), (32, 32), (32, 32), (64, 16), (64, 16), (96, 8), (3, 8)]
    assert seen == [((2, channels, side, side), torch.bfloat16) for channels, side in shapes]
