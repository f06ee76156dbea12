"""Which images must stay on one side of the split?

Images of one patient, place or visitor, and images that are nearly the same, tell an attacker about each
other. They make up a unit; whoever splits by the names of units never cuts one.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Keys = npt.NDArray[np.str_]
Rows = npt.NDArray[np.int64]


def units(keys: Keys, groups: Sequence[str] | None = None, pairs: Rows | None = None) -> Keys:
    """The name of each image's unit: `<U32` (images,).

    Images are in one unit if they have equal keys or an equal group, if they are a pair, or if a chain of
    others of which this holds lies between them.

    Args:
        keys: `<U32` (images,), the `pixel_key` of each image.
        groups: what each image belongs to, compared character by character; an image whose group is blank is
            a group of its own.
        pairs: int64 (pairs, 2), rows of images that belong together, for instance `near_links`.

    Returns:
        The smallest key in the unit or, if any of its images has a group, a hash of the first of its groups
        in alphabetical order, in 32 hex characters too. Without groups and pairs this is each image's own
        key. Names do not depend on the order of images, and an image that is in none of the old units changes
        no name.
    """
    key_of = keys.tolist()
    group_of = [""] * len(key_of) if groups is None else ["" if one.isspace() else str(one) for one in groups]
    if len(group_of) != len(key_of):
        raise ValueError(f"{len(group_of)} groups for {len(key_of)} images")
    links = [_alike(key_of), _alike(group_of), *([] if pairs is None else [pairs])]
    unit = components(len(key_of), np.concatenate(links))
    first_key: dict[int, str] = {}
    first_group: dict[int, str] = {}
    for number, key, group in zip(unit, key_of, group_of, strict=True):
        first_key[number] = min(key, first_key.get(number, key))
        if group:
            first_group[number] = min(group, first_group.get(number, group))
    names = first_key | {number: _group_name(group) for number, group in first_group.items()}
    return np.array([names[number] for number in unit], "<U32")


def are_joined(of_unit: Keys, groups: Sequence[str]) -> bool:
    """Whether a unit holds images of different groups, or of a group and of none, as where two groups share
    an image. Among other images, without the shared one, these would be two units.
    """
    named = [group if group.strip() else "" for group in groups]
    return len(set(zip(of_unit.tolist(), named, strict=True))) > len(set(of_unit.tolist()))


def _alike(values: list[str]) -> Rows:
    """Pairs (pairs, 2) of the first row of a value and each later one; none of values that are empty."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(value, row), row) for row, value in enumerate(values) if value]
    return np.array([pair for pair in pairs if pair[0] != pair[1]], np.int64).reshape(-1, 2)


def components(images: int, pairs: Rows) -> list[int]:
    """The number of the connected component of each image, where pairs (pairs, 2) of rows are connected."""
    links = (np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1]))
    numbers: list[int] = connected_components(coo_array(links, (images, images)), directed=False)[1].tolist()
    return numbers


def _group_name(group: str) -> str:
    """32 hex characters, as a key has, that are no image's key."""
    # Names of folders may hold bytes that are no characters.
    text = f"scotoma group\n{group}".encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()
