"""The verb `demo`: how does a newcomer see the whole job within minutes?"""

import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from scotoma.cli.options import resumable
from scotoma.cli.paper_suite import run_verification
from scotoma.cli.train import TrainOptions, run_training
from scotoma.cli.verify import require_sound, show_results
from scotoma.cli.verify_options import VerifyOptions
from scotoma.runs.commands import command_line
from scotoma.runs.run_folder import claim, held

# The hard kind of pair: a shirt shares its looks with three other garments.
_DATA, _HIDE, _KEEP = "fashion-mnist", ("shirt",), ("bag",)


def demo(
    *,
    out: Path = Path("runs/demo"),
    overwrite: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """See it work: hide one kind of garment, keep another, attack the encoder, read the report.

    Uses the images that come with Scotoma (2,000 of each of the ten categories of Fashion-MNIST), hides shirt
    and keeps bag. It runs train, verify and report one after the other, and prints each command, so that you
    can run it on images of your own. It takes a few minutes on two cores; one that was stopped goes on.

    Args:
        out: the folder to write: the encoder, the attacks and report.html.
        overwrite: begin anew.
    """
    begun = time.monotonic()
    claim(out, "demo", overwrite=overwrite, resume=True)
    same = "The same command" + (" without --overwrite" if overwrite else "")
    with held(out), resumable(f"{same} goes on where this one stopped."):
        _demo(out)
    from scotoma.reports.done import spent

    print(f"Time: {spent(time.monotonic() - begun)}. To begin anew give --overwrite.")


def _demo(out: Path) -> None:
    training = TrainOptions(_DATA, _HIDE, out / "training", _KEEP, preset="demo", seed=0)
    print(f"$ {training.command()}", flush=True)
    encoder = run_training(training, "the demo")
    attacks = VerifyOptions(
        str(encoder),
        _DATA,
        out / "attacks",
        tasks=(*_HIDE, *_KEEP),
        baselines=("identity", "blur"),
        preset="demo",
        seed=0,
    )
    print(f"\n$ {attacks.command()}", flush=True)
    results = run_verification(attacks, "the demo")
    show_results(results)
    require_sound(results)
    from scotoma.reports.html import write_report

    report = out / "report.html"
    print(f"\n$ {command_line('report', [attacks.out], {'out': report})}")
    # The folder is the demo's own, and so is the report in it: it always shows the attacks beside it.
    write_report(attacks.out, report, overwrite=True)
    print(f"Report: {report}")
