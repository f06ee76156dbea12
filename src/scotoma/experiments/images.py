"""Are the images there that an artefact needs?"""

from collections.abc import Sequence
from pathlib import Path

from scotoma.data.images import category_names
from scotoma.errors import InputError
from scotoma.experiments.cells import Cell, Places
from scotoma.experiments.scales import Scale


def places_of(scale: Scale, out: Path, data: str | None, other_data: str | None) -> Places:
    """Where images lie as far as that is known: what was named, else what the scale names."""
    return Places(out, data or scale.data or None, other_data or scale.other_data or None)


def require_images(
    cells: Sequence[Cell], scale: Scale, places: Places, *, may_be_unnamed: bool = False
) -> None:
    """Check that every folder that the cells need was named, unless it may not be, and holds their
    categories.

    Raises:
        InputError: names what is missing, all at once.
    """
    problems = []
    for is_other, flag, source in (
        (False, "--data", places.data),
        (True, "--other-data", places.other_data),
    ):
        wanted = {
            name for cell in cells if cell.group.other_data == is_other for name in cell.group.categories
        }
        if not wanted:
            continue
        if source is None and may_be_unnamed:
            continue
        if source is None:
            problems.append(f"The scale {scale.name} needs images: name their folder with {flag}.")
        elif lacking := sorted(wanted - set(category_names(source))):
            problems.append(f"{source} lacks the categories {', '.join(lacking)} of the scale {scale.name}.")
    if problems:
        raise InputError("\n".join(problems))
