"""What the tests of reproductions share: a tiny scale on noise."""

from pathlib import Path
from typing import Any

import pytest

from scotoma.experiments import scales
from tests.tiny import ATTACKS, NETWORKS, TRAINING

SCALE = """
preset = "demo"
seeds = [0, 1]

[groups.one]
categories = ["airport_terminal", "bar", "office", "runway"]

[groups.unseen]
categories = ["coast", "volcano", "swamp", "valley"]
other_data = true

[table1]
group = "one"
pair = ["airport_terminal", "office"]

[table2]
group = "one"
unseen = "unseen"
columns = ["airport_terminal", "office", "bar", "runway", "coast", "volcano", "swamp", "valley"]
rows = ["-a", "-b", "-a +b", "-a +b,c"]
"""


@pytest.fixture
def tiny_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a scale whose runs take a second each."""
    folder = tmp_path / "scales"
    folder.mkdir()
    tables: dict[str, Any] = dict(NETWORKS)
    tables |= {"training": TRAINING | {"iterations": 3}, "verification": ATTACKS}
    lines = [SCALE]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items())]
    (folder / "tiny.toml").write_text("\n".join(lines))
    monkeypatch.setattr(scales, "_folder", lambda: folder)
    return "tiny"


def _value(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
