"""Which of two encoders gives away more? The same test images, told by the attackers of each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from scotoma.errors import InputError
from scotoma.runs.results import Role
from scotoma.runs.whole_files import write_checked_json
from scotoma.verification.answers import Answers, common_units, paired_difference

FORMAT = "scotoma-comparison"
VERSION = 1
# Of the larger set of test images: where fewer are common, the encoders were judged by different ones.
COMMON = 0.5
FEW_OF_CLASS = 5  # images
FEW = 10  # images, or units of such, that differ, below which the normal interval is too narrow


@dataclass(frozen=True)
class Told:
    """What the best attacker says of one task: its name, what the encoder was to do with the task, and the
    answers.
    """

    attacker: str
    role: Role
    answers: Answers


@dataclass(frozen=True)
class Attacked:
    """An attacked encoder: where its run is, which suite attacked it, its digest, and what was told, by
    task.
    """

    folder: str
    suite: str
    digest: str
    told: Mapping[str, Told]


@dataclass(frozen=True)
class Side:
    """One of the two encoders, as it is written down."""

    folder: str
    suite: str
    digest: str


@dataclass(frozen=True)
class TaskComparison:
    """Two attackers on the test images that both were judged by.

    Pairs are of the first encoder and the second. `accuracies` are balanced and of the `images` common ones
    (`test_images` were there); `difference` is second less first, `low` and `high` bound its 95 % interval,
    paired by image. `fewest` are the images of the smallest class. `differing` images are told rightly by one
    attacker and wrongly by the other; they are of `differing_units`, None where no images belong together.
    """

    task: str
    roles: tuple[Role, Role]
    attackers: tuple[str, str]
    images: int
    test_images: tuple[int, int]
    accuracies: tuple[float, float]
    difference: float
    low: float
    high: float
    fewest: int
    differing: int
    differing_units: int | None = None

    @property
    def independent(self) -> int:
        """On how many images, or groups of such, the attackers differ."""
        return self.differing if self.differing_units is None else self.differing_units

    @property
    def is_too_narrow(self) -> bool:
        """Whether these are so few that an exact test might not tell apart what the normal interval does."""
        return self.independent < FEW


@dataclass(frozen=True)
class Comparison:
    """Every task that both encoders were attacked on; `notes` are what to know of the figures."""

    first: Side
    second: Side
    tasks: tuple[TaskComparison, ...]
    notes: tuple[str, ...] = ()
    format: str = FORMAT
    version: int = VERSION

    def write(self, path: Path) -> None:
        """Write atomically as JSON, with a checksum."""
        write_checked_json(path, asdict(self))


def compare(first: Attacked, second: Attacked) -> Comparison:
    """Compare two encoders on every task that both were attacked on, in the order of the first.

    Raises:
        InputError: there is no such task; fewer than half of the test images of one are common; common images
            have other labels. All tasks at once.
    """
    tasks = [task for task in first.told if task in second.told]
    if not tasks:
        raise InputError(
            f"{first.folder} and {second.folder} have no task in common: "
            f"{', '.join(first.told) or 'none'} in A, {', '.join(second.told) or 'none'} in B. "
            "Attack both encoders on the same task (verify --tasks)."
        )
    compared, problems = [], []
    for task in tasks:
        try:
            compared.append(_compared(task, first.told[task], second.told[task]))
        except InputError as error:
            problems.append(f"  - {task}: {error}")
    if problems:
        heading = f"{first.folder} and {second.folder} cannot be compared."
        raise InputError("\n".join([heading, *problems]))
    ours, theirs = (Side(each.folder, each.suite, each.digest) for each in (first, second))
    return Comparison(ours, theirs, tuple(compared), tuple(_notes(first, second, compared)))


def common_rows(first: Answers, second: Answers) -> tuple[list[int], list[int]]:
    """Rows of the images that stand in both, in the order of the first; of equal pixels (equal keys) in one
    category the first with the first, and so on.

    Raises:
        InputError: an image has another category or class in the second.
    """
    places = {name: row for row, name in enumerate(_named(second))}
    rows = [(row, places[name]) for row, name in enumerate(_named(first)) if name in places]
    by_pixels = (Counter(first.keys) & Counter(second.keys)).total()
    if others := by_pixels - len(rows):
        raise InputError(
            f"{others:,} of {by_pixels:,} common test images have other labels in B: the tasks "
            "ask for different things"
        )
    return [row for row, _ in rows], [row for _, row in rows]


def _named(answers: Answers) -> list[tuple[str, str, int, int]]:
    """A name for every image: its key, category and class, and how many such ones came before."""
    before: Counter[tuple[str, str, int]] = Counter()
    names = []
    for name in zip(answers.keys, answers.categories, answers.classes.tolist(), strict=True):
        names.append((*name, before[name]))
        before[name] += 1
    return names


def _compared(task: str, first: Told, second: Told) -> TaskComparison:
    rows, other_rows = common_rows(first.answers, second.answers)
    sizes = len(first.answers.keys), len(second.answers.keys)
    if len(rows) < COMMON * max(sizes):
        raise InputError(
            f"the test images differ: {len(rows):,} are common, of {sizes[0]:,} and {sizes[1]:,}, and at "
            f"least {COMMON:.0%} of the larger set is needed. Take encoders of the same data, with the same "
            "split and seed; of codes computed beforehand nobody knows the images"
        )
    ours, theirs = first.answers.only(rows), second.answers.only(other_rows)
    if lost := set(first.answers.classes.tolist()) - set(ours.classes.tolist()):
        raise InputError(f"no common test image is of class {', '.join(map(str, sorted(lost)))}")
    difference = paired_difference(ours, theirs)
    differ, units = ours.right != theirs.right, common_units(ours, theirs)
    return TaskComparison(
        task=task,
        roles=(first.role, second.role),
        attackers=(first.attacker, second.attacker),
        images=len(rows),
        test_images=sizes,
        accuracies=(ours.accuracy, theirs.accuracy),
        difference=difference.estimate,
        low=difference.low,
        high=difference.high,
        fewest=int(np.unique(ours.classes, return_counts=True)[1].min()),
        differing=int(differ.sum()),
        differing_units=None if units is None else len(set(units[differ].tolist())),
    )


def _notes(first: Attacked, second: Attacked, compared: Sequence[TaskComparison]) -> list[str]:
    notes = []
    if first.suite != second.suite:
        notes.append(
            f"A was attacked by the suite {first.suite}, B by {second.suite}: attackers of different "
            "strength are compared, so a difference may be theirs and not that of the encoders."
        )
    for each in compared:
        if each.images < max(each.test_images):
            notes.append(
                f"{each.task}: {each.images:,} test images are common, of {each.test_images[0]:,} (A) and "
                f"{each.test_images[1]:,} (B); all figures are of the common ones."
            )
        if each.is_too_narrow:
            what = "images" if each.differing_units is None else "groups of images"
            notes.append(
                f"{each.task}: the attackers differ on {each.independent} {what} only; the interval is too "
                "narrow then."
            )
        if each.fewest < FEW_OF_CLASS:
            images = "image" if each.fewest == 1 else "images"
            notes.append(
                f"{each.task}: the smallest class has {each.fewest} common test {images} only; the interval "
                "is too narrow then."
            )
        if each.roles[0] != each.roles[1]:
            meant = {"hide": "hidden", "keep": "kept", "other": "neither hidden nor kept"}
            notes.append(f"{each.task}: {meant[each.roles[0]]} by A, {meant[each.roles[1]]} by B.")
    return notes
