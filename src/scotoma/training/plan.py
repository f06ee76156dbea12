"""What decides which encoder comes out of a training run?"""

from collections.abc import Mapping
from dataclasses import dataclass

from scotoma.data.augmentation import Preprocessing
from scotoma.data.splits import SplitRecipe
from scotoma.data.table import Attribute
from scotoma.data.tasks import Task, training_tasks
from scotoma.errors import InputError
from scotoma.networks.classifier import ClassifierSettings
from scotoma.networks.encoder import EncoderSettings
from scotoma.runs.seeds import require_seed
from scotoma.training.settings import TrainingSettings


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that decides what encoder comes out, beside the images; `preset` says where it is from."""

    hide: tuple[str, ...]
    keep: tuple[str, ...]
    encoder: EncoderSettings
    classifier: ClassifierSettings
    preprocessing: Preprocessing
    training: TrainingSettings
    split: SplitRecipe
    seed: int
    preset: str = ""

    def __post_init__(self) -> None:
        require_seed(self.seed)
        given: list[object] = [self.hide, self.keep]
        if text := [each for each in given if isinstance(each, str)]:
            raise InputError(f"names are given as a tuple, as in ({text[0]!r},); got the text {text[0]!r}")

    def tasks(self, attributes: Mapping[str, Attribute]) -> tuple[list[Task], list[Task]]:
        """The hidden and the kept heads of training on images with these attributes.

        Raises:
            InputError: names that make no tasks.
        """
        apart = self.training.negatives == "not-kept"
        return training_tasks(self.hide, self.keep, attributes, kept_apart=apart)
