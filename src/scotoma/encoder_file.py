"""What is shipped? The frozen encoder: one safetensors file, enough by itself to encode images and to be
attacked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from scotoma.data.augmentation import Preprocessing, centre_crop
from scotoma.data.splits import SplitRecipe
from scotoma.errors import InputError
from scotoma.networks.classifier import ClassifierSettings
from scotoma.networks.encoder import Encoder, EncoderSettings
from scotoma.runs.settings import build, to_dict
from scotoma.runs.tensor_file import read_tensors, write_tensors

FORMAT = "scotoma-encoder"
VERSION = 2
ENCODE_BATCH = 128
# Stands in an anonymous file for the name of a column.
UNNAMED = "(not named)"
# At most so many pixels go through a network at once (32 images of 64 x 64): more are hardly faster on a
# core, and each of many threads holds what its own take between the layers.
ENCODE_PIXELS = 32 * 64**2


@dataclass(frozen=True)
class Card:
    """Everything in an encoder file but the weights.

    hide, keep and categories are None in an anonymous file. `data_digest` names the images with what was
    asked of them (in an anonymous file the images alone), `parts_digest` their division. `classifier` is the
    adversary's architecture, which verification trains from scratch again unless asked for another.
    `training` records settings, in-training figures, seconds and versions.
    """

    encoder: EncoderSettings
    preprocessing: Preprocessing
    classifier: ClassifierSettings
    split: SplitRecipe
    data_digest: str
    hide: tuple[str, ...] | None = None
    keep: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None
    parts_digest: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    format: str = FORMAT
    version: int = VERSION

    def purpose(
        self, hide: tuple[str, ...] | None, keep: tuple[str, ...] | None
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What is hidden and what is kept: what the card says, and in an anonymous file what somebody says.

        Raises:
            InputError: they contradict each other.
        """
        for flag, given, known in (("--hide", hide, self.hide), ("--keep", keep, self.keep)):
            if given is not None and known is not None and set(given) != set(known):
                raise InputError(
                    f"{flag} {','.join(given) or 'nothing'} contradicts the encoder file, which says "
                    f"{','.join(known) or 'nothing'}; leave {flag} out."
                )
        return self.hide or hide or (), self.keep or keep or ()


@dataclass(frozen=True, eq=False)
class FrozenEncoder:
    """An encoder in evaluation mode with its card; `digest` names the exact file (32 hex characters)."""

    network: Encoder
    card: Card
    digest: str

    def encode(self, pixels: npt.NDArray[np.uint8]) -> Tensor:
        """Codes (images, channels, height, width), fp32 in (-1, 1), of stored images (images, side, side,
        channels).

        Images are taken at the fixed scale and centre crop of evaluation. An image's code depends on that
        image alone: codes agree to 1e-5 whatever images are encoded beside it (rounded
        codes: but for the rare value that lies on the edge of a step).

        Raises:
            InputError: pixels of another shape or type.
        """
        return encode_pixels(self.network, self.card.preprocessing, pixels)


def encode_pixels(
    network: nn.Module,
    preprocessing: Preprocessing,
    pixels: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.int64] | None = None,
) -> Tensor:
    """Encode stored images (images, side, side, channels) by any frozen network, some at a time.

    Args:
        network: in evaluation mode.
        preprocessing: how images were stored.
        pixels: may be mapped into memory from a file of any size.
        rows: which images; default: all. No copy of all of them is made.

    Returns:
        Codes (rows, code channels, height, width), fp32.

    Raises:
        InputError: pixels of another shape or type.
    """
    count = len(pixels) if rows is None else len(rows)
    step = min(max(ENCODE_PIXELS // preprocessing.size**2, 1), ENCODE_BATCH)
    codes = torch.empty(0)
    for start in range(0, max(count, 1), step):
        part = slice(start, start + step)
        with torch.inference_mode():
            some = network(centre_crop(pixels[part if rows is None else rows[part]], preprocessing))
        if start == 0:
            # Made outside inference mode: else codes could not be used in anybody's training.
            codes = torch.empty(count, *some.shape[1:])
        codes[part] = some
    return codes


def save_encoder(path: Path, network: Encoder, card: Card) -> None:
    """Write an encoder file atomically.

    Raises:
        ScotomaError: the file cannot be written.
    """
    write_tensors(path, network.state_dict(), to_dict(card))


def load_encoder(path: Path | str) -> FrozenEncoder:
    """Read an encoder file. Nothing in it is executed.

    Raises:
        InputError: the file is missing, damaged, no encoder file, of another version or of inconsistent
            shapes.
    """
    path = Path(path)
    data = _bytes_of(path)
    values, tensors = read_tensors(path, data, "encoder file", FORMAT, VERSION)
    card = build(Card, values, str(path))
    if wrong := _misfits(card.encoder, tensors):
        named = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        raise InputError(f"{path} is damaged: its weights do not fit its settings ({named}).")
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise InputError(f"{path} is damaged: some of its weights are not finite numbers.")
    network = Encoder(card.encoder)
    network.load_state_dict(tensors)
    network.eval().requires_grad_(False)
    return FrozenEncoder(network, card, _digest(data))


def encoder_digest(path: Path) -> str:
    """The digest of an encoder file, whatever is in it.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    return _digest(_bytes_of(path))


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"There is no encoder file {path}.") from None
    except OSError as error:
        inside = path / "encoder.safetensors"
        if inside.is_file():
            raise InputError(f"{path} is a folder, give the encoder file in it: {inside}.") from None
        if path.is_dir():
            raise InputError(f"{path} is a folder, give an encoder file (encoder.safetensors).") from None
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def _misfits(settings: EncoderSettings, tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of tensors that are missing, too many, or of another shape or type than the settings ask for.

    Nothing is allocated for that: settings may ask for more than there is memory.
    """
    if sum(settings.convolutions) > len(tensors):  # each has a weight
        return ["too few tensors"]
    try:
        with torch.device("meta"):
            wanted = Encoder(settings).state_dict()
    except (RuntimeError, OverflowError, TypeError):
        return ["sizes that no tensor has"]
    return sorted(
        name
        for name in wanted.keys() | tensors.keys()
        if name not in wanted
        or name not in tensors
        or (wanted[name].shape, wanted[name].dtype) != (tensors[name].shape, tensors[name].dtype)
    )
