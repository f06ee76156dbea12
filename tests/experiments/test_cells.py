from dataclasses import replace
from pathlib import Path
from typing import Any

from scotoma.experiments import table1
from scotoma.experiments.cells import Places, arguments, read_results, toml, write_settings
from scotoma.experiments.scales import load_scale
from scotoma.runs.settings import read_toml
from tests.experiments.examples import attack, write_attacks, write_begun, write_encoder


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


def test_settings_are_written_as_toml_and_removed_where_none_are_left(
    tmp_path: Path, tiny_scale: str
) -> None:
    cell = table1.encoder_of(load_scale(tiny_scale), "-a +b", "gan", 0)
    write_settings([cell], tmp_path)
    file = tmp_path / "settings" / f"encoder-{cell.name}.toml"
    assert read_toml(file) == cell.settings()
    assert cell.settings()["training"]["objective"] == "gan"
    write_settings([replace(cell, changes={})], tmp_path)
    assert not file.exists()


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


def test_an_attack_on_another_encoder_is_not_done(tmp_path: Path, tiny_scale: str) -> None:
    cell = table1.attack_of(load_scale(tiny_scale), "-a +b", "gan", 0, 0)
    attacks = [attack("encoder", task, 0.6) for task in cell.tasks]
    write_attacks(cell, tmp_path, attacks, "digest of another one")
    write_begun(cell, tmp_path, digest="digest of another one")
    # An encoder that is not there may be the same: what was found of it still counts.
    assert (cell.state(tmp_path), cell.is_stale(tmp_path)) == ("done", False)
    digest = write_encoder(cell.encoder, tmp_path)
    assert (cell.state(tmp_path), cell.is_stale(tmp_path)) == ("begun", True)
    assert read_results(cell, tmp_path) is None
    write_attacks(cell, tmp_path, attacks, digest)
    write_begun(cell, tmp_path, digest=digest)
    assert (cell.state(tmp_path), cell.is_stale(tmp_path)) == ("done", False)


def test_overrides_get_names_of_their_own(tiny_scale: str) -> None:
    scale = load_scale(tiny_scale)
    object.__setattr__(scale, "overrides", {"table1": {"training": {"batch": 6}}})
    cell = table1.encoder_of(scale, "-a +b", "gan", 0)
    assert cell.name == "table1-one-hide-airport_terminal-keep-office-gan-seed0"
    assert cell.settings()["training"]["batch"] == 6
