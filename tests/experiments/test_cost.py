from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from scotoma.data.table import ImageTable
from scotoma.experiments import cost, table2
from scotoma.experiments.cells import EncoderCell, Places
from scotoma.experiments.cost import Cost, cost_of, images_in_training, report
from scotoma.experiments.scales import Group, load_scale
from scotoma.presets import load_preset
from scotoma.training import adversarial, estimate
from scotoma.training.plan import TrainingPlan
from scotoma.training.run import train
from tests.tiny import CATEGORIES, NETWORKS, TRAINING

GROUP = Group(CATEGORIES)


def cell(hide: int = 1, keep: int = 1, **training: Any) -> EncoderCell:
    """An encoder that hides the first categories and keeps the next."""
    changes = NETWORKS | {"training": TRAINING | training}
    hidden, kept = CATEGORIES[:hide], CATEGORIES[hide : hide + keep]
    return EncoderCell(f"{hide}-{keep}-{training}", hidden, kept, GROUP, "demo", 0, changes)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ImageTable, TrainingPlan]]:
    """What was timed: each time that takes 3,600 s."""
    found = []

    def estimated(table: ImageTable, plan: TrainingPlan) -> float:
        found.append((table, plan))
        return 3600.0

    monkeypatch.setattr(cost, "_estimate", estimated)
    return found


def test_every_head_s_batch_counts_in_each_update() -> None:
    one = cell(classifier_steps=3, iterations=100, warm_up=7, batch=5)
    # Of an iteration: 3 updates of the classifiers and 1 of the encoder; of warm-up: the classifiers alone.
    assert images_in_training(one, load_preset("demo", one.settings())) == 2 * 5 * (7 + 100 * (3 + 1))
    alone = cell(hide=1, keep=0, classifier_steps=1, iterations=100, warm_up=0, batch=5)
    assert images_in_training(alone, load_preset("demo", alone.settings())) == 1 * 5 * 200
    more = cell(hide=2, keep=2, classifier_steps=1, iterations=100, warm_up=0, batch=5)
    assert images_in_training(more, load_preset("demo", more.settings())) == 3 * 5 * 200


