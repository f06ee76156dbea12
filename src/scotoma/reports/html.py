"""What does somebody read who was not there: is it hidden, is it kept, and how was that found out?

One HTML file with everything in it: no script, no link, no font from elsewhere. It is made from a run folder
and nothing else: from `verdict.json`, which a suite of attackers leaves, or from `results.json` and
`gallery.npz`, which the paper's attackers leave.
"""

import base64
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from scotoma.errors import InputError
from scotoma.reports.audit_html import render_verdict
from scotoma.reports.curves import attack_curves
from scotoma.reports.done import what_was_done
from scotoma.reports.drawing import inline
from scotoma.reports.findings import (
    Outcome,
    examine,
    figures,
    headline,
    in_training_accuracy,
    judged,
    overall,
    role,
    shared_role,
    tasks,
    with_role,
)
from scotoma.reports.gallery import ORIGINALS, picture_png, read_gallery
from scotoma.reports.more import more_section
from scotoma.reports.page import environment, write_page
from scotoma.reports.verdict import caution, encoder_verdict, guessing, percent
from scotoma.runs.results import Cell, EncoderSummary, Results, Role
from scotoma.runs.run_folder import require_ended, require_folder
from scotoma.runs.verdict import Verdict
from scotoma.runs.whole_files import require_free

RESULTS, VERDICT = "results.json", "verdict.json"
_TEMPLATE = "report.html.j2"
_BELOW = 0.05  # the small scale in a cell begins so much below guessing
_LARGEST = 192  # pixels of an embedded picture: twice what a page shows
_TINY = 96
_KINDS = {
    "identity": "the original images",
    "blur": "blurred images",
    "trained": "trained",
    "other": "not trained here",
}


def write_report(run: Path, out: Path, overwrite: bool = False) -> Path:
    """Write the report on a verification as one self-contained HTML file.

    Args:
        run: the folder that `scotoma verify` wrote.
        out: the HTML file; its folder is made where needed.
        overwrite: replace a file that is there.

    Returns:
        The path of the report.

    Raises:
        InputError: the run folder has no results, they are broken, or `out` exists and is not to be replaced.
    """
    run, out = Path(run), Path(out)
    require_folder(run)
    has_verdict = (run / VERDICT).is_file()
    if not has_verdict and not (run / RESULTS).is_file():
        require_ended(run)
        raise InputError(
            f"{run} holds neither {RESULTS} nor {VERDICT}, so there is nothing to report on. "
            "Give the folder that `scotoma verify` wrote (its --out)."
        )
    require_free(out, overwrite, "the report", "report.html")
    if out.suffix not in (".html", ".htm"):
        raise InputError(f"--out {out} must end in .html.")
    if has_verdict:
        return write_page(out, render_verdict(Verdict.read(run / VERDICT), more_section(run)))
    return write_page(out, render(Results.read(run / RESULTS), run / "gallery.npz"))


def render(results: Results, gallery: Path) -> str:
    """The report's HTML; a `gallery` that is not there is said to be missing.

    Raises:
        InputError: the gallery is broken.
    """
    counts = [cell.counts for cell in results.cells]
    names = [each.name for each in judged(results) or results.encoders]
    pages = environment()
    pages.filters["by_class"] = _by_class
    return pages.get_template(_TEMPLATE).render(
        hidden=_asked(results, "hide"),
        kept=_asked(results, "keep"),
        verdicts=[
            (each.name, overall(results, each), encoder_verdict(results, each)) for each in judged(results)
        ],
        columns=[(task, shared_role(results, task)) for task in tasks(results)],
        rows=[_row(results, each) for each in results.encoders],
        cells=_in_order(results),
        gaps=_gaps(results),
        curves=[(task, _inline(results, task)) for task in tasks(results) if _has_curve(results, task)],
        gallery=_gallery(results, gallery) if gallery.is_file() else None,
        groups=what_was_done(results),
        attackers=sorted({cell.attacker for cell in results.cells if cell.encoder in names}),
        tested=max((sum(each.test) for each in counts), default=0),
        guessing=guessing(results),
        has_identity=any(each.kind == "identity" for each in results.encoders),
        cautioned=caution(results),
    )


def _asked(results: Results, wanted: Role) -> list[str]:
    """The tasks that the run, or any of its encoders, was to hide or to keep."""
    named = results.hide if wanted == "hide" else results.keep
    asked = {task for each in judged(results) for task in with_role(results, each, wanted)}
    return [task for task in tasks(results) if task in asked or task in named]


