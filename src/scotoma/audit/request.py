"""What does a user ask of an audit, and do the images have what is named?"""

from collections.abc import Mapping
from dataclasses import dataclass

from scotoma.audit.suites import SuiteName
from scotoma.data.table import Attribute
from scotoma.data.tasks import Task, attack_tasks, require_hidden_or_kept
from scotoma.encoder_file import Card
from scotoma.runs.results import Role
from scotoma.runs.seeds import require_seed


@dataclass(frozen=True)
class AuditRequest:
    """What a user asks for: what the encoder is to hide and to keep, further tasks, and references."""

    hide: tuple[str, ...]
    keep: tuple[str, ...] = ()
    tasks: tuple[str, ...] | None = None
    suite: SuiteName = "standard"
    references: tuple[str, ...] = ("identity", "blur", "random")
    seed: int = 0

    def __post_init__(self) -> None:
        require_seed(self.seed)

    def role(self, task: str) -> Role:
        """What the encoder was asked to do with a task."""
        return "hide" if task in self.hide else "keep" if task in self.keep else "other"


def require_names(
    card: Card | None, request: AuditRequest, attributes: Mapping[str, Attribute]
) -> list[Task]:
    """The tasks to attack, once images with these attributes are known to have all that is named.

    Raises:
        InputError: names that are not there, or both hidden and kept.
    """
    if card is None or card.hide is None:  # else training has seen to it, and these may be other images
        require_hidden_or_kept(request.hide, request.keep, attributes)
    return attack_tasks(request.tasks or (*request.hide, *request.keep), attributes)
