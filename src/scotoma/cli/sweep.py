"""The verb `sweep`: what does hiding cost, and which alpha is the right one?"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from scotoma.cli.asked import asked_before, write_asked
from scotoma.cli.labels import LabelsFlags, LabelsOptions, labels_table
from scotoma.cli.options import (
    TABLES,
    Names,
    Settings,
    Switch,
    assigned,
    names,
    read_with_tables,
    resumable,
    seconds,
    seed_numbers,
)
from scotoma.cli.train_images import open_for_training
from scotoma.errors import InputError, TimeLimitReached
from scotoma.runs.commands import command_line
from scotoma.runs.run_folder import claim, held
from scotoma.runs.settings import to_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scotoma.data.table import Attribute
    from scotoma.experiments.cells import Places
    from scotoma.experiments.runner import CellsFailed
    from scotoma.experiments.sweep import Sweep
    from scotoma.presets import Preset

KIND = "sweep"
# More alphas and seeds may be asked for later; the preset's alpha is that of no encoder.
_FREE = ("command", "alpha", "seeds", "settings.training.alpha")
_ADVICE = "Write numbers above 0 with commas, as in 0.01,0.0625,0.25,1."
_Flag = Annotated[bool, Parameter(negative="")]
_Alphas = Annotated[str | None, Parameter(metavar="A,B")]
_Seeds = Annotated[str | None, Parameter(name=("--seeds", "--seed"), metavar="0,1")]


@dataclass(frozen=True)
class SweepOptions:
    """What `scotoma sweep` takes. The tables (in a TOML file only) change single settings of the preset."""

    data: str
    hide: tuple[str, ...]
    keep: tuple[str, ...]
    alpha: tuple[float, ...]
    out: Path
    categories: tuple[str, ...] | None = None
    preset: str = "small"
    seeds: tuple[int, ...] = (0,)
    overwrite: bool = False
    labels: LabelsOptions = field(default_factory=LabelsOptions)
    encoder: Mapping[str, Any] = field(default_factory=dict)
    images: Mapping[str, Any] = field(default_factory=dict)
    classifier: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    verification: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=dict)
    # What --set has put into the tables, for the record: no key of a file.
    sets: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        problems = []
        if wrong := _alpha_problems(self.alpha):
            problems.append(f"alpha: {', '.join(wrong)}")
        if not self.keep:
            problems.append("keep: nothing is named, but alpha is the weight of what is kept")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            problems.append(f"seeds: {list(self.seeds)} are not different whole numbers from 0 on")
        if problems:
            raise InputError("; ".join(problems))

    @property
    def changes(self) -> dict[str, Any]:
        """The tables that change the preset."""
        return {name: table for name in TABLES if (table := getattr(self, name))}

    def command(self, config: Path | None = None) -> str:
        """The command that asks for this; what is in tables is in `config`."""
        from scotoma.reports.front import alpha_text

        flags = {
            "hide": self.hide,
            "keep": self.keep,
            "alpha": tuple(map(alpha_text, self.alpha)),
            "categories": self.categories,
            "preset": self.preset,
            "seeds": self.seeds,
            **self.labels.flags(),
            "set": list(self.sets),
            "config": config,
            "out": self.out,
        }
        return command_line("sweep", [self.data], flags)


def sweep(
    data: str | None = None,
    *,
    hide: Names = None,
    keep: Names = None,
    alpha: _Alphas = None,
    categories: Names = None,
    preset: str | None = None,
    seeds: _Seeds = None,
    settings: Settings = None,
    out: Path | None = None,
    overwrite: Switch = None,
    config: Path | None = None,
    time_limit: str | None = None,
    dry_run: _Flag = False,
    labels: LabelsFlags | None = None,
) -> None:
    """Train and attack an encoder for each of several alphas, and draw what hiding costs.

    Alpha is the weight of what is kept against what is hidden. Every encoder is trained and attacked by
    commands of its own, as many side by side as there are cores, and OUT/sweep.md, .json, .png and .svg set
    what is hidden against what is kept. What is done is not run again: Ctrl-C is safe, the same command goes
    on, and one with more alphas adds them.

    Example: scotoma sweep photos --hide airport_terminal --keep office --alpha 0.1,0.5,2 --out runs/sweep

    Args:
        data: a folder of images (one folder per category) or of IDX files, a table of attributes (.csv,
            .tsv), or the word fashion-mnist.
        hide: what encoded images must not give away: names of categories, or columns of the table, with
            commas, as in scotoma train.
        keep: what they must still show, likewise.
        alpha: the weights to try: numbers above 0, with commas. They go over training.alpha of the preset.
        categories: the categories that take part at all. Default: all.
        preset: how large, how long: demo, small or paper, as in scotoma train. Default: small.
        seeds: where random choices come from, numbers with commas: each alpha is tried with each. Default: 0.
        settings: any setting of the preset, as in --set training.iterations=500; may be given several times.
        out: the folder to write.
        overwrite: replace an earlier sweep in OUT.
        config: a TOML file with these options and any setting of the preset; flags go over it.
        time_limit: stop after this long, as in 90s, 30m or 8h; the same command goes on.
        dry_run: run nothing; print every cell with its command.
    """
    limit = None if time_limit is None else seconds(time_limit, "--time-limit")
    sets = assigned(settings or ())
    if "alpha" in sets.get("training", {}):
        raise InputError(
            "--set training.alpha is not for a sweep, which tries several: name them with --alpha."
        )
    flags = {
        "data": data,
        "hide": names(hide, "--hide"),
        "keep": names(keep, "--keep"),
        "alpha": _alphas(alpha),
        "categories": names(categories, "--categories"),
        "preset": preset,
        "seeds": seed_numbers(seeds, "--seeds"),
        "out": out,
        "overwrite": overwrite,
        "labels": labels_table(labels),
    }
    options, where = read_with_tables(SweepOptions, config, flags | sets)
    object.__setattr__(options, "sets", tuple(settings or ()))
    failures = _sweep(options, where, config, dry_run, limit)
    if failures is not None:
        raise failures


def _sweep(
    options: SweepOptions, where: str, config: Path | None, dry_run: bool, limit: float | None
) -> "CellsFailed | None":
    from scotoma.experiments.cells import NO_RUN_BEGUN, Places, described
    from scotoma.experiments.same import require_same
    from scotoma.experiments.sweep import Sweep
    from scotoma.presets import load_preset
    from scotoma.training.run import require_images

    deadline = math.inf if limit is None else time.monotonic() + limit
    preset = load_preset(options.preset, options.changes, where)
    options = options if options.overwrite else _with_earlier(options)
    plan = preset.plan(options.hide, options.keep, options.seeds[0])
    wanted = Sweep(
        options.hide,
        options.keep,
        options.alpha,
        options.seeds,
        options.preset,
        options.categories or (),
        options.changes | ({"labels": asked} if (asked := options.labels.table()) else {}),
    )
    places = Places(options.out, options.data)
    if dry_run:
        plan.tasks(_attributes(options))
        for cell in wanted.cells():
            print(described(cell, places))
        print(NO_RUN_BEGUN)
        return None
    if not options.overwrite and options.out.exists():
        claim(options.out, KIND, resume=True)  # refused at once, not after all images were decoded
    # What is wrong with the images is told once and not by every cell, which find them decoded.
    table = open_for_training(options, preset, plan)
    for seed in options.seeds:
        require_images(table, preset.plan(options.hide, options.keep, seed))
    inputs = [Path(each) for each in (options.data, config) if each]
    claim(options.out, KIND, overwrite=options.overwrite, resume=True, inputs=inputs)
    with held(options.out):
        write_asked(options.out, _asked(options, config, table.attributes, preset), _FREE)
        require_same(wanted.cells(), places, table.digest([*options.hide, *options.keep]))
        return _run(wanted, places, options, config, deadline, table.skipped)


def _run(
    wanted: "Sweep",
    places: "Places",
    options: SweepOptions,
    config: Path | None,
    deadline: float,
    skipped: "Sequence[str]",
) -> "CellsFailed | None":
    """Run what is not done and write what is there then, be it all or, after a stop, a part."""
    from scotoma.experiments.runner import try_cells
    from scotoma.experiments.sweep_shown import write_sweep
    from scotoma.runs.progress import watched

    command = options.command(config)
    same = "The same command" + (" without --overwrite" if options.overwrite else "")
    with resumable(f"{same} goes on; {options.out / 'sweep'}.md shows what has ended."):
        try:
            failures = try_cells(wanted.cells(), places, watched(), deadline)
            if failures is not None and not wanted.encoder(*wanted.every()[0]).file(places.out).is_file():
                other = wanted.beside_another(places.out)
                attacks = [other.attack(*other.beside)] if other.beside else []
                try_cells(attacks, places, watched(), deadline)
        except (KeyboardInterrupt, TimeLimitReached):
            write_sweep(wanted, places, command, {}, skipped)
            raise
    print(write_sweep(wanted, places, command, failures.failures if failures else {}, skipped))
    print(f"Written: {options.out / 'sweep'}.md, .json, .png and .svg.")
    return failures


def _with_earlier(options: SweepOptions) -> SweepOptions:
    """The options with the alphas and seeds that the folder was asked for before, so that its table keeps
    them.
    """
    before = asked_before(options.out) or {}
    alphas, seeds = (
        tuple(dict.fromkeys([*(before.get(name) or ()), *now]))
        for name, now in (("alpha", options.alpha), ("seeds", options.seeds))
    )
    found = replace(options, alpha=alphas, seeds=seeds)
    object.__setattr__(found, "sets", options.sets)
    return found


def _attributes(options: SweepOptions) -> "Mapping[str, Attribute]":
    """The attributes that are asked for, or the categories that take part.

    Raises:
        InputError: the images cannot be used, or lack one that was named.
    """
    from scotoma.data.images import attributes_of

    asked = options.labels.labelling((*options.hide, *options.keep))
    return attributes_of(options.data, asked, options.categories)


def _asked(
    options: SweepOptions, config: Path | None, attributes: "Mapping[str, Attribute]", preset: "Preset"
) -> dict[str, Any]:
    settings = to_dict(preset)
    return {
        "command": options.command(config),
        "data": options.data,
        "attributes": {name: list(each.values) for name, each in attributes.items()},
        "labels": options.labels.table(),
        "hide": list(options.hide),
        "keep": list(options.keep),
        "alpha": list(options.alpha),
        "seeds": list(options.seeds),
        "preset": preset.name,
        "settings": {name: settings[name] for name in TABLES},
    }


def _alphas(text: str | None) -> tuple[float, ...] | None:
    """The numbers of the flag; None when it was not given.

    Raises:
        InputError: tells everything that is wrong with them.
    """
    if text is None:
        return None
    words = [each.strip() for each in text.split(",")] if text.strip() else []
    read = {word: _number(word) for word in words}
    problems = [f"{word!r} is no number" for word, value in read.items() if value is None]
    values = tuple(value for word in words if (value := read[word]) is not None)
    if values or not problems:
        problems += _alpha_problems(values)
    if problems:
        raise InputError(f"--alpha {text!r}: {'; '.join(problems)}. {_ADVICE}")
    return values


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _alpha_problems(alphas: Sequence[float]) -> list[str]:
    if not alphas:
        return ["no number is named"]
    different = dict.fromkeys(alphas)
    problems = [f"{each:g} is not above 0" for each in different if not each > 0]
    problems += [f"{each:g} is infinite" for each in different if math.isinf(each) and each > 0]
    return problems + [f"{each:g} stands twice" for each in different if alphas.count(each) > 1]
