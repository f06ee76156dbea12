from dataclasses import replace
from pathlib import Path

import pytest

from scotoma.errors import InputError
from scotoma.experiments.cells import Places
from scotoma.experiments.sweep import Sweep, SweepFound, collect
from scotoma.experiments.sweep_shown import front_of, markdown, write_sweep
from scotoma.runs.results import Cell, Role
from tests.experiments.examples import attack, write_attacks, write_begun
from tests.reports.examples import NOTHING

SWEEP = Sweep(("shirt",), ("bag", "boot"), (0.01, 1.0), (0, 1), "demo")


def attacks(hidden: float, bag: float, boot: float) -> list[Cell]:
    """Those on an encoder."""
    return [
        attack("encoder", "shirt", hidden, "hide", floor=0.6),
        attack("encoder", "bag", bag, "keep"),
        attack("encoder", "boot", boot, "keep"),
    ]


def found_in(out: Path, failures: dict[str, str] | None = None) -> SweepFound:
    return collect(SWEEP, Places(out, "photos"), failures or {})


def test_cells_are_encoders_each_before_its_attacks_and_baselines_are_attacked_once() -> None:
    cells = SWEEP.cells()
    assert [cell.label for cell in cells] == [
        f"{kind}/alpha-{alpha}-seed{seed}"
        for seed in (0, 1)
        for alpha in ("0.01", "1")
        for kind in ("encoders", "attacks")
    ]
    with_baselines = [cell.name for cell in cells if getattr(cell, "baselines", ())]
    assert with_baselines == ["alpha-0.01-seed0"]
    assert {cell.name: cell.settings() for cell in cells[:4:2]} == {
        "alpha-0.01-seed0": {"training": {"alpha": 0.01}},
        "alpha-1-seed0": {"training": {"alpha": 1.0}},
    }


def test_the_floor_that_is_drawn_is_the_mean_over_seeds(tmp_path: Path) -> None:
    for seed, floor in ((0, 0.58), (1, 0.62)):
        found = attacks(0.6, 0.9, 0.9)
        found[0] = replace(found[0], floor=floor)
        write_attacks(SWEEP.attack(0.01, seed), tmp_path, found)
    assert front_of(SWEEP, found_in(tmp_path)).floors == {"shirt": pytest.approx(0.6)}


def test_alpha_goes_over_the_settings_and_attackers_have_theirs() -> None:
    changes = {"training": {"alpha": 5.0, "batch": 8}, "verification": {"views": 2}}
    sweep = Sweep(("shirt",), ("bag",), (0.01,), (0,), "demo", changes=changes)
    encoder, attacked = sweep.cells()
    assert encoder.settings() == {"training": {"alpha": 0.01, "batch": 8}}
    assert attacked.settings() == {"verification": {"views": 2}}


def test_figures_means_and_what_is_not_there(tmp_path: Path) -> None:
    names = ("shirt", "bag", "boot")
    references = [attack("identity", name, 0.9) for name in names] + [
        attack("blur", name, 0.8) for name in names
    ]
    write_attacks(SWEEP.attack(0.01, 0), tmp_path, [*attacks(0.62, 0.9, 0.8), *references])
    unsure = attacks(0.66, 0.9, 0.9)
    unsure[0] = attack("encoder", "shirt", 0.66, "hide", floor=0.6, state="inconclusive")
    write_attacks(SWEEP.attack(0.01, 1), tmp_path, unsure)
    broken = attacks(0.7, 0.9, 0.9)
    broken[2] = replace(broken[2], state="failed", note="not finite", **NOTHING)
    write_attacks(SWEEP.attack(1.0, 0), tmp_path, broken)
    found = found_in(tmp_path)
    assert [(each.alpha, each.seed, each.state, each.note) for each in found.points] == [
        (0.01, 0, "done", ""),
        (0.01, 1, "inconclusive", ""),
        (1.0, 0, "failed", "boot: not finite"),
        (1.0, 1, "missing", ""),
    ]
    shown = markdown(SWEEP, found)
    assert " in %: 50 is guessing, the floor is what the kept labels alone give. In training: " in shown
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert rows == [
        "| alpha | seed | -shirt [95 %] | floor | in training | +bag [95 %] | +boot [95 %] | state |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| 0.01 | 0 | 62.0 [60.0, 64.0] | 60.0 | missing | 90.0 [88.0, 92.0] | 80.0 [78.0, 82.0] | done |",
        "| 0.01 | 1 | 66.0 [64.0, 68.0], still rising | 60.0 | missing | 90.0 [88.0, 92.0] | "
        "90.0 [88.0, 92.0] | inconclusive |",
        "| 1 | 0 | 70.0 [68.0, 72.0] | 60.0 | missing | 90.0 [88.0, 92.0] | failed | "
        "failed: boot: not finite |",
        "| 1 | 1 | missing | missing | missing | missing | missing | missing |",
        "| identity | 0 | 90.0 [88.0, 92.0] | 50.0 |  | 90.0 [88.0, 92.0] | 90.0 [88.0, 92.0] | done |",
        "| blur | 0 | 80.0 [78.0, 82.0] | 50.0 |  | 80.0 [78.0, 82.0] | 80.0 [78.0, 82.0] | done |",
        "| alpha | -shirt [95 %] | +bag [95 %] | +boot [95 %] |",
        "| --- | ---: | ---: | ---: |",
        # Of two seeds s = .02 sqrt 2, Student's half is 12.7062 s / sqrt 2 = .254.
        "| 0.01 | 64.0 [38.6, 89.4] | 90.0 [90.0, 90.0] | 85.0 [21.5, 100.0] |",
        "| 1 | 70.0 [68.0, 72.0] (1 of 2 seeds) | 90.0 [88.0, 92.0] (1 of 2 seeds) | missing |",
    ]

    front = front_of(SWEEP, found)
    assert [(each.alpha, each.seed, each.rising) for each in front.points] == [
        (0.01, 0, False),
        (0.01, 1, True),
    ]
    first = front.points[0]
    assert (first.hidden.value, first.hidden.low, first.hidden.high) == pytest.approx((0.62, 0.6, 0.64))
    half = (2 * 0.02**2) ** 0.5 / 2
    assert (first.kept.value, first.kept.low, first.kept.high) == pytest.approx(
        (0.85, 0.85 - half, 0.85 + half)
    )
    assert [each.name for each in front.references] == ["identity", "blur"]
    assert [(each.hidden, each.kept) for each in front.references] == [(0.9, 0.9), (0.8, 0.8)]
    assert front.floors == {"shirt": 0.6}
    assert front.absent == ("alpha 1, seed 0 (failed)", "alpha 1, seed 1 (missing)")


