"""How does a killed run go on as if nothing had happened? Everything that changes is one file, written
atomically.
"""

import copy
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from scotoma.errors import InputError
from scotoma.networks.adam import Adam
from scotoma.runs.settings import build
from scotoma.runs.tensor_file import read_tensors, write_tensors
from scotoma.training.adversarial import Game

FORMAT = "scotoma-checkpoint"
VERSION = 2
KEPT = 2
# Warm-up counts from below zero; an offset keeps the names in order.
OFFSET = 10**9
_NUMBERED = re.compile(r"checkpoint-[0-9]{10}\.safetensors")


@dataclass
class Record:
    """What a run has seen so far: its figures, those of its probes, and the seconds that training took, over
    all its processes.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    probes: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class _About:
    """Everything in a checkpoint but the tensors; `fingerprint` names settings, data and threads."""

    iteration: int
    fingerprint: str
    history: list[dict[str, Any]]
    probes: list[dict[str, Any]]
    seconds: float
    format: str = FORMAT
    version: int = VERSION


def save_checkpoint(folder: Path, game: Game, record: Record, fingerprint: str) -> None:
    """Write `folder/checkpoint-ITERATION.safetensors` and remove all but the last two. Later ones that lie
    there could not be read when the run went on, and go as well.

    Weights, buffers, both optimisers' moments, the iteration and the record so far. Batches are a pure
    function of seed and iteration, so that no state of a random generator needs to be kept.
    """
    about = _About(game.iteration, fingerprint, **vars(record))
    write_tensors(_path(folder, game.iteration), _tensors(game), asdict(about))
    found = checkpoints(folder)
    now = found.index(_path(folder, game.iteration)) + 1
    for other in (*found[: max(now - KEPT, 0)], *found[now:]):
        other.unlink()


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    found = folder.glob("checkpoint-*.safetensors")
    return sorted(path for path in found if _NUMBERED.fullmatch(path.name) and path.is_file())


def place(iteration: int) -> str:
    """Where a run is, in words: the iterations of the warm-up count up to 0."""
    return f"in the warm-up ({-iteration:,} to go)" if iteration < 0 else f"at iteration {iteration:,}"


def last_iteration(folder: Path) -> int | None:
    """The iteration of the newest checkpoint that can be read; None without one."""
    readable = (_read(path) for path in reversed(checkpoints(folder)))
    return next((found[0].iteration for found in readable if found), None)


def load_checkpoint(folder: Path, game: Game, fingerprint: str) -> Record | None:
    """Bring `game` to the latest usable checkpoint and return its record; None when there is none.

    A damaged checkpoint is passed over for the one before it.

    Raises:
        InputError: the checkpoint was made with other settings or other data.
    """
    for path in reversed(checkpoints(folder)):
        found = _read(path)
        if found is None:
            continue
        about, tensors = found
        if about.fingerprint != fingerprint:
            raise InputError(
                f"The run in {folder} was begun with other settings, other data or another number of "
                "threads and cannot be continued with these: give the same command again, choose another "
                "--out, or give --overwrite to start anew."
            )
        try:
            _restore(game, tensors)
        except (RuntimeError, ValueError, KeyError, IndexError):
            raise InputError(
                f"{path} is damaged: its tensors are not those of this run. Delete it to go on from an "
                "earlier checkpoint, or give --overwrite to start anew."
            ) from None
        game.iteration = about.iteration
        return Record(about.history, about.probes, about.seconds)
    return None


def _path(folder: Path, iteration: int) -> Path:
    return folder / f"checkpoint-{iteration + OFFSET:010d}.safetensors"


def _read(path: Path) -> tuple["_About", dict[str, Tensor]] | None:
    """What a checkpoint says of itself, and its tensors; None when it is damaged or has another's name."""
    try:
        values, tensors = read_tensors(path, path.read_bytes(), "checkpoint", FORMAT, VERSION)
        about = build(_About, values, str(path))
    except (OSError, InputError):
        return None
    return (about, tensors) if path == _path(path.parent, about.iteration) else None


def _tensors(game: Game) -> dict[str, Tensor]:
    """Every tensor that training changes, by a stable name."""
    tensors = {f"encoder.{name}": tensor for name, tensor in game.encoder.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in game.average.state_dict().items()}
    if game.chosen is not None:
        tensors |= {f"chosen.{name}": tensor for name, tensor in game.chosen.state_dict().items()}
    for index, classifier in enumerate(game.classifiers):
        state = classifier.state_dict().items()
        tensors |= {f"classifier.{index}.{name}": tensor for name, tensor in state}
    for side, optimiser in _optimisers(game):
        tensors |= {f"{side}.{name}": tensor for name, tensor in optimiser.state().items()}
    return tensors


def _restore(game: Game, tensors: dict[str, Tensor]) -> None:
    game.encoder.load_state_dict(_below(tensors, "encoder."))
    game.average.load_state_dict(_below(tensors, "average."))
    if chosen := _below(tensors, "chosen."):
        game.chosen = copy.deepcopy(game.average)
        game.chosen.load_state_dict(chosen)
    for index, classifier in enumerate(game.classifiers):
        classifier.load_state_dict(_below(tensors, f"classifier.{index}."))
    for side, optimiser in _optimisers(game):
        optimiser.load_state(_below(tensors, f"{side}."))


def _optimisers(game: Game) -> list[tuple[str, Adam]]:
    return [
        ("encoder-optimiser", game.encoder_optimiser),
        ("classifier-optimiser", game.classifier_optimiser),
    ]


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
