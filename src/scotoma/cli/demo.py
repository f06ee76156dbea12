"""The verb `demo`: how does a newcomer see the whole job within minutes?"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def demo(
    *,
    out: Path = Path("runs/demo"),
    overwrite: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """See it work: hide one kind of garment, keep another, attack the encoder, read the report.

    Uses the images that come with Scotoma (2,000 of each of the ten categories of Fashion-MNIST), hides shirt
    and keeps bag. It runs train, verify and report one after the other, and prints each command, so that you
    can run it on images of your own. It takes a few minutes on two cores; one that was stopped goes on.

    Args:
        out: the folder to write: the encoder, the attacks and report.html.
        overwrite: begin anew.
    """
    # TODO(lead): train OUT/training, verify OUT/attacks, OUT/report.html. Run again, show what is there.
    raise NotImplementedError(f"demo: {out}, {overwrite}")
