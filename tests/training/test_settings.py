from typing import Any

import pytest
import torch

from scotoma.errors import InputError
from scotoma.training.settings import TrainingSettings


def test_defaults_are_the_paper_s() -> None:
    paper = TrainingSettings()
    assert (paper.iterations, paper.warm_up, paper.batch, paper.alpha) == (860_000, 5_000, 128, 2**-4)
    assert (paper.classifier_rate, paper.encoder_rate, paper.drop_every) == (1e-4, 1e-4, 200_000)
    assert paper.encoder_drop == pytest.approx(0.1 ** (1 / 4))
    assert (paper.objective, paper.classifier_steps, paper.on_collapse) == ("label-flip", 1, "stop")


@pytest.mark.parametrize(
    ("given", "told", "precision"),
    [
        ("auto", {"avx512_bf16": True}, "bf16"),
        ("auto", {"amx_bf16": True, "avx512_bf16": False}, "bf16"),
        ("auto", {"neon": True, "bf16": True}, "bf16"),
        ("auto", {"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, "fp32"),
        ("bf16", {"avx2": True}, "bf16"),
        ("fp32", {"avx512_bf16": True}, "fp32"),
    ],
)
def test_bf16_is_taken_where_the_processor_multiplies_in_it_or_where_it_was_asked_for(
    given: Any, told: dict[str, bool], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told)
    assert TrainingSettings(precision=given).precision == precision


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"iterations": 0, "warm_up": -1, "batch": 1},
            "'iterations' is 0: must be at least 1; 'warm_up' is -1: must be at least 0; "
            "'batch' is 1: must be at least 2",
        ),
        (
            {"alpha": 0.0, "encoder_rate": float("nan")},
            "'alpha' is 0.0: must be above 0, and finite; 'encoder_rate' is nan: must be above 0, and finite",
        ),
        (
            {"keep_dropout": 1.0, "encoder_average": -0.1},
            "'encoder_average' is -0.1: must be at least 0 and below 1; "
            "'keep_dropout' is 1.0: must be at least 0 and below 1",
        ),
    ],
)
def test_impossible_settings_are_told_all_at_once(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        TrainingSettings(**changes)
    assert str(error.value) == f"training settings: {message}"
