"""The floor in one call."""

from scotoma.data.tasks import Task
from scotoma.verification.floors import Known, floor_of, right_by_label


def label_only_floor(task: Task, training: Known, test: Known) -> float:
    """Accuracy on the test images of somebody who knows the kept labels only."""
    return floor_of(task, test.labels, right_by_label(task, training, test))
