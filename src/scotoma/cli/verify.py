"""The verb `verify`: what can be learned from encoded images by somebody who tries?"""

from pathlib import Path

from scotoma.cli.options import Names, Switch, names, overlay


def verify(
    encoder: Path | None = None,
    *,
    data: str | None = None,
    tasks: Names = None,
    baselines: Names = None,
    seed: int | None = None,
    out: Path | None = None,
    overwrite: Switch = None,
    config: Path | None = None,
) -> None:
    """Attack a finished encoder: train fresh classifiers on encoded images until they stop improving.

    Each task is recognising one category among the others; 50 % is guessing. The baselines show what the same
    attack reaches on the original images (identity) and on blurred ones (blur). A finished attack is not run
    again: Ctrl-C is safe, the same command goes on. Then write the report on OUT with scotoma report.

    Example: scotoma verify runs/terminal/encoder.safetensors --data photos --out runs/terminal-attacked

    Args:
        encoder: the encoder file (encoder.safetensors).
        data: the images: a folder, or the word fashion-mnist. The same as in training, for the same split.
        tasks: the categories to recognise, with commas. Default: what the encoder hides and keeps.
        baselines: identity, blur or both, with a comma. Default: both.
        seed: the number that the attackers' random choices are made from.
        out: the folder to write.
        overwrite: replace an earlier run in OUT.
        config: a TOML file with these options and any setting of the attackers; flags go over it.
    """
    flags = {
        "encoder": encoder,
        "data": data,
        "tasks": names(tasks, "--tasks"),
        "baselines": names(baselines, "--baselines"),
        "seed": seed,
        "out": out,
        "overwrite": overwrite,
    }
    values, where = overlay(config, flags)
    # TODO(lead): build the options, claim and hold OUT, run the suite within `resumable(...)`.
    raise NotImplementedError(f"verify: {values} from {where}")
