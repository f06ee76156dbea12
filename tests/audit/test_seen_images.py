"""What does an audit make of images that its encoder was trained on, wholly or in part?"""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from scotoma.audit import suites
from scotoma.audit.request import AuditRequest
from scotoma.audit.run import COSTLY, audit
from scotoma.data.splits import Fractions, SplitRecipe, divide, parts_digest
from scotoma.data.table import MISSING, Attribute, ImageTable
from scotoma.encoder_file import Card
from scotoma.errors import InputError
from scotoma.runs.verdict import Verdict
from tests.audit.subjects import QUICK, target
from tests.examples import CLASSIFIER, ENCODER, PREPROCESSING

REQUEST = AuditRequest(("h",), ("k",), references=())
RECIPE = SplitRecipe(3, Fractions())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(suites.SUITES, "standard", suites.Suite(QUICK[1:2]))


def images(count: int = 700) -> ImageTable:
    random = np.random.default_rng(5)
    labels = {name: random.integers(0, 2, 700)[:count] for name in "hkx"}
    pixels = random.integers(0, 256, (700, 10, 10, 1), np.uint8)[:count]
    keys = np.array([f"{number:032x}" for number in range(count)])
    return ImageTable(
        pixels, keys, {name: Attribute(("no", "yes"), each) for name, each in labels.items()}, "made up"
    )


def card(table: ImageTable, hide: tuple[str, ...] | None = ("h",)) -> Card:
    """Of an encoder that was trained on a table."""
    digest = table.digest(["h", "k"])
    parts = parts_digest(table, divide(table, RECIPE))
    keep = None if hide is None else ("k",)
    return Card(ENCODER, PREPROCESSING, CLASSIFIER, RECIPE, digest, hide, keep, None, parts)


def arms(verdict: Verdict) -> list[str]:
    return sorted({attempt.sees for task in verdict.tasks for attempt in task.attempts})


def flags(verdict: Verdict) -> dict[str, str]:
    return {flag.code: flag.said for flag in verdict.flags}


@pytest.mark.parametrize("hide", [("h",), None])
def test_of_the_images_of_training_the_reserve_is_fresh(tmp_path: Path, hide: tuple[str, ...] | None) -> None:
    """An anonymous file is no other, and further tasks change nothing."""
    table = images()
    request = replace(REQUEST, tasks=("h", "x"))
    verdict = audit(target(card=card(table, hide)), table, request, tmp_path, workers=1)
    assert arms(verdict) == ["fresh", "same"]
    assert {"other-images", "no-fresh-images"}.isdisjoint(flags(verdict))


def test_where_one_image_is_missing_nothing_is_called_fresh(tmp_path: Path) -> None:
    verdict = audit(target(card=card(images())), images(699), REQUEST, tmp_path, workers=1)
    assert arms(verdict) == ["all"]
    assert flags(verdict)["other-images"] == (
        "These are not exactly the images that the encoder was trained on, or not with the same labels. "
        "Which of them it has seen is not known: all that are not held out are learned from together, and "
        "test images may be among those that it has seen."
    )


def test_images_of_training_that_are_divided_in_another_way_are_refused(tmp_path: Path) -> None:
    table = images()
    trained = replace(table, units=np.array([f"person {number // 7}" for number in range(700)]))
    with pytest.raises(InputError) as error:
        audit(target(card=card(trained)), table, REQUEST, tmp_path, workers=1)
    assert str(error.value) == (
        "These are the images of training, but they are divided in another way: the encoder has seen some of "
        "those that would test it. Give the table, or the lists of files, that training was given."
    )


def test_a_reserve_of_which_no_label_is_known_leaves_the_other_arm(tmp_path: Path) -> None:
    table = images()
    hidden = table.attributes["h"].labels.copy()
    hidden[divide(table, RECIPE).reserve] = MISSING
    there = replace(table, attributes={**table.attributes, "h": Attribute(("no", "yes"), hidden)})
    verdict = audit(target(card=card(there)), there, REQUEST, tmp_path, workers=1)
    by_task = {task.task: {attempt.sees for attempt in task.attempts} for task in verdict.tasks}
    assert by_task == {"h": {"same"}, "k": {"same", "fresh"}}
    assert [flag.task for flag in verdict.flags if flag.code == "no-fresh-images"] == ["h"]


def test_costly_attackers_learn_what_is_kept_from_the_images_of_training_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costly = replace(QUICK[1], name="costly", cost=COSTLY)
    monkeypatch.setitem(suites.SUITES, "standard", suites.Suite((QUICK[1], costly)))
    table = images()
    request = replace(REQUEST, tasks=("h", "k", "x"))
    verdict = audit(target(card=card(table)), table, request, tmp_path, workers=1)
    learned_from = {
        (task.task, attempt.attacker, attempt.sees) for task in verdict.tasks for attempt in task.attempts
    }
    every = set(product("hkx", (QUICK[1].name, "costly"), ("same", "fresh")))
    assert every - learned_from == {("k", "costly", "fresh")}
    assert learned_from <= every


def test_an_encoder_for_utility_alone_must_not_have_seen_test_images(tmp_path: Path) -> None:
    table = images()
    other = replace(card(table), parts_digest="of another division")
    with pytest.raises(InputError) as caught:
        audit(target(card=card(table)), table, REQUEST, tmp_path, workers=1, utility=target(card=other))
    assert str(caught.value).startswith(
        "The encoder for utility alone: These are the images of training, but they are divided in another way"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_reserve_that_is_too_small_to_learn_from_is_told(tmp_path: Path) -> None:
    table = images(120)
    verdict = audit(target(card=card(table)), table, REQUEST, tmp_path, workers=1)
    assert arms(verdict) == ["same"]
    assert flags(verdict)["no-fresh-images"] == (
        "The reserve has fewer than 10 images of a category: no attacker learned from images that the "
        "encoder has not seen, as somebody would who has photographs of his own."
    )
    assert [flag.task for flag in verdict.flags if flag.code == "no-fresh-images"] == ["h", "k"]
