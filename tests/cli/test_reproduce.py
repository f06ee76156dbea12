from pathlib import Path

import pytest

from scotoma.cli import main
from scotoma.runs.run_folder import claim


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What stands on the screen after a user's mistake."""
    assert main(["reproduce", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err.rstrip("\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("tabel1", "--scale", "fashion"),
            "There is no artefact 'tabel1': did you mean 'table1'? "
            "(allowed: table1, table2, figure1, figure3, normalisation, stated).",
        ),
        (
            ("table1", "--scale", "fashon"),
            "There is no scale 'fashon': did you mean 'fashion'? (allowed: fashion, places, scenes).",
        ),
        (
            ("table1", "--scale", "fashion", "--seeds", "0,x,-1"),
            "--seeds '0,x,-1': x, -1 is no whole number from 0 on; write 0,1,2.",
        ),
        (("table1", "--scale", "fashion", "--seeds", "1,1"), "--seeds '1,1' names a seed twice."),
        (
            ("table1", "--scale", "fashion", "--only", "xyz"),
            "No cell of table1 has 'xyz' in its name; --dry-run names them all.",
        ),
        (("table1", "--scale", "places"), "The scale places needs images: name their folder with --data."),
        (
            ("table2", "--scale", "scenes"),
            "The scale scenes needs images: name their folder with --data.\n"
            "The scale scenes needs images: name their folder with --other-data.",
        ),
    ],
)
def test_mistakes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    out = tmp_path / "out"
    assert said(capsys, *arguments, "--out", str(out)) == message
    assert not out.exists()


def test_images_that_lack_categories(
    places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("table1", "--scale", "scenes", "--data", str(places), "--out", str(tmp_path / "out"))
    message = (
        f"{places} lacks the categories bedroom, cemetery, construction_site, fire_station, hospital_room, "
        "playground of the scale scenes."
    )
    assert said(capsys, *command) == message
    assert said(capsys, *command, "--dry-run") == message


def test_a_folder_of_somebody_else_or_of_another_scale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    command = ("table1", "--scale", "fashion", "--no-run", "--out")
    assert said(capsys, *command, str(tmp_path / "mine")) == (
        f"{tmp_path}/mine is not empty and no run folder of Scotoma, it is left alone: choose another --out."
    )
    claim(tmp_path / "run", "training")
    assert said(capsys, *command, str(tmp_path / "run")) == (
        f"{tmp_path}/run holds a training run, not a reproduction run: choose another --out."
    )
    out = str(tmp_path / "out")
    assert main(["reproduce", *command, out]) == 0
    assert "| missing (52.1) |" in capsys.readouterr().out
    assert said(capsys, "table1", "--scale", "places", "--no-run", "--out", out) == (
        f"{out} holds runs of the scale fashion, not of places: choose another --out."
    )


def test_the_time_limit_ends_it_with_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["reproduce", "table1", "--scale", "fashion", "--only", "hide-shirt", "--out", str(out)]
    assert main([*command, "--time-limit", "0.000001s"]) == 1
    assert capsys.readouterr().err.endswith(
        f"The time limit is reached: 0 of 24 cells have ended. The same command goes on; {out / 'table1'}.md "
        "shows what has ended.\n"
    )
    assert "missing" in (out / "table1.md").read_text()
    assert not (out / "encoders").exists()
