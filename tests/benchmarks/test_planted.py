import pytest

from scotoma.audit import suites
from tests.audit.plants import PLANTS
from tests.benchmarks.scripts import load_script

planted = load_script("planted")


def test_a_plant_is_attacked_by_the_suite_and_set_beside_its_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(suites.SUITES, "standard", suites.Suite((suites.LOGISTIC,)))
    plant = next(each for each in PLANTS if each.name == "tiny shift")
    found = planted.found(plant, 900, 1)
    assert (found["plant"], found["images"], found["oracle"]) == ("tiny shift", 900, 1.0)
    assert (found["winner"], found["outcome"]) == ("logistic regression", "leaks")
    assert found["near the oracle"] == ["logistic regression"]
    assert found["test"] > 0.96 and found["low"] < found["test"] <= found["high"]
