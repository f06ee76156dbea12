import json
from pathlib import Path

import pytest

from scotoma.errors import InputError
from scotoma.runs.more import (
    Likeness,
    Measured,
    More,
    Others,
    OtherTask,
    ReadFromImages,
    Reconstruction,
    Sweep,
    SweepPoint,
    Sweeps,
    Within,
)

SOME = Measured(0.7, 0.6, 0.8)
OTHERS = Others(
    (OtherTask("young", ("no", "yes"), (40, 60), SOME, "CNN"), OtherTask("old", ("no", "yes"), (9, 1), None)),
    (Within("male", "smile", "no smile", ("no", "yes"), (30, 21), SOME, "CNN", ""),),
)
RECONSTRUCTION = Reconstruction(
    (Likeness("decoder", Measured(20.0, 19.0, 21.0), SOME),),
    (ReadFromImages("male", 0.5, SOME), ReadFromImages("old", 0.5, None, "failed")),
    images=100,
    iterations=900,
    rising=True,
)
SWEEPS = Sweeps((Sweep("male", 0.5, "CNN", "compute", (SweepPoint(0.25, 900, 1000, SOME),)),))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "more.json"
    More({}, {}).write(path)
    assert More.read(path) == More({}, {})
    found = More({}, {}).with_piece("others", OTHERS, "a", 1.26).with_piece("sweeps", SWEEPS, "c", 2)
    found = found.with_piece("reconstruction", RECONSTRUCTION, "b", 3)
    found.write(path)
    assert More.read(path) == found
    assert found.about == {"others": "a", "sweeps": "c", "reconstruction": "b"}
    assert found.seconds == {"others": 1.3, "sweeps": 2, "reconstruction": 3}
    assert json.loads(path.read_text())["format"] == "scotoma-more"


def test_pieces_can_be_dropped() -> None:
    found = More({}, {}).with_piece("others", OTHERS, "a", 1).with_piece("sweeps", SWEEPS, "c", 2)
    assert found.without(["others"]) == More({}, {}).with_piece("sweeps", SWEEPS, "c", 2)
    assert found.without([]) == found


def test_a_change_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "more.json"
    More({}, {}).with_piece("others", OTHERS, "a", 1).write(path)
    path.write_text(path.read_text().replace("0.7", "0.5"))
    with pytest.raises(InputError) as caught:
        More.read(path)
    assert str(caught.value) == (
        f"{path} was changed or damaged since it was written: its checksum does not fit. Put the original "
        "back, or delete the file and give the command that wrote it again."
    )
