"""How fast does the encoder learn, and which batch comes when? Pure functions of the iteration number."""

from scotoma.training.settings import TrainingSettings


def encoder_rate(settings: TrainingSettings, iteration: int) -> float:
    """The encoder's Adam rate: dropped by a factor every `drop_every` iterations (section 4.1: 0.1**(1/4),
    200k).

    The classifiers' rate is fixed, so that they adapt ever faster relative to the encoder: what the encoder
    can only hide by moving, it can no longer hide.
    """
    return float(settings.encoder_rate * settings.encoder_drop ** (iteration // settings.drop_every))


def warm_up_batch(iteration: int) -> int:
    """Number of the batch of warm-up iteration `iteration`."""
    return iteration


def classifier_batch(settings: TrainingSettings, iteration: int, step: int) -> int:
    """Number of the batch of the classifiers' update `step` of an iteration, never one of the encoder's."""
    return settings.warm_up + iteration * (settings.classifier_steps + 1) + step


def encoder_batch(settings: TrainingSettings, iteration: int) -> int:
    """Number of the batch of the encoder's update, which comes after the classifiers'."""
    return classifier_batch(settings, iteration, settings.classifier_steps)


def probes_at(settings: TrainingSettings, iteration: int) -> bool:
    """Whether a probe is due: every `probe_every` iterations of the second half, and at the end."""
    if not settings.probe_every or 2 * iteration < settings.iterations:
        return False
    return iteration % settings.probe_every == 0 or iteration == settings.iterations
