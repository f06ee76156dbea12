from dataclasses import replace
from pathlib import Path

import pytest

from scotoma.errors import InputError
from scotoma.experiments import table1
from scotoma.experiments.cells import AttackCell, Cell, Places, toml, write_settings
from scotoma.experiments.same import require_same, require_same_images
from scotoma.experiments.scales import load_scale
from scotoma.presets import load_preset
from scotoma.runs.settings import to_dict
from tests.experiments.examples import write_begun


@pytest.fixture
def cell(tiny_scale: str) -> AttackCell:
    return table1.attack_of(load_scale(tiny_scale), "-a +b", "gan", 0, 0)


def refusal(cells: list[Cell], places: Places) -> str:
    """Why what is there is not gone on with."""
    with pytest.raises(InputError) as raised:
        require_same(cells, places)
    return str(raised.value)


def test_other_settings_are_refused(tmp_path: Path, cell: AttackCell) -> None:
    write_settings([cell.encoder], tmp_path)
    write_begun(cell.encoder, tmp_path)
    require_same([cell.encoder], Places(tmp_path))
    told = (
        f"{tmp_path} holds runs that were made with other settings than now: {cell.encoder.label}. "
        "Choose another --out, or remove these folders."
    )
    assert refusal([replace(cell.encoder, changes={})], Places(tmp_path)) == told
    (tmp_path / "settings" / f"encoder-{cell.encoder.name}.toml").write_text(toml({"training": {"batch": 5}}))
    assert refusal([cell.encoder], Places(tmp_path)) == told


def test_a_preset_that_was_another_is_refused(tmp_path: Path, cell: AttackCell) -> None:
    cells: list[Cell] = [cell.encoder, cell]
    write_settings(cells, tmp_path)
    preset = to_dict(load_preset(cell.encoder.preset, cell.encoder.settings()))
    settings = {name: preset[name] for name in ("encoder", "images", "classifier", "training", "split")}
    about = {"seed": 0, "hide": list(cell.encoder.hide), "keep": list(cell.encoder.keep)}
    write_begun(cell.encoder, tmp_path, settings=settings, **about)
    attacks = to_dict(load_preset(cell.encoder.preset, cell.settings()))["verification"]
    write_begun(cell, tmp_path, settings={"verification": attacks}, seed=0)
    require_same(cells, Places(tmp_path))

    def told(*others: Cell) -> str:
        names = ", ".join(each.label for each in others)
        return (
            f"{tmp_path} holds runs that were made with other settings than now: {names}. "
            "Choose another --out, or remove these folders."
        )

    free = {"training": settings["training"] | {"checkpoint_every": 7, "a key of an older version": 1}}
    write_begun(cell.encoder, tmp_path, settings=settings | free, **about)
    require_same(cells, Places(tmp_path))
    longer = {"training": settings["training"] | {"iterations": 77}}
    write_begun(cell.encoder, tmp_path, settings=settings | longer, **about)
    write_begun(cell, tmp_path, settings={"verification": attacks | {"batch": 77}}, seed=0)
    assert refusal(cells, Places(tmp_path)) == told(*cells)
    write_begun(cell.encoder, tmp_path, settings=settings, **about | {"hide": ["runway"]})
    write_begun(cell, tmp_path, settings={"verification": attacks}, seed=1)
    assert refusal(cells, Places(tmp_path)) == told(*cells)


def test_other_data_are_refused_each_kind_by_its_flag(tmp_path: Path, cell: AttackCell) -> None:
    unseen = replace(cell, name="unseen", group=replace(cell.group, other_data=True))
    cells: list[Cell] = [cell.encoder, cell, unseen]
    write_settings(cells, tmp_path)
    for each, data in ((cell.encoder, "photos"), (cell, "photos"), (unseen, "coasts")):
        write_begun(each, tmp_path, data=data)
    require_same(cells, Places(tmp_path, "photos", "coasts"))
    require_same(cells, Places(tmp_path))  # nothing is named where nothing is run
    assert refusal(cells, Places(tmp_path, "others", "photos")) == (
        f"{tmp_path} holds runs on photos, not on others: {cell.encoder.label}, {cell.label}. "
        "Give --data photos, choose another --out, or remove these folders.\n"
        f"{tmp_path} holds runs on coasts, not on photos: attacks/unseen. "
        "Give --other-data coasts, choose another --out, or remove these folders."
    )


def test_images_that_were_changed_in_between_are_refused(tmp_path: Path, cell: AttackCell) -> None:
    unseen = replace(cell, name="unseen", group=replace(cell.group, other_data=True))
    cells: list[Cell] = [cell.encoder, cell, unseen]
    write_settings(cells, tmp_path)
    for each, digest in ((cell.encoder, "aa"), (cell, "aa"), (unseen, "bb")):
        write_begun(each, tmp_path, data="photos", images=digest)
    require_same(cells, Places(tmp_path, "photos"))
    write_begun(cell, tmp_path, data="photos", images="cc")
    told = (
        f"{tmp_path} holds runs on images that are not the same, as if some were added, removed or changed "
        "in between:\n"
        f"  digest aa: {cell.encoder.label}\n"
        f"  digest cc: {cell.label}\n"
        "Choose another --out, or remove the folders of all lines but one."
    )
    assert refusal(cells, Places(tmp_path, "photos")) == told
    with pytest.raises(InputError) as raised:
        require_same_images(cells, tmp_path)
    assert str(raised.value) == told
