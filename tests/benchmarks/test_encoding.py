"""Does the profile of encoding count every step, and each once?"""

import sys
from pathlib import Path
from typing import Any

import pytest

from scotoma.data.photos import list_photos
from scotoma.encoder_file import Card, FrozenEncoder
from scotoma.networks.encoder import Encoder
from tests.benchmarks.scripts import FOLDER, load_script
from tests.examples import training_plan
from tests.tiny import write_photos


@pytest.fixture
def encoding(monkeypatch: pytest.MonkeyPatch) -> Any:
    # As Python does for a script: what lies beside it can be imported.
    monkeypatch.syspath_prepend(str(FOLDER))
    yield load_script("encoding")
    sys.modules.pop("iteration", None)


def test_every_step_is_counted_once(encoding: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = training_plan()
    card = Card(plan.encoder, plan.preprocessing, plan.classifier, plan.split, "")
    encoder = FrozenEncoder(Encoder(plan.encoder).eval(), card, "")
    folder, names = list_photos(write_photos(tmp_path / "photos", each=2))
    files = [str(folder / name) for name in names]
    # A clock that goes on by one second whenever it is looked at.
    ticks = iter(range(10**6))
    monkeypatch.setattr(encoding.time, "thread_time", lambda: float(next(ticks)))
    steps = encoding.profile(encoder, files, 2)

    assert list(steps)[:3] == ["read and decode", "fit to the stored square", "crop and scale"]
    kinds = [type(module).__name__ for module in encoder.network.modules()]
    for kind in ("Conv2d", "LocationNorm", "ReLU", "Pooling"):
        # All files are one batch, and a call lasts a tick.
        assert steps.get(kind, 0.0) * len(files) == pytest.approx(kinds.count(kind))
