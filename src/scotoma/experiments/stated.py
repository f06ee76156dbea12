"""Do the settings matter as section 4.1 says: falling rate, batches, warm-up, attackers' rates?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scotoma.experiments.artefact import Artefact, percent, table
from scotoma.experiments.cells import AttackCell, Cell, attack_cell, encoder_cell
from scotoma.experiments.scales import Scale
from scotoma.experiments.statistics import bounds, mean, seeds_there
from scotoma.experiments.table1 import (
    DIRECTIONS,
    SeedFigures,
    attack_of,
    interval_said,
    pair_of,
    seed_figures,
)
from scotoma.runs.words import counted


@dataclass(frozen=True)
class Variant:
    """One change: tables over the encoder's settings, or over its attackers'. Without any it is Table 1's."""

    name: str
    said: str
    encoder: Mapping[str, Any] = field(default_factory=dict)
    attack: Mapping[str, Any] = field(default_factory=dict)


# An encoder without drops keeps its rate; the paper's attackers keep theirs until saturation ("literal").
VARIANTS = (
    Variant("", "as in Table 1"),
    Variant("no-drops", "the encoder's rate does not fall", {"encoder_drop": 1.0}),
    *(Variant(f"batch-{size}", f"batches of {size}", {"batch": size}) for size in (32, 128, 512)),
    Variant("no-warm-up", "no warm-up", {"warm_up": 0}),
    *(
        Variant(f"rate-{rate:.0e}", f"attackers' rate {rate:.0e}", {}, {"schedule": "literal", "rate": rate})
        for rate in (1e-5, 1e-4, 1e-3)
    ),
)


@dataclass(frozen=True)
class Row:
    """One variant: means over seeds, with Student's interval of the hidden test accuracy (of the only seed:
    that over test images).
    """

    name: str
    said: str
    within: float | None
    test: float | None
    low: float | None
    high: float | None
    kept_test: float | None
    floor: float | None
    seeds: tuple[SeedFigures, ...]


@dataclass(frozen=True)
class Stated:
    """All variants of the encoder that hides the first category of Table 1 and keeps the second."""

    hide: str
    keep: str
    rows: tuple[Row, ...]


def attack_cell_of(scale: Scale, variant: Variant, seed: int, first: int) -> AttackCell:
    """The attacks of a variant, on an encoder of its own where that differs from Table 1's."""
    base = attack_of(scale, DIRECTIONS[0], "label-flip", seed, first)
    if not variant.encoder and not variant.attack:
        return base
    if variant.attack:
        return attack_cell(base.encoder, base.tasks, over=variant.attack, variant=variant.name)
    hide, keep = pair_of(scale, DIRECTIONS[0])
    over = {"training": {"objective": "label-flip", **variant.encoder}}
    name = f"label-flip-{variant.name}"
    encoder = encoder_cell(scale, "stated", scale.table1.group, (hide,), (keep,), seed, over, name)
    return attack_cell(encoder, (hide, keep))


def cells(scale: Scale, seeds: Sequence[int]) -> tuple[Cell, ...]:
    """Every encoder once, and the attacks."""
    found: dict[str, Cell] = {}
    for seed in seeds:
        for variant in VARIANTS:
            attack = attack_cell_of(scale, variant, seed, seeds[0])
            found |= {attack.encoder.label: attack.encoder, attack.label: attack}
    return tuple(found.values())


def collect(scale: Scale, seeds: Sequence[int], out: Path) -> Stated:
    """Read what the cells left."""
    rows = []
    for variant in VARIANTS:
        found = tuple(seed_figures(attack_cell_of(scale, variant, seed, seeds[0]), out) for seed in seeds)
        low, high = bounds([(each.test, each.low, each.high) for each in found])
        rows.append(
            Row(
                variant.name,
                variant.said,
                mean([each.within for each in found]),
                mean([each.test for each in found]),
                low,
                high,
                mean([each.kept_test for each in found]),
                mean([each.floor for each in found]),
                found,
            )
        )
    return Stated(*pair_of(scale, DIRECTIONS[0]), tuple(rows))


def markdown(found: Stated) -> str:
    """The table in percent."""
    rows = [
        [
            row.said,
            percent(row.within) + seeds_there([each.within for each in row.seeds]),
            percent(row.test) + interval_said(row.seeds),
            percent(row.floor),
            percent(row.kept_test) + seeds_there([each.kept_test for each in row.seeds]),
        ]
        for row in found.rows
    ]
    heads = ["changed", "hidden, within training", "hidden, fresh test [95 %]", "floor", "kept, fresh test"]
    seeds = counted(len(found.rows[0].seeds), "seed")
    lines = [
        "# Stated: what the settings of section 4.1 do",
        "",
        f"-{found.hide} +{found.keep}, label flip, mean over {seeds}, balanced accuracy in %; "
        "the interval is over seeds, of a single seed over test images.",
        "",
        table(heads, rows),
    ]
    return "\n".join(lines)


STATED_ARTEFACT = Artefact("stated", cells, collect, markdown)
