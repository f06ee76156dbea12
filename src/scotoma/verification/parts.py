"""Are these the images of training, and are they divided as they were then?"""

from collections.abc import Sequence

from scotoma.data.splits import Split, parts_digest
from scotoma.data.table import ImageTable
from scotoma.encoder_file import Card
from scotoma.errors import InputError


def are_of_training(card: Card, table: ImageTable, hide: Sequence[str], keep: Sequence[str]) -> bool:
    """Whether an encoder was trained on these very images, with these labels of what it hides and keeps."""
    return table.digest([*hide, *keep]) == card.data_digest


def require_same_parts(card: Card, table: ImageTable, parts: Split) -> None:
    """Check that images of training are divided as they were then.

    Raises:
        InputError: they are not, so that the encoder has seen images that would test it.
    """
    if card.parts_digest and parts_digest(table, parts) != card.parts_digest:
        raise InputError(
            "These are the images of training, but they are divided in another way: the encoder has seen "
            "some of those that would test it. Give the table, or the lists of files, that training was "
            "given."
        )
