"""Does the encoder collapse without per-location normalisation? (Section 4.2 of the paper, on stability)"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scotoma.encoder_file import load_encoder
from scotoma.experiments.artefact import MISSING, Artefact, percent, table
from scotoma.experiments.cells import Cell, EncoderCell, encoder_cell
from scotoma.experiments.paper import NORMALISATION
from scotoma.experiments.scales import Scale
from scotoma.experiments.statistics import mean, seeds_there
from scotoma.runs.words import counted

# In the paper's order. 'none' is what stands between the layers: the output keeps its own normalisation.
WAYS = ("none", "batch", "location-with-bias", "location")


@dataclass(frozen=True)
class SeedCollapse:
    """The figures of one encoder at the end of its training (see `Collapse`), None where it is missing."""

    seed: int
    dead: float | None = None
    low_variance: float | None = None
    low_deviation: float | None = None
    deviation: float | None = None


@dataclass(frozen=True)
class Way:
    """One normalisation: means over seeds."""

    normalisation: str
    paper: str
    dead: float | None
    low_variance: float | None
    low_deviation: float | None
    deviation: float | None
    seeds: tuple[SeedCollapse, ...]


@dataclass(frozen=True)
class Normalisation:
    """All ways."""

    hide: str
    ways: tuple[Way, ...]


def encoder_of(scale: Scale, way: str, seed: int) -> EncoderCell:
    """The encoder of one way: hides the first category of Table 1 and keeps nothing."""
    over = {
        "encoder": {"normalisation": way},
        "training": {"objective": "label-flip", "on_collapse": "record"},
    }
    hide, group = scale.table1.pair[0], scale.table1.group
    return encoder_cell(scale, "normalisation", group, (hide,), (), seed, over, f"normalisation-{way}")


def cells(scale: Scale, seeds: Sequence[int]) -> tuple[Cell, ...]:
    """Encoders only: nobody attacks them."""
    return tuple(encoder_of(scale, way, seed) for seed in seeds for way in WAYS)


def collect(scale: Scale, seeds: Sequence[int], out: Path) -> Normalisation:
    """Read the figures of collapse from the encoder files."""
    ways = []
    for way in WAYS:
        found = tuple(_read(encoder_of(scale, way, seed), out) for seed in seeds)
        ways.append(
            Way(
                way,
                NORMALISATION[way],
                mean([each.dead for each in found]),
                mean([each.low_variance for each in found]),
                mean([each.low_deviation for each in found]),
                mean([each.deviation for each in found]),
                found,
            )
        )
    return Normalisation(scale.table1.pair[0], tuple(ways))


def markdown(found: Normalisation) -> str:
    """The table: shares of outputs in percent."""
    rows = [
        [
            way.normalisation + seeds_there([each.dead for each in way.seeds]),
            percent(way.dead),
            percent(way.low_variance),
            percent(way.low_deviation),
            MISSING if way.deviation is None else f"{way.deviation:.2f}",
            way.paper,
        ]
        for way in found.ways
    ]
    heads = ["between layers", "dead", "variance < .5", "deviation < .3", "mean deviation", "the paper"]
    seeds = counted(len(found.ways[0].seeds), "seed")
    lines = [
        "# Normalisation: does the encoder collapse?",
        "",
        f"Encoders that hide {found.hide} and keep nothing, mean over {seeds}: share of outputs "
        "in % that are dead, have a variance below .5 before the tanh, a deviation below .3 "
        "after it; unit variance gives a deviation of .63.",
        "",
        table(heads, rows),
    ]
    return "\n".join(lines)


def _read(cell: EncoderCell, out: Path) -> SeedCollapse:
    if not cell.file(out).is_file():
        return SeedCollapse(cell.seed)
    collapse = load_encoder(cell.file(out)).card.training["collapse"]
    names = ("dead", "low_variance", "low_deviation", "deviation")
    return SeedCollapse(cell.seed, *(float(collapse[name]) for name in names))


NORMALISATION_ARTEFACT = Artefact("normalisation", cells, collect, markdown)
