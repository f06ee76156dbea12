import json
from pathlib import Path

import numpy as np
import pytest

from scotoma.experiments.artefact import write_artefact
from scotoma.experiments.cells import Places
from scotoma.experiments.grid import attacks_of, read_grid
from scotoma.experiments.scales import LETTERS, Scale, load_scale
from scotoma.experiments.table2 import TABLE2_ARTEFACT, cells, collect, markdown
from tests.experiments.examples import attack, write_answers, write_attacks


@pytest.fixture
def scale(tiny_scale: str) -> Scale:
    return load_scale(tiny_scale)


def test_cells_share_encoders_and_attack_both_groups(scale: Scale) -> None:
    found = cells(scale, (0,))
    assert len(found) == 3 * 4
    first = attacks_of(scale, "-a", 0, 0)
    assert [each.tasks for each in first] == [
        ("airport_terminal", "office", "bar", "runway"),
        ("coast", "volcano", "swamp", "valley"),
    ]
    assert [each.baselines for each in first] == [("identity", "blur")] * 2
    places = Places(Path("out"), "photos", "others")
    assert "--data others" in first[1].command(places)
    assert "--data photos" in first[0].command(places)
    assert first[1].name == f"{first[0].name}-unseen"


def test_the_table_and_its_floors(tmp_path: Path, scale: Scale) -> None:
    own, unseen = attacks_of(scale, "-a", 0, 0)
    clear = [attack(name, task, 0.9) for name in ("identity", "blur") for task in own.tasks]
    hidden = [attack("encoder", task, 0.6, floor=0.55) for task in own.tasks]
    write_attacks(own, tmp_path, [*clear, *hidden])
    write_attacks(unseen, tmp_path, [attack("encoder", task, 0.7) for task in unseen.tasks[:2]])
    found = collect(scale, (0,), tmp_path)
    assert [row.name for row in found.rows] == ["identity", "blur", "-a", "-b", "-a +b", "-a +b,c"]
    entries = found.rows[2].entries
    assert [entry.test for entry in entries] == [0.6, 0.6, 0.6, 0.6, 0.7, 0.7, None, None]
    assert [entry.role for entry in entries[:2]] == ["hide", "other"]
    assert (entries[0].low, entries[0].high, entries[0].floor, entries[0].paper) == (0.58, 0.62, 0.55, 0.754)
    assert found.unseen == ("coast", "volcano", "swamp", "valley")
    shown = markdown(found)
    assert "| -60.0 (75.4) [58.0, 62.0], floor 55.0 |" in shown
    assert "floor 50.0 | missing (80.3) | missing (82.7) |" in shown
    holds = next(each for each in found.statements if each.said == "-a hides a more than blur does")
    assert holds.verdict == "holds"
    text = write_artefact(TABLE2_ARTEFACT, scale, (0,), Places(tmp_path))
    assert (tmp_path / "table2.md").read_text() == text
    written = json.loads((tmp_path / "table2.json").read_text())
    assert written["result"]["rows"][2]["entries"][0]["test"] == 0.6
    assert written["cells"][0]["command"].startswith("scotoma train DATA --hide airport_terminal ")


def test_means_over_seeds(tmp_path: Path, scale: Scale) -> None:
    for seed, test in ((0, 0.6), (1, 0.7)):
        own, _ = attacks_of(scale, "-b", seed, 0)
        write_attacks(own, tmp_path, [attack("encoder", "office", test)])
    entry = collect(scale, (0, 1), tmp_path).rows[3].entries[1]
    assert entry.test == pytest.approx(0.65)
    # Two seeds: half = 12.7062 s / sqrt 2, s = .1 / sqrt 2; no accuracy is above 1.
    assert entry.low == pytest.approx(0.65 - 12.7062 * 0.05, abs=1e-5)
    assert entry.high == 1.0


def test_answers_weigh_as_balanced_accuracy_does(tmp_path: Path, scale: Scale) -> None:
    own, _ = attacks_of(scale, "-a", 0, 0)
    write_attacks(own, tmp_path, [attack("encoder", "airport_terminal", 0.6)])
    said = [("airport_terminal", True), ("airport_terminal", False), ("bar", True), ("bar", True)]
    said += [("office", False), ("runway", True)]
    write_answers(own, tmp_path, "encoder", "airport_terminal", said)
    answers = read_grid(scale, 0, (0,), tmp_path)["-a", LETTERS[0]].answers
    assert answers is not None
    assert answers.right.tolist() == [right for _, right in said]
    assert answers.weights == pytest.approx(np.array([1 / 4, 1 / 4, 1 / 12, 1 / 12, 1 / 6, 1 / 6]))
