"""How does `scotoma verify` attack any encoder by a suite without knobs?"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scotoma.cli.asked import asked_before, write_asked
from scotoma.cli.options import resumable
from scotoma.cli.verify_options import VerifyOptions
from scotoma.errors import InputError
from scotoma.runs.run_folder import claim, held, require_apart

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from scotoma.audit.request import AuditRequest
    from scotoma.audit.targets import Target
    from scotoma.data.table import Attribute, ImageTable
    from scotoma.runs.more import Piece
    from scotoma.runs.verdict import Verdict

KIND = "suite"
CODES = (".npy", ".npz")
# Where the files lie, and what is attacked: these may differ, attacks are added to what is there.
_FREE = ("command", "encoder", "data", "tasks", "baselines", "utility", "more")


def run_audit(
    options: VerifyOptions,
    config: Path | None = None,
    limit: float | None = None,
    show: Callable[["Verdict"], None] = lambda verdict: None,
) -> "Verdict":
    """Attack as asked, or go on with what was begun.

    Args:
        options: what is asked.
        config: the TOML file of the options, for the record.
        limit: seconds after which to stop.
        show: is given the verdict, before more is looked for.

    Raises:
        InputError: something that a suite without knobs does not take; names that are not there.
    """
    from scotoma.audit.run import audit, require_images
    from scotoma.cli.threads import use_cores
    from scotoma.runs.progress import watched

    deadline = None if limit is None else time.monotonic() + limit
    _require_no_knobs(options)
    more = _pieces(options)
    read = (options.encoder, options.data, options.utility)
    require_apart(options.out, [Path(each) for each in read if each is not None])
    if not options.overwrite and options.out.exists():
        claim(options.out, KIND, resume=True)  # refused at once, not after all images were decoded
    target, table, request = _opened(options, "others" in more)
    utility = None if options.utility is None else _utility(options.utility, target)
    require_images(target, table, request, utility)  # before anything is emptied
    workers = use_cores()
    claim(options.out, KIND, overwrite=options.overwrite, resume=True)
    with held(options.out):
        request = _with_earlier(options.out, request)
        command = options.command(config)
        asked = {"command": command, "more": list(more), **_asked(options, target, table, request)}
        write_asked(options.out, asked, _FREE)
        same = "The same command" + (" without --overwrite" if options.overwrite else "")
        with resumable(f"{same} goes on: finished attacks are kept, those that ran start again."):
            return audit(
                target,
                table,
                request,
                options.out,
                utility=utility,
                command=command,
                more=more,
                workers=workers,
                deadline=deadline,
                progress=watched(),
                announce=print,
                show=show,
            )


def _require_no_knobs(options: VerifyOptions) -> None:
    knobs = {
        "--preset": options.preset,
        "--set and [classifier]": options.classifier or None,
        "--set and [verification]": options.verification or None,
    }
    if turned := [flag for flag, value in knobs.items() if value is not None]:
        raise InputError(
            f"--suite {options.suite} has no knobs, so that everybody's verdict means the same: leave "
            f"{' and '.join(turned)} out, or take --suite paper."
        )


def _pieces(options: VerifyOptions) -> tuple["Piece", ...]:
    """What is asked for with --with, now and before for the same folder, in a fixed order.

    Raises:
        InputError: words that are none of these, all at once.
    """
    from scotoma.runs.more import PIECES

    if wrong := [word for word in options.more if word not in PIECES]:
        raise InputError(
            f"--with {','.join(options.more)}: {', '.join(map(repr, wrong))} cannot be asked for; allowed: "
            f"{', '.join(PIECES)}."
        )
    before = None if options.overwrite else asked_before(options.out)
    asked = {*options.more, *((before or {}).get("more") or ())}
    return tuple(piece for piece in PIECES if piece in asked)


def _opened(
    options: VerifyOptions, unnamed: bool
) -> tuple["Target | npt.NDArray[np.float32]", "ImageTable", "AuditRequest"]:
    """What is attacked, the images with their labels, and what is asked of them; `unnamed`: with all columns
    of a table.
    """
    from scotoma.audit.computed_codes import open_codes
    from scotoma.audit.request import AuditRequest
    from scotoma.audit.targets import ShapeFlags, open_target

    if Path(options.encoder).suffix in CODES:
        request = _request(options, AuditRequest(options.hide or (), options.keep or ()))
        if options.shape:
            raise InputError(f"{options.encoder} holds codes: leave --{', --'.join(options.shape)} out.")
        names = (*request.hide, *request.keep, *(request.tasks or ()))
        labelling = options.labels.labelling((*names, *(_unnamed(options, names) if unnamed else ())))
        codes, labels = open_codes(Path(options.encoder), Path(options.data), names, labelling)
        return codes, labels, request
    target = open_target(options.encoder, ShapeFlags(**options.shape))
    hide, keep = options.hide or (), options.keep or ()
    if target.card is not None:
        hide, keep = target.card.purpose(options.hide, options.keep)
    request = _request(options, AuditRequest(hide, keep))
    return target, _images(options, target, request, unnamed), request


def _request(options: VerifyOptions, named: "AuditRequest") -> "AuditRequest":
    from dataclasses import replace

    if not named.hide and not options.tasks:
        raise InputError(
            f"Nothing says what {options.encoder} is to hide: name it with --hide (and --keep), or name what "
            "to attack with --tasks."
        )
    wanted = ("identity", "blur", "random") if set(options.baselines) == {"identity", "blur"} else None
    return replace(
        named,
        tasks=options.tasks,
        suite="exhaustive" if options.suite == "exhaustive" else "standard",
        references=wanted or options.baselines,
        seed=options.seed,
    )


def _unnamed(options: VerifyOptions, names: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of a table that have classes and that no name is about."""
    from scotoma.data.attribute_table import is_table, read_attribute_table, read_label_table
    from scotoma.data.attributes import parse_question

    path = Path(options.data)
    if not is_table(path):
        return ()
    read = read_label_table if Path(options.encoder).suffix in CODES else read_attribute_table
    table = read(path, options.labels.labelling().reading)
    about = [parse_question(name, list(table.columns)) for name in names]
    taken = {found[0] for found in about if found} | {options.labels.group_by, options.labels.split_column}
    return tuple(name for name in table.askable() if name not in taken)


