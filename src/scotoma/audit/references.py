"""What does the same task give elsewhere? Floors, and other encoders attacked by two attackers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import t
from torch import nn

from scotoma.audit.cells import Attempts
from scotoma.audit.estimate import in_minutes, seconds_of_pair
from scotoma.audit.examples import Floats
from scotoma.audit.input_shape import present
from scotoma.audit.logistic import fit_logistic
from scotoma.audit.material import Material, cropped, encode_parts, rows_of_parts
from scotoma.audit.protocol import winner_of
from scotoma.audit.queue import Crew, jobs_of, make_attempts
from scotoma.audit.representations import standardised
from scotoma.audit.suites import REFERENCE_ATTACKERS
from scotoma.audit.targets import Target
from scotoma.data.augmentation import Preprocessing
from scotoma.data.splits import Split
from scotoma.data.table import ImageTable
from scotoma.data.tasks import Task
from scotoma.encoder_file import Card
from scotoma.networks.baselines import Blur, Identity
from scotoma.networks.encoder import Encoder
from scotoma.networks.first_weights import from_seed
from scotoma.networks.population import set_population_statistics
from scotoma.runs.seeds import derive_seed
from scotoma.runs.verdict import ORIGINALS, Reference

TITLES = {
    "identity": ORIGINALS,
    "blur": "blurred images",
    "random": "random encoder",
    "utility": "encoder for utility alone",
}
UNKNOWN = "not available: how the encoder is built is not known"
NO_ENCODER = "not available: there are only codes, not what makes them"
SHUFFLES = 20
SHUFFLED_PRIOR = 1e-3
POPULATION = 1024  # training images from which a random encoder takes its statistics


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """How other encoders are attacked: on all images that are not held out. What is found is kept in a folder
    of the cache. `announce` is told a line with the time that each takes.
    """

    table: ImageTable
    parts: Split
    tasks: Sequence[Task]
    seed: int
    crew: Crew
    cache: Path
    announce: Callable[[str], None] = lambda line: None

    def attack(self, target: Target, name: str) -> dict[str, Reference]:
        """What the stronger of two attackers finds of each task; kept in the cache for the next audit."""
        rows = rows_of_parts(self.table, self.parts, ("all",), self.tasks[0], self.seed)
        material = encode_parts(target, self.table, rows, self.seed, self.crew.encoding)
        where = blake2b(f"{target.digest} {material.digest()}".encode(), digest_size=16).hexdigest()
        labels = {str(task): self.table.digest([str(task)]) for task in self.tasks}
        attempts = Attempts(self.cache / where, [where, self.seed], labels)
        jobs = jobs_of(REFERENCE_ATTACKERS, self.tasks, material, seeds=1)
        known = [attempts.read(str(job.task), job.attacker.name, job.sees, job.number) for job in jobs]
        if missing := sum(each is None for each in known):
            seconds = missing / 2 * seconds_of_pair(material.shape) / self.crew.workers
            self.announce(f"Now {name}, to compare with, in about {in_minutes(seconds)}.")
        found = make_attempts(jobs, material, attempts, self.seed, self.crew, f"reference: {name}")
        references = {}
        for task in self.tasks:
            winner = winner_of([each for job, each in zip(jobs, found, strict=True) if job.task == task])
            if winner is None:
                references[str(task)] = Reference(name, None, note="not available: every attack failed")
                continue
            right = winner.test.argmax(axis=1) == material.examples(task, "test").classes
            interval = material.interval(task, "test", right)
            rising = "at least: still rising" if winner.attempt.state == "inconclusive" else ""
            references[str(task)] = Reference(
                name, interval.estimate, interval.low, interval.high, winner.attempt.attacker, rising
            )
        return references


def beside(
    names: Sequence[str], target: Target | None, utility: Target | None, elsewhere: Elsewhere
) -> dict[str, list[Reference]]:
    """References by task, in the order of the names; where one cannot be had, why.

    Args:
        names: of identity, blur and random.
        target: what is attacked; None for codes of which nothing else is known.
        utility: an encoder trained for utility alone.
        elsewhere: how they are attacked.
    """
    found: dict[str, list[Reference]] = {str(task): [] for task in elsewhere.tasks}
    for name in names:
        note, other = _other(name, target, elsewhere)
        told = elsewhere.attack(other, TITLES[name]) if other else {}
        for task, listed in found.items():
            listed.append(told.get(task) or Reference(TITLES[name], None, note=note))
    if utility is not None:
        for task, reference in elsewhere.attack(utility, TITLES["utility"]).items():
            found[task].append(reference)
    return found


def _other(name: str, target: Target | None, elsewhere: Elsewhere) -> tuple[str, Target | None]:
    """The other encoder of a reference; where there cannot be one, why."""
    if target is None:
        return NO_ENCODER, None
    if name == "identity":
        return "", identity(target.preprocessing, target.card)
    if name == "blur":
        return "", blur(target.preprocessing, target.card)
    if target.card is None:
        return UNKNOWN, None
    return "", random_encoder(target.card, elsewhere.table, elsewhere.parts, elsewhere.seed)


def identity(preprocessing: Preprocessing, card: Card | None) -> Target:
    """The original images."""
    network = Identity(card.encoder) if card else nn.Identity()
    return target_of(ORIGINALS, "identity", "identity", preprocessing, network)


def blur(preprocessing: Preprocessing, card: Card | None) -> Target:
    """The paper's blur, a little wider than the encoder's receptive field; of an encoder of which that is not
    known, a window of a quarter of the image at a stride of half of that.
    """
    if card:
        network: nn.Module = Blur(card.encoder)
        said = f"blur {card.encoder.receptive_field} {card.encoder.stride}"
    else:
        window = max(preprocessing.size // 4, 2)
        network = nn.AvgPool2d(window, max(window // 2, 1))
        said = f"blur of a quarter {window}"
    return target_of("blurred images", "blur", said, preprocessing, network)


def random_encoder(card: Card, table: ImageTable, parts: Split, seed: int) -> Target:
    """The encoder as it was before training: random weights, statistics of the training images."""
    network = from_seed(derive_seed(seed, "random encoder"), lambda: Encoder(card.encoder))
    rows = parts.training[:POPULATION]
    population = blake2b(table.keys[rows].tobytes(), digest_size=16).hexdigest()
    name = f"random encoder {card.encoder} {seed} {population}"
    shell = target_of("random encoder", "random", name, card.preprocessing, network)
    images = _shown(cropped(table.pixels[rows], shell, None))
    set_population_statistics(network, lambda: images.split(128))
    network.eval().requires_grad_(False)
    return shell


def target_of(name: str, kind: str, digest: str, preprocessing: Preprocessing, network: nn.Module) -> Target:
    """A network of ours as a target."""
    network.eval()

    def encode(images: npt.NDArray[np.uint8]) -> Floats:
        with torch.inference_mode():
            codes: Floats = network(_shown(images)).numpy()
        return codes

    # How crops are drawn counts, too: attackers learn from encoded crops.
    return Target(name, kind, f"{digest} {preprocessing}", preprocessing, encode)


def shuffled_labels(material: Material, task: Task, seed: int) -> Reference:
    """What logistic regression finds when the labels that it learns from are shuffled: on average nothing,
    unless the protocol itself tells labels. The mean of several orders, with a 95 % interval over them: one
    alone may point by chance along, or against, what the codes differ in most.
    """
    training, test = material.examples(task, material.arms[0]), material.examples(task, "test")
    features = standardised(training.codes.flat())
    learned_from, judged = features(training.codes.flat()), features(test.codes.flat())
    found = []
    for number in range(SHUFFLES):
        order = np.random.default_rng(derive_seed(seed, "shuffled labels", number)).permutation(len(training))
        classes, weights = training.classes[order], training.weights[order]
        read, _ = fit_logistic(learned_from, classes, weights, task.classes, SHUFFLED_PRIOR)
        right = read(judged).argmax(axis=1) == test.classes
        found.append(float((right * test.weights).sum() / test.weights.sum()))
    mean, error = float(np.mean(found)), float(np.std(found, ddof=1)) / math.sqrt(SHUFFLES)
    reach = float(t.ppf(0.975, SHUFFLES - 1)) * error
    return Reference(
        "shuffled labels",
        mean,
        max(mean - reach, 0.0),
        min(mean + reach, 1.0),
        "logistic regression",
        f"mean of {SHUFFLES} orders",
    )


def _shown(images: npt.NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(present(images, "signed", "nchw"))
