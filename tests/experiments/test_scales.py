import pytest

from scotoma.data.fashion import GARMENTS
from scotoma.errors import InputError
from scotoma.experiments.artefacts import ARTEFACTS
from scotoma.experiments.cells import EncoderCell
from scotoma.experiments.paper import TABLE2
from scotoma.experiments.scales import PAPER_ROWS, GridSettings, load_scale, scale_names
from scotoma.presets import load_preset


@pytest.mark.parametrize("name", ["fashion", "places", "scenes"])
def test_every_cell_of_a_shipped_scale_has_settings_that_its_preset_takes(name: str) -> None:
    scale = load_scale(name)
    assert scale_names() == ["fashion", "places", "scenes"]
    for artefact in ARTEFACTS.values():
        cells = artefact.cells(scale, scale.seeds)
        labels = [cell.label for cell in cells]
        assert len(set(labels)) == len(labels)
        for cell in cells:
            load_preset(scale.preset, cell.settings(), cell.label)
            names = (*cell.hide, *cell.keep) if isinstance(cell, EncoderCell) else cell.tasks
            assert set(names) <= set(cell.group.categories)


def test_places_has_the_papers_settings_and_groups() -> None:
    scale = load_scale("places")
    assert scale.changes("table1") == {}
    assert [len(group.categories) for group in scale.groups.values()] == [10, 10]
    assert scale.table2.rows == PAPER_ROWS
    assert set(PAPER_ROWS) | {"identity", "blur"} == set(TABLE2)
    assert scale.table2.tasks("-a +b,c,e") == (("army_base",), ("airport_terminal", "airfield", "alley"))


def test_fashion_knows_its_garments() -> None:
    groups = load_scale("fashion").groups
    assert set(groups["all"].categories) == set(GARMENTS)
    assert set(groups["one"].categories) | set(groups["unseen"].categories) == set(GARMENTS)


@pytest.mark.parametrize("row", ["a", "+a", "-a -b", "-z", ""])
def test_rows_that_are_not_understood(row: str) -> None:
    columns = ("1", "2", "3", "4", "5", "6", "7", "8")
    with pytest.raises(InputError, match=r"write it as in '-a \+b,c'"):
        GridSettings("one", "unseen", columns, (row,))


def test_an_unknown_scale_names_the_nearest() -> None:
    with pytest.raises(InputError) as raised:
        load_scale("place")
    assert str(raised.value) == (
        "There is no scale 'place': did you mean 'places'? (allowed: fashion, places, scenes)."
    )
