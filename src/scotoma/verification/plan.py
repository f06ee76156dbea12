"""What is attacked in a verification run, and under which settings?"""

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from scotoma.data.augmentation import Preprocessing
from scotoma.data.splits import SplitRecipe
from scotoma.networks.classifier import ClassifierSettings
from scotoma.networks.encoder import EncoderSettings
from scotoma.runs.results import EncoderSummary, Role
from scotoma.verification.attackers import Attacker
from scotoma.verification.settings import AttackSettings


@dataclass(frozen=True, eq=False)
class Subject:
    """One frozen encoder under attack, its name in tables, and who attacks it."""

    name: str
    kind: Literal["trained", "identity", "blur", "other"]
    network: nn.Module
    code_shape: tuple[int, int, int]
    attacker: Attacker
    views: int
    digest: str
    training: dict[str, Any]

    def summary(self) -> EncoderSummary:
        """What results.json says of it."""
        return EncoderSummary(self.name, self.kind, self.digest, self.code_shape, self.training)


@dataclass(frozen=True)
class VerificationPlan:
    """Everything that decides what a verification run finds, beside encoders and images."""

    tasks: tuple[str, ...]
    hide: tuple[str, ...]
    keep: tuple[str, ...]
    encoder: EncoderSettings
    classifier: ClassifierSettings
    preprocessing: Preprocessing
    split: SplitRecipe
    attack: AttackSettings
    seed: int

    def role(self, task: str) -> Role:
        """What the encoder was asked to do with a task."""
        return "hide" if task in self.hide else "keep" if task in self.keep else "other"
