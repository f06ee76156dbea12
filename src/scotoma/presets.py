"""Which settings belong together? Presets: the paper's run, and smaller ones, as TOML in `settings/`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.resources import files
from typing import Any, get_type_hints

from scotoma.data.augmentation import Preprocessing
from scotoma.data.splits import Fractions, SplitRecipe
from scotoma.errors import InputError
from scotoma.networks.classifier import ClassifierSettings
from scotoma.networks.encoder import EncoderSettings
from scotoma.runs.settings import build, merge
from scotoma.training.plan import TrainingPlan
from scotoma.training.settings import TrainingSettings
from scotoma.verification.settings import AttackSettings


@dataclass(frozen=True)
class Preset:
    """Every setting of training and verification. One TOML table each; `images.size` and `images.channels`
    are the encoder's.
    """

    encoder: EncoderSettings
    images: "ImageSettings"
    classifier: ClassifierSettings = field(default_factory=ClassifierSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    verification: AttackSettings = field(default_factory=AttackSettings)
    split: Fractions = field(default_factory=Fractions)
    name: str = field(default="", init=False)

    @property
    def preprocessing(self) -> Preprocessing:
        """How stored images become the encoder's input."""
        return Preprocessing(
            self.encoder.size,
            self.images.stored_side,
            self.encoder.channels,
            self.images.scale_low,
            self.images.scale_high,
            self.images.flip,
        )

    def plan(self, hide: tuple[str, ...], keep: tuple[str, ...], seed: int) -> TrainingPlan:
        """The training run of this preset for given names."""
        return TrainingPlan(
            hide,
            keep,
            self.encoder,
            self.classifier,
            self.preprocessing,
            self.training,
            SplitRecipe(seed, self.split),
            seed,
            self.name,
        )


@dataclass(frozen=True)
class ImageSettings:
    """Side of the stored square, range of the random scale, mirroring: see `Preprocessing`."""

    stored_side: int
    scale_low: float = 0.85
    scale_high: float = 1.1
    flip: bool = True


def names_by_table() -> dict[str, list[str]]:
    """Each table of a preset with the names of its settings."""
    kinds = get_type_hints(Preset)
    return {
        table.name: [each.name for each in fields(kinds[table.name]) if each.init]
        for table in fields(Preset)
        if table.init
    }


def preset_names() -> list[str]:
    """The presets that are shipped."""
    return sorted(
        path.name.removesuffix(".toml") for path in _folder().iterdir() if path.name.endswith(".toml")
    )


def load_preset(name: str, changes: Mapping[str, Any] | None = None, where: str = "changes") -> Preset:
    """A shipped preset, with `changes` (a table as in its TOML file) laid over it.

    Raises:
        InputError: no such preset; an unknown setting or a wrong type, all at once.
    """
    if name not in preset_names():
        raise InputError(f"There is no preset {name!r}; there are {', '.join(preset_names())}.")
    table = tomllib.loads((_folder() / f"{name}.toml").read_text(encoding="utf-8"))
    preset = build(Preset, merge(table, changes or {}), where if changes else f"preset {name}")
    # Not a key of the TOML file, where a user might change it: verification finds the attackers' settings by
    # it.
    object.__setattr__(preset, "name", name)
    _ = preset.preprocessing  # sizes that do not fit together are told now, not after the images were read
    return preset


def _folder() -> Any:
    return files("scotoma") / "settings"
