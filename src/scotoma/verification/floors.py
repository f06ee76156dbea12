"""What does somebody find out who knows the kept labels of an image, and nothing of the image itself?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scotoma.data.splits import Split
from scotoma.data.table import CATEGORY, MISSING, ImageTable
from scotoma.data.tasks import Task, kept_tasks
from scotoma.metrics import image_weights

Labels = npt.NDArray[np.int64]


def floor(task: Task, keep: Sequence[str], table: ImageTable, parts: Split) -> float:
    """The accuracy on a task's test images that the kept labels alone give; for a kept task, guessing.

    Args:
        task: the attacked task.
        keep: names of what is kept: categories or attributes.
        table: the images.
        parts: how they are divided.
    """
    attributes = table.attributes
    # Images of another group may show none of a kept category: then its label never comes.
    there = attributes[CATEGORY].values if CATEGORY in attributes else attributes
    kept = [name for name in keep if name in there]
    if not kept or str(task) in kept:
        return 1.0 / task.classes
    tasks = kept_tasks(kept, attributes)
    known = joint_label([each.classes_of(each.labels_in(table)) for each in tasks])
    labels = task.labels_in(table)
    rows = [part[labels[part] != MISSING] for part in (parts.training, parts.test)]
    return label_only_floor(task, *(Known(labels[part], known[part]) for part in rows))


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of some images, (images,) each: their category in an attacked task, and a number for
    their kept labels.
    """

    labels: Labels
    kept: Labels


def label_only_floor(task: Task, training: Known, test: Known) -> float:
    """Accuracy on the test images of an attacker who is told the kept labels of an image and nothing else.

    The kept label (which of the kept categories, or 'other') must remain readable, so what it says about the
    task no encoder can hide: .5 + N/18 for N kept of ten equally frequent categories. The rule 'kept label ->
    most likely class' is taken from the training images.
    """
    kept, number = np.unique(np.concatenate([training.kept, test.kept]), return_inverse=True)
    votes = np.zeros((len(kept), task.classes))
    weights = image_weights(task, training.labels)
    of_training, of_test = number[: len(training.kept)], number[len(training.kept) :]
    np.add.at(votes, (of_training, task.classes_of(training.labels)), weights)
    predicted = votes.argmax(axis=1)[of_test]
    test_weights = image_weights(task, test.labels)
    return float(test_weights[predicted == task.classes_of(test.labels)].sum() / test_weights.sum())


def joint_label(classes: Sequence[Labels]) -> Labels:
    """A number for each combination of classes of several tasks, (images,); a missing class is one, too."""
    joint = np.zeros(len(classes[0]), np.int64)
    for each in classes:
        joint = joint * (int(each.max(initial=0)) + 2) + each + 1
    return joint
