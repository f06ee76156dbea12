from pathlib import Path

from tests.benchmarks.scripts import load_script
from tests.tiny import write_photos

opening = load_script("opening")


def test_the_three_ways_are_timed_and_set_against_decoding(tmp_path: Path) -> None:
    found = opening.measure(write_photos(tmp_path / "photos", 3), 8, 1)
    assert list(found) == ["images", "decoding alone", "check", "building the cache"]
    assert found["images"] == 12
    lines = opening.report({"images": 2000, "decoding alone": 2.0, "check": 2.5})
    assert lines == [
        "2,000 images; seconds of processor time, rate over that of decoding alone",
        "decoding alone          2.00    1.00",
        "check                   2.50    0.80",
    ]
