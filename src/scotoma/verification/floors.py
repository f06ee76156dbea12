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
    telling = _telling(task, keep, table)
    if not telling:
        return 1.0 / task.classes
    return label_only_floor(task, *_known_parts(task, telling, table, parts))


def label_only_right(
    task: Task, keep: Sequence[str], table: ImageTable, parts: Split
) -> npt.NDArray[np.bool_]:
    """Which test images the attacker of `floor` gets right: (test images whose label in the task is known,).

    Where the kept labels tell nothing (nothing is kept, or the task itself is), it names one class for all:
    that is as good as guessing. Arguments as of `floor`.
    """
    known = _known_parts(task, _telling(task, keep, table), table, parts)
    return right_by_label(task, *known)


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
    task no encoder can hide: .5 + N/18 for N kept of ten equally frequent categories.
    """
    weights = image_weights(task, test.labels)
    return float(weights[right_by_label(task, training, test)].sum() / weights.sum())


def right_by_label(task: Task, training: Known, test: Known) -> npt.NDArray[np.bool_]:
    """Which test images that attacker gets right, (images,). Its rule 'kept label -> most likely class' is
    taken from the training images.
    """
    kept, number = np.unique(np.concatenate([training.kept, test.kept]), return_inverse=True)
    votes = np.zeros((len(kept), task.classes))
    weights = image_weights(task, training.labels)
    of_training, of_test = number[: len(training.kept)], number[len(training.kept) :]
    np.add.at(votes, (of_training, task.classes_of(training.labels)), weights)
    right: npt.NDArray[np.bool_] = votes.argmax(axis=1)[of_test] == task.classes_of(test.labels)
    return right


def joint_label(classes: Sequence[Labels]) -> Labels:
    """A number for each combination of classes of several tasks, (images,); a missing class is one, too."""
    joint = np.zeros(len(classes[0]), np.int64)
    for each in classes:
        joint = joint * (int(each.max(initial=0)) + 2) + each + 1
    return joint


def _telling(task: Task, keep: Sequence[str], table: ImageTable) -> list[str]:
    """What of the kept may tell something of the task: nothing where the task is kept itself."""
    attributes = table.attributes
    # Images of another group may show none of a kept category: then its label never comes.
    there = attributes[CATEGORY].values if CATEGORY in attributes else attributes
    return [] if str(task) in keep else [name for name in keep if name in there]


def _known_parts(task: Task, telling: Sequence[str], table: ImageTable, parts: Split) -> tuple[Known, Known]:
    """The training and the test images whose label in the task is known."""
    labels = task.labels_in(table)
    tasks = kept_tasks(telling, table.attributes)
    # Where nothing is kept all images have the same, empty label.
    known = joint_label([each.classes_of(each.labels_in(table)) for each in tasks] or [0 * labels])
    training, test = (part[labels[part] != MISSING] for part in (parts.training, parts.test))
    return Known(labels[training], known[training]), Known(labels[test], known[test])
