from pathlib import Path
from typing import Any

import pytest

from scotoma.errors import InputError
from scotoma.experiments import table1
from scotoma.experiments.cells import Places, arguments, require_same_settings, toml, write_settings
from scotoma.experiments.scales import load_scale
from scotoma.runs.settings import read_toml
from tests.experiments.examples import attack, write_attacks


def test_commands_name_everything(tmp_path: Path, tiny_scale: str) -> None:
    scale = load_scale(tiny_scale)
    cell = table1.attack_of(scale, "-a +b", "gan", 3, 3)
    name = "one-hide-airport_terminal-keep-office-gan-seed3"
    names = "airport_terminal,bar,office,runway"
    places = Places(tmp_path, "photos")
    assert cell.encoder.command(places) == (
        f"scotoma train photos --hide airport_terminal --keep office --categories {names} "
        f"--preset demo --seed 3 --config {tmp_path}/settings/encoder-{name}.toml "
        f"--out {tmp_path}/encoders/{name}"
    )
    assert arguments(cell.command(places)) == [
        "verify",
        f"{tmp_path}/encoders/{name}/encoder.safetensors",
        *("--data", "photos", "--tasks", "airport_terminal,office", "--baselines", "none"),
        *("--categories", names, "--preset", "demo", "--seed", "3"),
        *("--config", f"{tmp_path}/settings/attack-{name}.toml", "--out", f"{tmp_path}/attacks/{name}"),
    ]


def test_tables_are_written_as_toml_reads_them(tmp_path: Path) -> None:
    tables: dict[str, dict[str, Any]] = {
        "labels": {
            "columns": {
                "hair": "classes",
                'a "b" = c': "number",
                "größe": "number",
                "\N{GRINNING FACE}": "binary",
            },
            "missing": ["?", "\\N", "\t", "-1", "\N{GRINNING FACE}"],
            "skip_unreadable": True,
        },
        "training": {"alpha": 0.0625, "iterations": 3, "encoder_rate": 1e-05},
    }
    (tmp_path / "x.toml").write_text(toml(tables), encoding="utf-8")
    assert read_toml(tmp_path / "x.toml") == tables


def test_settings_are_written_and_held_to(tmp_path: Path, tiny_scale: str) -> None:
    scale = load_scale(tiny_scale)
    cell = table1.encoder_of(scale, "-a +b", "gan", 0)
    write_settings([cell], tmp_path)
    file = tmp_path / "settings" / f"encoder-{cell.name}.toml"
    assert read_toml(file) == cell.settings()
    assert cell.settings()["training"]["objective"] == "gan"
    cell.folder(tmp_path).mkdir(parents=True)
    (cell.folder(tmp_path) / "settings.json").write_text("{}")
    require_same_settings([cell], tmp_path)
    file.write_text(toml({"training": {"batch": 5}}))
    with pytest.raises(InputError) as raised:
        require_same_settings([cell], tmp_path)
    assert str(raised.value) == (
        f"{tmp_path} holds runs that were made with other settings than now: {cell.label}. "
        "Choose another --out, or remove these folders."
    )


def test_an_attack_is_done_when_every_cell_is_there_and_none_failed(tmp_path: Path, tiny_scale: str) -> None:
    scale = load_scale(tiny_scale)
    cell = table1.attack_of(scale, "-a +b", "gan", 0, 0)
    assert cell.state(tmp_path) == "to do"
    hidden = attack("encoder", "airport_terminal", 0.6)
    write_attacks(cell, tmp_path, [hidden])
    assert cell.state(tmp_path) == "to do"
    write_attacks(cell, tmp_path, [hidden, attack("encoder", "office", 0.9, state="failed")])
    assert cell.state(tmp_path) == "to do"
    write_attacks(cell, tmp_path, [hidden, attack("encoder", "office", 0.9)])
    assert cell.state(tmp_path) == "done"


def test_overrides_get_names_of_their_own(tiny_scale: str) -> None:
    scale = load_scale(tiny_scale)
    object.__setattr__(scale, "overrides", {"table1": {"training": {"batch": 6}}})
    cell = table1.encoder_of(scale, "-a +b", "gan", 0)
    assert cell.name == "table1-one-hide-airport_terminal-keep-office-gan-seed0"
    assert cell.settings()["training"]["batch"] == 6
