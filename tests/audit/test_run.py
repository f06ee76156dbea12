import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scotoma.audit import protocol, queue, suites
from scotoma.audit.classical import neighbours
from scotoma.audit.computed_codes import open_codes
from scotoma.audit.examples import Encoded, Examples, Learned, Occasion
from scotoma.audit.material import rows_of_parts
from scotoma.audit.neural import mlp, network
from scotoma.audit.protocol import attack_once
from scotoma.audit.request import AuditRequest
from scotoma.audit.run import audit
from scotoma.audit.suites import Attacker, Committee
from scotoma.data.splits import PARTS, Fractions, SplitRecipe, divide
from scotoma.data.table import by_category
from scotoma.data.tasks import Task
from scotoma.errors import InputError, ScotomaError, TimeLimitReached
from scotoma.runs.more import Piece
from scotoma.runs.verdict import Verdict
from scotoma.runs.whole_files import read_checked_json
from scotoma.verification.statistics import Interval
from tests.audit.subjects import QUICK, SHORT, Images, means, nothing, target
from tests.examples import CATEGORIES, image_table

TABLE = image_table(per_category=120)
REQUEST = AuditRequest(("ant",), ("dog",), references=())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(suites.SUITES, "standard", suites.Suite(QUICK))


def choosing_labels() -> Any:
    parts = divide(TABLE, SplitRecipe(0, Fractions()))
    return TABLE.labels[rows_of_parts(TABLE, parts, ("all",), Task(("ant",), CATEGORIES), 0)["choosing"]]


def choosing_classes(name: str) -> Any:
    return (choosing_labels() == CATEGORIES.index(name)).astype(int)


def found(verdict: Verdict, task: str) -> Any:
    return next(each for each in verdict.tasks if each.task == task)


def test_an_encoder_that_tells_everything_leaks_and_what_it_keeps_can_be_read(tmp_path: Path) -> None:
    verdict = audit(target(), TABLE, REQUEST, tmp_path, workers=1)
    ant, dog = (found(verdict, name) for name in ("ant", "dog"))
    assert (ant.role, ant.outcome, dog.role, dog.outcome) == ("hide", "leaks", "keep", "leaks")
    assert verdict.overall == "leaks"
    assert ant.winner.accuracy > 0.95
    assert ant.winner.excess == pytest.approx(ant.winner.accuracy - ant.floor, abs=1e-6)
    assert ant.winner.bits > 0.5
    assert (tmp_path / "verdict.json").is_file()
    assert Verdict.read(tmp_path / "verdict.json") == verdict


def test_a_constant_encoder_tells_nothing_and_a_flag_says_that_its_codes_are_equal(tmp_path: Path) -> None:
    verdict = audit(target(nothing), TABLE, replace(REQUEST, keep=()), tmp_path, workers=1)
    assert found(verdict, "ant").outcome != "leaks"
    assert found(verdict, "ant").winner.accuracy == pytest.approx(0.5)
    assert "all-codes-equal" in {each.code for each in verdict.flags}


def test_every_attacker_that_can_tries_with_one_seed_or_three(tmp_path: Path) -> None:
    verdict = audit(target(), TABLE, REQUEST, tmp_path, workers=2)
    attempts = found(verdict, "ant").attempts
    assert sorted((each.attacker, each.sees, each.seed) for each in attempts) == [
        ("MLP", "all", 0),
        ("MLP", "all", 1),
        ("MLP", "all", 2),
        ("MLP, votes", "all", 0),
        ("MLP, votes", "all", 1),
        ("MLP, votes", "all", 2),
        ("logistic regression", "all", 0),
    ]
    assert verdict.run["not_applicable"] == ["for maps of pairs"]
    assert [each.choosing for each in attempts] == sorted((each.choosing for each in attempts), reverse=True)


