"""The verb `verify`: what can be learned from encoded images by somebody who tries?"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from scotoma.cli.audit import run_audit
from scotoma.cli.labels import LabelsFlags, labels_table
from scotoma.cli.options import Names, Settings, Switch, Whole, assigned, names, read_with_tables, seconds
from scotoma.cli.paper_suite import run_verification
from scotoma.cli.verify_options import TargetFlags, VerifyOptions
from scotoma.errors import ScotomaError
from scotoma.runs.commands import command_line
from scotoma.runs.results import Results

if TYPE_CHECKING:
    from rich.console import Console

    from scotoma.runs.verdict import Verdict


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
    seed: Whole = None,
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
    set: an encoder file, an ONNX file, MODULE:FUNCTION (this runs its code; it gets images as a NumPy array
    (batch, channels, height, width)), codes that were computed beforehand (.npy, .npz; DATA is then a table
    with a row for each), or what is in use without training: identity, blur=8, pixelate=8, downsample=8,
    noise=0.5, jpeg=10.

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
        settings: any setting of the attackers, as in --set verification.views=16, or of their networks, as in
            --set classifier.hidden=512 (default: those of the adversaries); may be given several times.
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
    options, where = read_with_tables(VerifyOptions, config, flags | assigned(settings or ()))
    object.__setattr__(options, "sets", tuple(settings or ()))
    if options.suite != "paper":
        found = run_audit(options, config, limit, show_verdict)
        print(f"Write the report: {command_line('report', [options.out], {})}")
        require_no_failure(found)
        return
    results = run_verification(options, where, config, limit)
    show_results(results)
    require_sound(results)
    print(f"Write the report: {command_line('report', [options.out], {})}")


def show_verdict(found: "Verdict") -> None:
    """The table of an audit, and what follows."""
    from rich.console import Console

    from scotoma.reports.audit_table import references_table, verdict_said, verdict_table

    console = Console()
    console.print(verdict_table(found))
    if (beside := references_table(found)) is not None:
        console.print(beside)
    console.print(verdict_said(found), markup=False, highlight=False)
    _show_left_out(console, found.run)


def require_no_failure(found: "Verdict") -> None:
    """Check that every attempt of a suite came to an end.

    Raises:
        ScotomaError: some failed; their reasons are among the flags.
    """
    attempts = [each for task in found.tasks for each in task.attempts]
    failed = sum(each.state == "failed" for each in attempts)
    if failed:
        raise ScotomaError(f"{failed} of {len(attempts)} attempts failed; the same command tries them again.")


def show_results(results: Results) -> None:
    """The table of a run's cells and its verdict."""
    from rich.console import Console

    from scotoma.reports.table import results_table
    from scotoma.reports.verdict import differences, verdict

    console = Console()
    console.print(results_table(results))
    console.print(verdict(results), markup=False, highlight=False)
    for said in differences(results):  # the table's caption says the rest
        console.print(said, markup=False, highlight=False)
    _show_left_out(console, results.run)


def _show_left_out(console: "Console", run: Mapping[str, Any]) -> None:
    from scotoma.runs.words import left_out

    if skipped := (run.get("data") or {}).get("skipped"):
        console.print(f"Images {left_out(skipped)}.", markup=False, highlight=False)


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
