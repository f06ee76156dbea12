from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scotoma.encoder_file import FrozenEncoder
from scotoma.errors import InputError
from scotoma.reports.verdict import CAUTION, OTHER_IMAGES, OTHER_NETWORKS, caution
from scotoma.runs.results import Results
from scotoma.runs.settings import to_dict
from scotoma.verification.run import VerificationRequest, make_plan, verify
from tests.examples import image_table
from tests.verification.test_suite import ATTACK, encoder

TABLE = image_table()


def anonymous() -> FrozenEncoder:
    known = encoder()
    return replace(known, card=replace(known.card, hide=None, keep=None, categories=None))


def test_a_run_writes_results_and_a_gallery(tmp_path: Path) -> None:
    results = verify(
        encoder(), TABLE, VerificationRequest(), ATTACK, tmp_path, command="scotoma verify", workers=1
    )
    assert Results.read(tmp_path / "results.json") == results
    assert [(each.name, each.kind) for each in results.encoders] == [
        ("identity", "identity"), ("blur", "blur"), ("encoder", "trained"),
    ]  # fmt: skip
    assert (results.hide, results.keep) == (("ant",), ("dog",))
    assert [cell.task for cell in results.cells] == ["ant", "dog"] * 3
    run = results.run
    assert run["command"] == "scotoma verify" and run["seed"] == 0
    assert run["data"]["images"] == 300 and run["data"]["same_as_training"] is False
    assert sum(run["data"]["split"].values()) == 300
    assert run["settings"]["attack"]["rate"] == ATTACK.rate
    assert set(run["versions"]) == {"scotoma", "torch", "python"}
    assert run["started"].endswith("+00:00") and run["seconds"] > 0
    with np.load(tmp_path / "gallery.npz", allow_pickle=False) as file:
        assert set(file.files) >= {"original", "category", "blur", "encoder"}
        assert file["category"][:4].tolist() == ["ant", "ant", "dog", "dog"]
        assert file["encoder"].shape == (len(file["original"]), 4, 4, 3)


def test_pictures_are_equalised_over_images_of_all_categories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows come category by category: the first hundred would show two categories only."""
    monkeypatch.setattr("scotoma.verification.run.GALLERY_STATISTICS", 20)
    verify(encoder(), TABLE, VerificationRequest(), ATTACK, tmp_path, workers=1)
    with np.load(tmp_path / "gallery.npz") as file:
        brightness = file["blur"].mean((1, 2, 3))
        category = file["category"]
    # Brightness is the category: ants in the lowest fifth of all ranks, eels in the highest.
    assert brightness[category == "ant"].mean() < 80 and brightness[category == "eel"].mean() > 175


def test_the_same_request_gives_the_same_results(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        request = VerificationRequest(baselines=("blur",), seed=4)
        cells = verify(encoder(), TABLE, request, ATTACK, tmp_path / name, workers=1).cells
        found.append([replace(cell, seconds=0) for cell in cells])
    assert found[0] == found[1]


def test_tasks_default_to_what_the_encoder_hides_and_keeps() -> None:
    assert make_plan(encoder(), VerificationRequest(), ATTACK).tasks == ("ant", "dog")
    assert make_plan(encoder(), VerificationRequest(tasks=("eel",)), ATTACK).tasks == ("eel",)


def test_attackers_have_the_adversarys_network_unless_another_is_asked_for(tmp_path: Path) -> None:
    trained = encoder().card.classifier
    assert make_plan(encoder(), VerificationRequest(), ATTACK).classifier == trained
    wider = replace(trained, hidden=5 * trained.hidden)
    request = VerificationRequest(("ant",), ("blur",), classifier=wider)
    results = verify(encoder(), TABLE, request, ATTACK, tmp_path, workers=1)
    assert results.run["settings"]["classifier"] == to_dict(wider)
    assert results.run["classifier_of_training"] == to_dict(trained)
    assert caution(results) == f"{CAUTION} {OTHER_IMAGES} {OTHER_NETWORKS}"
    as_trained = replace(request, classifier=trained)
    others = verify(encoder(), TABLE, as_trained, ATTACK, tmp_path, workers=1)
    # The folder holds attacks by wider networks: these are not taken for theirs.
    assert [cell.curve for cell in others.cells] != [cell.curve for cell in results.cells]
    assert caution(others) == f"{CAUTION} {OTHER_IMAGES}"


def test_an_anonymous_encoder_needs_names() -> None:
    with pytest.raises(InputError) as error:
        make_plan(anonymous(), VerificationRequest(tasks=("ant",)), ATTACK)
    assert str(error.value) == (
        "This encoder file is anonymous: it does not say what it hides. Name it with --hide (and --keep)."
    )
    plan = make_plan(anonymous(), VerificationRequest(hide=("bee",), keep=("cat",)), ATTACK)
    assert (plan.hide, plan.keep, plan.role("bee"), plan.role("ant")) == (("bee",), ("cat",), "hide", "other")


def test_names_that_contradict_the_file_are_refused() -> None:
    same = make_plan(encoder(), VerificationRequest(hide=("ant",), keep=("dog",)), ATTACK)
    assert same.hide == ("ant",)
    with pytest.raises(InputError) as error:
        make_plan(encoder(), VerificationRequest(hide=("ant", "bee")), ATTACK)
    assert (
        str(error.value) == "--hide ant,bee contradicts the encoder file, which says ant; leave --hide out."
    )
    with pytest.raises(InputError) as error:
        make_plan(encoder(), VerificationRequest(keep=()), ATTACK)
    assert (
        str(error.value) == "--keep nothing contradicts the encoder file, which says dog; leave --keep out."
    )
