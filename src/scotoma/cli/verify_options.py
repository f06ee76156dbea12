"""What does `scotoma verify` take, whichever suite attacks?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cyclopts import Parameter

from scotoma.cli.labels import LabelsOptions
from scotoma.cli.options import Whole
from scotoma.runs.commands import command_line
from scotoma.runs.seeds import require_seed

BaselineName = Literal["identity", "blur"]
SuiteName = Literal["paper", "standard", "exhaustive"]


@dataclass(frozen=True)
class VerifyOptions:
    """What `scotoma verify` takes; None stands for what the encoder file says."""

    encoder: str
    data: str
    out: Path
    suite: SuiteName = "paper"
    tasks: tuple[str, ...] | None = None
    baselines: tuple[BaselineName, ...] = ("identity", "blur")
    hide: tuple[str, ...] | None = None
    keep: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None
    preset: str | None = None
    seed: int = 0
    overwrite: bool = False
    utility: Path | None = None
    more: tuple[str, ...] = ()
    shape: Mapping[str, Any] = field(default_factory=dict)
    labels: LabelsOptions = field(default_factory=LabelsOptions)
    classifier: Mapping[str, Any] = field(default_factory=dict)
    verification: Mapping[str, Any] = field(default_factory=dict)
    # What --set has put into the table, for the record: no key of a file.
    sets: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        require_seed(self.seed)

    def command(self, config: Path | None = None) -> str:
        """The command that asks for this; what is in the table is in `config`."""
        flags = {
            "data": self.data,
            "suite": None if self.suite == "paper" else self.suite,
            "tasks": self.tasks,
            "baselines": self.baselines or "none",
            "hide": self.hide,
            "keep": self.keep,
            "categories": self.categories,
            "preset": self.preset,
            "seed": self.seed,
            **self.shape,
            "utility": self.utility,
            "with": self.more,
            **self.labels.flags(),
            "set": list(self.sets),
            "config": config,
            "out": self.out,
        }
        return command_line("verify", [self.encoder], flags)


@Parameter(name="*")
@dataclass(frozen=True)
class TargetFlags:
    """Flags on what an encoder that is not ours takes.

    Args:
        size: the side in pixels of the images that the encoder takes. Not needed for encoder files.
        channels: of these images: 1 (gray) or 3 (RGB). Not needed for encoder files.
        scaling: for ONNX files and functions: what pixels become, bytes (0 to 255), unit (0 to 1) or signed
            (-1 to 1). Default: bytes, where the encoder takes uint8; where it takes other numbers, it must be
            said.
        layout: for ONNX files and functions: nchw or nhwc. Default: nchw.
    """

    size: Whole = None
    channels: Whole = None
    scaling: Literal["bytes", "unit", "signed"] | None = None
    layout: Literal["nchw", "nhwc"] | None = None

    def given(self) -> dict[str, Any]:
        """The flags that were given."""
        return {name: value for name, value in vars(self).items() if value is not None}