def test_a_point_is_hollow_where_an_attack_behind_it_was_rising(tmp_path: Path) -> None:
    """One on its hidden task or on a kept one, not one on another hidden task."""
    sweep = Sweep(("shirt", "boot"), ("bag",), (0.01, 1.0), (0,), "demo")

    def found(kind: str, rising: str) -> list[Cell]:
        roles: dict[str, Role] = {"shirt": "hide", "boot": "hide", "bag": "keep"}
        return [
            attack(kind, name, 0.6, role, floor=0.5, state="inconclusive" if name == rising else "done")
            for name, role in roles.items()
        ]

    write_attacks(sweep.attack(0.01, 0), tmp_path, [*found("encoder", "boot"), *found("identity", "shirt")])
    write_attacks(sweep.attack(1.0, 0), tmp_path, found("encoder", "bag"))
    front = front_of(sweep, collect(sweep, Places(tmp_path, None), {}))
    assert {(each.alpha, each.task): each.rising for each in front.points} == {
        (0.01, "shirt"): False,
        (0.01, "boot"): True,
        (1.0, "shirt"): True,
        (1.0, "boot"): True,
    }
    assert {each.task: each.rising for each in front.references} == {"shirt": True, "boot": False}


def test_why_cells_failed_is_told_that_of_the_encoder_first(tmp_path: Path) -> None:
    write_attacks(SWEEP.attack(1.0, 1), tmp_path, attacks(0.7, 0.9, 0.9)[:2])
    failures = {
        "encoders/alpha-0.01-seed0": "collapsed",
        "attacks/alpha-0.01-seed0": "there is no encoder to attack",
        "attacks/alpha-1-seed1": "killed by SIGKILL, twice",
    }
    found = found_in(tmp_path, failures)
    assert [(each.state, each.note) for each in found.points] == [
        ("failed", "collapsed"),
        ("missing", ""),
        ("missing", ""),
        ("failed", "killed by SIGKILL, twice"),
    ]
    assert found.points[3].hidden["shirt"].test == 0.7
    assert found.references["identity"]["bag"].state == "missing"
    assert "| identity | 0 | missing | missing |  | missing | missing | missing |" in markdown(SWEEP, found)


def test_images_that_changed_between_encoders_are_in_no_table(tmp_path: Path) -> None:
    for alpha, digest in ((0.01, "aa"), (1.0, "bb")):
        write_begun(SWEEP.attack(alpha, 0), tmp_path, data="photos", images=digest)
    with pytest.raises(InputError) as raised:
        write_sweep(SWEEP, Places(tmp_path, "photos"), "scotoma sweep", {})
    assert str(raised.value) == (
        f"{tmp_path} holds runs on images that are not the same, as if some were added, removed or changed "
        "in between:\n"
        "  digest aa: attacks/alpha-0.01-seed0\n"
        "  digest bb: attacks/alpha-1-seed0\n"
        "Choose another --out, or remove the folders of all lines but one."
    )
    assert not (tmp_path / "sweep.json").exists()
