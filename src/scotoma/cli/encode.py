"""The verb `encode`: how are images released in encoded form, with nothing else beside them?"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scotoma.cli.options import Switch, read_options
from scotoma.errors import InputError
from scotoma.runs.run_folder import MARKER
from scotoma.runs.whole_files import read_json

if TYPE_CHECKING:
    from scotoma.cli.release import Codes
    from scotoma.data.decoding import Pixels
    from scotoma.encoder_file import FrozenEncoder


@dataclass(frozen=True)
class EncodeOptions:
    """What `scotoma encode` takes; `ids` and `pictures` are written only when named."""

    encoder: Path
    images: str
    out: Path
    ids: Path | None = None
    pictures: Path | None = None
    root: Path | None = None
    file_column: str | None = None
    table_encoding: str | None = None
    skip_unreadable: bool = False
    overwrite: bool = False


def encode(
    encoder: Path | None = None,
    images: str | None = None,
    *,
    out: Path | None = None,
    ids: Path | None = None,
    pictures: Path | None = None,
    root: Path | None = None,
    file_column: str | None = None,
    table_encoding: str | None = None,
    skip_unreadable: Switch = None,
    overwrite: Switch = None,
    config: Path | None = None,
) -> None:
    """Encode images with a finished encoder.

    OUT holds the codes only, in the order of the sorted inputs, of a table in that of its rows: no file name,
    no EXIF, no category. Which code belongs to which image is written to a file of its own, and only if you
    ask for it with --ids: keep that file to yourself. Where names tell something (folders named by category),
    their order tells it too: then give neutral names first.

    Example: scotoma encode runs/terminal/encoder.safetensors photos --out codes.npz
    Example: scotoma encode runs/faces/encoder.safetensors faces.csv --out codes.npz

    Args:
        encoder: the encoder file (encoder.safetensors).
        images: the images: an image file, a folder (with folders and links in it), a table that names files
            (.csv, .tsv), or the word fashion-mnist.
        out: the file to write: .npz (array "codes", float32: images, channels, height, width).
        ids: a file (.csv) that joins the rows of OUT to the names of the images.
        pictures: a folder for pictures of the codes (.png), to look at; named by row.
        root: the folder that the paths of a table start from. Default: the table's own.
        file_column: the column of a table with the images' paths. Default: found by itself.
        table_encoding: the table's text encoding. Default: utf-8.
        skip_unreadable: leave out image files that cannot be read, and say so; each is decoded twice.
        overwrite: replace the files if they exist.
        config: a TOML file with these options; flags go over it.
    """
    flags = {
        "encoder": encoder,
        "images": images,
        "out": out,
        "ids": ids,
        "pictures": pictures,
        "root": root,
        "file_column": file_column,
        "table_encoding": table_encoding,
        "skip_unreadable": skip_unreadable,
        "overwrite": overwrite,
    }
    options = read_options(EncodeOptions, config, flags)
    _check_outputs(options)
    from scotoma.cli.threads import use_cores
    from scotoma.encoder_file import load_encoder

    frozen = load_encoder(options.encoder)
    shape = _write(options, frozen, *_encoded(options, frozen, use_cores()))
    print(f"Codes: {options.out} (codes: {' x '.join(map(str, shape))}, float32)")
    if options.ids is not None:
        print(f"Which row is which image: {options.ids}. Keep it to yourself.")
    if options.pictures is not None:
        print(f"Pictures: {options.pictures}")


def _check_outputs(options: EncodeOptions) -> None:
    """Check every output before any work.

    Raises:
        InputError: tells of each that is there already or cannot be what is asked.
    """
    from scotoma.data.attribute_table import is_table

    problems = []
    if not is_table(Path(options.images)):
        given = {
            "--root": options.root,
            "--file-column": options.file_column,
            "--table-encoding": options.table_encoding,
        }
        problems += [
            f"{flag} is about a table, and {options.images} is none."
            for flag, value in given.items()
            if value is not None
        ]
    if options.out.suffix != ".npz":
        problems.append(f"--out {options.out} must end in .npz.")
    if options.ids is not None and options.ids.suffix != ".csv":
        problems.append(f"--ids {options.ids} must end in .csv.")
    named = [path for path in (options.out, options.ids, options.pictures) if path is not None]
    if Path(options.encoder).resolve() in (path.resolve() for path in named):
        problems.append(f"{options.encoder} is read: it cannot be written, too.")
    if len({path.resolve() for path in named}) < len(named):
        problems.append("--out, --ids and --pictures must be three different paths.")
    for path in (options.out, options.ids):
        if path is not None and path.is_dir():
            problems.append(f"{path} is a folder, a file is to be written there.")
        elif path is not None and path.exists() and not options.overwrite:
            problems.append(f"{path} exists already: choose another, or give --overwrite to replace it.")
    if (folder := options.pictures) is not None and folder.exists():
        problems += _check_pictures(folder, options.overwrite)
    if problems:
        raise InputError("\n".join(problems))


def _check_pictures(folder: Path, overwrite: bool) -> Iterator[str]:
    from scotoma.cli.release import PICTURES

    if not folder.is_dir():
        yield f"{folder} is a file, a folder for the pictures is needed."
    elif any(folder.iterdir()):
        if not (folder / MARKER).is_file():
            yield f"{folder} is not empty and Scotoma did not write it, it is left alone: choose another."
        elif read_json(folder / MARKER).get("kind") != PICTURES:
            yield f"{folder} holds a run, no pictures, it is left alone: choose another."
        elif not overwrite:
            yield f"{folder} exists already: choose another, or give --overwrite to replace it."


def _encoded(
    options: EncodeOptions, encoder: "FrozenEncoder", threads: int
) -> tuple[Sequence[str], Iterator["Codes"]]:
    """Names of the images, and their codes in the same order, some at a time, made as they are asked for.

    Each of the threads takes images from the file to the code, and computes in itself alone.
    """
    import numpy as np
    import torch

    from scotoma.data.catalogue import find_images
    from scotoma.data.decoding import fit_square
    from scotoma.data.fashion import FASHION, is_idx_folder
    from scotoma.data.images import read_arrays
    from scotoma.data.photos import decode_files
    from scotoma.encoder_file import ENCODE_BATCH
    from scotoma.runs.threads import Workers, in_threads

    stored = encoder.card.preprocessing
    # More computing threads than cores would fight for them.
    workers = Workers(threads, ENCODE_BATCH, partial(torch.set_num_threads, 1))

    def fit(image: "Pixels") -> "Pixels":
        return fit_square(image, stored.stored_side, stored.channels)

    def encoded(fitted: Iterable["Pixels"]) -> "Codes":
        return encoder.encode(np.stack(list(fitted))).numpy()

    images = options.images
    if images == FASHION or is_idx_folder(Path(images)):
        arrays = read_arrays(find_images(images))[0][..., None]
        names: Sequence[str] = [f"image {row}" for row in range(len(arrays))]
        return names, in_threads(
            lambda rows: encoded(map(fit, arrays[rows.start : rows.stop])),
            len(arrays),
            "encoding images",
            workers=workers,
        )
    folder, names = _files(options)
    if options.skip_unreadable:
        names = _readable(folder, names, images)
    return names, decode_files(folder, names, fit, encoded, workers=workers)


def _files(options: EncodeOptions) -> tuple[Path, Sequence[str]]:
    """The folder of the images, and their paths below it: sorted, or in the order of a table's rows."""
    from scotoma.data.attribute_table import Reading, is_table, read_attribute_table
    from scotoma.data.photos import list_photos, other_formats

    images = Path(options.images)
    if not is_table(images):
        others: Counter[str] = Counter()
        found = list_photos(images, others)
        if said := other_formats(others):
            print(f"{images}: {said}")
        return found
    encoding = options.table_encoding or Reading().encoding
    table = read_attribute_table(images, Reading(options.file_column, options.root, encoding=encoding))
    for note in table.notes:
        print(f"{images}: {note}")
    by_row = sorted(zip(table.lines, table.files, strict=True))
    return table.root, [file for _, file in by_row]


