from dataclasses import replace

import pytest

from scotoma.reports.done import Group, spent, what_was_done
from tests.reports.examples import changed, results


def group(groups: list[Group], title: str) -> dict[str, str]:
    (found,) = (each for each in groups if each.title == title)
    return dict(found.entries)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (171.3, "2 min 51 s"), (11100, "3 h 5 min")],
)
def test_durations_are_for_people(seconds: float, expected: str) -> None:
    assert spent(seconds) == expected


def test_the_run_stands_first_then_the_data_then_the_rest() -> None:
    groups = what_was_done(results())
    assert [(each.title, each.unfolded) for each in groups] == [
        ("Run", True),
        ("Data", True),
        ("Settings", False),
        ("Hardware", False),
        ("Versions", False),
        ("Encoder identity", False),
        ("Encoder blur", False),
        ("Encoder encoder", False),
        ("Attacker paper", False),
    ]
    assert list(group(groups, "Run")) == ["command", "started", "time", "seed"]
    assert group(groups, "Run")["time"] == "2 min 51 s"


def test_values_are_written_for_people() -> None:
    made = results()
    run = {
        "seed": 1234567,
        "note": None,
        "data": {
            "images": 20000,
            "same_data": True,
            "parts": {"air_field": 9983},
            "rate": 0.00001,
            "none": [],
        },
    }
    groups = what_was_done(replace(made, run=run))
    assert group(groups, "Run") == {"seed": "1234567", "note": "not set"}
    assert group(groups, "Data") == {
        "images": "20,000",
        "same data": "yes",
        "parts": "air_field 9,983",
        "rate": "1e-05",
        "none": "none",
    }


def test_files_that_were_left_out_are_counted_and_folders_of_paths_are_not_shown() -> None:
    run = {
        "command": "scotoma verify /home/me/enc.safetensors --data '/home/me/my photos/a.csv' --rate 1/2",
        "data": {"source": "/home/me/photos", "skipped": ["me.png: the file is empty", "you.png: broken"]},
    }
    groups = what_was_done(replace(results(), run=run))
    assert group(groups, "Run") == {
        "command": "scotoma verify enc.safetensors --data a.csv --rate 1/2",
    }
    assert group(groups, "Data") == {"source": "photos", "skipped": "2 images left out, not to be read"}
    odd = {
        "source": "/data/Smith, John/o'brien's scans",
        "command": """scotoma check "/data/a, b/o'x/c.csv" ~/y""",
    }
    groups = what_was_done(replace(results(), run={"data": odd, "command": odd["command"]}))
    assert group(groups, "Data")["source"] == "o'brien's scans"
    assert group(groups, "Run") == {"command": "scotoma check c.csv y"}
    names = "scotoma verify runs/enc.safetensors --hide arena/hockey,bar --data=/home/me/x"
    groups = what_was_done(replace(results(), run={"command": names}))
    assert group(groups, "Run")["command"] == names.replace("/home/me/", "")
    # From Python anything may stand there.
    groups = what_was_done(replace(results(), run={"command": "it's /home/me/mine"}))
    assert group(groups, "Run") == {"command": """'it'"'"'s' mine"""}


def test_an_encoder_is_described_with_its_training() -> None:
    found = group(what_was_done(results()), "Encoder encoder")
    assert found["code (channels, height, width)"] == "3 \N{MULTIPLICATION SIGN} 7 \N{MULTIPLICATION SIGN} 7"
    assert (found["hidden"], found["keep"], found["time"]) == ("shirt 0.672", "bag", "1 min 58 s")


def test_settings_of_attackers_are_given_once_for_the_cells_that_share_them() -> None:
    groups = what_was_done(changed(results(), "identity", "bag", settings={"rate": 1e-4}))
    shared, own = (dict(each.entries) for each in groups if each.title == "Attacker paper")
    assert own == {"rate": "0.0001", "used on (encoder / task)": "identity / bag"}
    assert shared["used on (encoder / task)"].startswith("identity / shirt, identity / coat, blur / shirt")


def test_nothing_recorded_is_nothing_shown() -> None:
    assert what_was_done(replace(results(), run={}, encoders=(), cells=())) == []
