"""How much does an encoder depend on a setting of its training, and on chance?

    python experiments/variants.py OUT --data DATA --hide a --keep b --preset demo --seeds 0,1,2 \
        --variant bf16 --variant 'fp32: precision = "fp32"' --variant 'one step: classifier_steps = 1'

Each variant is a name and keys of [training] (TOML, separated by semicolons) over the preset; keys of other
tables have their table before them (encoder.code_bits = 0). What all variants share may stand in --base.
Encoders of all variants and seeds are trained and attacked by commands of their own, as many side by side as
there are cores; what is done is not run again. OUT/variants.json and .md tell what fresh attackers find, and
how much more that is than what they find on the first variant.
"""

import argparse
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from scotoma.encoder_file import load_encoder
from scotoma.experiments.artefact import points
from scotoma.experiments.cells import AttackCell, Cell, EncoderCell, Places, read_results
from scotoma.experiments.runner import try_cells
from scotoma.experiments.same import require_same
from scotoma.experiments.scales import Group
from scotoma.experiments.statistics import t_interval
from scotoma.reports.findings import figures, headline
from scotoma.runs.progress import watched
from scotoma.runs.run_folder import claim, held
from scotoma.runs.settings import merge
from scotoma.runs.whole_files import write_bytes, write_json

KIND = "variants"


@dataclass(frozen=True)
class Found:
    """What a fresh attacker found of one task on one encoder, as fractions; `in_training` is the validation
    accuracy of the classifier of training.
    """

    variant: str
    seed: int
    task: str
    state: str
    in_training: float
    test: float
    low: float
    high: float
    floor: float


def main() -> None:
    """Run what is missing and write down what is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--hide", required=True)
    parser.add_argument("--keep", required=True)
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--base", default="")
    parser.add_argument("--variant", action="append", required=True)
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    base = tables(options.base)
    variants = {name: merge(base, tables(keys)) for name, keys in map(named, options.variant)}
    hide, keep = (tuple(names.split(",")) for names in (options.hide, options.keep))
    attacks = {
        (name, seed): attack(name, seed, changes, hide, keep, options.preset)
        for seed in seeds
        for name, changes in variants.items()
    }
    cells: list[Cell] = [cell for each in attacks.values() for cell in (each.encoder, each)]
    claim(options.out, KIND, resume=True)
    with held(options.out):
        places = Places(options.out, options.data)
        require_same(cells, places)
        try:
            failed = try_cells(cells, places, watched())
        finally:
            found = [each for key, cell in attacks.items() for each in read(*key, cell, options.out)]
            write_json(options.out / "variants.json", [asdict(each) for each in found])
            write_bytes(options.out / "variants.md", markdown(found).encode())
    print(markdown(found))
    if failed:
        raise failed


def named(text: str) -> tuple[str, str]:
    """A variant's name and its keys."""
    name, _, keys = text.partition(":")
    return name.strip().replace(" ", "-"), keys


def tables(keys: str) -> dict[str, Any]:
    """The settings tables that some keys change."""
    parsed = tomllib.loads(keys.replace(";", "\n"))
    others = {key: value for key, value in parsed.items() if isinstance(value, dict)}
    training = {key: value for key, value in parsed.items() if key not in others}
    return merge(others, {"training": training} if training else {})


def attack(
    name: str, seed: int, changes: dict[str, Any], hide: tuple[str, ...], keep: tuple[str, ...], preset: str
) -> AttackCell:
    """The cells of one variant and seed."""
    encoder = EncoderCell(f"{name}-seed{seed}", hide, keep, Group(()), preset, seed, changes)
    return AttackCell(encoder.name, encoder, (*hide, *keep), encoder.group, changes=changes)


def read(variant: str, seed: int, cell: AttackCell, out: Path) -> list[Found]:
    """What the attacks on an encoder found, as far as they are there."""
    results = read_results(cell, out)
    if results is None:
        return []
    training = load_encoder(cell.encoder.file(out)).card.training
    within = {**training["hidden"], **training["kept"]}
    found = []
    for task in cell.tasks:
        best = headline(results, "encoder", task)
        of_test = figures(best)
        if best is not None and of_test is not None:
            bounds = of_test.test, of_test.low, of_test.high, best.floor
            found.append(Found(variant, seed, task, best.state, within.get(task, float("nan")), *bounds))
    return found


def markdown(found: list[Found]) -> str:
    """A row for each variant and task, with the mean over seeds and how much that is above the first
    variant's, paired by seed, with Student's interval.
    """
    columns = (
        "variant | task | within training | fresh attackers, test [95 %] by seed | mean | less the first"
    )
    lines = [f"| {columns} |", "|---|---|---|---|---|---|"]
    by_key = {(each.variant, each.task, each.seed): each.test for each in found}
    first = found[0].variant if found else ""
    for variant, task in dict.fromkeys((each.variant, each.task) for each in found):
        rows = [each for each in found if (each.variant, each.task) == (variant, task)]
        within = ", ".join(f"{100 * each.in_training:.1f}" for each in rows)
        tests = "; ".join(
            f"{100 * each.test:.1f} [{100 * each.low:.1f}, {100 * each.high:.1f}]"
            + (" (rising)" if each.state == "inconclusive" else "")
            for each in rows
        )
        mean = 100 * fmean(each.test for each in rows)
        pairs = [(each.test, by_key.get((first, task, each.seed))) for each in rows]
        over = t_interval([ours - theirs for ours, theirs in pairs if theirs is not None])
        less = "" if over is None or variant == first else points(over)
        lines.append(f"| {variant} | {task} | {within} | {tests} | {mean:.1f} | {less} |")
    floors = sorted({f"{each.task} {100 * each.floor:.1f}" for each in found})
    return "\n".join([*lines, "", f"Floors: {', '.join(floors)}.", ""])


if __name__ == "__main__":
    main()
