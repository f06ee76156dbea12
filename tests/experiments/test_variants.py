"""`experiments/variants.py`: what belongs to a variant, and how variants are compared."""

import pytest

from tests.benchmarks.scripts import FOLDER, load_script

variants = load_script("variants", FOLDER.parent / "experiments")


def test_a_variant_s_keys_are_of_training_unless_they_name_a_table() -> None:
    name, keys = variants.named('gan fast: encoder_rate = 1e-3; objective = "gan"; encoder.code_bits = 0')
    assert name == "gan-fast"
    assert variants.tables(keys) == {
        "training": {"encoder_rate": 1e-3, "objective": "gan"},
        "encoder": {"code_bits": 0},
    }
    assert variants.tables("") == {}
    cell = variants.attack(
        name, 2, variants.tables("batch = 8; verification.views = 1"), ("a",), ("b",), "demo"
    )
    assert cell.encoder.settings() == {"training": {"batch": 8}}
    assert cell.settings() == {"verification": {"views": 1}}


def test_the_table_pairs_a_variant_with_the_first_by_seed() -> None:
    def found(variant: str, seed: int, test: float) -> object:
        return variants.Found(variant, seed, "a", "done", 0.5, test, test - 0.01, test + 0.01, 0.5)

    tests = {("x", 0): 0.60, ("x", 1): 0.70, ("x", 2): 0.80, ("y", 0): 0.61, ("y", 2): 0.83}
    rows = variants.markdown([found(*key, test) for key, test in tests.items()]).splitlines()
    assert rows[2].endswith("| 60.0 [59.0, 61.0]; 70.0 [69.0, 71.0]; 80.0 [79.0, 81.0] | 70.0 |  |")
    # 1 and 3 points: 2 in the mean, t(1) = 12.706 times a standard error of 1.
    assert rows[3].endswith("| 61.0 [60.0, 62.0]; 83.0 [82.0, 84.0] | 72.0 | +2.0 [-10.7, +14.7] |")
    assert rows[5] == "Floors: a 50.0."


def test_one_seed_is_no_difference() -> None:
    one = [variants.Found(name, 0, "a", "done", 0.5, 0.6, 0.5, 0.7, 0.5) for name in "xy"]
    assert variants.markdown(one).splitlines()[3].endswith("| 60.0 |  |")


@pytest.mark.parametrize("text", ["fast: rate =", "fast: rate = one"])
def test_keys_that_are_no_toml_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        variants.tables(variants.named(text)[1])
