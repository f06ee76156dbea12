"""What else is found of an encoder when a user asks for more than the verdict?

Each piece takes minutes and is written to `more.json` as soon as it is there; a piece that is there is not
made again, nor is an attempt that was finished before Ctrl-C.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from json import dumps
from pathlib import Path
from typing import Any

from scotoma.audit.cells import Attempts
from scotoma.audit.decoder import SETTINGS as DECODER
from scotoma.audit.decoder import DecoderSettings, decoder_for
from scotoma.audit.estimate import (
    LINEAR,
    MLP_WIDTH,
    USUAL_UPDATES,
    in_minutes,
    seconds_of_pair,
    seconds_of_update,
)
from scotoma.audit.examples import Learn
from scotoma.audit.material import Material
from scotoma.audit.neural import SETTINGS, is_map, mlp, network, paper
from scotoma.audit.others import attack_others, other_tasks, within_classes
from scotoma.audit.protocol import Said
from scotoma.audit.queue import Crew
from scotoma.audit.reconstruction import Surroundings, reconstruct
from scotoma.audit.representations import by_channel
from scotoma.audit.suites import REFERENCE_ATTACKERS, THINNED, Attacker
from scotoma.audit.sweeps import BUDGETS, SHARES, compute_curve, label_curve, sweep
from scotoma.audit.targets import Target
from scotoma.data.tasks import Task
from scotoma.runs.more import More, Others, Piece, Reconstruction, Sweeps
from scotoma.verification.settings import AttackSettings

MORE = "more.json"
RATE = 2e-3  # as in the suite

Found = Others | Reconstruction | Sweeps


@dataclass(frozen=True, eq=False)
class Subject:
    """What is examined further, and with what.

    base: names the codes, the parts and everything else that no label table changes.
    hidden, kept, named: tasks; `named` are all that were attacked. winners: of each hidden task, what the
    attacker said that won it. attackers: a linear one and the paper's classifier.
    """

    material: Material
    target: Target | None
    base: Sequence[Any]
    hidden: Sequence[Task]
    kept: Sequence[Task]
    named: Sequence[Task]
    winners: Mapping[Task, Said]
    seed: int
    attackers: Sequence[Attacker] = REFERENCE_ATTACKERS
    attack: AttackSettings = SETTINGS
    decoder: DecoderSettings = DECODER

    @property
    def others(self) -> list[Task]:
        """Tasks that nobody named."""
        return other_tasks(self.material.table, self.named)


def find_more(
    pieces: Sequence[Piece],
    subject: Subject,
    folder: Path,
    crew: Crew,
    announce: Callable[[str], None] = lambda line: None,
) -> More:
    """Make the pieces that `folder/more.json` does not hold yet, each with its attempts kept in
    `folder/more-cells`.

    Args:
        pieces: what is asked for.
        subject: what is examined.
        folder: of the audit.
        crew: who makes the attempts, and until when.
        announce: is told a line with the time that this will take.

    Raises:
        InputError: `more.json` is broken.
        TimeLimitReached: the deadline came first; finished pieces and attempts are kept.
    """
    path = folder / MORE
    about = {name: _about(subject, name) for name in pieces}
    found = _there(path, about)
    wanted = [name for name in pieces if getattr(found, name) is None]
    if wanted:
        found = replace(found, asked=tuple(dict.fromkeys([*found.asked, *pieces])))
        found.write(path)
        announce(_said(estimate(wanted, subject, crew.workers)))
    for name in wanted:
        begun = time.monotonic()
        attempts = Attempts(folder / "more-cells", [about[name]])
        made = _make(name, subject, attempts, folder, crew)
        found = found.with_piece(name, made, about[name], time.monotonic() - begun)
        found.write(path)
    return found


def estimate(pieces: Sequence[Piece], subject: Subject, workers: int) -> dict[Piece, float]:
    """Seconds that each piece will take: some updates of the networks are timed; how many there will be is
    the usual number, and a linear attacker takes as long as a few hundred of them.
    """
    material, target = subject.material, subject.target
    usual = min(USUAL_UPDATES, subject.attack.max_iterations)
    attempt = seconds_of_pair(material.shape, usual)
    hidden = len(subject.hidden)
    seconds: dict[Piece, float] = {}
    if "others" in pieces:
        seconds["others"] = len(subject.others) * len(material.arms) * attempt / workers
    if "reconstruction" in pieces and target is not None:
        channels, size = target.preprocessing.channels, target.preprocessing.size
        drawn = seconds_of_update(decoder_for(material.shape, channels, size), material.shape)
        read = seconds_of_update(paper((channels, size, size), 2), (channels, size, size))
        drawings = min(USUAL_UPDATES, subject.decoder.max_iterations)
        seconds["reconstruction"] = drawings * drawn + usual * read * -(-hidden // workers)
    if "sweeps" in pieces:
        budgets = sum(BUDGETS) * subject.attack.max_iterations * attempt / (usual + LINEAR)
        seconds["sweeps"] = hidden * (len(SHARES) * attempt + budgets) / workers
    return seconds


def _make(name: Piece, subject: Subject, attempts: Attempts, folder: Path, crew: Crew) -> Found:
    material, seed = subject.material, subject.seed
    if name == "others":
        tasks = attack_others(subject.others, subject.attackers, material, attempts, seed, crew)
        return Others(tasks, within_classes(subject.winners, subject.kept, material))
    if name == "reconstruction":
        attacker = Attacker("paper CNN on reconstructions", _cnn(subject.attack), by_chance=True)
        around = Surroundings(attacker, attempts, folder, crew, subject.decoder)
        return reconstruct(material, subject.target, subject.hidden, seed, around)
    curves = [label_curve(each) for each in subject.attackers]
    called, learn = ("paper CNN", _cnn) if is_map(material.shape) else ("MLP", _mlp)
    curves.append(compute_curve(called, learn, subject.attack))
    return sweep(curves, subject.hidden, material, attempts, seed, crew)


def _cnn(settings: AttackSettings) -> Learn:
    return network(paper, RATE, by_channel, settings=settings)


def _mlp(settings: AttackSettings) -> Learn:
    return network(mlp(MLP_WIDTH), RATE, augment=THINNED, settings=settings)


def _there(path: Path, about: Mapping[Piece, str]) -> More:
    """What was found before, without pieces that belong to other codes, images or labels."""
    if not path.exists():
        return More({}, {})
    found = More.read(path)
    return found.without([name for name, said in about.items() if found.about.get(name) != said])


def _about(subject: Subject, piece: Piece) -> str:
    """A name for everything that a piece rests on."""
    tasks = {str(task): task.attribute for task in (*subject.named, *subject.hidden, *subject.kept)}
    if piece == "others":
        tasks |= {str(task): task.attribute for task in subject.others}
    table = subject.material.table
    labels = {name: table.digest([attribute]) for name, attribute in tasks.items()}
    roles = [[str(task) for task in tasks] for tasks in (subject.hidden, subject.kept)]
    text = dumps([piece, *subject.base, subject.seed, roles, labels], default=str)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _said(seconds: Mapping[Piece, float]) -> str:
    each = ", ".join(f"{name} {in_minutes(value)}" for name, value in seconds.items())
    return f"Now what was asked for beside the verdict, in about: {each or 'no time'}."