def _readable(folder: Path, names: Sequence[str], images: str) -> list[str]:
    """Those of the files that can be decoded; tells of the others. (Looked for before any is encoded, as the
    head of the codes' file says how many there are.)

    Raises:
        InputError: none can be read.
    """
    from scotoma.data.photos import SHOWN, Unreadable, decode_files
    from scotoma.runs.progress import watched
    from scotoma.runs.words import first_of, left_out

    def readable(image: "Pixels") -> Unreadable | None:
        return None

    def unreadable(one: Unreadable) -> Unreadable | None:
        return one

    looked_at = decode_files(folder, names, readable, list, watched(), instead=unreadable)
    skipped = [one for chunk in looked_at for one in chunk if one is not None]
    told = [f"{one.name}: {one.reason}" for one in skipped]
    if len(skipped) == len(names):
        raise InputError("\n".join([f"None of {len(names):,} images can be read:", *first_of(told, SHOWN)]))
    if told:
        print(f"{images}: {left_out(told)}")
    bad = {one.name for one in skipped}
    return [name for name in names if name not in bad]


def _write(
    options: EncodeOptions, encoder: "FrozenEncoder", names: Sequence[str], encoded: Iterator["Codes"]
) -> tuple[int, ...]:
    """Write what is asked for; returns the shape of the codes."""
    import torch

    from scotoma.cli.release import codes_file, picture_folder, write_ids
    from scotoma.runs.progress import watched

    shape = (len(names), *encoder.card.encoder.code_shape)
    progress = watched()
    with ExitStack() as outputs:
        # Threads that start later take their number from the last call, whichever thread made it.
        outputs.callback(torch.set_num_threads, torch.get_num_threads())
        writers = [outputs.enter_context(codes_file(options.out, shape))]
        if options.pictures is not None:
            writers.append(outputs.enter_context(picture_folder(options.pictures, len(names))))
        progress.start("encoding images", len(names))
        outputs.callback(progress.stop)
        for codes in encoded:
            for write in writers:
                write(codes)
            progress.advance(len(codes))
        if options.ids is not None:
            write_ids(options.ids, names)
    return shape
