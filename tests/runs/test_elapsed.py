from pathlib import Path

import pytest

from scotoma.runs.elapsed import NAME, timed


def test_time_is_counted_over_processes_however_they_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with pytest.raises(KeyboardInterrupt), timed(tmp_path) as first:
        now[0] += 3.5
        raise KeyboardInterrupt
    now[0] = 7.0  # of another start of the machine
    with timed(tmp_path) as second:
        now[0] += 2.0
        assert second.now().seconds == 5.5
    assert second.before.started == first.before.started


def test_a_file_that_is_damaged_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"started": 3}')
    with timed(tmp_path) as clock:
        assert clock.before.seconds == 0
    assert clock.now().seconds < 60
