"""The verb `verify`: what can be learned from encoded images by somebody who tries?"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from scotoma.cli.asked import asked_before, write_asked
from scotoma.cli.audit import TargetFlags, run_audit
from scotoma.cli.labels import LabelsFlags, LabelsOptions, labels_table
from scotoma.cli.options import Names, Settings, Switch, assigned, names, overlay, resumable, seconds
from scotoma.errors import InputError, ScotomaError
from scotoma.runs.commands import command_line
from scotoma.runs.results import Results
from scotoma.runs.run_folder import claim, held
from scotoma.runs.settings import build, to_dict

if TYPE_CHECKING:
    from scotoma.data.table import ImageTable
    from scotoma.encoder_file import FrozenEncoder
    from scotoma.presets import Preset
    from scotoma.runs.verdict import Verdict
    from scotoma.verification.plan import VerificationPlan
    from scotoma.verification.run import VerificationRequest

BaselineName = Literal["identity", "blur"]
SuiteName = Literal["paper", "standard", "exhaustive"]

KIND = "verification"
# Where the files lie, and which attacks are asked for: these may differ, attacks are added to what is there.
_FREE = ("command", "encoder", "data", "preset", "tasks", "baselines")


@dataclass(frozen=True)
class VerifyOptions:
    """What `scotoma verify` takes; None stands for what the encoder file says."""

    encoder: str
    data: str
    out: Path
    suite: SuiteName = "paper"
    tasks: tuple[str, ...] | None = None
    baselines: tuple[BaselineName, ...] = ("identity", "blur")
    hide: tuple[str, ...] | None = None
    keep: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None
    preset: str | None = None
    seed: int = 0
    overwrite: bool = False
    utility: Path | None = None
    more: tuple[str, ...] = ()
    shape: Mapping[str, Any] = field(default_factory=dict)
    labels: LabelsOptions = field(default_factory=LabelsOptions)
    verification: Mapping[str, Any] = field(default_factory=dict)
    # What --set has put into the table, for the record: no key of a file.
    sets: tuple[str, ...] = field(default=(), init=False)

    def command(self, config: Path | None = None) -> str:
        """The command that asks for this; what is in the table is in `config`."""
        flags = {
            "data": self.data,
            "suite": None if self.suite == "paper" else self.suite,
            "tasks": self.tasks,
            "baselines": self.baselines or "none",
            "hide": self.hide,
            "keep": self.keep,
            "categories": self.categories,
            "preset": self.preset,
            "seed": self.seed,
            **self.shape,
            "utility": self.utility,
            "with": self.more,
            **self.labels.flags(),
            "set": list(self.sets),
            "config": config,
            "out": self.out,
        }
        return command_line("verify", [self.encoder], flags)


def verify(
    encoder: str | None = None,
    *,
    data: str | None = None,
    suite: str | None = None,
    tasks: Names = None,
    baselines: Names = None,
    hide: Names = None,
    keep: Names = None,
    categories: Names = None,
    preset: str | None = None,
    seed: int | None = None,
    settings: Settings = None,
    out: Path | None = None,
    overwrite: Switch = None,
    config: Path | None = None,
    utility: Path | None = None,
    more: Annotated[Names, Parameter(name="--with")] = None,
    shape: TargetFlags | None = None,
    time_limit: str | None = None,
    labels: LabelsFlags | None = None,
) -> None:
    """Attack a finished encoder: train fresh classifiers on encoded images until they stop improving.

    Each task is recognising one category among the others, or an attribute of a table; 50 % is guessing where
    there are two classes. The baselines show what the same attack reaches on the original images (identity)
    and on blurred ones (blur). A finished attack is not run again: Ctrl-C is safe, the same command goes on,
    and one with more tasks adds them. Then write the report on OUT with scotoma report.

    With --suite standard many kinds of attackers try, any encoder can be attacked, and there is nothing to
    set: an encoder file, an ONNX file, MODULE:FUNCTION (this runs its code), codes that were computed
    beforehand (.npy, .npz; DATA is then a table with a row for each), or what is in use without training:
    identity, blur=8, pixelate=8, downsample=8, noise=0.5, jpeg=10.

    Example: scotoma verify runs/terminal/encoder.safetensors --data photos --out runs/terminal-attacked
    Example: scotoma verify blur=8 --suite standard --data faces.csv --hide Male --keep Smiling --size 64
    --channels 3 --out runs/blurred

    Args:
        encoder: the encoder file (encoder.safetensors), or what else --suite standard can attack.
        data: the images: a folder, a table, or the word fashion-mnist. The same as in training, for the same
            split.
        suite: who attacks: paper (the paper's classifier), standard (many kinds) or exhaustive (more).
            Default: paper.
        tasks: the categories or attributes to recognise, with commas. Default: what the encoder hides and
            keeps.
        baselines: identity, blur or both, with a comma; or the word none. Default: both.
        hide: what the encoder is to hide, where no encoder file says so.
        keep: what it keeps, likewise.
        categories: the categories that take part. Default: those of training, if DATA has them all, else all.
        preset: whose settings the attackers take: demo, small or paper. Default: the one of training.
        seed: the number that the attackers' random choices are made from. Default: 0.
        settings: any setting of the attackers, as in --set verification.views=16; may be given several times.
        out: the folder to write.
        overwrite: replace an earlier run in OUT.
        config: a TOML file with these options and any setting of the attackers; flags go over it.
        utility: an encoder file that was trained for use alone, as a reference of --suite standard.
        more: what else --suite standard is to look for, with commas; all exploratory, each takes minutes.
            others: what nobody named, and what is hidden once the kept label is known. reconstruction: images
            drawn from codes. sweeps: accuracy by labelled images and by compute.
        time_limit: stop after this long, as in 90s, 30m or 8h; the same command goes on.
    """
    limit = None if time_limit is None else seconds(time_limit, "--time-limit")
    chosen = names(baselines, "--baselines")
    flags = {
        "encoder": encoder,
        "data": data,
        "suite": suite,
        "tasks": names(tasks, "--tasks"),
        "baselines": () if chosen == ("none",) else chosen,
        "hide": names(hide, "--hide"),
        "keep": names(keep, "--keep"),
        "categories": names(categories, "--categories"),
        "preset": preset,
        "seed": seed,
        "out": out,
        "overwrite": overwrite,
        "utility": utility,
        "more": names(more, "--with"),
        "shape": shape.given() if shape is not None else None,
        "labels": labels_table(labels),
    }
    values, where = overlay(config, flags | assigned(settings or ()))
    options = build(VerifyOptions, values, where)
    object.__setattr__(options, "sets", tuple(settings or ()))
    if options.suite != "paper":
        show_verdict(run_audit(options, config, limit))
        print(f"Write the report: {command_line('report', [options.out], {})}")
        return
    results = run_verification(options, where, config)
    results = run_verification(options, where, config, limit)
    show_results(results)
    require_sound(results)
    print(f"Write the report: {command_line('report', [options.out], {})}")


def show_verdict(found: "Verdict") -> None:
    """The table of an audit, and what follows."""
    from rich.console import Console

    from scotoma.reports.audit_table import verdict_said, verdict_table

    console = Console()
    console.print(verdict_table(found))
    console.print(verdict_said(found), markup=False, highlight=False)


def show_results(results: Results) -> None:
    """The table of a run's cells and its verdict."""
    from rich.console import Console

    from scotoma.reports.table import results_table
    from scotoma.reports.verdict import verdict

    console = Console()
    console.print(results_table(results))
    console.print(verdict(results), markup=False, highlight=False)


def require_sound(results: Results) -> None:
    """Check that every attack came to an end.

    Raises:
        ScotomaError: some attacks failed; tells each with its reason.
    """
    failed = [cell for cell in results.cells if cell.state == "failed"]
    if failed:
        lines = [f"  {cell.encoder}, {cell.task}: {cell.note}" for cell in failed]
        head = f"{len(failed)} of {len(results.cells)} attacks failed; the same command tries them again:"
        raise ScotomaError("\n".join([head, *lines]))


def run_verification(
    options: VerifyOptions, where: str, config: Path | None = None, limit: float | None = None
) -> Results:
    """Attack as asked, or go on with what was begun, or find it done.

    Args:
        options: what is asked.
        where: what the user calls the source of the options, for messages.
        config: the TOML file of the options' table, for the record.
        limit: seconds after which to stop.
    """
    deadline = None if limit is None else time.monotonic() + limit
    from scotoma.cli.threads import use_cores
    from scotoma.cli.verify_images import open_as_in_training
    from scotoma.data.tasks import known_names
    from scotoma.encoder_file import load_encoder
    from scotoma.runs.progress import watched
    from scotoma.verification.run import make_plan
    from scotoma.verification.run import verify as verify_encoder

    _require_encoder_file(options)
    encoder = load_encoder(options.encoder)
    preset = _attackers(options, encoder, where)
    plan = make_plan(encoder, _request(options), preset.verification)
    if not options.overwrite and options.out.exists():
        claim(options.out, KIND, resume=True)  # refused at once, not after all images were decoded
    table = open_as_in_training(options, encoder, (*plan.hide, *plan.keep, *plan.tasks))
    for flag, named in (("tasks", plan.tasks), ("--hide", plan.hide), ("--keep", plan.keep)):
        if table.categories and (flag == "tasks" or encoder.card.hide is None):
            known_names(named, table.categories, flag)
    workers = use_cores()
    claim(options.out, KIND, overwrite=options.overwrite, resume=True)
    with held(options.out):
        options = _with_earlier(options, plan.tasks)
        command = options.command(config)
        about = {"digest": encoder.digest, "hide": list(plan.hide), "keep": list(plan.keep)}
        write_asked(options.out, {"command": command, **about, **_asked(options, table, plan, preset)}, _FREE)
        if (there := _finished(options, encoder, plan, table)) is not None:
            print(f"{options.out} holds these attacks, finished. To attack anew give --overwrite.")
            return there
        same = "The same command" + (" without --overwrite" if options.overwrite else "")
        with resumable(f"{same} goes on: finished attacks are kept, one that was running starts again."):
            return verify_encoder(
                encoder,
                table,
                _request(options),
                preset.verification,
                options.out,
                command=command,
                workers=workers,
                progress=watched(),
                deadline=deadline,
            )


def _require_encoder_file(options: VerifyOptions) -> None:
    """Check that nothing is asked for that needs a suite."""
    flags = [f"--{name}" for name in options.shape]
    flags += [flag for flag, value in (("--utility", options.utility), ("--with", options.more)) if value]
    if flags:
        raise InputError(f"{', '.join(flags)}: only --suite standard and --suite exhaustive take this.")
    if not Path(options.encoder).exists() and any(sign in options.encoder for sign in "=:"):
        raise InputError(
            f"{options.encoder} is no encoder file. Other encoders are attacked with --suite standard."
        )


def _request(options: VerifyOptions) -> "VerificationRequest":
    from scotoma.verification.run import VerificationRequest

    return VerificationRequest(options.tasks, options.baselines, options.hide, options.keep, options.seed)


def _with_earlier(options: VerifyOptions, tasks: tuple[str, ...]) -> VerifyOptions:
    """The options with the attacks that the folder was asked for before, so that its results keep them."""
    before = asked_before(options.out) or {}
    # A file of another verb's folder lacks these; `write_asked` refuses it.
    tasks_before, baselines_before = (before.get(name) or () for name in ("tasks", "baselines"))
    made = replace(
        options,
        tasks=tuple(dict.fromkeys([*tasks_before, *tasks])),
        baselines=tuple(dict.fromkeys([*baselines_before, *options.baselines])),
    )
    object.__setattr__(made, "sets", options.sets)
    return made


def _asked(
    options: VerifyOptions, table: "ImageTable", plan: "VerificationPlan", preset: "Preset"
) -> dict[str, Any]:
    return {
        "encoder": str(options.encoder),
        "data": options.data,
        "images": table.digest([*plan.hide, *plan.keep]),
        "categories": list(table.categories),
        "sides": to_dict(table.sides),
        "tasks": list(options.tasks or ()),
        "baselines": list(options.baselines),
        "seed": options.seed,
        "preset": preset.name,
        "settings": {"verification": to_dict(preset.verification)},
    }


def _finished(
    options: VerifyOptions, encoder: "FrozenEncoder", plan: "VerificationPlan", table: "ImageTable"
) -> Results | None:
    """The results of the run folder, if they hold every attack that is asked for.

    Raises:
        InputError: they are broken, or of another encoder, other images or other settings.
    """
    path = options.out / "results.json"
    if not path.exists():
        return None
    results = Results.read(path)
    asked, told = dict(to_dict(plan)), dict(results.run.get("settings") or {})
    asked.pop("tasks"), told.pop("tasks", None)
    digests = [each.digest for each in results.encoders if each.name == "encoder"]
    images = (results.run.get("data") or {}).get("digest")
    if (told, digests, images) != (asked, [encoder.digest], table.digest([*plan.hide, *plan.keep])):
        raise InputError(
            f"{path} is not of this run: it tells of another encoder, other images or other settings. Put "
            "the original back, or delete it and give the same command again."
        )
    there = {(cell.encoder, cell.task) for cell in results.cells if cell.state != "failed"}
    wanted = {(name, task) for name in (*options.baselines, "encoder") for task in options.tasks or ()}
    return results if wanted <= there else None


def _attackers(options: VerifyOptions, encoder: "FrozenEncoder", where: str) -> "Preset":
    """The preset whose table [verification] the attackers follow."""
    from scotoma.presets import load_preset, preset_names

    name = options.preset or encoder.card.training.get("preset")
    if not name:
        raise InputError(
            f"{options.encoder} does not say with which preset it was trained: name the one whose settings "
            f"the attackers shall take with --preset ({', '.join(preset_names())})."
        )
    changes = {"verification": options.verification} if options.verification else {}
    return load_preset(str(name), changes, where)
