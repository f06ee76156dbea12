"""What can be done from Python? The steps of the command line, with the same names and in the same order.

    preset = load_preset("demo")                             every setting
    images = open_images("fashion-mnist", preset)            images and labels: an ImageTable
    plan = preset.plan(hide=("shirt",), keep=("bag",), seed=0)
    encoder = train(images, plan, "runs/shirt")              a FrozenEncoder; load_encoder reads it again
    results = verify(encoder, images, preset, "runs/shirt-attacked")
    write_report("runs/shirt-attacked", "report.html")
    verdict = verify_by_suite(encoder, images, "runs/shirt-audit")    attackers without knobs; see open_target
    codes = encoder.encode(images.pixels)                    (images, channels, height, width)
    parts = divide(images, encoder)                          rows that the encoder was trained on, and others

A user's mistake raises InputError, what else goes wrong on purpose its base ScotomaError. Nothing heavy is
imported before it is used.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scotoma.errors import InputError, ScotomaError

if TYPE_CHECKING:
    import numpy.typing as npt

    from scotoma.audit.targets import Target
    from scotoma.data.attribute_table import Reading
    from scotoma.data.images import Labelling
    from scotoma.data.splits import Split
    from scotoma.data.table import ImageTable, Sides
    from scotoma.encoder_file import FrozenEncoder, load_encoder
    from scotoma.presets import Preset, load_preset
    from scotoma.runs.progress import Progress
    from scotoma.runs.results import Results
    from scotoma.runs.verdict import Verdict
    from scotoma.training.plan import TrainingPlan

__all__ = [
    "load_preset",
    "open_images",
    "train",
    "load_encoder",
    "verify",
    "open_target",
    "verify_by_suite",
    "write_report",
    "divide",
    "Preset",
    "ImageTable",
    "Labelling",
    "Reading",
    "Sides",
    "TrainingPlan",
    "FrozenEncoder",
    "Target",
    "Results",
    "Verdict",
    "InputError",
    "ScotomaError",
]

# Where a name is at home; it is imported when it is first asked for.
_HOMES = {
    "load_preset": "scotoma.presets",
    "load_encoder": "scotoma.encoder_file",
    "Preset": "scotoma.presets",
    "ImageTable": "scotoma.data.table",
    "Labelling": "scotoma.data.images",
    "Reading": "scotoma.data.attribute_table",
    "Sides": "scotoma.data.table",
    "TrainingPlan": "scotoma.training.plan",
    "FrozenEncoder": "scotoma.encoder_file",
    "Results": "scotoma.runs.results",
    "Target": "scotoma.audit.targets",
    "Verdict": "scotoma.runs.verdict",
}


def open_images(
    source: str | Path,
    preset: "Preset | FrozenEncoder | Target",
    *,
    categories: Sequence[str] | None = None,
    labelling: "Labelling | None" = None,
    progress: "Progress | None" = None,
) -> "ImageTable":
    """Open images with their labels, in the size that a preset or an encoder takes.

    Args:
        source: a folder with one folder of images per category, a folder of IDX files, a table of attributes
            (.csv, .tsv), or "fashion-mnist".
        preset: a preset to train with, or an encoder to encode or verify with, from `load_encoder` or
            `open_target`.
        categories: those that take part; None for all.
        labelling: which attributes of a table are asked for, how it is read, and what stays on one side of a
            split: `Labelling(attributes=("Male", "age>=35"), sides=Sides(group_by="person"))`.
        progress: is shown the decoding.

    Raises:
        InputError: the source, a category or an image file cannot be used.
    """
    from scotoma.data.images import open_images as open_table
    from scotoma.encoder_file import FrozenEncoder

    stored = preset.card.preprocessing if isinstance(preset, FrozenEncoder) else preset.preprocessing
    return open_table(
        source,
        stored.stored_side,
        stored.channels,
        categories=categories,
        progress=progress,
        labelling=labelling,
    )


def train(
    images: "ImageTable",
    plan: "TrainingPlan",
    out: str | Path,
    *,
    anonymous: bool = False,
    overwrite: bool = False,
    progress: "Progress | None" = None,
) -> "FrozenEncoder":
    """Train an encoder into the folder `out`; a run of the same plan that was stopped there goes on.

    Args:
        images: from `open_images` with the plan's preset.
        plan: from `Preset.plan`.
        out: the folder for encoder.safetensors, checkpoints and history.json.
        anonymous: leave the names of what is hidden and kept out of the encoder file.
        overwrite: replace an earlier run in `out`.
        progress: is shown iterations, in-training accuracies and collapse figures.

    Raises:
        InputError: unknown names, too few images, a folder that is in use or holds something else.
        ScotomaError: training cannot go on (values that are not finite, a collapsed encoder).
    """
    from scotoma.encoder_file import load_encoder
    from scotoma.runs.run_folder import claim, held
    from scotoma.training.run import require_images
    from scotoma.training.run import train as run

    require_images(images, plan)  # before anything is emptied
    claim(Path(out), "training", overwrite=overwrite, resume=True, inputs=[Path(images.source)])
    with held(Path(out)):
        return load_encoder(run(images, plan, Path(out), anonymous=anonymous, progress=progress))


def verify(
    encoder: "FrozenEncoder",
    images: "ImageTable",
    preset: "Preset",
    out: str | Path,
    *,
    tasks: Sequence[str] | None = None,
    baselines: Sequence[Literal["identity", "blur"]] = ("identity", "blur"),
    hide: Sequence[str] | None = None,
    keep: Sequence[str] | None = None,
    seed: int = 0,
    classifier: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: "Progress | None" = None,
) -> "Results":
    """Attack an encoder by fresh classifiers into the folder `out`; finished attacks there are not run again.

    Args:
        encoder: from `train` or `load_encoder`.
        images: from `open_images`; those of training, for the same split.
        preset: its table [verification] is what the attackers follow.
        out: the folder for results.json and the gallery.
        tasks: categories to recognise; None for what the encoder hides and keeps.
        baselines: what to attack beside it: the original images, blurred ones.
        hide, keep: what an anonymous encoder file hides and keeps.
        seed: where the attackers' random choices come from.
        classifier: what of the table [classifier] is to be another for the attackers than in training.
        overwrite: replace an earlier run in `out`.
        progress: is shown encodings and attacks.

    Raises:
        InputError: an unknown task or setting, too few images, a folder that is in use or holds something
            else.
    """
    from scotoma.networks.classifier import ClassifierSettings
    from scotoma.runs.run_folder import claim, held
    from scotoma.runs.settings import build, merge, to_dict
    from scotoma.verification.run import VerificationRequest, require_images
    from scotoma.verification.run import verify as run

    _require_known(baselines, ("identity", "blur"), "baselines")
    named = [None if each is None else tuple(each) for each in (tasks, hide, keep)]
    network = build(
        ClassifierSettings, merge(to_dict(encoder.card.classifier), classifier or {}), "classifier"
    )
    request = VerificationRequest(named[0], tuple(baselines), named[1], named[2], seed, network)
    require_images(encoder, images, request, preset.verification)  # before anything is emptied
    claim(Path(out), "verification", overwrite=overwrite, resume=True, inputs=[Path(images.source)])
    with held(Path(out)):
        return run(encoder, images, request, preset.verification, Path(out), progress=progress)


def open_target(
    named: str,
    *,
    size: int | None = None,
    channels: int | None = None,
    scaling: Literal["bytes", "unit", "signed"] | None = None,
    layout: Literal["nchw", "nhwc"] | None = None,
) -> "Target":
    """Open any encoder that `verify_by_suite` can attack.

    Args:
        named: an encoder file (.safetensors), an ONNX file (.onnx), a function (module:function, whose code
            runs), identity, blur=8, pixelate=8, downsample=8, noise=0.5 or jpeg=10.
        size, channels: the images that it takes, in pixels a side, 1 (gray) or 3 (RGB).
        scaling: of ONNX files and functions: pixels from 0 to 255, from 0 to 1 or from -1 to 1.
        layout: of ONNX files and functions: (batch, channels, height, width) or with channels last.

    Raises:
        InputError: nothing of this name, an encoder that cannot be used, flags that are missing or do not
            belong here.
    """
    from scotoma.audit.targets import ShapeFlags
    from scotoma.audit.targets import open_target as open_named

    return open_named(named, ShapeFlags(size, channels, scaling, layout))


def verify_by_suite(
    encoder: "FrozenEncoder | Target | npt.NDArray[Any]",
    images: "ImageTable",
    out: str | Path,
    *,
    suite: Literal["standard", "exhaustive"] = "standard",
    tasks: Sequence[str] | None = None,
    hide: Sequence[str] | None = None,
    keep: Sequence[str] | None = None,
    baselines: Sequence[Literal["identity", "blur", "random"]] = ("identity", "blur", "random"),
    seed: int = 0,
    overwrite: bool = False,
    progress: "Progress | None" = None,
) -> "Verdict":
    """Attack any encoder by a suite of attackers into the folder `out`; finished attempts there are kept.

    Args:
        encoder: from `train`, `load_encoder` or `open_target`; or codes (images, ...) computed beforehand, in
            the order of the images.
        images: from `open_images`; for an encoder of ours those of training, for the same split.
        out: the folder for verdict.json.
        suite: who attacks.
        tasks: what to attack; None for what is hidden and kept.
        hide, keep: what is to be hidden and kept, where no encoder file says it.
        baselines: what to attack beside it.
        seed: where random choices come from.
        overwrite: replace an earlier run in `out`.
        progress: is shown encodings and attackers.

    Raises:
        InputError: an unknown task, nothing to attack, too few images, images of another size, codes that are
            not one for each image or not finite, a folder that is in use or holds something else.
    """
    from scotoma.audit.computed_codes import codes_of
    from scotoma.audit.request import AuditRequest
    from scotoma.audit.run import audit, require_images
    from scotoma.audit.suites import SUITES
    from scotoma.audit.targets import Target, target_of_ours
    from scotoma.encoder_file import FrozenEncoder
    from scotoma.runs.run_folder import claim, held

    _require_known([suite], SUITES, "suite")
    _require_known(baselines, ("identity", "blur", "random"), "baselines")
    if isinstance(encoder, FrozenEncoder):
        encoder = target_of_ours(encoder)
    elif not isinstance(encoder, Target):
        encoder = codes_of(encoder, images)
    card = encoder.card if isinstance(encoder, Target) else None
    hidden, kept = (None if each is None else tuple(each) for each in (hide, keep))
    hidden, kept = card.purpose(hidden, kept) if card else (hidden or (), kept or ())
    named = None if tasks is None else tuple(tasks)
    if not hidden and not named:
        raise InputError(
            "Nothing says what is to be hidden: name it with hide, or what to attack with tasks."
        )
    request = AuditRequest(hidden, kept, named, suite, tuple(baselines), seed)
    require_images(encoder, images, request)  # before anything is emptied
    claim(Path(out), "suite", overwrite=overwrite, resume=True, inputs=[Path(images.source)])
    with held(Path(out)):
        return audit(encoder, images, request, Path(out), progress=progress)


def _require_known(names: Sequence[str], allowed: Iterable[str], what: str) -> None:
    """Check names that a type checker would check. A text is a sequence, too, but of letters."""
    if isinstance(names, str) or set(names) - set(allowed):
        given = repr(names) if isinstance(names, str) else ", ".join(map(repr, names))
        raise InputError(f"{what}: {given} is not possible, allowed: {', '.join(allowed)}")


def write_report(run: str | Path, out: str | Path, *, overwrite: bool = False) -> Path:
    """Write the report on a folder that `verify` or `verify_by_suite` wrote as one HTML file.

    Raises:
        InputError: the folder holds no results, or `out` exists and is not to be replaced.
    """
    from scotoma.reports.html import write_report as write

    return write(Path(run), Path(out), overwrite)


def divide(images: "ImageTable", encoder: "FrozenEncoder") -> "Split":
    """Row numbers of the images by the part that they had when the encoder was trained.

    Returns:
        `training`, which the encoder has learned from, `reserve`, `validation` and `test`, which it has not.

    Raises:
        InputError: the images were opened in a way that divides them otherwise than in training.
    """
    from scotoma.verification.parts import divide_as_in_training

    return divide_as_in_training(encoder.card, images)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scotoma' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
