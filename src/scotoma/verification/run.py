"""How does a verification run go from an encoder file and images to `results.json` and a gallery?"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scotoma.data.table import CATEGORY, Attribute, ImageTable
from scotoma.data.tasks import attack_tasks, require_hidden_or_kept
from scotoma.encoder_file import FrozenEncoder, encode_pixels
from scotoma.errors import InputError
from scotoma.networks.classifier import ClassifierSettings
from scotoma.runs.elapsed import timed
from scotoma.runs.progress import Progress
from scotoma.runs.results import Results
from scotoma.runs.seeds import require_seed
from scotoma.runs.settings import to_dict
from scotoma.runs.threads import cores
from scotoma.verification.gallery import choose_images, equalised, write_gallery
from scotoma.verification.parts import require_same_parts
from scotoma.verification.plan import VerificationPlan
from scotoma.verification.settings import AttackSettings
from scotoma.verification.suite import BaselineName, Suite, subjects_of
from scotoma.verification.surroundings import about_images, surroundings

GALLERY_STATISTICS = 1000


@dataclass(frozen=True)
class VerificationRequest:
    """What a user asks for: tasks (default: what the encoder hides and keeps), baselines, for an encoder file
    without names what it hides and keeps, and the attackers' network (default: that of training).
    """

    tasks: tuple[str, ...] | None = None
    baselines: tuple[BaselineName, ...] = ("identity", "blur")
    hide: tuple[str, ...] | None = None
    keep: tuple[str, ...] | None = None
    seed: int = 0
    classifier: ClassifierSettings | None = None

    def __post_init__(self) -> None:
        require_seed(self.seed)


def verify(
    encoder: FrozenEncoder,
    table: ImageTable,
    request: VerificationRequest,
    attack: AttackSettings,
    folder: Path,
    *,
    command: str = "",
    workers: int | None = None,
    progress: Progress | None = None,
    deadline: float | None = None,
) -> Results:
    """Attack a frozen encoder and its baselines and write `folder/results.json` and `folder/gallery.npz`.

    Cells that `folder` holds already are not run again. It does not matter how the encoder was made: only its
    file is looked at.

    Args:
        encoder: from `load_encoder`.
        table: images stored at the encoder's `stored_side`.
        request: tasks, baselines, seed.
        attack: settings of every attacker.
        folder: an existing folder, held by the caller.
        command: what the user typed, for the record.
        workers: attacks side by side, one thread each; default: one a core.
        progress: is shown encodings and attacks.
        deadline: a reading of the monotonic clock, in seconds, at which to stop: finished attacks are kept,
            running ones end at their next look at the validation images.

    Raises:
        InputError: an unknown task, an anonymous encoder without names, too few images, images of training
            that are divided in another way.
        TimeLimitReached: the deadline came first.
    """
    suite, of_training = _suite(encoder, table, request, attack, folder, progress)
    plan, subjects, workers = suite.plan, suite.subjects, workers or cores()
    with timed(folder) as clock:
        cells = suite.run(workers, deadline)
        _write_pictures(suite, folder)
    trained_with = {"classifier_of_training": to_dict(encoder.card.classifier)}
    about = _about(suite, of_training, command, workers) | trained_with | vars(clock.now())
    results = Results(about, plan.hide, plan.keep, tuple(s.summary() for s in subjects), cells)
    results.write(folder / "results.json")
    return results


def require_images(
    encoder: FrozenEncoder, table: ImageTable, request: VerificationRequest, attack: AttackSettings
) -> None:
    """Check what `verify` would refuse of tasks and images, before a folder is emptied for it.

    Raises:
        InputError: as `verify`.
    """
    _suite(encoder, table, request, attack, Path(), None)


def _suite(
    encoder: FrozenEncoder,
    table: ImageTable,
    request: VerificationRequest,
    attack: AttackSettings,
    folder: Path,
    progress: Progress | None,
) -> tuple[Suite, bool]:
    """The suite, and whether these are the images of training."""
    plan = make_plan(encoder, request, attack)
    require_names(encoder, plan, table.attributes)
    subjects = subjects_of(encoder, request.baselines, encoder.card.encoder, attack)
    suite = Suite(table, subjects, plan, folder, progress)
    return suite, require_same_parts(encoder.card, table, suite.parts, plan.hide, plan.keep)


def require_names(
    encoder: FrozenEncoder, plan: VerificationPlan, attributes: Mapping[str, Attribute]
) -> None:
    """Check that images with these attributes have what is attacked and, for an anonymous file, what it hides
    and keeps.

    Raises:
        InputError: names that are not there, or both hidden and kept.
    """
    if encoder.card.hide is None:  # else training has seen to it, and these may be other images
        require_hidden_or_kept(plan.hide, plan.keep, attributes)
    attack_tasks(plan.tasks, attributes)


def make_plan(
    encoder: FrozenEncoder, request: VerificationRequest, attack: AttackSettings
) -> VerificationPlan:
    """The run's plan; names come from the request or else from the encoder file.

    Raises:
        InputError: neither knows what is hidden, or they contradict each other.
    """
    card = encoder.card
    if card.hide is None and request.hide is None:
        raise InputError(
            "This encoder file is anonymous: it does not say what it hides. Name it with --hide (and --keep)."
        )
    hide, keep = card.purpose(request.hide, request.keep)
    tasks = request.tasks or (*hide, *keep)
    classifier = request.classifier or card.classifier
    return VerificationPlan(
        tasks, hide, keep, card.encoder, classifier, card.preprocessing, card.split, attack, request.seed
    )


def _write_pictures(suite: Suite, folder: Path) -> None:
    table, rows, plan = suite.table, suite.parts.test, suite.plan
    there = table.categories if CATEGORY in table.attributes else table.attributes
    named = tuple(name for name in dict.fromkeys((*plan.hide, *plan.keep, *plan.tasks)) if name in there)
    chosen = choose_images(table, rows, named, plan.seed)
    # Ranks among some hundred images are as good as among all; evenly spread, as rows often come category by
    # category.
    spread = np.linspace(0, len(rows) - 1, min(len(rows), GALLERY_STATISTICS), dtype=np.int64).tolist()
    beside = [place for place in spread if place not in chosen]
    places = [*chosen, *beside]
    encoded = {}
    for subject in suite.subjects:
        if subject.kind != "identity":
            codes = encode_pixels(subject.network, plan.preprocessing, table.pixels, rows[places])
            encoded[subject.name] = equalised(codes, list(range(len(chosen))))
    write_gallery(folder / "gallery.npz", table, rows[chosen], named, encoded)


def _about(suite: Suite, of_training: bool, command: str, workers: int) -> dict[str, Any]:
    table = suite.table
    return {
        "command": command,
        "data": {
            **about_images(table, vars(suite.parts).items()),
            "categories": list(table.categories),
            "attributes": {name: each.about for name, each in table.attributes.items() if name != CATEGORY},
            "digest": suite.cell_folder.data_digest,
            "same_as_training": of_training,
        },
        "settings": to_dict(suite.plan),
        "seed": suite.plan.seed,
        **surroundings(workers),
    }