@pytest.mark.parametrize(("hide", "keep"), [(1, 1), (2, 2), (1, 0)])
def test_training_sees_as_many_images_as_are_counted(
    hide: int, keep: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = cell(hide, keep, classifier_steps=2, iterations=5, warm_up=3)
    preset = load_preset("demo", one.settings())
    seen = []
    for name in ("update_classifiers", "update_encoder"):
        whole = getattr(adversarial, name)

        def counted(game: Any, batch: Any, settings: Any, whole: Any = whole) -> Any:
            seen.append(len(batch.images))
            return whole(game, batch, settings)

        monkeypatch.setattr(adversarial, name, counted)
    table = cost._table(one, preset, Places(tmp_path), None)
    train(table, preset.plan(one.hide, one.keep, 0), tmp_path)
    assert sum(seen) == images_in_training(one, preset)


def test_one_encoder_of_each_kind_is_timed(asked: list[Any], tmp_path: Path) -> None:
    cells = [cell(), cell(iterations=24, warm_up=4), cell(hide=2), cell(keep=0)]
    costs = cost_of(cells, Places(tmp_path))
    assert [plan.keep for _, plan in asked] == [CATEGORIES[1:2], ()]
    assert [each.iterations for each in costs] == [12, 24, 12, 12]
    # Heads x batch x (warm-up + 2 updates an iteration); hours follow.
    images = [2 * 4 * 26, 2 * 4 * 52, 3 * 4 * 26, 1 * 4 * 26]
    assert [each.images for each in costs] == images
    assert [each.hours for each in costs] == pytest.approx([1.0, 2.0, 1.5, 1.0])
    assert [each.label for each in costs] == [each.label for each in cells]


def test_random_pixels_stand_for_images_that_were_not_named(asked: list[Any], tmp_path: Path) -> None:
    cost_of([cell()], Places(tmp_path))
    ((table, _),) = asked
    assert table.source == "random pixels"
    assert table.pixels.shape == (24 * 4, 9, 9, 3)
    assert table.categories == CATEGORIES


def test_only_processor_time_counts_on_one_thread_and_without_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def estimated(_: ImageTable, plan: TrainingPlan) -> float:
        threads.append(torch.get_num_threads())
        assert plan.training.probe_every == 0
        return 1000.0

    monkeypatch.setattr(cost, "estimate_seconds", estimated)
    one = cell(probe_every=4)
    preset = load_preset("demo", one.settings())
    plan, before = preset.plan(one.hide, one.keep, 0), torch.get_num_threads()
    # Of 8 s the process had the core for 2; more than all of them is a matter of how clocks tick.
    for processor, expected in ((2.0, 250.0), (8.5, 1000.0)):
        wall, busy = iter([10.0, 18.0]), iter([1.0, 1.0 + processor])
        clocks = SimpleNamespace(perf_counter=wall.__next__, process_time=busy.__next__)
        monkeypatch.setattr(cost, "time", clocks)
        assert cost._estimate(cost._table(one, preset, Places(Path()), None), plan) == expected
    assert threads == [1, 1]
    assert torch.get_num_threads() == before


def test_the_estimate_counts_updates_as_training_makes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Updates that take as long as is said, and nothing else: the sum written out."""
    taken = iter([2.0, 5.0, 0.0])  # of the classifiers, of the encoder, of figures
    monkeypatch.setattr(estimate, "_seconds", lambda _: next(taken))
    monkeypatch.setattr(estimate, "POPULATION_BATCHES", 0)
    monkeypatch.setattr(estimate, "COLLAPSE_BATCHES", 0)
    one = cell(classifier_steps=3, iterations=100, warm_up=10)
    preset = load_preset("demo", one.settings())
    table = cost._table(one, preset, Places(Path()), None)
    plan = preset.plan(one.hide, one.keep, 0)
    plan = replace(plan, training=replace(plan.training, probe_every=0))
    assert estimate.estimate_seconds(table, plan) == 10 * 2 + 100 * (3 * 2 + 5)


def test_the_paper_s_own_run_is_as_long_as_its_settings_say() -> None:
    """860,000 iterations of two updates, after 5,000 of one, on 128 images a head: 220.8 million a head."""
    made = table2.cells(load_scale("places"), (0,))
    encoders = [each for each in made if isinstance(each, EncoderCell)]
    assert len(encoders) == 9
    for one in encoders:
        preset = load_preset(one.preset, one.settings())
        heads = len(one.hide) + bool(one.keep)
        assert images_in_training(one, preset) == heads * 128 * (5_000 + 2 * 860_000)


def test_the_report_sums_and_divides_by_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "cores", lambda: 4)
    said = report([Cost("a", 1000, 256_000, 0.5), Cost("b", 2000, 512_000, 30.0), Cost("c", 10, 80, 2400.0)])
    assert said == [
        "a: 1,000 iterations, 256,000 images, about 30 minutes on a core",
        "b: 2,000 iterations, 512,000 images, about 30.0 hours on a core",
        "c: 10 iterations, 80 images, about 100 days on a core",
        # No encoder is divided among cores: the longest says when all are done.
        "In all 101 days of one core, 100 days on 4 cores, for the encoders alone: how long attackers take "
        "to saturate is not known before.",
    ]
    # Where there are more encoders than cores, they share them.
    equal = [Cost(str(number), 1, 1, 10.0) for number in range(16)]
    assert report(equal)[-1].startswith("In all 7 days of one core, 40.0 hours on 4 cores, ")
    assert report(equal)[:-1] == [
        "16 encoders (0, ...): 1 iterations, 1 images, about 10.0 hours on a core each"
    ]
