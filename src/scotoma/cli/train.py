"""The verb `train`: how is an encoder made that hides what was named?"""

from pathlib import Path

from scotoma.cli.options import Names, Switch, names, overlay


def train(
    data: str | None = None,
    *,
    hide: Names = None,
    keep: Names = None,
    categories: Names = None,
    preset: str | None = None,
    seed: int | None = None,
    out: Path | None = None,
    anonymous: Switch = None,
    overwrite: Switch = None,
    config: Path | None = None,
) -> None:
    """Train an encoder that hides some categories and keeps others recognisable.

    The encoder learns against classifiers that try to recognise what is to be hidden. It ends in one file,
    OUT/encoder.safetensors, which is enough by itself to encode images and to be verified. How long it takes
    is estimated before it starts. Ctrl-C is safe: the same command goes on from the last checkpoint.

    What training itself reports proves nothing yet: attack the finished encoder with scotoma verify.

    Example: scotoma train photos --hide airport_terminal --keep office --preset small --out runs/terminal

    Args:
        data: a folder of images (one folder per category) or of IDX files, or the word fashion-mnist.
        hide: what encoded images must not give away: category names, with commas.
        keep: what they must still show, likewise. Default: nothing.
        categories: the categories that take part at all. Default: all.
        preset: how large, how long: demo (minutes), small (half an hour), paper (days on a GPU).
        seed: where random choices come from: the same number gives the same encoder.
        out: the folder to write.
        anonymous: leave the names of what is hidden and kept out of the encoder file.
        overwrite: replace an earlier run in OUT.
        config: a TOML file with these options and any setting of the preset; flags go over it.
    """
    flags = {
        "data": data,
        "hide": names(hide, "--hide"),
        "keep": names(keep, "--keep"),
        "categories": names(categories, "--categories"),
        "preset": preset,
        "seed": seed,
        "out": out,
        "anonymous": anonymous,
        "overwrite": overwrite,
    }
    values, where = overlay(config, flags)
    # TODO(lead): preset under `values`, build, claim and hold OUT, train within `resumable(...)`.
    raise NotImplementedError(f"train: {values} from {where}")
