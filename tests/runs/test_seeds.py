import itertools
from typing import Any

import pytest

from scotoma.audit.request import AuditRequest
from scotoma.errors import InputError
from scotoma.presets import load_preset
from scotoma.runs.seeds import derive_seed
from scotoma.verification.run import VerificationRequest


def test_values_are_fixed_for_ever() -> None:
    # A change of these numbers would change every run that was ever recorded.
    assert derive_seed(0, "split") == 4881780577946778530
    assert derive_seed(1, "attacker", 2, 3) == 7559735761727041350


def test_seeds_have_63_bits_and_do_not_overlap() -> None:
    runs, purposes, ranks = range(8), ("a", "a1", "b"), range(8)
    seeds = [
        derive_seed(run, purpose, rank) for run, purpose, rank in itertools.product(runs, purposes, ranks)
    ]
    seeds += [derive_seed(run, purpose) for run, purpose in itertools.product(runs, purposes)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62


def test_parts_are_kept_apart() -> None:
    assert derive_seed(0, "a", 11) != derive_seed(0, "a", 1, 1)
    assert derive_seed(0, "a", 1) != derive_seed(0, "a1")
    assert derive_seed(0, 'a", 1') != derive_seed(0, "a", 1)


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None])
def test_a_seed_is_a_whole_number_from_0_on(seed: Any) -> None:
    wrong = f"^seed: {seed!r} is no whole number from 0 on$"
    with pytest.raises(InputError, match=wrong):
        load_preset("demo").plan(("a",), (), seed)
    with pytest.raises(InputError, match=wrong):
        VerificationRequest(seed=seed)
    with pytest.raises(InputError, match=wrong):
        AuditRequest(("a",), seed=seed)
