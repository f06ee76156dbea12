from pathlib import Path

import numpy as np
import pytest

from scotoma.audit.examples import Floats
from scotoma.runs.whole_files import read_json
from tests.benchmarks.scripts import load_script

false_alarms = load_script("false_alarms")


def test_every_setting_is_counted_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tells(random: np.random.Generator, images: int) -> Floats:
        """The audit's labels are drawn next, from the same numbers: a leak of all of them."""
        again = np.random.default_rng()
        again.bit_generator.state = random.bit_generator.state
        again.permutation(images)
        labels = again.random(images) < 0.5
        codes: Floats = np.repeat(labels[:, None], 3, axis=1).astype(np.float32)
        return codes

    settings = (
        false_alarms.Setting("nothing", false_alarms.constant),
        false_alarms.Setting("everything", tells),
    )
    monkeypatch.setattr(false_alarms, "SETTINGS", settings)
    out = tmp_path / "counts.json"
    monkeypatch.setattr("sys.argv", ["false_alarms.py", "--seeds", "2", "--out", str(out)])
    false_alarms.main()
    assert capsys.readouterr().out == (
        "nothing: leaks 0, no leak found 0, inconclusive 2\n"
        "everything: leaks 2, no leak found 0, inconclusive 0\n"
    )
    found = read_json(out)
    assert found["seeds"] == 2
    assert found["said"]["everything"] == {"leaks": 2, "no leak found": 0, "inconclusive": 0}
    assert found["attackers"] == [each.name for each in false_alarms.QUICK]
