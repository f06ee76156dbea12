"""The verb `compare`: which of two attacked encoders gives away more, on the same test images?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scotoma.cli.options import Switch, read_options
from scotoma.errors import InputError
from scotoma.runs.run_folder import MARKER, require_ended, require_folder
from scotoma.runs.whole_files import make_folder_of, require_free

if TYPE_CHECKING:
    from rich.table import Table

    from scotoma.verification.comparison import Attacked, Comparison, TaskComparison

RESULTS, VERDICT = "results.json", "verdict.json"
# The encoder that `verify` was given, beside identity and blur.
SUBJECT = "encoder"


@dataclass(frozen=True)
class CompareOptions:
    """What `scotoma compare` takes; nothing is written when `out` is not given."""

    a: Path
    b: Path
    out: Path | None = None
    overwrite: bool = False


def compare(
    a: Path | None = None,
    b: Path | None = None,
    *,
    out: Path | None = None,
    overwrite: Switch = None,
    config: Path | None = None,
) -> None:
    """Compare two attacked encoders, task by task, on the test images that both were judged by.

    Shows the accuracies of the best attacker on each, and their difference, B less A, with a 95 % interval
    that is paired by image: much narrower than what the intervals of two reports allow to say. Both encoders
    must have been attacked with images of the same split.

    Example: scotoma compare runs/weak-attacked runs/strong-attacked --out difference.json

    Args:
        a: a folder that scotoma verify wrote.
        b: another one.
        out: a JSON file to write.
        overwrite: replace the file if it exists.
        config: a TOML file with these options (a, b, out, overwrite); flags go over it.
    """
    flags = {"a": a, "b": b, "out": out, "overwrite": overwrite}
    options = read_options(CompareOptions, config, flags)
    from rich.console import Console

    from scotoma.verification.comparison import compare as compare_encoders

    if options.out is not None:
        require_free(options.out, options.overwrite, "the figures", "compared.json")
        if options.out.suffix != ".json":
            raise InputError(f"--out {options.out} must end in .json.")
        if options.out.exists() and (options.out.parent / MARKER).is_file():
            raise InputError(
                f"{options.out} lies in a run folder and may belong to it: choose another --out."
            )
        if options.out.name in (RESULTS, VERDICT):
            raise InputError(f"{options.out} has the name of what is compared: choose another --out.")
        make_folder_of(options.out)
    comparison = compare_encoders(*_both(options))
    console = Console()
    console.print(_table(comparison))
    for note in comparison.notes:
        console.print(f"Note: {note}", markup=False, highlight=False)
    if options.out is not None:
        comparison.write(options.out)
        print(f"Written: {options.out}")


def _both(options: CompareOptions) -> "tuple[Attacked, Attacked]":
    """Both runs, or what is wrong with either."""
    found, problems = [], []
    for folder in (options.a, options.b):
        try:
            require_folder(folder)
            found.append(_reader(folder)(folder))
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(dict.fromkeys(problems)))
    if options.a.resolve() == options.b.resolve():
        raise InputError(f"{options.a} is compared with itself: give two folders.")
    return found[0], found[1]


def _reader(folder: Path) -> "Callable[[Path], Attacked]":
    if (folder / VERDICT).is_file():
        return _audited
    if (folder / RESULTS).is_file():
        return _verified
    require_ended(folder)
    raise InputError(
        f"{folder} holds neither {RESULTS} nor {VERDICT}: give a folder that `scotoma verify` wrote (its "
        "--out)."
    )


def _verified(folder: Path) -> "Attacked":
    """A run of the paper's attackers: for each task the one that is best on validation images."""
    from scotoma.reports.findings import figures, headline, tasks
    from scotoma.runs.results import Results
    from scotoma.verification.answers import answers_of
    from scotoma.verification.cells import CELLS, cell_file, read_predictions
    from scotoma.verification.comparison import Attacked, Told

    results = Results.read(folder / RESULTS)
    digests = [each.digest for each in results.encoders if each.name == SUBJECT]
    if not digests:
        raise InputError(f"{folder / RESULTS} tells of no attack on an encoder, only of references.")
    told = {}
    for task in tasks(results):
        cell = headline(results, SUBJECT, task)
        if cell is None or figures(cell) is None:
            continue
        path = cell_file(folder / CELLS, SUBJECT, task)
        said = read_predictions(path, cell)
        if said is None:
            raise _missing(path)
        told[task] = Told(cell.attacker, cell.role, answers_of(said, str(path)))
    return Attacked(str(folder), "paper", digests[0], told)


def _audited(folder: Path) -> "Attacked":
    """A run of a suite: the winner of each task."""
    from scotoma.runs.verdict import Verdict
    from scotoma.verification.answers import read_answers, winner_file
    from scotoma.verification.comparison import Attacked, Told

    verdict = Verdict.read(folder / VERDICT)
    told = {}
    for each in verdict.tasks:
        if each.winner is None:
            continue
        path = winner_file(folder, each.task)
        if not path.is_file():
            raise _missing(path)
        answers = read_answers(path, each.task, each.winner.attacker)
        told[each.task] = Told(each.winner.attacker, each.role, answers)
    return Attacked(str(folder), verdict.suite, verdict.target.digest, told)


def _missing(path: Path) -> InputError:
    return InputError(
        f"There is no file {path}: it holds what the attacker says of every test image. Put it back, or give "
        "the `scotoma verify` command of that folder again."
    )


def _table(comparison: "Comparison") -> "Table":
    from rich.table import Table
    from rich.text import Text

    first, second = comparison.first, comparison.second
    caption = (
        f"A: {first.folder} (suite {first.suite}); B: {second.folder} (suite {second.suite})\n"
        "[95 % interval], paired by image; it does not cover other seeds. '-' hidden, '+' kept.\n"
        "What attackers found is an empirical lower bound, no guarantee."
    )
    table = Table(
        title="The best attackers on the same test images: balanced accuracy in %",
        caption=Text(caption),
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("task", "images", "A", "B", "B less A", "they differ on", "B tells"):
        side: Literal["left", "right"] = "left" if heading in ("task", "B tells") else "right"
        table.add_column(heading, justify=side, overflow="fold")
    for each in comparison.tasks:
        table.add_row(*map(Text, _row(each)))
    return table


def _row(each: "TaskComparison") -> tuple[str, ...]:
    from scotoma.reports.table import SIGNS

    sign = SIGNS[each.roles[0]] if each.roles[0] == each.roles[1] else ""
    first, second = (f"{100 * accuracy:.1f}" for accuracy in each.accuracies)
    interval = f"{100 * each.difference:+.1f} [{100 * each.low:+.1f}, {100 * each.high:+.1f}]"
    return (
        f"{sign}{each.task}",
        f"{each.images:,}",
        first,
        second,
        interval,
        f"{each.differing:,}",
        _said(each),
    )


def _said(each: "TaskComparison") -> str:
    if each.is_too_narrow or each.low <= 0 <= each.high:
        return "not told apart"
    return "more" if each.low > 0 else "less"
