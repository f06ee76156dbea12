"""Is the encoder file that lies in a run folder the one that this run would make?"""

from pathlib import Path
from typing import Any

from scotoma.data.splits import divide, parts_digest
from scotoma.data.table import ImageTable
from scotoma.encoder_file import Card, load_encoder
from scotoma.errors import InputError
from scotoma.runs.settings import to_dict
from scotoma.training.plan import TrainingPlan
from scotoma.training.settings import CHANGE_NO_WEIGHT


def finished_card(path: Path, table: ImageTable, plan: TrainingPlan) -> Card:
    """The card of the encoder file that a finished run left.

    Raises:
        InputError: the file is damaged, or another run made it.
    """
    card = load_encoder(path).card
    told = [card.encoder, card.preprocessing, card.classifier, card.split.seed, card.split.fractions]
    asked: list[Any] = [
        plan.encoder,
        plan.preprocessing,
        plan.classifier,
        plan.split.seed,
        plan.split.fractions,
    ]
    told.append(card.data_digest)
    asked.append(table.images_digest() if card.hide is None else table.digest([*plan.hide, *plan.keep]))
    told += [card.training.get("seed"), _decisive(card.training.get("settings"))]
    asked += [plan.seed, _decisive(to_dict(plan.training))]
    if card.parts_digest:
        told.append(card.parts_digest)
        asked.append(parts_digest(table, divide(table, plan.split)))
    if card.hide is not None:
        told += [card.hide, card.keep, card.categories]
        asked += [plan.hide, plan.keep, table.categories]
    if told != asked:
        raise InputError(
            f"{path} is not the encoder of this run: other settings, images or names made it, or another "
            "division of the images. Put the original back, choose another --out, or give --overwrite to "
            "train anew."
        )
    return card


def _decisive(settings: Any) -> Any:
    if not isinstance(settings, dict):
        return None
    return {name: value for name, value in settings.items() if name not in CHANGE_NO_WEIGHT}
