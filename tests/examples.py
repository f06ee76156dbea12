"""A small image table whose categories can be told apart, and the smallest plan to train on it."""

from dataclasses import replace
from typing import Any

import numpy as np

from scotoma.data.augmentation import Preprocessing
from scotoma.data.splits import Fractions, SplitRecipe
from scotoma.data.table import ImageTable, by_category
from scotoma.networks.classifier import ClassifierSettings
from scotoma.networks.encoder import EncoderSettings
from scotoma.training.plan import TrainingPlan
from scotoma.training.settings import TrainingSettings
from scotoma.verification.plan import VerificationPlan
from scotoma.verification.settings import AttackSettings

CATEGORIES = ("ant", "bee", "cat", "dog", "eel")
ENCODER = EncoderSettings(size=8, channels=1, convolutions=(1, 1), widths=(4, 6))
CLASSIFIER = ClassifierSettings(convolutions=(1,), widths=(6,), hidden=8)
PREPROCESSING = Preprocessing(size=8, stored_side=10, channels=1, scale_low=0.9, flip=False)
TRAINING = TrainingSettings(
    iterations=20,
    warm_up=4,
    batch=8,
    classifier_steps=2,
    classifier_rate=1e-3,
    encoder_rate=1e-3,
    drop_every=8,
    evaluate_every=5,
    checkpoint_every=4,
    on_collapse="record",
)


def image_table(per_category: int = 60, categories: tuple[str, ...] = CATEGORIES) -> ImageTable:
    """Noise of 10x10 gray pixels, 0 to 59, and brighter by 40 k in category number k."""
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(len(categories)), per_category)
    noise = random.integers(0, 60, (len(labels), 10, 10, 1))
    pixels = (noise + 40 * labels[:, None, None, None]).astype(np.uint8)
    keys = np.array([f"{number:032x}" for number in range(len(labels))])
    return ImageTable(pixels, keys, by_category(categories, labels), "made up")


def training_plan(**changes: Any) -> TrainingPlan:
    """Hide `ant`, keep `dog`, in a second; `changes` replaces fields of the plan or of its training."""
    plan = TrainingPlan(
        hide=("ant",),
        keep=("dog",),
        encoder=ENCODER,
        classifier=CLASSIFIER,
        preprocessing=PREPROCESSING,
        training=TRAINING,
        split=SplitRecipe(3, Fractions()),
        seed=5,
    )
    own = {name: value for name, value in changes.items() if hasattr(plan, name)}
    training = {name: value for name, value in changes.items() if name not in own}
    return replace(plan, training=replace(TRAINING, **training), **own)


def verification_plan(attack: AttackSettings, **changes: Any) -> VerificationPlan:
    """Attacks on `ant`, which is hidden, and `dog`, which is kept."""
    made = VerificationPlan(
        tasks=("ant", "dog"),
        hide=("ant",),
        keep=("dog",),
        encoder=ENCODER,
        classifier=CLASSIFIER,
        preprocessing=PREPROCESSING,
        split=training_plan().split,
        attack=attack,
        seed=2,
    )
    return replace(made, **changes)
