from pathlib import Path

import pytest
import torch

import scotoma
from scotoma.data.splits import split
from scotoma.training import estimate
from scotoma.training.estimate import estimate_seconds
from scotoma.training.run import COLLAPSE_BATCHES, POPULATION_BATCHES
from tests.tiny import NETWORKS, TRAINING, write_photos


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> scotoma.ImageTable:
    monkeypatch.setenv("SCOTOMA_CACHE", str(tmp_path / "cache"))
    return scotoma.open_images(write_photos(tmp_path / "photos"), preset())


def preset(**training: int) -> scotoma.Preset:
    return scotoma.load_preset("demo", NETWORKS | {"training": TRAINING | training})


def test_what_is_left_to_do_is_counted(images: scotoma.ImageTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every piece of work takes a second here, so that the estimate is the number of pieces."""
    monkeypatch.setattr(estimate, "_seconds", lambda work: 1.0)
    settings = {"iterations": 100, "warm_up": 10, "classifier_steps": 3, "evaluate_every": 20}
    plan = preset(**settings, probe_every=0).plan(("bar",), (), 0)
    look = 1 + COLLAPSE_BATCHES
    layers = 2
    finish = POPULATION_BATCHES * layers / 2 + look
    whole = 10 + 100 * (3 + 1) + 110 / 20 * look + finish
    assert estimate_seconds(images, plan) == pytest.approx(whole)
    assert estimate_seconds(images, plan, -10) == pytest.approx(whole)
    assert estimate_seconds(images, plan, 60) == pytest.approx(40 * (3 + 1) + 40 / 20 * look + finish)
    assert estimate_seconds(images, plan, 100) == pytest.approx(finish)
    # Probes at 80 and 100: population statistics, all images of two parts encoded, and 7 updates.
    probing = preset(**settings, probe_every=40, probe_steps=7).plan(("bar",), (), 0)
    parts = split(images.keys, probing.split.seed, probing.split.fractions)
    encoding = 1 + len(parts.training) / len(parts.validation)
    assert estimate_seconds(images, probing) == pytest.approx(whole + 2 * (finish + encoding + 7))


def test_time_is_measured_and_no_random_number_used_up(images: scotoma.ImageTable) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    short, long = (
        estimate_seconds(images, preset(iterations=count).plan(("bar",), ("office",), 0))
        for count in (100, 10_000)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert 0 < short < long
    assert long < 3600


def test_slow_work_is_done_once_and_quick_work_several_times(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = [0.0], [0]
    monkeypatch.setattr("scotoma.training.estimate.time.perf_counter", lambda: clock[0])

    def work(seconds: list[float]) -> None:
        clock[0] += seconds[min(calls[0], len(seconds) - 1)]
        calls[0] += 1

    assert estimate._seconds(lambda: work([9.0])) == pytest.approx(9)
    assert calls == [1]
    # The first call, which is slow for other reasons, does not count.
    calls[0] = 0
    assert estimate._seconds(lambda: work([0.3, 0.01, 0.02, 0.03])) == pytest.approx(0.02)
    assert calls == [4]