def _images(options: VerifyOptions, target: "Target", request: "AuditRequest", unnamed: bool) -> "ImageTable":
    from scotoma.audit.request import require_names
    from scotoma.cli.verify_images import open_as_in_training
    from scotoma.data.images import open_images
    from scotoma.runs.progress import watched

    names = (*request.hide, *request.keep, *(request.tasks or ()))
    if unnamed:
        names += _unnamed(options, names)

    def before_decoding(attributes: "Mapping[str, Attribute]") -> None:
        require_names(target.card, request, attributes)

    if target.card is not None:
        return open_as_in_training(options, target.card, names, before_decoding)
    return open_images(
        options.data,
        target.preprocessing.stored_side,
        target.preprocessing.channels,
        categories=options.categories,
        progress=watched(),
        labelling=options.labels.labelling(names),
        before_decoding=before_decoding,
    )


def _utility(path: Path, target: "Target | npt.NDArray[np.float32]") -> "Target":
    from scotoma.audit.targets import ShapeFlags, Target, open_target

    if path.suffix != ".safetensors":
        raise InputError(f"--utility takes an encoder file (.safetensors), not {path}.")
    utility = open_target(str(path), ShapeFlags())
    stored = target.preprocessing if isinstance(target, Target) else None
    if stored is None or (stored.stored_side, stored.channels) != (
        utility.preprocessing.stored_side,
        utility.preprocessing.channels,
    ):
        raise InputError(
            f"--utility {path}: that encoder takes images of another size than the one attacked."
        )
    return utility


def _with_earlier(out: Path, request: "AuditRequest") -> "AuditRequest":
    """The request with the tasks that the folder was asked for before, so that its verdict keeps them."""
    from dataclasses import replace

    before = (asked_before(out) or {}).get("tasks") or ()
    asked = request.tasks or (*request.hide, *request.keep)
    return replace(request, tasks=tuple(dict.fromkeys([*before, *asked])))


def _asked(
    options: VerifyOptions,
    target: "Target | npt.NDArray[np.float32]",
    table: "ImageTable",
    request: "AuditRequest",
) -> Mapping[str, Any]:
    from scotoma.audit.run import digest_of

    return {
        "encoder": options.encoder,
        "attacked": getattr(target, "name", "codes"),
        "digest": digest_of(target),
        "data": options.data,
        "images": table.digest((*request.hide, *request.keep) or (request.tasks or ())[:1]),
        "sides": table.sides.recorded(),
        "hide": list(request.hide),
        "keep": list(request.keep),
        "tasks": list(request.tasks or ()),
        "baselines": list(request.references),
        "utility": None if options.utility is None else str(options.utility),
        "suite": request.suite,
        "seed": request.seed,
    }
