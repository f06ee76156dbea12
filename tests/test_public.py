import subprocess
import sys
from pathlib import Path

import pytest

import scotoma
from scotoma.audit import suites
from scotoma.errors import InputError
from tests.audit.subjects import QUICK
from tests.tiny import ATTACKS, NETWORKS, TRAINING, write_photos


def test_every_public_name_is_there_and_has_a_docstring() -> None:
    assert len(set(scotoma.__all__)) == len(scotoma.__all__)
    for name in scotoma.__all__:
        assert getattr(scotoma, name).__doc__, name
    assert set(scotoma.__all__) <= set(dir(scotoma))


def test_what_is_not_public_is_not_there() -> None:
    with pytest.raises(AttributeError, match=r"^module 'scotoma' has no attribute 'tain'$"):
        _ = scotoma.tain


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    lines = ["import sys, scotoma", "assert 'torch' not in sys.modules", "scotoma.load_preset"]
    code = "\n".join([*lines, "assert 'torch' in sys.modules"])
    subprocess.run([sys.executable, "-c", code], check=True)


def test_runs_in_python_are_refused_and_replaced_as_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCOTOMA_CACHE", str(tmp_path / "cache"))
    preset = scotoma.load_preset("demo", NETWORKS | {"training": TRAINING, "verification": ATTACKS})
    images = scotoma.open_images(
        write_photos(tmp_path / "photos"), preset, categories=["bar", "office", "runway"]
    )
    assert images.categories == ("bar", "office", "runway")
    plan = preset.plan(("bar",), (), 0)
    first = scotoma.train(images, plan, tmp_path / "run")
    # The same again finds it done; another plan is refused.
    assert scotoma.train(images, plan, tmp_path / "run").digest == first.digest
    with pytest.raises(InputError, match="was begun with other settings"):
        scotoma.train(images, preset.plan(("bar",), (), 1), tmp_path / "run")
    with pytest.raises(InputError) as caught:
        scotoma.verify(first, images, preset, tmp_path / "run")
    assert str(caught.value) == (
        f"{tmp_path / 'run'} holds a training run, not a verification run: choose another --out, or give "
        "--overwrite to replace it."
    )
    with pytest.raises(InputError, match="baselines: 'identity' is not possible, allowed: identity, blur"):
        scotoma.verify(first, images, preset, tmp_path / "attacks", baselines="identity")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="suite: 'standart' is not possible, allowed: standard, exhaustive"):
        scotoma.verify_by_suite(first, images, tmp_path / "attacks", suite="standart")  # type: ignore[arg-type]
    # What cannot be is found out before anything is emptied.
    with pytest.raises(InputError, match="'barr' is no category of these images"):
        scotoma.train(images, preset.plan(("barr",), (), 1), tmp_path / "run", overwrite=True)
    with pytest.raises(InputError, match="'barr' is no category of these images"):
        scotoma.verify(first, images, preset, tmp_path / "run", tasks=["barr"], overwrite=True)
    with pytest.raises(InputError, match="'barr' is no category of these images"):
        scotoma.verify_by_suite(first, images, tmp_path / "run", tasks=["barr"], overwrite=True)
    assert scotoma.load_encoder(tmp_path / "run" / "encoder.safetensors").digest == first.digest
    with pytest.raises(InputError, match="is or holds what is to be read"):
        scotoma.train(images, preset.plan(("bar",), (), 1), tmp_path, overwrite=True)
    other = scotoma.train(images, preset.plan(("bar",), (), 1), tmp_path / "run", overwrite=True)
    assert other.card.training["seed"] == 1
    parts = scotoma.divide(images, other)
    assert sorted([*parts.training, *parts.reserve, *parts.validation, *parts.test]) == list(range(90))


def test_any_encoder_is_attacked_by_a_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOTOMA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(suites.SUITES, "standard", suites.Suite(QUICK))
    blurred = scotoma.open_target("blur=3", size=8, channels=3)
    images = scotoma.open_images(write_photos(tmp_path / "photos"), blurred)
    out = tmp_path / "audit"
    verdict = scotoma.verify_by_suite(blurred, images, out, hide=["bar"], baselines=[])
    assert (verdict.target.name, verdict.overall) == ("blur 3", "leaks")
    assert scotoma.Verdict.read(out / "verdict.json") == verdict
    assert scotoma.write_report(out, tmp_path / "report.html").is_file()
    # Codes that were computed beforehand, of which nothing is known.
    codes = images.pixels.astype("float32").mean(axis=(1, 2))
    named = scotoma.verify_by_suite(codes, images, tmp_path / "codes", tasks=["bar"], baselines=[])
    assert (named.target.kind, named.overall) == ("codes", "nothing hidden")
    with pytest.raises(InputError) as caught:
        scotoma.verify_by_suite(codes, images, tmp_path / "nothing")
    assert str(caught.value) == (
        "Nothing says what is to be hidden: name it with hide, or what to attack with tasks."
    )
    with pytest.raises(InputError) as caught:
        scotoma.verify_by_suite(codes[:-1], images, tmp_path / "nothing", tasks=["bar"])
    assert str(caught.value) == (
        f"encoder holds {len(images) - 1} codes, and there are {len(images)} images: give a code each, in "
        "the same order."
    )
    codes[3, 1] = float("nan")
    with pytest.raises(InputError) as caught:
        scotoma.verify_by_suite(codes, images, tmp_path / "nothing", tasks=["bar"])
    assert str(caught.value).startswith(f"encoder: 1 of {len(images)} codes are not finite")
    assert not (tmp_path / "nothing").exists()
