"""What do attackers get, and what is odd about it before any of them has begun?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scotoma.audit import encoder_flags
from scotoma.audit.computed_codes import code_keys
from scotoma.audit.examples import Floats
from scotoma.audit.material import (
    FEWEST,
    HELD_OUT,
    Material,
    Part,
    cropped,
    encode_parts,
    originals_of,
    split_codes,
)
from scotoma.audit.releases import averaged, in_one_release, in_releases
from scotoma.audit.suites import Attacker
from scotoma.audit.targets import Target
from scotoma.data.sampling import Rows
from scotoma.data.table import ImageTable
from scotoma.data.tasks import Task
from scotoma.runs.progress import Progress
from scotoma.runs.verdict import Flag

RELEASES = 8  # of a stochastic encoder, which an attacker collects and averages
LOOKED_AT = 64  # images by which an encoder is examined


@dataclass(frozen=True, eq=False)
class Examined:
    """Codes of all parts, each the mean of so many `releases`, and what is doubtful about them; `single` are
    those of one release, where there are more.
    """

    material: Material
    flags: tuple[Flag, ...]
    releases: int = 1
    single: Material | None = None


def examine(
    attacked: Target | Floats,
    table: ImageTable,
    rows: Mapping[Part, Rows],
    tasks: Sequence[Task],
    attackers: Sequence[Attacker],
    seed: int,
    progress: Progress,
    *,
    of_training: bool,
) -> Examined:
    """Encode the images of each part, or take computed codes, and look at what comes.

    Args:
        attacked: an encoder, or codes (images, ...) in the order of the table.
        table: the images.
        rows: those of each part.
        tasks: all that are attacked.
        attackers: those of the suite, some of which need original images.
        seed: of crops and order.
        progress: is shown encodings.
        of_training: whether these are the images that an encoder of ours was trained on.
    """
    found, releases, single = [], 1, None
    if isinstance(attacked, Target):
        images = cropped(table.pixels[rows["stopping"][:LOOKED_AT]], attacked, None)
        changing = encoder_flags.stochastic(in_releases(attacked), images)
        found += [changing, encoder_flags.depends_on_batch(attacked.encode, images)]
        target = attacked
        if changing:
            releases, target = RELEASES, averaged(attacked, RELEASES)
            # What values say together, such as the sign of a product, an average need not hold.
            single = encode_parts(in_one_release(attacked), table, rows, seed, progress)
        material = encode_parts(target, table, rows, seed, progress)
        if any(each.needs_images and each.applies(material.shape) for each in attackers):
            material = replace(material, originals=originals_of(target, material))
    else:
        material = split_codes(attacked, table, rows)
    found += [encoder_flags.collapsed(material.codes["test"].centre), _duplicates(attacked, table, rows)]
    if of_training:
        lacking = [task for task in tasks if not material.has_enough(task, "fresh")]
        found += [encoder_flags.no_fresh_images(str(task), FEWEST) for task in lacking]
    elif isinstance(attacked, Target) and attacked.card is not None:
        found.append(encoder_flags.other_images())
    return Examined(material, tuple(flag for flag in found if flag is not None), releases, single)


def _duplicates(attacked: Target | Floats, table: ImageTable, rows: Mapping[Part, Rows]) -> Flag | None:
    """Equal images, or equal codes where there are no images, on both sides."""
    keys, codes_only = table.keys, False
    if not isinstance(attacked, Target) and not table.pixels.size:
        keys, codes_only = code_keys(attacked), True
    learned, judged = (
        np.concatenate([keys[some] for part, some in rows.items() if (part in HELD_OUT) == held_out])
        for held_out in (False, True)
    )
    return encoder_flags.duplicates({"training": learned, "test": judged}, codes=codes_only)
