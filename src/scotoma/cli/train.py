"""The verb `train`: how is an encoder made that hides what was named?"""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from scotoma.cli.asked import write_asked
from scotoma.cli.labels import LabelsFlags, LabelsOptions, labels_table
from scotoma.cli.options import (
    Names,
    Settings,
    Switch,
    Whole,
    assigned,
    names,
    read_with_tables,
    seconds,
)
from scotoma.cli.train_images import open_for_training
from scotoma.errors import InputError, TimeLimitReached
from scotoma.runs.commands import command_line
from scotoma.runs.run_folder import claim, held
from scotoma.runs.seeds import require_seed
from scotoma.runs.settings import to_dict

if TYPE_CHECKING:
    from scotoma.data.table import ImageTable
    from scotoma.presets import Preset
    from scotoma.training.plan import TrainingPlan

KIND = "training"
ENCODER = "encoder.safetensors"
TABLES = ("encoder", "images", "classifier", "training", "split")


@dataclass(frozen=True)
class TrainOptions:
    """What `scotoma train` takes. The tables (in a TOML file only) change single settings of the preset."""

    data: str
    hide: tuple[str, ...]
    out: Path
    keep: tuple[str, ...] = ()
    categories: tuple[str, ...] | None = None
    preset: str = "small"
    seed: int = 0
    anonymous: bool = False
    overwrite: bool = False
    labels: LabelsOptions = field(default_factory=LabelsOptions)
    encoder: Mapping[str, Any] = field(default_factory=dict)
    images: Mapping[str, Any] = field(default_factory=dict)
    classifier: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=dict)
    # What --set and --alpha have put into the tables, for the record: no key of a file.
    sets: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        require_seed(self.seed)

    @property
    def changes(self) -> dict[str, Any]:
        """The tables that change the preset."""
        return {name: table for name in TABLES if (table := getattr(self, name))}

    def command(self, config: Path | None = None) -> str:
        """The command that asks for this; what is in tables is in `config`."""
        flags = {
            "hide": self.hide,
            "keep": self.keep,
            "categories": self.categories,
            "preset": self.preset,
            "seed": self.seed,
            "anonymous": self.anonymous,
            **self.labels.flags(),
            "set": list(self.sets),
            "config": config,
            "out": self.out,
        }
        return command_line("train", [self.data], flags)


def train(
    data: str | None = None,
    *,
    hide: Names = None,
    keep: Names = None,
    categories: Names = None,
    preset: str | None = None,
    seed: Whole = None,
    alpha: float | None = None,
    settings: Settings = None,
    out: Path | None = None,
    anonymous: Switch = None,
    overwrite: Switch = None,
    config: Path | None = None,
    time_limit: str | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    labels: LabelsFlags | None = None,
) -> None:
    """Train an encoder that hides some categories or attributes and keeps others recognisable.

    The encoder learns against classifiers that try to recognise what is to be hidden. It ends in one file,
    OUT/encoder.safetensors, which is enough by itself to encode images and to be verified. How long it takes
    is estimated before it starts. Ctrl-C is safe: the same command goes on from the last checkpoint.

    What training itself reports proves nothing yet: attack the finished encoder with scotoma verify.

    Example: scotoma train photos --hide airport_terminal --keep office --preset small --out runs/terminal
    Example: scotoma train faces.csv --hide Male --keep Smiling --group-by person --out runs/faces

    Args:
        data: a folder of images (one folder per category) or of IDX files, a table of attributes (.csv,
            .tsv), or the word fashion-mnist.
        hide: what encoded images must not give away: names of categories, or columns of the table, with
            commas; a name that holds one stands in quotes: '"a, b",c'. COLUMN=VALUE asks for one value of
            many, "age>=35" for a number.
        keep: what they must still show, likewise. Default: nothing.
        categories: the categories that take part at all. Default: all.
        preset: how large, how long: demo (minutes), small (a quarter of an hour, without bf16 one to two
            hours), paper (years on a few cores). Default: small.
        seed: where random choices come from: on one machine the same number gives the same encoder. Default:
            0.
        alpha: the weight of what is kept against what is hidden. Default: the preset's.
        settings: any setting of the preset, as in --set training.batch=32; may be given several times.
        out: the folder to write.
        anonymous: leave the names of what is hidden and kept out of the encoder file.
        overwrite: replace an earlier run in OUT.
        config: a TOML file with these options and any setting of the preset; flags go over it.
        time_limit: stop at a checkpoint after this long, as in 90s, 30m or 8h; the same command goes on.
        dry_run: train nothing; print tasks, counts, floors, networks, memory and time.
    """
    if alpha is not None and "alpha" in assigned(settings or ()).get("training", {}):
        raise InputError("--alpha and --set training.alpha both say what is to be kept: give one of them.")
    sets = [*(settings or ()), *([] if alpha is None else [f"training.alpha={alpha}"])]
    limit = None if time_limit is None else seconds(time_limit, "--time-limit")
    flags = {
        "data": data,
        "hide": names(hide, "--hide"),
        "keep": names(keep, "--keep"),
        "categories": names(categories, "--categories"),
        "preset": preset,
        "seed": seed,
        "out": out,
        "anonymous": anonymous,
        "overwrite": overwrite,
        "labels": labels_table(labels),
    }
    options, where = read_with_tables(TrainOptions, config, flags | assigned(sets))
    object.__setattr__(options, "sets", tuple(sets))
    if dry_run:
        show_training(options, where)
        return
    encoder = run_training(options, where, config, limit)
    # An anonymous file does not say what it hides.
    named = {"hide": options.hide, "keep": options.keep} if options.anonymous else {}
    attacked = options.out if options.out.name not in ("", "..") else options.out.resolve()
    attacked = attacked.with_name(f"{attacked.name}-attacked")
    attack = {"data": options.data, **named, **options.labels.flags(), "out": attacked}
    print(f"Attack it: {command_line('verify', [encoder], attack)}")


