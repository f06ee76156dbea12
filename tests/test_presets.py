import tomllib
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

import scotoma
from scotoma import presets
from scotoma.data.splits import PARTS, split
from scotoma.data.table import ImageTable, by_category
from scotoma.errors import InputError
from scotoma.presets import Preset, load_preset, preset_names
from scotoma.training import run
from scotoma.training.settings import TrainingSettings
from scotoma.verification.settings import AttackSettings

CATEGORIES = ("a", "b", "c")
# The networks stay as they are shipped; only how long and how many images changes.
BRIEF: dict[str, dict[str, object]] = {
    "training": {"iterations": 2, "warm_up": 1, "batch": 2, "classifier_steps": 1, "on_collapse": "record"},
    "verification": {"batch": 2, "evaluate_every": 1, "patience": 1, "max_iterations": 1, "views": 1},
}


def noise(preset: Preset, each: int) -> ImageTable:
    """Generated images of the preset's size, `each` of every category in each part of the split of seed 0."""
    keys = np.array([f"{number:032x}" for number in range(2000)])
    parts = split(keys, 0, preset.split)
    count = each * len(CATEGORIES)
    rows = np.concatenate([getattr(parts, part)[:count] for part in PARTS])
    side, channels = preset.images.stored_side, preset.encoder.channels
    pixels = np.random.default_rng(0).integers(0, 256, (len(rows), side, side, channels), np.uint8)
    labels = np.tile(np.arange(len(CATEGORIES)), len(PARTS) * each)
    return ImageTable(pixels, keys[rows], by_category(CATEGORIES, labels), "noise")


@pytest.mark.parametrize("name", ["demo", "small", "paper"])
def test_every_shipped_preset_trains_and_attacks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Population statistics of the paper's encoder cost more than all the rest.
    monkeypatch.setattr(run, "POPULATION_BATCHES", 1)
    monkeypatch.setattr(run, "COLLAPSE_BATCHES", 1)
    if name == "paper":  # ten seconds as it is
        monkeypatch.setitem(BRIEF, "training", BRIEF["training"] | {"iterations": 1, "warm_up": 0})
    preset = load_preset(name, BRIEF)
    images = noise(preset, 1 if name == "paper" else 4)
    encoder = scotoma.train(images, preset.plan(("a",), ("b",), 0), tmp_path / "run")
    assert encoder.card.training["preset"] == name
    assert encoder.card.training["settings"]["encoder_rate"] == load_preset(name).training.encoder_rate
    codes = encoder.encode(images.pixels[:2])
    assert codes.shape == (2, *preset.encoder.code_shape)
    assert codes.abs().max() <= 1
    assert not torch.equal(codes[0], codes[1])
    results = scotoma.verify(encoder, images, preset, tmp_path / "attacked", tasks=("a",))
    assert [(cell.encoder, cell.iterations, cell.state) for cell in results.cells] == [
        (kind, 1, "inconclusive") for kind in ("identity", "blur", "encoder")
    ]


def test_the_presets_are_those_of_the_help() -> None:
    assert preset_names() == ["demo", "paper", "small"]


@pytest.mark.parametrize(
    ("name", "shape", "field", "side"),
    [("demo", (3, 7, 7), 46, 28), ("small", (3, 8, 8), 66, 72), ("paper", (3, 28, 28), 112, 256)],
)
def test_shapes_are_those_that_are_promised(
    name: str, shape: tuple[int, int, int], field: int, side: int
) -> None:
    preset = load_preset(name)
    assert preset.encoder.code_shape == shape
    assert preset.encoder.receptive_field == field
    assert preset.images.stored_side == side
    assert preset.encoder.channels == (1 if name == "demo" else 3)


def test_the_papers_values_are_written_out() -> None:
    """Section 4.1; what it does not give is ours, and marked so in the file."""
    preset = load_preset("paper")
    training = TrainingSettings(
        iterations=860_000, warm_up=5_000, batch=128, alpha=1 / 16, classifier_rate=1e-4, encoder_rate=1e-4,
        encoder_drop=10**-0.25, drop_every=200_000, classifier_steps=1, evaluate_every=5_000,
    )  # fmt: skip
    assert preset.training == training
    attack = AttackSettings(rate=1e-5, image_rate=1e-4, drop=0.1, batch=128, evaluate_every=5_000)
    assert preset.verification == attack
    assert preset.encoder.normalisation == preset.encoder.output_normalisation == "location"
    table = tomllib.loads((presets._folder() / "paper.toml").read_text(encoding="utf-8"))
    for part, cls in (("training", TrainingSettings), ("verification", AttackSettings)):
        assert set(table[part]) == {each.name for each in fields(cls)}
    assert "Derived, not from the paper" in (presets._folder() / "paper.toml").read_text(encoding="utf-8")


def test_changes_lie_over_a_preset_and_its_name_stays() -> None:
    preset = load_preset("demo", {"training": {"batch": 32}, "encoder": {"eps": 1e-3}}, "my.toml")
    shipped = load_preset("demo")
    assert (preset.training.batch, preset.encoder.eps, preset.name) == (32, 1e-3, "demo")
    assert preset.training.iterations == shipped.training.iterations
    plan = preset.plan(("a",), (), 7)
    assert (plan.hide, plan.keep, plan.seed, plan.split.seed, plan.preset) == (("a",), (), 7, 7, "demo")


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("tiny", {}, "There is no preset 'tiny'; there are demo, paper, small."),
        (
            "demo",
            {"name": "mine"},
            "my.toml: 1 problem.\n  - name: unknown key, allowed: encoder, images, classifier, training, "
            "verification, split",
        ),
        (
            "demo",
            {"images": {"stored_side": 20}},
            "'stored_side' is 20 pixels, less than the encoder's 'size' of 28: store at least what is "
            "encoded",
        ),
    ],
    ids=["preset", "key", "sizes"],
)
def test_a_mistake_is_told(name: str, changes: dict[str, object], told: str) -> None:
    with pytest.raises(InputError) as caught:
        load_preset(name, changes, "my.toml")
    assert str(caught.value) == told
