"""Does the fault campaign see a difference, spread its kills, and count what did not end as it should?"""

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from scotoma.runs.run_folder import LOCK, MARKER
from tests.benchmarks.scripts import FOLDER, load_script

LINES = """
import sys, time
from pathlib import Path
run = Path("run")
run.mkdir(exist_ok=True)
(run / "scotoma-run.json").write_text("{}")
time.sleep(float(sys.argv[1]))
(run / "end.json").write_text('{"seconds": %f}' % time.monotonic())
"""


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    yield load_script("faults")
    for name in ("fault_campaign", "fault_jobs", "fault_disks", "fault_processes"):
        sys.modules.pop(name, None)


def content(faults: Any, folder: Path) -> dict[str, str]:
    found: dict[str, str] = sys.modules["fault_jobs"]._run(folder)
    return found


def write_run(folder: Path) -> Path:
    run = folder / "run"
    (run / "cells").mkdir(parents=True)
    (run / "results.json").write_text(json.dumps({"run": {"seconds": 1.5}, "checksum": "a", "test": [0.5]}))
    card = json.dumps({"training": {"seconds": 2.5, "seed": 0}, "checksum": "b"})
    tensors = {"weight": np.arange(4, dtype=np.float32)}
    save_file(tensors, run / "encoder.safetensors", {"scotoma": card})
    (run / LOCK).write_text("123\n")
    return run


def test_times_are_no_difference_and_everything_else_is(faults: Any, tmp_path: Path) -> None:
    write_run(tmp_path / "one")
    run = write_run(tmp_path / "two")
    (run / "results.json").write_text('{"run": {"seconds": 9}, "checksum": "c", "test": [0.5]}')
    encoder = run / "encoder.safetensors"
    card = json.dumps({"training": {"seconds": 7, "seed": 0}, "checksum": "d"})
    save_file(load_file(encoder), encoder, {"scotoma": card})
    (run / LOCK).write_text("4\n")
    one, two = (content(faults, tmp_path / name) for name in ("one", "two"))
    differences = sys.modules["fault_jobs"].differences
    assert sorted(one) == ["run/encoder.safetensors", "run/results.json"]
    assert differences(one, two) == []

    (run / "cells/.a.json.tmp").write_text("left behind")
    (run / "results.json").write_text('{"run": {"seconds": 9}, "test": [0.25]}')
    weight = load_file(encoder)["weight"]
    weight[3] = np.nextafter(weight[3], 4, dtype=np.float32)
    save_file({"weight": weight}, encoder, {"scotoma": card})
    two = content(faults, tmp_path / "two")
    assert differences(one, two) == ["run/cells/.a.json.tmp", *sorted(one)]
    save_file({"weight": weight}, encoder, {"scotoma": card.replace("0", "1")})
    assert content(faults, tmp_path / "two")["run/encoder.safetensors"] != two["run/encoder.safetensors"]


@pytest.fixture
def campaign(faults: Any, tmp_path: Path) -> Any:
    """A job that writes one file 0.3 s after another one."""
    jobs = sys.modules["fault_jobs"]
    job = jobs.Job("line", (), jobs._marked, lambda folder: (folder / "run/end.json").exists(), jobs._run)

    class Line(jobs.Job):  # type: ignore[name-defined,misc]
        @property
        def command(self) -> list[str]:
            return [sys.executable, "-c", LINES, "0.3"]

    made = faults.Campaign(tmp_path, random.Random(0))
    made.jobs = (Line(**vars(job)),)
    made.whole["line"] = {
        f"run/{name}": jobs._digest(written(tmp_path, name)) for name in (MARKER, "end.json")
    }
    made.seconds["line"] = 0.3
    return made


def written(folder: Path, name: str) -> Path:
    (folder / name).write_text("{}")
    return folder / name


def test_a_run_that_ends_sooner_than_thought_is_caught_all_the_same(faults: Any, campaign: Any) -> None:
    campaign.seconds["line"] = 1.0
    (job,) = campaign.jobs
    with campaign.caught(job, 0.7) as run:
        assert run.in_time and not (run.folder / "run/end.json").exists()
        run.process.kill()
        run.process.wait()
    assert campaign.seconds["line"] < 0.9


