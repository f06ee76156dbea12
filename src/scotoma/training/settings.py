"""What can be set in adversarial training?"""

import math
from dataclasses import dataclass
from typing import Any, Literal

from scotoma.errors import InputError
from scotoma.networks.precision import multiplies_in_bf16
from scotoma.objectives import ObjectiveName

# Saving and looking more or less often, or going on after a collapse, changes no weight: with these values
# runs are compared.
CHANGE_NO_WEIGHT: dict[str, Any] = {"evaluate_every": 1, "checkpoint_every": 1, "on_collapse": "record"}


@dataclass(frozen=True)
class TrainingSettings:
    """One iteration is `classifier_steps` updates of the classifiers and one of the encoder, on different
    batches.

    The defaults are the paper's (section 4.1) where it gives them. `batch` is counted for each task
    (hidden and kept alike): the encoder's forward pass holds that many images of every task. `warm_up`
    iterations update the classifiers only. `negatives` says what a hidden category's adversary tells it
    from: all other categories, as in the paper, or only those that are not kept. `keep_dropout` is the
    share of a code's values that a kept head does not get to see in training (0: it sees all, as in the
    paper), so that every value has to show what is kept; `hide_dropout` the share that a hidden category's
    adversary does not see: it is many adversaries in one then, of whom the encoder cannot slip away from one
    while the others find it. The encoder's rate is multiplied by `encoder_drop` every `drop_every`
    iterations. `encoder_average` is the decay of a running average of the encoder's weights, which is shipped
    in their place (0: the last weights, as in the paper). Every `probe_every` iterations of the second half
    (0: never) a fresh classifier attacks what would be shipped for `probe_steps` updates, and the encoder
    with the best probe is shipped. `precision` is that of convolutions in training; "auto" becomes bf16 where
    the processor multiplies in it and fp32 elsewhere, as soon as the settings are made, so that a run records
    what it was. Every `evaluate_every` iterations the validation figures and the
    collapse figures are taken, every `checkpoint_every` the run is saved. `on_collapse` says whether a
    collapsed encoder stops the run or is recorded only (ablations).
    """

    iterations: int = 860_000
    warm_up: int = 5_000
    batch: int = 128
    objective: ObjectiveName = "label-flip"
    negatives: Literal["all", "not-kept"] = "all"
    alpha: float = 2**-4
    hide_dropout: float = 0.0
    keep_dropout: float = 0.0
    classifier_steps: int = 1
    classifier_rate: float = 1e-4
    encoder_rate: float = 1e-4
    encoder_drop: float = 0.1**0.25
    drop_every: int = 200_000
    encoder_average: float = 0.0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    probe_every: int = 0
    probe_steps: int = 300
    evaluate_every: int = 1_000
    checkpoint_every: int = 1_000
    on_collapse: Literal["stop", "record"] = "stop"

    def __post_init__(self) -> None:
        if self.precision == "auto":
            object.__setattr__(self, "precision", "bf16" if multiplies_in_bf16() else "fp32")
        problems = [
            f"'{name}' is {value}: must be at least {least}"
            for name, least in {
                "iterations": 1,
                "warm_up": 0,
                "probe_every": 0,
                "probe_steps": 1,
                "batch": 2,
                "classifier_steps": 1,
                "drop_every": 1,
                "evaluate_every": 1,
                "checkpoint_every": 1,
            }.items()
            if (value := getattr(self, name)) < least
        ]
        problems += [
            f"'{name}' is {value}: must be above 0, and finite"
            for name in ("alpha", "classifier_rate", "encoder_rate", "encoder_drop")
            if not 0 < (value := getattr(self, name)) < math.inf
        ]
        problems += [
            f"'{name}' is {value}: must be at least 0 and below 1"
            for name in ("encoder_average", "hide_dropout", "keep_dropout")
            if not 0 <= (value := getattr(self, name)) < 1
        ]
        if problems:
            raise InputError("training settings: " + "; ".join(problems))
