"""On which images is an encoder attacked, and are they divided as they were in training?"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from scotoma.cli.labels import LabelsOptions
from scotoma.cli.verify_options import VerifyOptions
from scotoma.errors import InputError

if TYPE_CHECKING:
    from scotoma.data.table import Attribute, ImageTable
    from scotoma.encoder_file import Card


def open_as_in_training(
    options: VerifyOptions,
    card: "Card",
    attributes: tuple[str, ...],
    before_decoding: Callable[[Mapping[str, "Attribute"]], object],
) -> "ImageTable":
    """The images that are named, with these attributes of a table, divided as the encoder file says;
    `before_decoding` as `open_images`.

    Raises:
        InputError: the images cannot be used, or would be divided in another way than in training.
    """
    from scotoma.data.attribute_table import is_table
    from scotoma.data.images import open_images
    from scotoma.runs.progress import watched

    stored = card.preprocessing
    labelling = _as_in_training(options.labels, card).labelling(attributes)
    group = options.categories
    if group is None and not is_table(Path(options.data)):
        group = _group_of_training(options.data, card)
    return open_images(
        options.data,
        stored.stored_side,
        stored.channels,
        categories=group,
        progress=watched(),
        labelling=labelling,
        before_decoding=before_decoding,
    )


def _group_of_training(data: str, card: "Card") -> tuple[str, ...] | None:
    """The categories that took part in training; None for all, which is said."""
    from scotoma.data.images import category_names

    trained = card.categories
    if not trained:
        if card.hide is None:  # an anonymous file; else it was trained on a table, which has none
            print(
                f"The encoder file does not name the categories of training: all of {data} are used. "
                "If it were others, name them with --categories."
            )
        return None
    if missing := sorted(set(trained) - set(category_names(data))):
        lacking = f"{data} lacks {', '.join(missing)}, which took part in training"
        print(f"{lacking}: all its categories are used.")
        return None
    return trained


def _as_in_training(labels: LabelsOptions, card: "Card") -> LabelsOptions:
    """The options with what kept images together in training: else the encoder may have seen test images.

    Raises:
        InputError: training divided the images by something that the options leave out or contradict.
    """
    from scotoma.encoder_file import UNNAMED

    sides = card.split.sides
    problems = []
    for flag, trained, now in (
        ("--group-by", sides.group_by, labels.group_by),
        ("--split-column", sides.column, labels.split_column),
    ):
        if trained == UNNAMED and now is None:
            problems.append(f"{flag} is missing: the encoder file says that there was one, not which")
        elif trained != UNNAMED and now is not None and now != trained:
            problems.append(f"{flag} {now}: in training it was {trained or 'not given'}")
    if labels.group_near_duplicates and not sides.near_duplicates:
        problems.append("--group-near-duplicates was not given in training")
    if sides.files != (labels.split_files is not None):
        problems.append(f"--split-files was {'' if sides.files else 'not '}given in training")
    if problems:
        raise InputError(
            "The images must be divided as in training, or the encoder has seen what tests it: "
            + "; ".join(problems)
            + "."
        )
    return replace(
        labels,
        group_by=labels.group_by or sides.group_by,
        split_column=labels.split_column or sides.column,
        group_near_duplicates=sides.near_duplicates,
    )