def test_moments_are_spread_over_the_time_and_the_jobs(faults: Any, campaign: Any) -> None:
    (job,) = campaign.jobs
    campaign.jobs = (job, replace(job, name="other"))
    campaign.seconds["other"] = 3.0
    drawn = faults.shares(campaign, 9)
    for name, count in (("line", 5), ("other", 4)):
        shares = [share for each, share in drawn if each.name == name]
        assert sorted(int(share * count) for share in shares) == list(range(count))


def test_a_slow_job_has_its_turn_less_often(faults: Any, campaign: Any) -> None:
    (job,) = campaign.jobs
    campaign.jobs = (job, replace(job, name="slow", every=3))
    names = [each.name for each, _ in faults.shares(campaign, 8)]
    assert names == ["line", "line", "line", "slow", "line", "line", "line", "slow"]
    assert [job.share_of(count) for count in (1, 7)] == [1, 7]
    assert [campaign.jobs[1].share_of(count) for count in (1, 7)] == [1, 2]


def test_no_trial_begins_when_the_time_is_over(faults: Any, campaign: Any) -> None:
    campaign.until = time.monotonic()
    for run in (faults.kill, faults.interrupt_twice, faults.two_at_once):
        run(campaign, 3)
    disk = sys.modules["fault_disks"].Disk("", False, True, "", "")
    faults.fill(campaign, disk, 3)
    faults.forbid(campaign, disk)
    assert campaign.trials == []


def test_a_sweep_s_encoder_may_have_another_digest_and_nothing_else(faults: Any, tmp_path: Path) -> None:
    jobs = sys.modules["fault_jobs"]

    def content(name: str, told: str = "", test: float = 0.5) -> dict[str, str]:
        run = write_run(tmp_path / name)
        for folder in ("encoders", "logs"):
            (run / folder).mkdir()
        encoder = (run / "encoder.safetensors").rename(run / "encoders/encoder.safetensors")
        card = json.dumps({"training": {"seconds": name, "seed": 0}})
        save_file(load_file(encoder), encoder, {"scotoma": card})
        digest = told or blake2b(encoder.read_bytes(), digest_size=16).hexdigest()
        (run / "results.json").write_text(json.dumps({"encoder": digest, "test": test}))
        (run / "logs/a.log").write_text(name)
        cell = run / "attacks/cells/a.json"
        cell.parent.mkdir(parents=True)
        cell.write_text(json.dumps({"fingerprint": digest[::-1], "test": test}))
        found: dict[str, str] = jobs._sweep(run.parent)
        return found

    one = content("one")
    cell = "run/attacks/cells/a.json"
    assert sorted(one) == [cell, "run/encoders/encoder.safetensors", "run/results.json"]
    assert jobs.differences(one, content("two")) == []
    assert jobs.differences(one, content("three", told="ab" * 16)) == ["run/results.json"]
    assert jobs.differences(one, content("four", test=0.25)) == [cell, "run/results.json"]


def test_a_killed_run_is_given_again_and_compared(faults: Any, campaign: Any) -> None:
    faults.kill(campaign, 1)
    campaign.whole["line"]["run/end.json"] = "another"
    faults.kill(campaign, 1)
    assert [(each.ended, each.in_time, each.detail) for each in campaign.trials] == [
        ("identical", True, ""),
        ("different", True, "run/end.json"),
    ]
    assert faults.table(campaign.trials).splitlines()[1].split() == [
        "killed",
        "line",
        "2",
        "2",
        "1",
        "1",
        "0",
    ]


@pytest.mark.parametrize("fault", ["interrupt_twice", "two_at_once"])
def test_a_run_that_says_nothing_of_its_end_does_not_end_as_it_should(
    faults: Any, campaign: Any, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Callable[[Any, int], None] = getattr(faults, fault)
    run(campaign, 1)
    (trial,) = campaign.trials
    assert trial.ended == "not as it should"
    assert trial.detail.startswith("exit code ")
