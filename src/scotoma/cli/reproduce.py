"""The verb `reproduce`: do the paper's tables, figures and statements come out again?"""

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from scotoma.cli.options import Names, resumable, seconds, seed_numbers
from scotoma.errors import InputError, TimeLimitReached
from scotoma.runs.run_folder import claim, held
from scotoma.runs.whole_files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scotoma.experiments.cells import Cell, Places

KIND = "reproduction"
FORMAT = "scotoma-reproduction-scale"
VERSION = 1
_SCALE = "scale.json"
_Flag = Annotated[bool, Parameter(negative="")]


def reproduce(
    artefact: str,
    *,
    scale: str,
    data: str | None = None,
    other_data: str | None = None,
    seeds: Names = None,
    only: str | None = None,
    dry_run: _Flag = False,
    no_run: _Flag = False,
    time_limit: str | None = None,
    out: Path,
) -> None:
    """Make a table, a figure or a set of statements of the paper anew.

    Trains and attacks every encoder behind it, each by a command of its own that is shown and recorded, as
    many side by side as there are cores, and writes OUT/ARTEFACT.md and .json. What is done is not run
    again: Ctrl-C is safe, the same command goes on, and artefacts in one OUT share encoders. Look first at
    what it costs with --dry-run.

    Example: scotoma reproduce table1 --scale fashion --out runs/paper

    Args:
        artefact: table1, table2, figure1, figure3, normalisation or stated.
        scale: on which images and how large: fashion (minutes an encoder), scenes, or places (the paper's:
            years on a few cores).
        data: the images: a folder, or the word fashion-mnist. Always the same in one OUT. Default: what the
            scale names.
        other_data: the folder of the group that no encoder is trained on, where it lies apart.
        seeds: numbers with commas. Default: those of the scale.
        only: run only the cells whose name contains this.
        dry_run: run nothing; print every cell with its command, and what all would cost.
        no_run: run nothing; collect what is there.
        time_limit: stop after this long, as in 90s, 30m or 8h; the same command goes on.
        out: the folder to write.
    """
    from scotoma.experiments.artefact import write_artefact
    from scotoma.experiments.artefacts import find_artefact
    from scotoma.experiments.images import places_of, require_images
    from scotoma.experiments.runner import try_cells
    from scotoma.experiments.same import require_same
    from scotoma.experiments.scales import load_scale
    from scotoma.runs.progress import watched

    wanted, on = find_artefact(artefact), load_scale(scale)
    limit = math.inf if time_limit is None else seconds(time_limit, "--time-limit")
    deadline = time.monotonic() + limit
    numbers = seed_numbers(seeds, "--seeds") or on.seeds
    places = places_of(on, out, data, other_data)
    every = wanted.cells(on, numbers)
    cells = [cell for cell in every if only is None or only in cell.label]
    if not cells:
        raise InputError(f"No cell of {artefact} has {only!r} in its name; --dry-run names them all.")
    if not no_run:
        require_images(cells, on, places, may_be_unnamed=dry_run)
    if dry_run:
        _show(cells, places)
        return
    claim(out, KIND, overwrite=None, resume=True)
    with held(out):
        _require_scale(out, scale)
        require_same(every, places)
        with resumable(f"The same command goes on; {out / artefact}.md shows what has ended."):
            try:
                failures = None if no_run else try_cells(cells, places, watched(), deadline)
            except (KeyboardInterrupt, TimeLimitReached):
                write_artefact(wanted, on, numbers, places)
                raise
        print(write_artefact(wanted, on, numbers, places))
    print(f"Written: {out / artefact}.md, .json{' and .png' if wanted.picture else ''}.")
    if failures is not None:
        raise failures


def _require_scale(out: Path, scale: str) -> None:
    path = out / _SCALE
    if not path.exists():
        write_json(path, {"format": FORMAT, "version": VERSION, "scale": scale})
    elif (found := read_json(path, FORMAT, VERSION).get("scale")) != scale:
        raise InputError(f"{out} holds runs of the scale {found}, not of {scale}: choose another --out.")


def _show(cells: "Sequence[Cell]", places: "Places") -> None:
    from scotoma.experiments.cells import NO_RUN_BEGUN, EncoderCell, described
    from scotoma.experiments.cost import cost_of, report
    from scotoma.runs.progress import watched

    for cell in cells:
        print(described(cell, places))
    todo = [cell for cell in cells if isinstance(cell, EncoderCell) and cell.state(places.out) != "done"]
    if todo:
        print("\nTiming an encoder of each kind ...", flush=True)
        for line in report(cost_of(todo, places, watched())):
            print(line)
    print(NO_RUN_BEGUN)
