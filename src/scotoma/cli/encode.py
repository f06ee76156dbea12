"""The verb `encode`: how are images released in encoded form, with nothing else beside them?"""

from pathlib import Path

from scotoma.cli.options import Switch, overlay


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
    that file to yourself.

    Example: scotoma encode runs/terminal/encoder.safetensors photos --out codes.npz

    Args:
        encoder: the encoder file (encoder.safetensors).
        images: the images: an image file, a folder (with folders in it), or the word fashion-mnist.
        out: the file to write: .npz (array "codes": images, height, width, channels).
        ids: a file (.csv) that joins the rows of OUT to the names of the images.
        pictures: a folder for pictures of the codes, to look at.
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
    values, where = overlay(config, flags)
    # TODO(lead): build the options, encode in batches, write OUT, IDS and PICTURES.
    raise NotImplementedError(f"encode: {values} from {where}")
