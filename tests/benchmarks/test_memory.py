import os
import tomllib
from pathlib import Path

from scotoma.data.images import open_images
from scotoma.presets import load_preset
from tests.benchmarks.scripts import load_script

memory = load_script("memory")


def test_no_two_of_the_images_are_alike(tmp_path: Path) -> None:
    memory.write_images(tmp_path / "images", 40)
    table = open_images(tmp_path / "images", 18, 3, cache=tmp_path / "cache")
    assert table.categories == memory.CATEGORIES
    assert table.labels.tolist() == [0] * 20 + [1] * 20
    assert len(set(table.keys.tolist())) == 40
    assert table.left_out == ()


def test_the_settings_are_a_preset_s(tmp_path: Path) -> None:
    changes = tomllib.loads(memory.SETTINGS.format(side=36, size=32))
    preset = load_preset("small", changes)
    assert (preset.encoder.size, preset.preprocessing.stored_side) == (32, 36)
    assert preset.training.iterations + preset.training.warm_up == 25


def test_anonymous_memory_is_what_a_process_took_for_itself() -> None:
    before = memory.anonymous_mib(os.getpid())
    taken = bytearray(os.urandom(1 << 20) * 64)
    assert 60 < memory.anonymous_mib(os.getpid()) - before < 140
    assert len(taken) == 64 << 20
    assert memory.anonymous_mib(2**30) == 0.0
