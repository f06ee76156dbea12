"""Can the images be drawn again from their codes, and is what is hidden seen in the drawings?"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from scotoma.audit.cells import Attempts
from scotoma.audit.decoder import SETTINGS, Decoder, DecoderSettings, Pairs, Pixels, learn_decoder, unit
from scotoma.audit.examples import Encoded, Floats
from scotoma.audit.likeness import mean_over_images, psnr, ssim
from scotoma.audit.material import MOST_BYTES, Material, Part, cropped
from scotoma.audit.neural import is_map
from scotoma.audit.queue import Crew, jobs_of, make_attempts
from scotoma.audit.representations import by_value
from scotoma.audit.suites import Attacker
from scotoma.audit.sweeps import on_choosing
from scotoma.audit.targets import Target
from scotoma.data.sampling import Rows
from scotoma.data.tasks import Task
from scotoma.runs.more import Likeness, ReadFromImages, Reconstruction
from scotoma.runs.seeds import derive_seed
from scotoma.runs.whole_files import write_bytes
from scotoma.verification.gallery import equalised

PICTURE = "reconstruction.png"
NO_IMAGES = "not available: there are codes only, no images"
CANDIDATES = 5000  # training images among which the nearest is looked for
COMPARED = 2000  # test images, and at most so many that the decoder stops by
MOST_IMAGES = 1 << 28  # bytes of either, in fp32
SHOWN = 8
HALVES: tuple[Part, ...] = ("stopping", "choosing")
RANKED = 512  # codes among which the values of those that are shown are ranked
SIDE, GAP = 64, 4  # pixels of the picture
SOME = 256


@dataclass(frozen=True, eq=False)
class Surroundings:
    """With what, and where, attacks on reconstructions are made."""

    attacker: Attacker
    attempts: Attempts
    folder: Path
    crew: Crew
    settings: DecoderSettings = SETTINGS


def reconstruct(
    material: Material, target: Target | None, tasks: Sequence[Task], seed: int, around: Surroundings
) -> Reconstruction:
    """Train a decoder on the images that attackers learn from, compare what it draws of test images with what
    floors give, and attack the drawings; write some of them to `folder/reconstruction.png`.

    Test labels are not read. Attacks on drawings are scored on the choosing half.
    """
    if target is None:
        return Reconstruction((), (), note=NO_IMAGES)
    seed = derive_seed(seed, "reconstruction")
    size = target.preprocessing.size
    fitting = MOST_IMAGES // (4 * target.preprocessing.channels * size**2)
    one = _one_arm(material, min(COMPARED, fitting), seed)
    pairs = {part: _pairs(one, target, part) for part in one.rows}
    some = _draw(len(pairs["stopping"].codes), COMPARED, seed)
    decoder = learn_decoder(
        pairs["all"],
        pairs["stopping"].at(some),
        seed,
        around.crew.progress,
        around.settings,
        deadline=around.crew.deadline,
    )
    test = pairs["test"]
    originals, drawn = test.targets(np.arange(len(test.codes))), decoder.decode(test.codes)
    candidates = _draw(len(pairs["all"].codes), min(CANDIDATES, fitting), seed)
    learned_from = pairs["all"].targets(candidates)
    nearest = learned_from[_nearest(pairs["all"].codes[candidates], test.codes)]
    others = {
        "decoder": drawn,
        "mean image": learned_from.mean(dim=0, keepdim=True).expand_as(originals),
        "nearest neighbour": nearest,
    }
    picture = _strip(originals, _shown_codes(test.codes), drawn, nearest)
    write_bytes(around.folder / PICTURE, picture)
    return Reconstruction(
        tuple(_likeness(name, originals, images) for name, images in others.items()),
        _attacks(_drawn(one, decoder, seed), tasks, seed, around),
        len(originals),
        decoder.iterations,
        decoder.rising,
    )


def _one_arm(material: Material, compared: int, seed: int) -> Material:
    """All that attackers learn from in one part, and some test images in random order."""
    test = _draw(len(material.rows["test"]), compared, seed)
    rows: dict[Part, Rows] = {"all": np.concatenate([material.rows[arm] for arm in material.arms])}
    centres = {"all": np.concatenate([material.codes[arm].centre for arm in material.arms])}
    for part in HALVES:
        rows[part], centres[part] = material.rows[part], material.codes[part].centre
    rows["test"], centres["test"] = material.rows["test"][test], material.codes["test"].centre[test]
    return Material(material.table, rows, {part: _alone(centres[part]) for part in rows})


def _pairs(material: Material, target: Target, part: Part) -> Pairs:
    def images(places: Rows) -> Pixels:
        return cropped(material.table.pixels[material.rows[part][places]], target, None)

    return Pairs(material.codes[part].centre, images)


def _drawn(material: Material, decoder: Decoder, seed: int) -> Material:
    """What the decoder draws in the place of codes: of all images, or as many as fit the memory, four times
    as many to learn from as in each other part.
    """
    fitting = MOST_BYTES // decoder.decode(material.codes["test"].centre[:1]).numpy().nbytes
    places = {
        part: np.sort(_draw(len(rows), fitting if part == "all" else fitting // 4, seed))
        for part, rows in material.rows.items()
    }
    codes = {
        part: _alone(decoder.decode(material.codes[part].centre[some]).numpy())
        for part, some in places.items()
    }
    return Material(material.table, {part: rows[places[part]] for part, rows in material.rows.items()}, codes)


def _attacks(
    drawn: Material, tasks: Sequence[Task], seed: int, around: Surroundings
) -> tuple[ReadFromImages, ...]:
    jobs = jobs_of([around.attacker], tasks, drawn, seeds=1)
    title = "attackers on reconstructions"
    found = make_attempts(jobs, drawn, around.attempts, seed, around.crew, title)
    read = []
    for job, each in zip(jobs, found, strict=True):
        accuracy, note = on_choosing(each, drawn, job.task)
        read.append(ReadFromImages(str(job.task), 1 / job.task.classes, accuracy, note))
    return tuple(read)


def _likeness(name: str, originals: Tensor, images: Tensor) -> Likeness:
    parts = list(zip(originals.split(SOME), images.split(SOME), strict=True))
    ratio = torch.cat([psnr(*each) for each in parts])
    similarity = torch.cat([ssim(*each) for each in parts])
    return Likeness(name, mean_over_images(ratio), mean_over_images(similarity))


def _nearest(candidates: Floats, codes: Floats) -> npt.NDArray[np.int64]:
    """The place of the nearest candidate by Euclidean distance of standardised values, of each code."""
    scale = by_value(candidates)
    among, some = (scale(each).reshape(len(each), -1) for each in (candidates, codes))
    squares = np.square(among).sum(axis=1)
    found = [
        (squares - 2 * (some[start : start + SOME] @ among.T)).argmin(axis=1)
        for start in range(0, len(some), SOME)
    ]
    return np.concatenate(found)


def _draw(count: int, most: int, seed: int) -> Rows:
    """At most so many of `count` places, at random."""
    return np.random.default_rng(seed).permutation(count)[: max(most, 1)].astype(np.int64)


def _alone(codes: Floats) -> Encoded:
    return Encoded(codes, np.empty((0, *codes.shape), np.float32))


def _shown_codes(codes: Floats) -> Tensor | None:
    """Codes as pictures in [0, 1], every value by its rank among images; None where they are no maps."""
    if not is_map(codes.shape[1:]):
        return None
    some = codes[:RANKED, :3] if codes.shape[1] >= 3 else codes[:RANKED, :1]
    pictures = equalised(torch.from_numpy(some), list(range(min(SHOWN, len(some)))))
    return unit(pictures.transpose(0, 3, 1, 2))


def _strip(*rows: Tensor | None) -> bytes:
    """A PNG of one row of pictures for each that is given, (images, channels, height, width) in [0, 1]."""
    given = [row for row in rows if row is not None]
    columns = min(SHOWN, len(given[0]))
    step = SIDE + GAP
    canvas = Image.new("RGB", (columns * step - GAP, len(given) * step - GAP), "white")
    for down, row in enumerate(given):
        pixels = (row[:columns] * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
        for across, picture in enumerate(pixels):
            image = Image.fromarray(picture[..., 0] if picture.shape[2] < 3 else picture[..., :3])
            way = Image.Resampling.NEAREST if max(image.size) <= SIDE else Image.Resampling.LANCZOS
            canvas.paste(image.resize((SIDE, SIDE), way).convert("RGB"), (across * step, down * step))
    file = io.BytesIO()
    canvas.save(file, "PNG", optimize=True)
    return file.getvalue()
