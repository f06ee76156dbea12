from typing import Any

import pytest

from scotoma.errors import InputError
from scotoma.verification.settings import AttackSettings


def test_defaults_are_the_paper_s() -> None:
    paper = AttackSettings()
    assert (paper.rate, paper.image_rate, paper.drop) == (1e-5, 1e-4, 0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"patience": 0, "views": -1},
            "'patience' is 0: must be at least 1; 'views' is -1: must be at least 0",
        ),
        (
            {"rate": 0.0, "drop": 1.0, "rise": float("nan")},
            "'rate' is 0.0: must be above 0; 'drop' is 1.0: must be below 1; "
            "'rise' is nan: must be at least 0",
        ),
    ],
)
def test_impossible_settings_are_told_all_at_once(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        AttackSettings(**changes)
    assert str(error.value) == f"attack settings: {message}"
