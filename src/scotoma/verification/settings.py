"""What can be set in an attack?"""

from dataclasses import dataclass
from typing import Literal

from scotoma.errors import InputError


@dataclass(frozen=True)
class AttackSettings:
    """One attacker, trained until validation saturates.

    `schedule` is 'literal', the paper's (section 4.1): Adam at `rate` until saturation, one drop by `drop`,
    until it saturates again. Or 'averaged', for rates a hundred times as high: Adam at `rate` behind a
    warm-up, until saturation; a running average of the weights is what attacks, and takes the place of the
    drop. Its first looks at the validation images come sooner.

    The defaults are the paper's where it gives them: `rate` for codes, `image_rate` for original images.
    `evaluate_every` iterations the validation images are looked at; `patience` times so many without an
    improvement by more than `rise` (of accuracy, or in nats of cross-entropy) are saturation.
    `max_iterations` is the budget: an attacker that is still improving there is inconclusive. `views`
    augmented encodings of every training image are made once and shared by all attackers; 0 encodes every
    batch afresh.
    """

    schedule: Literal["literal", "averaged"] = "literal"
    rate: float = 1e-5
    image_rate: float = 1e-4
    drop: float = 0.1
    batch: int = 128
    evaluate_every: int = 1_000
    patience: int = 20
    rise: float = 0.001
    max_iterations: int = 5_000_000
    views: int = 16

    def __post_init__(self) -> None:
        problems = [
            f"'{name}' is {value}: must be at least {least}"
            for name, least in {
                "batch": 2,
                "evaluate_every": 1,
                "patience": 1,
                "max_iterations": 1,
                "views": 0,
            }.items()
            if (value := getattr(self, name)) < least
        ]
        problems += [
            f"'{name}' is {value}: must be above 0"
            for name in ("rate", "image_rate", "drop")
            if not (value := getattr(self, name)) > 0
        ]
        if not self.drop < 1:
            problems.append(f"'drop' is {self.drop}: must be below 1")
        if not self.rise >= 0:
            problems.append(f"'rise' is {self.rise}: must be at least 0")
        if problems:
            raise InputError("attack settings: " + "; ".join(problems))
