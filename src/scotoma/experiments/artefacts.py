"""Which tables, figures and statements of the paper can be made again?"""

from typing import Any

from scotoma.errors import InputError
from scotoma.experiments.artefact import Artefact
from scotoma.experiments.figure1 import FIGURE1_ARTEFACT
from scotoma.experiments.figure3 import FIGURE3_ARTEFACT
from scotoma.experiments.normalisation import NORMALISATION_ARTEFACT
from scotoma.experiments.stated import STATED_ARTEFACT
from scotoma.experiments.table1 import TABLE1_ARTEFACT
from scotoma.experiments.table2 import TABLE2_ARTEFACT
from scotoma.runs.settings import nearest

ARTEFACTS: dict[str, Artefact[Any]] = {
    each.name: each
    for each in (
        TABLE1_ARTEFACT,
        TABLE2_ARTEFACT,
        FIGURE1_ARTEFACT,
        FIGURE3_ARTEFACT,
        NORMALISATION_ARTEFACT,
        STATED_ARTEFACT,
    )
}


def find_artefact(name: str) -> Artefact[Any]:
    """The artefact of a name.

    Raises:
        InputError: there is none.
    """
    if name not in ARTEFACTS:
        raise InputError(f"There is no artefact {name!r}: {nearest(name, list(ARTEFACTS))}.")
    return ARTEFACTS[name]
