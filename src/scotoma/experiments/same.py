"""Was what lies in the folder of a reproduction made as it would be made now?"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from scotoma.errors import InputError
from scotoma.experiments.cells import Cell, EncoderCell, Places, begun_with, settings_path, toml
from scotoma.experiments.scales import Group
from scotoma.presets import load_preset
from scotoma.runs.settings import to_dict
from scotoma.training.settings import CHANGE_NO_WEIGHT

LABELS = "labels"  # a table of flags, of no preset


def require_same(cells: Sequence[Cell], places: Places, images: str | None = None) -> None:
    """Check that what is there was made with the settings and on the images that the cells have now.

    Images are compared where they are named, and with `images`, the digest of what is there now.

    Raises:
        InputError: names every run folder that was made with others.
    """
    problems = [*_other_settings(cells, places.out), *_other_data(cells, places)]
    if problems:
        raise InputError("\n".join(problems))
    require_same_images(cells, places.out, images)


def require_same_images(cells: Sequence[Cell], out: Path, images: str | None = None) -> None:
    """Check that all runs on a group found the same images, which may have been changed in their place.

    Raises:
        InputError: names the run folders by the digest of what they found.
    """
    by_group: dict[Group, list[Cell]] = {}
    for cell in cells:
        by_group.setdefault(cell.group, []).append(cell)
    for group in by_group.values():
        found = dict(_labels_by(group, lambda cell: begun_with(cell, out).get("images")))
        if images is not None and found and images not in found:
            found[images] = ["what is there now"]
        if len(found) > 1:
            raise InputError(
                f"{out} holds runs on images that are not the same, as if some were added, removed or "
                "changed in between:\n"
                + "".join(f"  digest {digest}: {', '.join(labels)}\n" for digest, labels in found.items())
                + "Choose another --out, or remove the folders of all lines but one."
            )


def _other_settings(cells: Sequence[Cell], out: Path) -> list[str]:
    other = [cell.label for cell in cells if cell.state(out) != "to do" and _is_other(cell, out)]
    if not other:
        return []
    return [
        f"{out} holds runs that were made with other settings than now: {', '.join(other)}. "
        "Choose another --out, or remove these folders."
    ]


def _is_other(cell: Cell, out: Path) -> bool:
    # A cell that has no settings of its own now may have had some: its file is looked for in any case.
    if _text(settings_path(cell, out)) != toml(cell.settings()):
        return True
    # The preset below them may be another than it was.
    begun = begun_with(cell, out)
    encoder = cell if isinstance(cell, EncoderCell) else cell.encoder
    changes = {name: table for name, table in cell.settings().items() if name != LABELS}
    now = {"settings": to_dict(load_preset(encoder.preset, changes)), "seed": encoder.seed}
    if encoder is cell:
        now |= {"hide": list(encoder.hide), "keep": list(encoder.keep)}
    return _differs(begun, now)


def _differs(then: object, now: object) -> bool:
    """Whether a value that stands in both tables is another one, but for those that change no figure."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        return any(
            _differs(then[name], now[name]) for name in then.keys() & now.keys() - CHANGE_NO_WEIGHT.keys()
        )
    return then != now


def _other_data(cells: Sequence[Cell], places: Places) -> list[str]:
    problems = []
    for is_other, flag, now in ((False, "--data", places.data), (True, "--other-data", places.other_data)):
        of_flag = [cell for cell in cells if cell.group.other_data == is_other]
        for then, labels in _labels_by(
            of_flag, lambda cell: begun_with(cell, places.out).get("data")
        ).items():
            if now not in (None, then):
                problems.append(
                    f"{places.out} holds runs on {then}, not on {now}: {', '.join(labels)}. "
                    f"Give {flag} {then}, choose another --out, or remove these folders."
                )
    return problems


def _labels_by(cells: Sequence[Cell], told: Callable[[Cell], object]) -> Mapping[str, list[str]]:
    """Labels of cells by what is told of each; those of which nothing is told are left out."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        if (value := told(cell)) is not None:
            found.setdefault(str(value), []).append(cell.label)
    return found


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
