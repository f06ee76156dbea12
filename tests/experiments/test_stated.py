from pathlib import Path

from scotoma.experiments import normalisation, stated
from scotoma.experiments.cells import AttackCell, EncoderCell
from scotoma.experiments.scales import load_scale
from scotoma.experiments.table1 import cells as table1_cells
from tests.experiments.examples import attack, write_attacks


def test_attackers_variants_share_the_encoder_of_table_1(tiny_scale: str) -> None:
    scale = load_scale(tiny_scale)
    found = stated.cells(scale, (0,))
    encoders = [cell for cell in found if isinstance(cell, EncoderCell)]
    attacks = [cell for cell in found if isinstance(cell, AttackCell)]
    assert (len(encoders), len(attacks)) == (6, 9)
    assert encoders[0] in table1_cells(scale, (0,))
    by_change = {cell.name.partition("label-flip")[2]: cell.settings() for cell in found}
    assert by_change["-seed0-rate-1e-05"]["verification"]["schedule"] == "literal"
    assert by_change["-seed0-rate-1e-05"]["verification"]["rate"] == 1e-5
    assert [cell.settings()["training"]["batch"] for cell in encoders] == [4, 4, 32, 128, 512, 4]
    assert encoders[1].settings()["training"]["encoder_drop"] == 1.0
    assert encoders[-1].settings()["training"]["warm_up"] == 0


def test_stated_rows(tmp_path: Path, tiny_scale: str) -> None:
    scale = load_scale(tiny_scale)
    cell = stated.attack_cell_of(scale, stated.VARIANTS[1], 0, 0)
    hide, keep = cell.tasks
    attacks = [attack("encoder", hide, 0.66, "hide"), attack("encoder", keep, 0.9, "keep")]
    write_attacks(cell, tmp_path, attacks)
    shown = stated.markdown(stated.collect(scale, (0,), tmp_path))
    assert "| the encoder's rate does not fall | missing | 66.0 [64.0, 68.0] | 50.0 | 90.0 |" in shown
    assert "| no warm-up | missing | missing | missing | missing |" in shown
    rising = attack("encoder", hide, 0.66, "hide", state="inconclusive")
    write_attacks(cell, tmp_path, [rising, attacks[1]])
    shown = stated.markdown(stated.collect(scale, (0,), tmp_path))
    assert "does not fall | missing | 66.0 [64.0, 68.0], still rising | 50.0 | 90.0 |" in shown


def test_normalisation_goes_on_after_a_collapse_and_tells_what_is_missing(
    tmp_path: Path, tiny_scale: str
) -> None:
    scale = load_scale(tiny_scale)
    found = normalisation.cells(scale, (0,))
    assert [cell.settings()["encoder"]["normalisation"] for cell in found] == list(normalisation.WAYS)
    assert {cell.settings()["training"]["on_collapse"] for cell in found} == {"record"}
    assert all(isinstance(cell, EncoderCell) and cell.keep == () for cell in found)
    shown = normalisation.markdown(normalisation.collect(scale, (0,), tmp_path))
    assert "| batch | missing | missing | missing | missing | 75 % of the outputs" in shown
