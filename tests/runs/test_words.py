import pytest

from scotoma.runs.words import counted


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 seeds"), (1, "1 seed"), (2, "2 seeds"), (1500, "1,500 seeds")]
)
def test_one_is_no_plural(number: int, said: str) -> None:
    assert counted(number, "seed") == said