def _in_order(results: Results) -> list[Cell]:
    attacked = [cell.encoder for cell in results.cells]
    encoders = list(dict.fromkeys([*(each.name for each in results.encoders), *attacked]))
    names = tasks(results)
    return sorted(results.cells, key=lambda cell: (encoders.index(cell.encoder), names.index(cell.task)))


@dataclass(frozen=True)
class _TableCell:
    """One cell of the main table; positions are percent of the small scale."""

    cell: Cell | None
    role: str
    outcome: Outcome | None
    signed: bool
    left: float = 0.0
    width: float = 0.0
    floor: float = 0.0


@dataclass(frozen=True)
class _TableRow:
    name: str
    kind: str
    cells: list[_TableCell]


def _row(results: Results, encoder: EncoderSummary) -> _TableRow:
    cells = [_table_cell(results, encoder, task) for task in tasks(results)]
    return _TableRow(encoder.name, _KINDS[encoder.kind], cells)


def _table_cell(results: Results, encoder: EncoderSummary, task: str) -> _TableCell:
    cell = headline(results, encoder.name, task)
    meant = role(results, encoder, task) if encoder in judged(results) else "other"
    outcome = examine(results, encoder.name, task).outcome if meant == "hide" else None
    signed = meant != "other" and shared_role(results, task) is None
    found = figures(cell)
    if cell is None or found is None:
        return _TableCell(cell, meant, outcome, signed)
    left, right, floor = (_position(each, cell.chance) for each in (found.low, found.high, cell.floor))
    return _TableCell(cell, meant, outcome, signed, left, round(right - left, 2), floor)


def _position(accuracy: float, chance: float) -> float:
    """Percent of the small scale, which begins a little below guessing."""
    lowest = chance - _BELOW
    return round(100 * min(1.0, max(0.0, (accuracy - lowest) / (1 - lowest))), 2)


def _by_class(counts: tuple[int, ...]) -> str:
    """Images of each class; of two first those of the task, then the others."""
    return " / ".join(f"{count:,}" for count in (counts[::-1] if len(counts) == 2 else counts))


def _gaps(results: Results) -> list[str]:
    """A sentence for each hidden task: the training's adversary against a fresh attacker, on validation."""
    sentences = []
    for encoder in judged(results):
        for task in with_role(results, encoder, "hide"):
            before = in_training_accuracy(results, encoder, task)
            found = figures(headline(results, encoder.name, task))
            if before is None or found is None:
                continue
            # Of the rounded figures, so that a reader who subtracts them agrees.
            gap = round(round(100 * found.validation, 1) - round(100 * before, 1), 1)
            points = f"{abs(gap):.1f} points {'more' if gap > 0 else 'less'}" if gap else "no difference"
            sentences.append(
                f"On validation images the adversary that `{encoder.name}` was trained against told `{task}` "
                f"apart with a balanced accuracy of {percent(before)} %, a fresh attacker on the finished "
                f"encoder with {percent(found.validation)} %: {points}."
            )
    return sentences


def _has_curve(results: Results, task: str) -> bool:
    return any(cell.task == task and cell.curve for cell in results.cells)


def _inline(results: Results, task: str) -> Markup:
    named = f"Validation accuracy of the attackers on {task} over their iterations"
    return inline(attack_curves(results, [task]), named)


@dataclass(frozen=True)
class _GalleryRow:
    """Pictures of one encoder as data URIs, and the attackers' cells that are repeated beside them."""

    name: str
    kind: str
    described: str
    channels: int
    tiny: bool
    pictures: list[str]
    cells: list[Cell | None]


@dataclass(frozen=True)
class _Pictures:
    rows: list[_GalleryRow]
    categories: tuple[str, ...]
    tasks: list[tuple[str, Role | None]]


def _gallery(results: Results, path: Path) -> _Pictures:
    gallery = read_gallery(path)
    shown = [task for task in tasks(results) if shared_role(results, task) != "other"]
    kinds = {each.name: each.kind for each in results.encoders}
    identity = next((name for name, kind in kinds.items() if kind == "identity"), None)
    rows = []
    for row in gallery.rows:
        if row.name == identity:
            continue
        is_original = row.name == ORIGINALS
        attacked = identity if is_original else row.name
        rows.append(
            _GalleryRow(
                name="originals" if is_original else row.name,
                kind=_KINDS[kinds[row.name]] if row.name in kinds else "",
                described="original" if is_original else f"{row.name}'s encoding",
                channels=row.channels,
                tiny=max(row.pictures.shape[1:3]) < _TINY,
                pictures=[_data_uri(picture_png(each, _LARGEST)) for each in row.pictures],
                cells=[headline(results, attacked, task) if attacked else None for task in shown],
            )
        )
    return _Pictures(rows, gallery.categories, [(task, shared_role(results, task)) for task in shown])


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
