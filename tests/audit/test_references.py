"""Which references may be taken from the cache, and which are other ones?"""

from dataclasses import replace

import numpy as np
import pytest

from scotoma.audit.references import blur, identity, random_encoder
from scotoma.data.splits import Fractions, SplitRecipe, divide
from scotoma.encoder_file import Card
from tests.examples import CLASSIFIER, ENCODER, PREPROCESSING, image_table

RECIPE = SplitRecipe(0, Fractions())
CARD = Card(ENCODER, PREPROCESSING, CLASSIFIER, RECIPE, "d")


@pytest.mark.parametrize("change", [{"scale_low": 0.5}, {"scale_high": 2.0}, {"flip": True}])
def test_a_reference_that_is_cropped_otherwise_is_another(change: dict[str, float]) -> None:
    """Attackers learn from encoded crops."""
    other = replace(PREPROCESSING, flip=False)
    changed = replace(other, **change)  # type: ignore[arg-type]
    for make in (identity, blur):
        assert make(other, CARD).digest == make(other, CARD).digest
        assert make(other, CARD).digest != make(changed, CARD).digest


def test_a_random_encoder_whose_statistics_are_of_other_images_is_another() -> None:
    table = image_table()
    parts = divide(table, RECIPE)
    fewer = replace(parts, training=parts.training[1:])
    first, again, other = (random_encoder(CARD, table, each, 0) for each in (parts, parts, fewer))
    assert first.digest == again.digest != other.digest
    images = np.zeros((2, ENCODER.channels, ENCODER.size, ENCODER.size), np.uint8)
    assert not np.array_equal(first.encode(images), other.encode(images))
