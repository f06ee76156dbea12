"""Are these the images of training, and are they divided as they were then?"""

from collections.abc import Sequence
from dataclasses import asdict, replace

from scotoma.data.splits import Split, divide, parts_digest
from scotoma.data.table import CATEGORY, ImageTable, Sides
from scotoma.encoder_file import UNNAMED, Card
from scotoma.errors import InputError


def are_of_training(card: Card, table: ImageTable, hide: Sequence[str], keep: Sequence[str]) -> bool:
    """Whether an encoder was trained on these very images, with these labels of what it hides and keeps; an
    anonymous file knows of the images alone.
    """
    if card.hide is None and card.data_digest == table.images_digest():
        return True
    asked = [*hide, *keep]
    # A table of attributes may have been opened without those that are asked for.
    told = CATEGORY in table.attributes or table.attributes.keys() >= set(asked)
    return told and table.digest(asked) == card.data_digest


def require_same_parts(
    card: Card, table: ImageTable, parts: Split, hide: Sequence[str], keep: Sequence[str]
) -> bool:
    """Check that images of training are divided as they were then, and others as they would have been.

    Returns:
        Whether these are the images of training.

    Raises:
        InputError: they are, but divided in another way; or they are others, among which some of training may
            be, and something else decides on sides than in training. The encoder has seen images that would
            test it.
    """
    same = parts_digest(table, parts) == card.parts_digest
    if are_of_training(card, table, hide, keep):
        if card.parts_digest and not same:
            raise InputError(
                "These are the images of training, but they are divided in another way: the encoder has seen "
                "some of those that would test it. Give the table, or the lists of files, that training was "
                "given."
            )
        return True
    # The same parts may come about in another way, as where no image has a near duplicate.
    if not same:
        _require_same_sides(card.split.sides, table.sides)
    return False


def divide_as_in_training(card: Card, table: ImageTable) -> Split:
    """The part that each image had in training, or would have had there.

    Raises:
        InputError: what `require_same_parts` raises.
    """
    parts = divide(table, card.split)
    # An anonymous file names nothing: categories do not need it, and of attributes all are tried.
    require_same_parts(card, table, parts, card.hide or (), card.keep or ())
    return parts


def _require_same_sides(trained: Sides, now: Sides) -> None:
    before, here = (asdict(replace(each, joined=False)) for each in (trained, now))
    # An anonymous file says that there was a column, not which.
    other = [
        f"{name} was {value!r} and is {here[name]!r}"
        for name, value in before.items()
        if value != here[name] and (value != UNNAMED or here[name] is None)
    ]
    if other:
        raise InputError(
            "The images must be divided as in training, or the encoder has seen what tests it: "
            f"{'; '.join(other)}. Open them with the labelling of training."
        )
    whole = "the encoder has seen what tests it: give the images of training, all of them."
    if trained.near_duplicates:
        raise InputError(
            "In training nearly equal images were kept together, and these are other images. One that is "
            f"near to some of training can move them to another part, and {whole}"
        )
    if trained.joined or now.joined:
        raise InputError(
            f"Some groups ({now.group_by}) share an image and stay together, and these are not the images of "
            f"training. With one more or less, groups can move to another part, and {whole}"
        )
