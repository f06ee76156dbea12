"""On which images is an encoder trained?"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scotoma.cli.sweep import SweepOptions
    from scotoma.cli.train import TrainOptions
    from scotoma.data.table import ImageTable
    from scotoma.presets import Preset
    from scotoma.training.plan import TrainingPlan


def open_for_training(
    options: "TrainOptions | SweepOptions", preset: "Preset", plan: "TrainingPlan"
) -> "ImageTable":
    """The images that are named, once they are known to have what is hidden and kept.

    Raises:
        InputError: the images cannot be used, or names make no tasks on them.
    """
    from scotoma.data.images import open_images
    from scotoma.runs.progress import watched

    return open_images(
        options.data,
        preset.images.stored_side,
        preset.encoder.channels,
        categories=options.categories,
        progress=watched(),
        labelling=options.labels.labelling((*options.hide, *options.keep)),
        before_decoding=plan.tasks,
    )
