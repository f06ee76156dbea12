"""The verb `encode`: how are images released in encoded form, with nothing else beside them?"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scotoma.cli.options import Switch, read_options
from scotoma.errors import InputError
from scotoma.runs.run_folder import MARKER

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from scotoma.encoder_file import FrozenEncoder


@dataclass(frozen=True)
class EncodeOptions:
    """What `scotoma encode` takes; `ids` and `pictures` are written only when named."""

    encoder: Path
    images: str
    out: Path
    ids: Path | None = None
    pictures: Path | None = None
    overwrite: bool = False


def encode(
    encoder: Path | None = None,
    images: str | None = None,
    *,
    out: Path | None = None,
    ids: Path | None = None,
    pictures: Path | None = None,
    overwrite: Switch = None,
    config: Path | None = None,
) -> None:
    """Encode images with a finished encoder.

    OUT holds the codes only, in the order of the sorted inputs: no file name, no EXIF, no category. Which
    code belongs to which image is written to a file of its own, and only if you ask for it with --ids: keep
    that file to yourself. Where names tell something (folders named by category), their order tells it too:
    then give neutral names first.

    Example: scotoma encode runs/terminal/encoder.safetensors photos --out codes.npz

    Args:
        encoder: the encoder file (encoder.safetensors).
        images: the images: an image file, a folder (with folders in it), or the word fashion-mnist.
        out: the file to write: .npz (array "codes", float32: images, channels, height, width).
        ids: a file (.csv) that joins the rows of OUT to the names of the images.
        pictures: a folder for pictures of the codes (.png), to look at; named by row.
        overwrite: replace the files if they exist.
        config: a TOML file with these options; flags go over it.
    """
    flags = {
        "encoder": encoder,
        "images": images,
        "out": out,
        "ids": ids,
        "pictures": pictures,
        "overwrite": overwrite,
    }
    options = read_options(EncodeOptions, config, flags)
    _check_outputs(options)
    from scotoma.cli.threads import use_cores
    from scotoma.encoder_file import load_encoder

    frozen = load_encoder(options.encoder)
    use_cores()
    sources = _sources(options.images, frozen)
    shape = _write(options, frozen, sources)
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
    problems = []
    if options.out.suffix != ".npz":
        problems.append(f"--out {options.out} must end in .npz.")
    named = [path for path in (options.out, options.ids, options.pictures) if path is not None]
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
    if not folder.is_dir():
        yield f"{folder} is a file, a folder for the pictures is needed."
    elif any(folder.iterdir()):
        if not (folder / MARKER).is_file():
            yield f"{folder} is not empty and Scotoma did not write it, it is left alone: choose another."
        elif not overwrite:
            yield f"{folder} exists already: choose another, or give --overwrite to replace it."


@dataclass(frozen=True)
class _Sources:
    """Images to encode: their names, and what yields their pixels in the same order, some at a time."""

    names: list[str]
    pixels: Callable[[], Iterator["npt.NDArray[np.uint8]"]]


def _sources(images: str, encoder: "FrozenEncoder") -> _Sources:
    import numpy as np

    from scotoma.data.cache import read_arrays
    from scotoma.data.catalogue import find_images
    from scotoma.data.decoding import fit_square
    from scotoma.data.fashion import FASHION, is_idx_folder
    from scotoma.data.photos import fit_files, list_photos
    from scotoma.encoder_file import ENCODE_BATCH

    stored = encoder.card.preprocessing
    side, channels = stored.stored_side, stored.channels
    if images == FASHION or is_idx_folder(Path(images)):
        arrays = read_arrays(find_images(images))[0]

        def of_arrays() -> "Iterator[npt.NDArray[np.uint8]]":
            for start in range(0, len(arrays), ENCODE_BATCH):
                some = arrays[start : start + ENCODE_BATCH, :, :, None]
                yield np.stack([fit_square(image, side, channels) for image in some])

        return _Sources([f"image {row}" for row in range(len(arrays))], of_arrays)
    root = Path(images)
    files = list_photos(root)
    names = [(file.relative_to(root) if root.is_dir() else Path(file.name)).as_posix() for file in files]

    def of_files() -> "Iterator[npt.NDArray[np.uint8]]":
        for pixels, _ in fit_files(files, side, channels, names=names, chunk=ENCODE_BATCH):
            yield pixels

    return _Sources(names, of_files)


def _write(options: EncodeOptions, encoder: "FrozenEncoder", sources: _Sources) -> tuple[int, ...]:
    """Encode everything and write what is asked for; returns the shape of the codes."""
    from scotoma.cli.release import codes_file, picture_folder, write_ids
    from scotoma.runs.progress import watched

    count = len(sources.names)
    shape = (count, *encoder.card.encoder.code_shape)
    progress = watched()
    with ExitStack() as outputs:
        writers = [outputs.enter_context(codes_file(options.out, shape))]
        if options.pictures is not None:
            writers.append(outputs.enter_context(picture_folder(options.pictures, count)))
        progress.start("encoding images", count)
        outputs.callback(progress.stop)
        for pixels in sources.pixels():
            codes = encoder.encode(pixels).numpy()
            for write in writers:
                write(codes)
            progress.advance(len(codes))
        if options.ids is not None:
            write_ids(options.ids, sources.names)
    return shape
