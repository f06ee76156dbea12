import csv
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scotoma.audit import more, run, suites
from scotoma.audit.more import Subject
from scotoma.audit.suites import LOGISTIC
from scotoma.cli import main, verify
from scotoma.reports.more import more_section
from scotoma.runs.more import More, Piece
from scotoma.runs.whole_files import read_json
from tests.audit.attribute_subjects import NETWORK, QUICK
from tests.tiny import shrink_embedded_set

ASKED = ["--hide", "male", "--keep", "smile", "--suite", "standard", "--baselines", "none"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attackers that need a moment; the table of a verdict has tests of its own."""
    monkeypatch.setitem(suites.SUITES, "standard", suites.Suite((LOGISTIC,)))
    monkeypatch.setattr(run, "Subject", partial(Subject, attackers=(LOGISTIC, NETWORK), attack=QUICK))
    monkeypatch.setattr(verify, "show_verdict", lambda found: None)


@pytest.fixture
def codes(tmp_path: Path) -> tuple[str, str]:
    """Codes that show whether somebody is young, and a table with what is known of 800 persons."""
    random = np.random.default_rng(0)
    known = {name: random.integers(2, size=800) for name in ("male", "smile", "young")}
    values = random.normal(size=(800, 5)).astype(np.float32)
    values[:, 3] += 5 * known["young"]
    np.save(tmp_path / "codes.npy", values)
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*known, "age", "hair=black"])
        for row in zip(*known.values(), strict=True):
            table.writerow([*row, random.uniform(0, 90), "yes"])
    return str(tmp_path / "codes.npy"), str(tmp_path / "labels.csv")


def test_more_is_found_written_and_shown(
    codes: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["verify", codes[0], "--data", codes[1], *ASKED, "--out", str(out)]
    assert main([*command, "--with", "others"]) == 0
    assert "Now what was asked for beside the verdict, in about: others" in capsys.readouterr().out
    found = More.read(out / "more.json")
    assert found.others is not None
    (young,) = found.others.tasks
    assert young.task == "young"
    assert young.accuracy is not None and young.accuracy.low > 0.9
    assert (found.reconstruction, found.sweeps) == (None, None)
    assert "--with others" in read_json(out / "settings.json")["command"]
    # What was asked for before is asked for again, and is there.
    assert main([*command, "--with", "reconstruction,sweeps"]) == 0
    both = More.read(out / "more.json")
    assert both.others == found.others
    assert both.reconstruction is not None and both.sweeps is not None
    assert both.reconstruction.note == "not available: there are codes only, no images"
    assert {curve.attacker for curve in both.sweeps.curves} == {"logistic regression", "network", "MLP"}
    said = capsys.readouterr().out
    assert "Now what was asked for beside the verdict, in about: sweeps a minute." in said
    section = more_section(out)
    assert section is not None and "young" in section
    assert main([*command]) == 0
    assert More.read(out / "more.json") == both
    assert "Now what was asked for" not in capsys.readouterr().out


def test_what_is_not_made_yet_is_shown_as_missing(
    codes: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    command = ["verify", codes[0], "--data", codes[1], *ASKED, "--out", str(out)]
    make = more._make

    def stopped(name: Piece, *rest: Any) -> Any:
        if name == "sweeps":
            raise KeyboardInterrupt
        return make(name, *rest)

    with monkeypatch.context() as once:
        once.setattr(more, "_make", stopped)
        assert main([*command, "--with", "others,sweeps"]) == 130
    section = more_section(out)
    assert section is not None and "Asked for and not made yet: sweeps." in section
    capsys.readouterr()
    assert main(["info", str(out)]) == 0
    assert "finished but for sweeps" in capsys.readouterr().out
    assert main(command) == 0
    section = more_section(out)
    assert section is not None and "not made yet" not in section


def test_categories_that_were_not_named_are_attacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_embedded_set(monkeypatch)
    out = tmp_path / "out"
    target = ["blur=8", "--data", "fashion-mnist", "--size", "24", "--channels", "1"]
    asked = ["--hide", "bag", "--keep", "shirt", "--suite", "standard", "--baselines", "none"]
    asked += ["--categories", "bag,shirt,sandal,dress"]
    assert main(["verify", *target, *asked, "--with", "others", "--out", str(out)]) == 0
    found = More.read(out / "more.json").others
    assert found is not None
    assert [each.task for each in found.tasks] == ["dress", "sandal"]
    assert all(each.accuracy is not None and each.accuracy.value > 0.6 for each in found.tasks)
    assert [(each.hidden, each.kept, each.kept_class) for each in found.within] == [
        ("bag", "shirt", "other"),
        ("bag", "shirt", "shirt"),
    ]


def test_unknown_words_are_refused_with_those_that_are_allowed(
    codes: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["verify", codes[0], "--data", codes[1], *ASKED, "--out", str(tmp_path / "out")]
    assert main([*command, "--with", "others,sweep,everything"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "--with others,sweep,everything: 'sweep', 'everything' cannot be asked for; allowed: others, "
        "reconstruction, sweeps."
    ]
    assert not (tmp_path / "out").exists()


def test_the_paper_s_suite_takes_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["verify", "encoder.safetensors", "--data", "fashion-mnist", "--out", str(tmp_path / "out")]
    assert main([*command, "--with", "others"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "--with: only --suite standard and --suite exhaustive take this."
    ]