def run_training(
    options: TrainOptions, where: str, config: Path | None = None, limit: float | None = None
) -> Path:
    """Train as asked, or go on with what was begun, or find it done.

    Args:
        options: what is asked.
        where: what the user calls the source of the options, for messages.
        config: the TOML file of the options' tables, for the record.
        limit: seconds after which to stop at a checkpoint.

    Returns:
        The encoder file.
    """
    from scotoma.cli.threads import use_cores
    from scotoma.presets import load_preset
    from scotoma.training.finished import finished_card
    from scotoma.training.run import require_images
    from scotoma.training.settings import CHANGE_NO_WEIGHT

    preset = load_preset(options.preset, options.changes, where)
    plan = preset.plan(options.hide, options.keep, options.seed)
    deadline = None if limit is None else time.monotonic() + limit
    if not options.overwrite and options.out.exists():
        claim(options.out, KIND, resume=True)  # refused at once, not after all images were decoded
    table = open_for_training(options, preset, plan)
    require_images(table, plan)  # before anything is emptied
    threads = use_cores()
    inputs = [Path(each) for each in (options.data, config) if each]
    claim(options.out, KIND, overwrite=options.overwrite, resume=True, inputs=inputs)
    with held(options.out):
        finished = (options.out / ENCODER).exists()
        free = ["command", "data", *(f"settings.training.{name}" for name in CHANGE_NO_WEIGHT)]
        if finished:
            free.append("threads")  # they change the last bit of what is still to come
        write_asked(options.out, _asked(options, config, table, preset, threads), free)
        if finished:
            finished_card(options.out / ENCODER, table, plan)
            print(f"{options.out} holds this run, finished. To train anew give --overwrite.")
        else:
            _train(options, table, plan, threads, deadline)
    for line in _in_training(options.out / ENCODER):
        print(line)
    return options.out / ENCODER


def show_training(options: TrainOptions, where: str) -> None:
    """Say what would be trained, and what it would take; nothing is written but the cache."""
    from scotoma.cli.outline import about, floors, outline
    from scotoma.cli.threads import use_cores
    from scotoma.presets import load_preset
    from scotoma.training.estimate import estimate_seconds
    from scotoma.training.run import require_images

    preset = load_preset(options.preset, options.changes, where)
    plan = preset.plan(options.hide, options.keep, options.seed)
    table = open_for_training(options, preset, plan)
    require_images(table, plan)
    for line in (*outline(table, plan, use_cores()), *floors(table, plan)):
        print(line)
    time_left = about(estimate_seconds(table, plan))
    if sys.platform == "linux":
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10  # KiB there, bytes elsewhere
        print(f"memory    {peak:,.0f} MiB at the peak of the few updates that were timed")
    print(f"time      {time_left}")


def _asked(
    options: TrainOptions, config: Path | None, table: "ImageTable", preset: "Preset", threads: int
) -> dict[str, Any]:
    settings = to_dict(preset)
    return {
        "command": options.command(config),
        "data": options.data,
        "images": table.digest([*options.hide, *options.keep]),
        "categories": list(table.categories),
        "sides": table.sides.recorded(),
        "hide": list(options.hide),
        "keep": list(options.keep),
        "seed": options.seed,
        "anonymous": options.anonymous,
        "preset": preset.name,
        "settings": {name: settings[name] for name in TABLES},
        "threads": threads,
    }


def _train(
    options: TrainOptions, table: "ImageTable", plan: "TrainingPlan", threads: int, deadline: float | None
) -> None:
    from scotoma.cli.outline import about, outline
    from scotoma.runs.progress import watched
    from scotoma.training.estimate import estimate_seconds
    from scotoma.training.run import train as train_encoder
    from scotoma.training.state import checkpoints, last_iteration, place

    for line in outline(table, plan, threads):
        print(line)
    try:
        begun = last_iteration(options.out)
        if begun is not None:
            print(f"Going on from the checkpoint {place(begun)}.")
        elif checkpoints(options.out):
            print(f"No checkpoint in {options.out} can be read: training starts again.")
        time_left = about(estimate_seconds(table, plan, begun))
        print(f"This will take {time_left}. Ctrl-C is safe: the same command goes on.", flush=True)
        train_encoder(
            table,
            plan,
            options.out,
            anonymous=options.anonymous,
            progress=watched(),
            deadline=deadline,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_go_on(options)) from None
    except TimeLimitReached as end:
        raise TimeLimitReached(f"{end} {_how_to_go_on(options)}") from None


def _how_to_go_on(options: TrainOptions) -> str:
    from scotoma.training.state import last_iteration, place

    kept = last_iteration(options.out)
    command = "The same command" + (" without --overwrite" if options.overwrite else "")
    if kept is None:
        return f"{command} starts again: there was no checkpoint yet."
    return f"{command} goes on from the checkpoint {place(kept)}."


def _in_training(path: Path) -> list[str]:
    from scotoma.encoder_file import load_encoder

    figures = load_encoder(path).card.training
    signed = [
        f"{sign}{name} {100 * accuracy:.1f} %"
        for sign, group in (("-", "hidden"), ("+", "kept"))
        for name, accuracy in figures[group].items()
    ]
    return [
        f"Encoder: {path}",
        f"Against the classifiers of training: {', '.join(signed)}. That proves nothing yet.",
    ]
