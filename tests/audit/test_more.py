from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scotoma.audit import estimate as rules
from scotoma.audit import more as module
from scotoma.audit.decoder import SETTINGS
from scotoma.audit.examples import Occasion
from scotoma.audit.more import MORE, Subject, estimate, find_more
from scotoma.audit.networks import perceptron
from scotoma.audit.neural import SETTINGS as ATTACK
from scotoma.audit.protocol import attack_once
from scotoma.audit.queue import Crew
from scotoma.runs.more import PIECES, More
from tests.audit.attribute_subjects import LINEAR, QUICK, attribute_table, averages, material_of, task_of

IMAGES = 600


def subject(**changes: Any) -> Subject:
    random = np.random.default_rng(4)
    labels = {name: random.integers(2, size=IMAGES) for name in ("hidden", "kept", "unnamed")}
    table = attribute_table(labels)
    material = material_of(averages().encode(table.pixels.transpose(0, 3, 1, 2)), table)
    hidden, kept = task_of("hidden", table), task_of("kept", table)
    said = attack_once(LINEAR, material, "all", Occasion(hidden, 0), 0)[0]
    made = Subject(
        material,
        averages(),
        ["code digest"],
        [hidden],
        [kept],
        [hidden, kept],
        {hidden: said},
        0,
        [LINEAR],
        QUICK,
        replace(SETTINGS, batch=16, evaluate_every=10, max_iterations=20),
    )
    return replace(made, **changes)


def test_every_piece_is_made_announced_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "seconds_of_update", lambda network, shape: 0.001)
    monkeypatch.setattr(module, "seconds_of_update", lambda network, shape: 0.001)
    announced: list[str] = []
    found = find_more(PIECES, subject(), tmp_path, Crew(1), announced.append)
    assert More.read(tmp_path / MORE) == found
    assert found.others is not None and found.reconstruction is not None and found.sweeps is not None
    assert [each.task for each in found.others.tasks] == ["unnamed"]
    assert [each.kept_class for each in found.others.within] == ["kept 0", "kept 1"]
    assert found.reconstruction.likeness[0].name == "decoder"
    assert [(each.attacker, each.over) for each in found.sweeps.curves] == [
        ("linear", "labels"),
        ("paper CNN", "compute"),
    ]
    assert [point.iterations for point in found.sweeps.curves[1].points] == [5, 20, 80, 320]
    assert announced == [
        "Now what was asked for beside the verdict, in about: others a minute, reconstruction a minute, "
        "sweeps a minute."
    ]
    assert set(found.seconds) == set(found.about) == set(PIECES)


def test_what_is_there_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real: Callable[..., Any] = module._make

    def noted(name: str, *rest: Any) -> Any:
        made.append(name)
        return real(name, *rest)

    monkeypatch.setattr(module, "_make", noted)
    announced: list[str] = []
    first = find_more(["others"], subject(), tmp_path, Crew(1))
    both = find_more(["others", "sweeps"], subject(), tmp_path, Crew(1), announced.append)
    assert made == ["others", "sweeps"]
    assert both.others == first.others
    assert announced[0].startswith("Now what was asked for beside the verdict, in about: sweeps")
    assert find_more(["sweeps"], subject(), tmp_path, Crew(1), announced.append) == both
    assert len(announced) == 1
    find_more(["others"], subject(base=["other codes"]), tmp_path, Crew(1))
    assert made == ["others", "sweeps", "others"]


def test_a_piece_goes_on_from_its_attempts(tmp_path: Path) -> None:
    first = find_more(["sweeps"], subject(), tmp_path, Crew(1))
    cells = {path: path.stat().st_mtime_ns for path in (tmp_path / "more-cells").iterdir()}
    assert len(cells) == 9
    (tmp_path / MORE).unlink()
    assert find_more(["sweeps"], subject(), tmp_path, Crew(1)).sweeps == first.sweeps
    assert {path: path.stat().st_mtime_ns for path in cells} == cells


def test_other_labels_of_a_task_are_another_subject() -> None:
    one, same = subject(), subject()
    assert [module._about(one, name) for name in PIECES] == [module._about(same, name) for name in PIECES]
    same.material.table.attributes["unnamed"].labels[:5] ^= 1
    assert [module._about(one, name) == module._about(same, name) for name in PIECES] == [False, True, True]
    same.material.table.attributes["hidden"].labels[:5] ^= 1
    assert not any(module._about(one, name) == module._about(same, name) for name in PIECES)


def test_the_estimate_grows_with_tasks_and_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "seconds_of_update", lambda network, shape: 0.01)
    monkeypatch.setattr(module, "seconds_of_update", lambda network, shape: 0.01)
    one = subject()
    assert estimate(PIECES, one, 1) == pytest.approx(
        {
            "others": 380 * 0.01,
            "reconstruction": (20 + 80) * 0.01,
            "sweeps": (5 * 380 + (1 / 16 + 1 / 4 + 1 + 4) * 80) * 0.01,
        }
    )
    usual = estimate(PIECES, subject(attack=ATTACK, decoder=SETTINGS), 1)
    assert usual["others"] == pytest.approx(18)
    assert usual["reconstruction"] == pytest.approx(30)
    two = subject(hidden=[*one.hidden, *one.hidden])
    assert estimate(["sweeps"], two, 1)["sweeps"] == pytest.approx(2 * estimate(["sweeps"], one, 1)["sweeps"])
    assert estimate(["sweeps"], one, 2)["sweeps"] == pytest.approx(estimate(["sweeps"], one, 1)["sweeps"] / 2)
    assert "reconstruction" not in estimate(PIECES, subject(target=None), 1)


def test_an_update_is_timed() -> None:
    shape = (1, 4, 4)
    assert 0 < rules.seconds_of_update(perceptron(shape, 8, 2), shape) < 1


@pytest.mark.parametrize(
    ("seconds", "said"), [(3, "a minute"), (200, "3 min"), (5300, "88 min"), (9000, "2.5 h")]
)
def test_times_are_said_in_words(seconds: float, said: str) -> None:
    assert rules.in_minutes(seconds) == said


def test_codes_without_images_are_attacked_all_the_same(tmp_path: Path) -> None:
    flat = subject(target=None)
    codes = flat.material.codes
    found = find_more(["reconstruction"], flat, tmp_path, Crew(1))
    assert found.reconstruction is not None
    assert found.reconstruction.note == "not available: there are codes only, no images"
    assert set(codes) == {"all", "stopping", "choosing", "test"}