def test_committees_say_the_mean_of_what_their_members_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Attacker(
        "begun on images",
        network(mlp(8), 1e-2, settings=SHORT, begin_on_images=True),
        by_chance=True,
        needs_images=True,
    )
    committees = (Committee("all networks", ("MLP", "begun on images")), Committee("nobody", ("a", "b")))
    suite = suites.Suite((*QUICK, begun), committees)
    monkeypatch.setitem(suites.SUITES, "exhaustive", suite)
    request = replace(REQUEST, suite="exhaustive")
    verdict = audit(target(), TABLE, request, tmp_path, workers=1)
    ant = found(verdict, "ant")
    together = [each for each in ant.attempts if each.attacker in ("all networks", "nobody")]
    assert [(each.attacker, each.details, each.training) for each in together] == [
        ("all networks", {"members": 6}, None)
    ]
    said = []
    for path in sorted((tmp_path / "cells").glob("ant--*")):
        first = read_checked_json(path, "scotoma-attempt", 1)["said"][0]
        if first["attempt"]["attacker"] != "logistic regression":
            said.append(first["choosing"])
    assert len(said) == 6
    right = np.mean(said, axis=0).argmax(axis=1) == choosing_classes("ant")
    labels, classes = choosing_labels(), choosing_classes("ant")
    others = np.mean([right[labels == other].mean() for other in np.unique(labels[classes == 0])])
    assert together[0].choosing == pytest.approx((right[classes == 1].mean() + others) / 2)


def test_who_begins_on_images_is_left_out_where_there_are_codes_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Attacker("begun on images", QUICK[1].learn, needs_images=True)
    monkeypatch.setitem(suites.SUITES, "standard", suites.Suite((QUICK[1], begun)))
    codes = np.random.default_rng(0).normal(size=(len(TABLE), 4)).astype(np.float32)
    verdict = audit(codes, TABLE, REQUEST, tmp_path, workers=1)
    assert verdict.run["not_applicable"] == ["begun on images"]
    assert {each.attacker for each in found(verdict, "ant").attempts} == {"logistic regression"}


def test_members_of_committees_stand_in_their_suite() -> None:
    suite = suites.SUITES["exhaustive"]
    names = {each.name for each in suite.attackers}
    assert len(names) == len(suite.attackers)
    for committee in suite.committees:
        assert set(committee.members) <= names
    assert suite.committees[0].members and not suite.committees[1].members


def test_the_winner_is_the_best_on_the_choosing_half_and_what_it_says_is_kept(tmp_path: Path) -> None:
    verdict = audit(target(), TABLE, REQUEST, tmp_path, workers=1)
    ant = found(verdict, "ant")
    best = ant.attempts[0]
    assert ant.winner.attacker in {each.attacker for each in ant.attempts if each.choosing == best.choosing}
    said = read_checked_json(tmp_path / "winners" / "ant.json", "scotoma-answers", 1)
    right = (np.array(said["probability"])[:, 0] > 0.5) == (np.array(said["class"]) == 1)
    classes = np.array(said["class"])
    categories = np.array(said["category"])
    others = np.mean([right[categories == name].mean() for name in ("bee", "cat", "dog", "eel")])
    assert ant.winner.accuracy == pytest.approx((right[classes == 1].mean() + others) / 2)
    assert said["attacker"] == ant.winner.attacker


def test_finished_attempts_are_not_made_again_and_give_the_same_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = audit(target(), TABLE, REQUEST, tmp_path, workers=1)
    made: list[str] = []

    def counted(attacker: Attacker, *more: Any) -> Any:
        made.append(attacker.name)
        return attack_once(attacker, *more)

    monkeypatch.setattr(queue, "attack_once", counted)
    again = audit(target(), TABLE, REQUEST, tmp_path, workers=1)
    assert made == []
    assert again.tasks == first.tasks
    # One that is gone is made again; another encoder's are not taken for this one's.
    (tmp_path / "cells" / "ant--logistic%20regression--all--0.json").unlink()
    third = audit(target(), TABLE, REQUEST, tmp_path, workers=1)
    assert made == ["logistic regression"]
    assert found(third, "ant").winner == found(first, "ant").winner
    audit(target(digest="e" * 32), TABLE, REQUEST, tmp_path, workers=1)
    assert len(made) == 1 + 2 * 4


