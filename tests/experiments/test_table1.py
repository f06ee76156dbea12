import math
from pathlib import Path

import pytest

from scotoma.experiments.scales import Scale, load_scale
from scotoma.experiments.table1 import attack_of, cells, collect, markdown, seed_figures
from tests.experiments.examples import attack, write_attacks, write_encoder

SEEDS = (0, 1, 2)
FLIP, GAN = (0.60, 0.64, 0.65), (0.70, 0.80, 0.72)


@pytest.fixture
def scale(tiny_scale: str) -> Scale:
    return load_scale(tiny_scale)


@pytest.fixture
def out(tmp_path: Path, scale: Scale) -> Path:
    for seed, flip, gan in zip(SEEDS, FLIP, GAN, strict=True):
        for objective, test in (("label-flip", flip), ("gan", gan)):
            cell = attack_of(scale, "-a +b", objective, seed, 0)
            hide, keep = cell.tasks
            attacks = [
                attack("encoder", hide, test, "hide", floor=0.56),
                attack("encoder", keep, 0.9, "keep"),
            ]
            attacks += [attack(name, task, 0.98) for name in cell.baselines for task in cell.tasks]
            write_attacks(cell, tmp_path, attacks)
    return tmp_path


def test_cells_are_encoders_each_before_its_attacks(scale: Scale) -> None:
    found = cells(scale, SEEDS)
    assert len(found) == 2 * 2 * 4 * 3
    assert [cell.label.split("/")[0] for cell in found[:4]] == ["encoders", "attacks"] * 2
    with_baselines = [cell for cell in found if getattr(cell, "baselines", ())]
    assert [cell.name for cell in with_baselines] == [
        "one-hide-airport_terminal-keep-office-label-flip-seed0"
    ]


def test_means_and_paired_differences_with_students_interval(scale: Scale, out: Path) -> None:
    found = collect(scale, SEEDS, out)
    flip, gan = found.rows[:2]
    assert flip.test == pytest.approx(0.63)
    assert (flip.validation, flip.kept_test, flip.floor) == pytest.approx((0.64, 0.9, 0.56))
    differences = [ours - theirs for ours, theirs in zip(FLIP, GAN, strict=True)]
    average = sum(differences) / 3
    deviation = math.sqrt(sum((each - average) ** 2 for each in differences) / 2)
    half = 4.302653 * deviation / math.sqrt(3)  # Student's 97.5 % point for two degrees of freedom
    assert flip.to_gan is not None
    assert (flip.to_gan.estimate, flip.to_gan.low, flip.to_gan.high) == pytest.approx(
        (average, average - half, average + half), abs=1e-6
    )
    assert gan.to_gan is None
    assert found.baselines["blur"] == {"airport_terminal": 0.98, "office": 0.98}


def test_what_is_not_there_is_missing(scale: Scale, out: Path) -> None:
    found = collect(scale, SEEDS, out)
    other = found.rows[2]
    assert (other.objective, other.test, other.to_gan, other.seeds[0].state) == (
        "negative-cross-entropy",
        None,
        None,
        "missing",
    )
    text = markdown(found)
    assert "| missing (52.1) | missing | 64.0 (64.2) | 63.0 (65.3) [56.4, 69.6] |" in text
    assert text.count("\n| -airport_terminal +office |") == 4


def test_a_mean_that_lacks_seeds_says_so(scale: Scale, out: Path) -> None:
    (attack_of(scale, "-a +b", "label-flip", 2, 0).folder(out) / "results.json").unlink()
    lines = markdown(collect(scale, SEEDS, out)).splitlines()
    flip, gan = (next(line for line in lines if f"| {name} |" in line) for name in ("label-flip", "gan"))
    assert flip.count(" (2 of 3 seeds)") == 4  # on validation and test images, against GAN, what is kept
    assert "seeds)" not in gan


def test_one_seed_gives_no_interval_of_seeds(scale: Scale, out: Path) -> None:
    found = collect(scale, (0,), out)
    assert found.rows[0].to_gan is None
    assert "60.0 (65.3) [58.0, 62.0] | one seed |" in markdown(found)


@pytest.mark.parametrize(
    ("settings", "opposite"),
    [({"negatives": "not-kept"}, 1 + 1 / 6 - 0.4), ({"negatives": "all"}, 0.6), ({}, 0.6)],
    ids=["not-kept", "all", "old file"],
)
def test_reversed_answers_still_know_the_images_set_apart(
    scale: Scale, tmp_path: Path, settings: dict[str, str], opposite: float
) -> None:
    """Half of the weight is that of the three categories that are not hidden, one of which is set apart."""
    cell = attack_of(scale, "-a +b", "gan", 0, 0)
    write_encoder(cell.encoder, tmp_path, {"hidden": {"airport_terminal": 0.4}, "settings": settings})
    found = seed_figures(cell, tmp_path)
    assert (found.within, found.reversed) == pytest.approx((0.4, opposite))
