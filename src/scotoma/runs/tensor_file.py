"""How are tensors kept in a file, so that nothing in it is executed and any change is noticed?

A safetensors file whose metadata hold one JSON table (its card), with a checksum over the table and over
every tensor's name, type, shape and values. safetensors itself notices a missing byte, not a changed one.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from scotoma.errors import InputError
from scotoma.runs.json_text import CHECKSUM, JsonError, checksum_of, parse_json, shown
from scotoma.runs.whole_files import as_read, write_bytes

# The one key of the metadata: several would be written in an order that changes from process to process.
KEY = "scotoma"

Content = tuple[dict[str, Any], dict[str, Tensor]]


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and what is to be said of them, atomically; equal content gives equal bytes.

    Raises:
        ScotomaError: a number in `about` is not finite, or the file cannot be written.
    """
    dense = {name: tensor.contiguous() for name, tensor in tensors.items()}
    plain = as_read(path, about)
    # In the order in which it was said: what is read again is written in the same order.
    text = json.dumps({**plain, CHECKSUM: _checksum(plain, dense)})
    write_bytes(path, save(dense, metadata={KEY: text}))


def read_tensors(path: Path, data: bytes, kind: str, format: str, version: int) -> Content:
    """What `write_tensors` wrote: the table and the tensors.

    Args:
        path: where the bytes come from, for messages.
        data: all bytes of the file.
        kind: what the file should be, for messages ("encoder file").
        format: what the table's key "format" must say.
        version: what its key "version" must say.

    Raises:
        InputError: the bytes are no safetensors file, of another format or version, or not what was written.
    """
    about, tensors = _parsed(path, data, kind)
    if not isinstance(about, dict) or about.get("format") != format:
        raise InputError(f"{path} is no {kind} of Scotoma: its card has another format.")
    if about.get("version") != version:
        raise InputError(
            f"{path} has version {shown(about.get('version'))} of the {kind}, this Scotoma reads version "
            f"{version}. Use the Scotoma that wrote it, or train again."
        )
    if about.pop(CHECKSUM, None) != _checksum(about, tensors):
        raise InputError(
            f"{path} was changed or damaged since it was written: its checksum does not fit. Put the "
            "original back, or train again."
        )
    return about, tensors


def _parsed(path: Path, data: bytes, kind: str) -> tuple[Any, dict[str, Tensor]]:
    try:
        tensors = load(data)
        # load() has looked at what is at the beginning: the length of the header, then the header in JSON.
        header = parse_json(data[8 : 8 + int.from_bytes(data[:8], "little")])
    # safetensors allows types of numbers and sizes that torch does not know.
    except (SafetensorError, JsonError, KeyError, ValueError, RuntimeError, OverflowError, AssertionError):
        raise InputError(f"{path} is no {kind}, or it is damaged: it is not whole safetensors.") from None
    metadata = header.get("__metadata__") or {}
    if KEY not in metadata:
        raise InputError(f"{path} is a safetensors file, but no {kind} of Scotoma: it has no card.")
    try:
        return parse_json(metadata[KEY]), tensors
    except JsonError as error:
        raise InputError(f"{path} is damaged: its card {error}.") from None


def _checksum(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    summed = blake2b(checksum_of(about).encode(), digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        # Its length in front of each text: no two contents run together to the same bytes.
        text = json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode()
        summed.update(len(text).to_bytes(8, "little") + text)
        summed.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return summed.hexdigest()