def test_attempts_on_an_encoder_that_has_changed_behind_its_text_are_not_used(tmp_path: Path) -> None:
    weight = np.ones(1, np.float32)
    watched = target(lambda images: means(images) * weight)
    request = replace(REQUEST, keep=())
    first = audit(watched, TABLE, request, tmp_path, workers=1)
    weight += 1e-7  # as another order of sums would
    again = audit(watched, TABLE, request, tmp_path, workers=1)
    assert found(again, "ant").attempts == found(first, "ant").attempts
    weight *= 1.01
    with pytest.raises(InputError) as error:
        audit(watched, TABLE, request, tmp_path, workers=1)
    assert str(error.value) == (
        f"The encoder gives other codes than when {tmp_path} was begun, for the same images: something that "
        "it reads has changed, its weights for one. Attack what it is now in another folder (--out), or give "
        "--overwrite."
    )


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_codes_of_any_scale_are_known_again(tmp_path: Path, scale: float) -> None:
    watched = target(lambda images: means(images) * np.float32(scale))
    first, again = (audit(watched, TABLE, REQUEST, tmp_path, workers=1) for _ in range(2))
    assert again.tasks == first.tasks


def test_who_learned_noise_by_heart_is_not_below_chance_on_its_own_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right on its own images, wrong by chance on those that it is calibrated on: its scale is negative."""

    def by_heart(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
        known = {
            code.tobytes(): 1 - 2 * each
            for code, each in zip(stopping.codes.centre, stopping.classes, strict=True)
        }
        known |= {
            code.tobytes(): 2 * each - 1
            for code, each in zip(training.codes.centre, training.classes, strict=True)
        }

        def read(codes: Encoded) -> Any:
            said = np.array([known.get(code.tobytes(), 0) for code in codes.centre], np.float64)
            return np.stack([-said, said], axis=1)

        return Learned(read)

    monkeypatch.setitem(suites.SUITES, "standard", suites.Suite((Attacker("by heart", by_heart),)))
    verdict = audit(target(), TABLE, replace(REQUEST, keep=()), tmp_path, workers=1)
    (attempt,) = found(verdict, "ant").attempts
    assert (attempt.training, attempt.stopping) == (1.0, 1.0)
    assert "below-chance-on-training" not in {flag.code for flag in verdict.flags}


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    one, two = (
        audit(target(), TABLE, REQUEST, tmp_path / str(n), workers=n) for n in (1, 2) if made(tmp_path, n)
    )
    for first, second in zip(one.tasks, two.tasks, strict=True):
        assert first.winner == second.winner
        assert [replace(each, seconds=0) for each in first.attempts] == [
            replace(each, seconds=0) for each in second.attempts
        ]


def made(folder: Path, number: int) -> bool:
    (folder / str(number)).mkdir()
    return True


def broken(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
    raise ScotomaError("it cannot go on")


def test_of_many_training_images_some_are_looked_at_again_also_by_votes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MOST_TRAINING", 50)
    verdict = audit(target(), TABLE, REQUEST, tmp_path, workers=1)
    assert {each.state for each in found(verdict, "ant").attempts} <= {"done", "inconclusive"}
    assert all(each.training > 0.8 for each in found(verdict, "ant").attempts)


def test_an_attacker_that_fails_is_shown_blocks_the_verdict_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(suites.SUITES, "standard", suites.Suite((QUICK[1], Attacker("broken", broken))))
    verdict = audit(target(nothing), TABLE, replace(REQUEST, keep=()), tmp_path, workers=1)
    ant = found(verdict, "ant")
    failed = ant.attempts[-1]
    assert (failed.attacker, failed.state, failed.note) == ("broken", "failed", "it cannot go on")
    assert ant.outcome == "inconclusive"
    assert any("broken/all/0 (it cannot go on)" in reason for reason in ant.reasons)
    assert len(list((tmp_path / "cells").iterdir())) == 1


def test_where_every_attacker_fails_there_is_no_winner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(suites.SUITES, "standard", suites.Suite((Attacker("broken", broken),)))
    verdict = audit(target(), TABLE, REQUEST, tmp_path, workers=1)
    assert found(verdict, "ant").winner is None
    assert (verdict.overall, found(verdict, "ant").reasons) == ("inconclusive", ("every attack failed",))


def noisy() -> Callable[[Images], Any]:
    random = np.random.default_rng(0)
    return lambda images: means(images) + random.normal(0, 60, (len(images), 1, 2, 2)).astype(np.float32)


def test_a_stochastic_encoder_is_attacked_by_the_mean_of_several_releases(tmp_path: Path) -> None:
    verdict = audit(target(noisy(), side_by_side=False), TABLE, REQUEST, tmp_path, workers=1)
    assert "stochastic" in {each.code for each in verdict.flags}
    assert verdict.run["releases"] == 8
    names = {each.attacker for each in found(verdict, "ant").attempts}
    assert {"logistic regression", "logistic regression, one release"} <= names
    assert found(verdict, "ant").winner.accuracy > 0.8


def test_a_leak_that_averages_do_not_hold_is_found_in_one_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(1)

    def product_of_signs(images: Images) -> Any:
        """Three random signs, and their product with that of the label."""
        signs = random.choice([-1.0, 1.0], (len(images), 3))
        hidden = np.where(means(images).mean(axis=(1, 2, 3)) > 50, 1, -1)  # ants are dark
        last = signs.prod(axis=1) * hidden
        return np.column_stack([signs, last]).astype(np.float32).reshape(-1, 1, 2, 2)

    monkeypatch.setitem(suites.SUITES, "standard", suites.Suite((Attacker("neighbours", neighbours),)))
    verdict = audit(target(product_of_signs, side_by_side=False), TABLE, REQUEST, tmp_path, workers=1)
    ant = found(verdict, "ant")
    chosen = {each.attacker: each.choosing for each in ant.attempts}
    assert chosen["neighbours, one release"] > 0.95 > 0.75 > chosen["neighbours"]
    assert (ant.winner.attacker, ant.outcome) == ("neighbours, one release", "leaks")


def test_random_codes_of_an_encoder_that_has_changed_are_not_used(tmp_path: Path) -> None:
    weight, random = np.ones(1, np.float32), np.random.default_rng(2)

    def encode(images: Images) -> Any:
        return weight * means(images) + random.normal(0, 60, (len(images), 1, 2, 2)).astype(np.float32)

    watched, request = target(encode, side_by_side=False), replace(REQUEST, keep=())
    first = audit(watched, TABLE, request, tmp_path, workers=1)
    again = audit(watched, TABLE, request, tmp_path, workers=1)  # other codes, by chance
    assert found(again, "ant").attempts == found(first, "ant").attempts
    weight[:] = 0
    with pytest.raises(InputError, match="The encoder gives other codes than when"):
        audit(watched, TABLE, request, tmp_path, workers=1)


def test_codes_of_which_nothing_else_is_known_give_the_same_verdict(tmp_path: Path) -> None:
    codes = means(TABLE.pixels[:, 1:9, 1:9].transpose(0, 3, 1, 2))
    verdict = audit(codes, TABLE, replace(REQUEST, references=("identity", "random")), tmp_path, workers=1)
    assert verdict.target.kind == "codes"
    assert found(verdict, "ant").outcome == "leaks"
    notes = {each.name: each.note for each in found(verdict, "ant").references}
    assert notes["original images"] == "not available: there are only codes, not what makes them"


def test_equal_codes_of_a_file_end_in_a_verdict_with_flags(tmp_path: Path) -> None:
    """Of codes of few values, and of one: `open_codes` says what is known of them, without pixels."""
    labels = "odd\n" + "".join(f"{row % 2}\n" for row in range(600))
    (tmp_path / "labels.csv").write_text(labels)
    request = replace(REQUEST, hide=("odd",), keep=())
    raised = {}
    for name, kinds in (("few", 6), ("one", 1)):
        np.save(tmp_path / f"{name}.npy", np.arange(600) % kinds)
        codes, table = open_codes(tmp_path / f"{name}.npy", tmp_path / "labels.csv", ["odd"])
        (tmp_path / name).mkdir()
        verdict = audit(codes, table, request, tmp_path / name, workers=1)
        raised[name] = {flag.code for flag in verdict.flags if not flag.task}
        assert (verdict.overall == "leaks") == (name == "few")
    assert raised == {"few": {"duplicates"}, "one": {"all-codes-equal"}}


def test_references_stand_beside_and_are_kept_for_the_next_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scotoma.audit.references.REFERENCE_ATTACKERS", (QUICK[1],))
    request = replace(REQUEST, references=("identity", "blur", "random"))
    (tmp_path / "a").mkdir()
    verdict = audit(target(), TABLE, request, tmp_path / "a", workers=1)
    references = {each.name: each for each in found(verdict, "ant").references}
    assert list(references) == ["shuffled labels", "original images", "blurred images", "random encoder"]
    assert references["original images"].accuracy > 0.9
    assert references["shuffled labels"].accuracy == pytest.approx(0.5, abs=0.2)
    assert references["random encoder"].note == "not available: how the encoder is built is not known"


def test_references_are_announced_once_and_the_verdict_is_shown_before_anything_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scotoma.audit.references.REFERENCE_ATTACKERS", (QUICK[1],))
    monkeypatch.setattr("scotoma.audit.references.seconds_of_pair", lambda shape: 600.0)
    monkeypatch.setenv("SCOTOMA_CACHE", str(tmp_path / "cache"))
    request = replace(REQUEST, references=("identity",))
    told: list[list[str]] = []
    for _ in range(2):
        said: list[str] = []
        monkeypatch.setattr("scotoma.audit.run.find_more", lambda *_, said=said: said.append("more"))
        audit(
            target(),
            TABLE,
            request,
            tmp_path,
            workers=1,
            more=("sweeps",),
            announce=said.append,
            show=lambda verdict, said=said: said.append(verdict.overall),  # type: ignore[misc]
        )
        told.append(said)
    # Two tasks and one attacker of two.
    announced = "Now original images, to compare with, in about 10 min."
    assert told == [[announced, "leaks", "more"], ["leaks", "more"]]


def test_unknown_tasks_and_classes_without_images_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        audit(target(), TABLE, replace(REQUEST, hide=("ape",)), tmp_path, workers=1)
    assert str(error.value) == (
        "hide: 'ape' is no category of these images; the nearest is 'eel'. "
        "The categories are: ant, bee, cat, dog, eel"
    )


def test_a_deadline_stops_between_attempts_and_what_ended_is_kept(tmp_path: Path) -> None:
    with pytest.raises(TimeLimitReached) as error:
        audit(target(), TABLE, REQUEST, tmp_path, workers=1, deadline=time.monotonic() + 0.5)
    kept = len(list((tmp_path / "cells").iterdir()))
    assert str(error.value).startswith("The time limit is reached: ")
    assert " of 8 attempts have ended." in str(error.value)
    assert kept < 8
    assert not (tmp_path / "verdict.json").exists()
    assert audit(target(), TABLE, REQUEST, tmp_path, workers=1).overall == "leaks"


def test_the_same_images_in_another_order_are_attacked_anew(tmp_path: Path) -> None:
    # What attackers say is kept by place: read for images in another order it would be of other images.
    first = audit(target(), TABLE, REQUEST, tmp_path, workers=1)
    order = np.random.default_rng(0).permutation(len(TABLE))
    shuffled = replace(
        TABLE,
        pixels=TABLE.pixels[order],
        keys=TABLE.keys[order],
        attributes=by_category(TABLE.categories, TABLE.labels[order]),
    )
    again = audit(target(), shuffled, REQUEST, tmp_path, workers=1)
    assert found(again, "ant").winner.accuracy == pytest.approx(found(first, "ant").winner.accuracy, abs=0.05)
    assert found(again, "ant").winner.accuracy > 0.95


def test_where_too_few_images_are_left_to_learn_from_that_is_said(tmp_path: Path) -> None:
    parts = np.full(len(TABLE), PARTS.index("test"))
    for category in range(len(TABLE.categories)):
        rows = np.flatnonzero(TABLE.labels == category)
        parts[rows[:5]], parts[rows[5:25]] = PARTS.index("training"), PARTS.index("validation")
    verdict = audit(target(), replace(TABLE, parts=parts), REQUEST, tmp_path, workers=1)
    assert found(verdict, "ant").reasons == ("too few images to learn from",)


def test_references_of_images_in_groups_have_intervals_over_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scotoma.audit.references.REFERENCE_ATTACKERS", (QUICK[1],))
    monkeypatch.setattr("scotoma.verification.statistics.grouped_interval", lambda *_: Interval(0.5, 0, 1))
    units = np.array([f"person {number // 3}" for number in range(len(TABLE))])
    request = replace(REQUEST, references=("identity",))
    verdict = audit(target(), replace(TABLE, units=units), request, tmp_path, workers=1)
    (_, reference) = found(verdict, "ant").references
    assert (reference.name, reference.low, reference.high) == ("original images", 0, 1)
    said = read_checked_json(tmp_path / "winners" / "ant.json", "scotoma-answers", 1)
    assert "person" not in json.dumps(said)
    persons = dict(zip(TABLE.keys.tolist(), units.tolist(), strict=True))
    pairs = {(persons[key], unit) for key, unit in zip(said["key"], said["unit"], strict=True)}
    assert len(pairs) == len(set(said["unit"])) == len({person for person, _ in pairs})
    images = verdict.run["data"]
    assert (sum(images["split"].values()), sum(images["groups"].values())) == (len(TABLE), len(set(units)))


@pytest.mark.parametrize("more", [(), ("sweeps",)])
def test_the_deadline_holds_for_references_and_for_what_is_found_on_request(
    more: tuple[Piece, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scotoma.audit.references.REFERENCE_ATTACKERS", (QUICK[1],))
    audit(target(), TABLE, REQUEST, tmp_path, workers=1)
    request = REQUEST if more else replace(REQUEST, references=("identity",))
    monkeypatch.setenv("SCOTOMA_CACHE", str(tmp_path / "no references yet"))
    # All attempts of the suite are there: only what comes after them is still to be made.
    with pytest.raises(TimeLimitReached):
        audit(target(), TABLE, request, tmp_path, more=more, workers=1, deadline=time.monotonic())


def test_verdict_json_holds_what_it_depends_on(tmp_path: Path) -> None:
    audit(target(), TABLE, REQUEST, tmp_path, workers=1)
    content = json.loads((tmp_path / "verdict.json").read_text())
    assert content["target"]["digest"] == "d" * 32
    assert "groups" not in content["run"]["data"]  # each image stands for itself
    assert content["run"]["data"]["digest"] == TABLE.digest()
    assert set(content["run"]["versions"]) == {"scotoma", "torch", "scikit-learn", "python"}
    assert content["run"]["attackers"] == [each.name for each in QUICK]
