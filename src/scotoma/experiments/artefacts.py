"""Which tables, figures and statements of the paper can be made again?"""

from typing import Any

from scotoma.errors import InputError
from scotoma.experiments.artefact import Artefact
from scotoma.experiments.table1 import TABLE1_ARTEFACT
from scotoma.runs.settings import nearest

ARTEFACTS: dict[str, Artefact[Any]] = {each.name: each for each in (TABLE1_ARTEFACT,)}


def find_artefact(name: str) -> Artefact[Any]:
    """The artefact of a name.

    Raises:
        InputError: there is none.
    """
    if name not in ARTEFACTS:
        raise InputError(f"There is no artefact {name!r}: {nearest(name, list(ARTEFACTS))}.")
    return ARTEFACTS[name]
