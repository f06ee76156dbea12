from pathlib import Path

import numpy as np
import pytest

from scotoma.audit.cells import Attempts
from scotoma.audit.examples import Examples, Learn, Learned, Occasion
from scotoma.audit.material import Material, rows_of_parts, split_codes
from scotoma.audit.queue import Crew, jobs_of, make_attempts
from scotoma.audit.suites import STANDARD, Attacker
from scotoma.data.splits import Fractions, SplitRecipe, divide
from scotoma.data.tasks import Task
from scotoma.errors import InputError, ScotomaError
from scotoma.runs.verdict import Attempt
from tests.audit.subjects import QUICK, means
from tests.examples import CATEGORIES, image_table
from tests.recorded import Recorded

TABLE = image_table()
TASK = Task(("ant",), CATEGORIES)


@pytest.fixture
def material() -> Material:
    codes = means(TABLE.pixels[:, 1:9, 1:9].transpose(0, 3, 1, 2)).reshape(len(TABLE), 4)
    parts = divide(TABLE, SplitRecipe(0, Fractions()))
    return split_codes(codes, TABLE, rows_of_parts(TABLE, parts, ("all",), TASK, seed=0))


def raises(error: BaseException) -> Learn:
    def learn(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
        raise error

    return learn


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (ScotomaError("it cannot go on"), "it cannot go on"),
        (InputError("two things:\n  one"), "two things:\n  one"),
        (RuntimeError("not enough memory:\nyou tried"), "RuntimeError: not enough memory:"),
        (IndexError("out of range"), "IndexError: out of range"),
        (ValueError("no classes"), "ValueError: no classes"),
        (MemoryError(), "MemoryError"),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, Exception) else "",
)
def test_whatever_an_attacker_raises_only_that_attempt_fails(
    tmp_path: Path, material: Material, error: Exception, note: str
) -> None:
    jobs = jobs_of((Attacker("broken", raises(error)), QUICK[1]), [TASK], material)
    broken, other = make_attempts(jobs, material, Attempts(tmp_path, []), 0, Crew(1), "attackers")
    assert isinstance(broken, Attempt) and isinstance(other, list)
    assert (broken.attacker, broken.state, broken.choosing, broken.note) == ("broken", "failed", None, note)
    assert (other[0].attempt.attacker, other[0].attempt.state) == ("logistic regression", "done")
    assert [path.name for path in tmp_path.iterdir()] == ["ant--logistic%20regression--all--0.json"]


@pytest.mark.parametrize("name", ["Ж" * 39, "Ж" * 60, "机场航站楼" * 20])
def test_attempts_on_tasks_of_long_names_are_kept(tmp_path: Path, material: Material, name: str) -> None:
    task = Task((name,), (name, *CATEGORIES[1:]))
    attempts = Attempts(tmp_path, [])
    (made,) = make_attempts(
        jobs_of(QUICK[1:2], [task], material), material, attempts, 0, Crew(1), "attackers"
    )
    kept = attempts.read(name, "logistic regression", "all", 0)
    assert kept is not None and isinstance(made, list)
    assert [each.attempt for each in kept] == [each.attempt for each in made]


def test_a_stop_is_no_failure(tmp_path: Path, material: Material) -> None:
    jobs = jobs_of((Attacker("stopped", raises(KeyboardInterrupt())),), [TASK], material)
    with pytest.raises(KeyboardInterrupt):
        make_attempts(jobs, material, Attempts(tmp_path, []), 0, Crew(1), "attackers")


def test_attackers_that_need_maps_or_images_are_left_out_of_codes(material: Material) -> None:
    needy = Attacker("on images", QUICK[1].learn, needs_images=True)
    assert {str(job.attacker) for job in jobs_of((*QUICK, needy), [TASK], material)} == {
        "MLP",
        "logistic regression",
    }
    assert not any(attacker.applies((4,)) for attacker in STANDARD if "CNN" in attacker.name)
    assert np.array_equal([job.number for job in jobs_of(QUICK, [TASK], material)], [0, 1, 2, 0])


class Shown(Recorded):
    """Remembers every advance, too."""

    def advance(self, n: int = 1, **figures: float | str) -> None:
        super().advance(n)
        self.told.append((self.done, figures["now"]))


def test_what_is_done_is_told_by_what_attempts_cost(tmp_path: Path, material: Material) -> None:
    def half_way(training: Examples, stopping: Examples, occasion: Occasion) -> Learned:
        for share in (0.5, 0.25, 2.0):
            occasion.progress(share)
        return QUICK[1].learn(training, stopping, occasion)

    attackers = (Attacker("slow", half_way, cost=3), Attacker("quick", QUICK[1].learn))
    told = Shown()
    make_attempts(
        jobs_of(attackers, [TASK], material), material, Attempts(tmp_path, []), 0, Crew(1, told), "attackers"
    )
    assert told.told == [
        ("attackers, %", 100),
        *[(done, "ant: slow") for done in (38, 38, 75, 75)],
        (100, "ant: quick"),
        "stop",
    ]
