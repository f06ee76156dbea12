"""Was what lies in the folder of a reproduction made as it would be made now?"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from scotoma.errors import InputError
from scotoma.experiments.cells import Cell, Places, begun_with, settings_path, toml
from scotoma.experiments.scales import Group


def require_same(cells: Sequence[Cell], places: Places) -> None:
    """Check that what is there was made with the settings and on the images that the cells have now.

    Images are compared where they are named.

    Raises:
        InputError: names every run folder that was made with others.
    """
    problems = [*_other_settings(cells, places.out), *_other_data(cells, places)]
    if problems:
        raise InputError("\n".join(problems))
    require_same_images(cells, places.out)


def require_same_images(cells: Sequence[Cell], out: Path) -> None:
    """Check that all runs on a group found the same images, which may have been changed in their place.

    Raises:
        InputError: names the run folders by the digest of what they found.
    """
    by_group: dict[Group, list[Cell]] = {}
    for cell in cells:
        by_group.setdefault(cell.group, []).append(cell)
    for group in by_group.values():
        found = _labels_by(group, lambda cell: begun_with(cell, out).get("images"))
        if len(found) > 1:
            raise InputError(
                f"{out} holds runs on images that are not the same, as if some were added, removed or "
                "changed in between:\n"
                + "".join(f"  digest {digest}: {', '.join(labels)}\n" for digest, labels in found.items())
                + "Choose another --out, or remove the folders of all lines but one."
            )


def _other_settings(cells: Sequence[Cell], out: Path) -> list[str]:
    # A cell that has no settings of its own now may have had some: its file is looked for in any case.
    other = [
        cell.label
        for cell in cells
        if cell.state(out) != "to do" and _text(settings_path(cell, out)) != toml(cell.settings())
    ]
    if not other:
        return []
    return [
        f"{out} holds runs that were made with other settings than now: {', '.join(other)}. "
        "Choose another --out, or remove these folders."
    ]


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
