"""How does `scotoma verify` attack an encoder file by the paper's classifier alone?"""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scotoma.cli.asked import asked_before, write_asked
from scotoma.cli.options import resumable
from scotoma.cli.verify_options import VerifyOptions
from scotoma.errors import InputError
from scotoma.runs.results import Results
from scotoma.runs.run_folder import claim, held, require_apart
from scotoma.runs.settings import merge, to_dict

if TYPE_CHECKING:
    from scotoma.data.table import ImageTable
    from scotoma.encoder_file import FrozenEncoder
    from scotoma.presets import Preset
    from scotoma.verification.plan import VerificationPlan
    from scotoma.verification.run import VerificationRequest

KIND = "verification"
# Where the files lie, and which attacks are asked for: these may differ, attacks are added to what is there.
_FREE = ("command", "encoder", "data", "preset", "tasks", "baselines")


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
    from scotoma.encoder_file import load_encoder
    from scotoma.runs.progress import watched
    from scotoma.verification.run import make_plan, require_images, require_names
    from scotoma.verification.run import verify as verify_encoder

    _require_encoder_file(options)
    require_apart(options.out, [Path(options.encoder), Path(options.data)])
    encoder = load_encoder(options.encoder)
    preset = _attackers(options, encoder, where)
    request = _request(options, preset)
    plan = make_plan(encoder, request, preset.verification)
    if not options.overwrite and options.out.exists():
        claim(options.out, KIND, resume=True)  # refused at once, not after all images were decoded
    table = open_as_in_training(
        options,
        encoder.card,
        (*plan.hide, *plan.keep, *plan.tasks),
        lambda attributes: require_names(encoder, plan, attributes),
    )
    require_images(encoder, table, request, preset.verification)  # before anything is emptied
    workers = use_cores()
    claim(options.out, KIND, overwrite=options.overwrite, resume=True)
    with held(options.out):
        options = _with_earlier(options, plan.tasks)
        command = options.command(config)
        asked = _asked(options, encoder, table, plan, preset)
        write_asked(options.out, {"command": command, **asked}, _FREE)
        if (there := _finished(options, encoder, plan, table)) is not None:
            print(f"{options.out} holds these attacks, finished. To attack anew give --overwrite.")
            return there
        same = "The same command" + (" without --overwrite" if options.overwrite else "")
        with resumable(f"{same} goes on: finished attacks are kept, one that was running starts again."):
            return verify_encoder(
                encoder,
                table,
                _request(options, preset),
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
    path = Path(options.encoder)
    other = not path.exists() and any(sign in options.encoder for sign in "=:")
    if other or path.suffix in (".onnx", ".npy", ".npz"):
        raise InputError(
            f"{options.encoder} is no encoder file. Other encoders are attacked with --suite standard."
        )


def _request(options: VerifyOptions, preset: "Preset") -> "VerificationRequest":
    from scotoma.verification.run import VerificationRequest

    return VerificationRequest(
        options.tasks, options.baselines, options.hide, options.keep, options.seed, preset.classifier
    )


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
    options: VerifyOptions,
    encoder: "FrozenEncoder",
    table: "ImageTable",
    plan: "VerificationPlan",
    preset: "Preset",
) -> dict[str, Any]:
    # Of the attackers' network only what is not as in training, which the digest names: folders that were
    # begun before it could be chosen go on.
    of_training = to_dict(encoder.card.classifier)
    others = {key: each for key, each in to_dict(plan.classifier).items() if each != of_training[key]}
    return {
        "digest": encoder.digest,
        "hide": list(plan.hide),
        "keep": list(plan.keep),
        "encoder": str(options.encoder),
        "data": options.data,
        "images": table.digest([*plan.hide, *plan.keep]),
        "categories": list(table.categories),
        "sides": table.sides.recorded(),
        "tasks": list(options.tasks or ()),
        "baselines": list(options.baselines),
        "seed": options.seed,
        "preset": preset.name,
        "settings": {"verification": to_dict(preset.verification), "classifier": others},
    }


def _finished(
    options: VerifyOptions, encoder: "FrozenEncoder", plan: "VerificationPlan", table: "ImageTable"
) -> Results | None:
    """The results of the run folder, if they hold every attack that is asked for, on these images and labels.

    Raises:
        InputError: they are broken, or of another encoder, other images or other settings.
    """
    from scotoma.verification.suite import Suite, subjects_of

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
    if not wanted <= there:
        return None
    # Of tasks that are neither hidden nor kept only their cells know the labels.
    subjects = subjects_of(encoder, options.baselines, encoder.card.encoder, plan.attack)
    suite = Suite(table, subjects, replace(plan, tasks=options.tasks or ()), options.out)
    return results if suite.is_done() else None


def _attackers(options: VerifyOptions, encoder: "FrozenEncoder", where: str) -> "Preset":
    """The preset whose table [verification] the attackers follow; its table [classifier] is that of training
    with what is asked for laid over it.
    """
    from scotoma.presets import load_preset, preset_names

    name = options.preset or encoder.card.training.get("preset")
    if not name:
        raise InputError(
            f"{options.encoder} does not say with which preset it was trained: name the one whose settings "
            f"the attackers shall take with --preset ({', '.join(preset_names())})."
        )
    classifier = merge(to_dict(encoder.card.classifier), options.classifier)
    return load_preset(str(name), {"classifier": classifier, "verification": options.verification}, where)
