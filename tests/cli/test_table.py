"""A table of attributes from training to the report: see `tests.tables` for what its images show."""

import csv
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import scotoma
from scotoma.cli import main
from scotoma.data.images import Labelling, open_images
from scotoma.data.splits import divide
from scotoma.data.table import Sides
from scotoma.encoder_file import UNNAMED, FrozenEncoder
from scotoma.experiments import cells as experiments
from scotoma.experiments import runner
from scotoma.runs.results import Cell, Results
from tests.tables import HAIR, row_of, write_faces, write_rows
from tests.tiny import ATTACKS, NETWORKS, TRAINING, toml

IMAGES = 240
NAMES = ["--hide", "hair", "--keep", "Male,Smiling", "--preset", "demo"]
DIVIDED = "The images must be divided as in training, or the encoder has seen what tests it: "


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 240 images of 120 persons. Not to be changed."""
    return write_faces(tmp_path_factory.mktemp("data") / "faces", IMAGES)


@pytest.fixture(scope="session")
def hides_hair(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The run folder of a finished training on it, by persons: hides hair, keeps Male and Smiling."""
    folder = tmp_path_factory.mktemp("session")
    (folder / "tiny.toml").write_text(toml(NETWORKS | {"training": TRAINING}))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        monkeypatch.setenv("SCOTOMA_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        out = ["--config", str(folder / "tiny.toml"), "--out", str(folder / "run")]
        assert main(["train", str(faces), *NAMES, "--group-by", "person", *out]) == 0
    yield folder / "run"


@pytest.fixture
def encoder(hides_hair: Path) -> Path:
    return hides_hair / "encoder.safetensors"


@pytest.fixture
def verify(faces: Path, encoder: Path, attacks: Path, tmp_path: Path) -> Callable[..., int]:
    """`scotoma verify` on the table, by default on the encoder that hides hair."""

    def run(out: str, *more: str, file: Path = encoder) -> int:
        known = ["--data", str(faces), "--config", str(attacks), "--out", str(tmp_path / out)]
        return main(["verify", str(file), *known, *more])

    return run


def test_info_says_that_attributes_of_a_table_are_hidden(
    encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(encoder)]) == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if " " in line)
    assert (said["hides"], said["keeps"]) == ("hair", "Male, Smiling")
    assert said["categories"] == "none, attributes of a table"


def test_other_persons_on_the_same_images_are_refused(
    faces: Path, encoder: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with faces.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row["person"] = f"q{number // 3}"
    moved = tmp_path / "moved.csv"
    with moved.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    where = ["--data", str(moved), "--root", str(faces.parent), "--config", str(attacks)]
    assert main(["verify", str(encoder), *where, "--out", str(tmp_path / "refused")]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "These are the images of training, but they are divided in another way: the encoder has seen some of "
        "those that would test it. Give the table, or the lists of files, that training was given."
    )


def opened(faces: Path, encoder: FrozenEncoder, *attributes: str) -> scotoma.ImageTable:
    labelling = Labelling(attributes or ("hair", "Male", "Smiling"), sides=Sides(group_by="person"))
    stored = encoder.card.preprocessing
    return open_images(faces, stored.stored_side, stored.channels, labelling=labelling)


def cells_of(results: Results) -> dict[str, Cell]:
    return {cell.task: cell for cell in results.cells if cell.encoder == "encoder"}


def test_training_says_how_the_table_is_read_and_how_to_attack(
    faces: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    given = ["--group-by", "person", "--config", str(tiny), "--out", str(out)]
    assert main(["train", str(faces), *NAMES, *given]) == 0
    lines = capsys.readouterr().out.splitlines()
    encoder = scotoma.load_encoder(out / "encoder.safetensors")
    card = encoder.card
    assert (card.hide, card.keep, card.categories) == (("hair",), ("Male", "Smiling"), ())
    assert card.split.sides == Sides(group_by="person")
    table = opened(faces, encoder)
    parts = divide(table, card.split)
    people = [{row_of(int(row))["person"] for row in rows} for rows in vars(parts).values()]
    assert sum(map(len, people)) == len(set().union(*people)) == IMAGES // 2
    assert card.data_digest == table.digest()
    hair = table.attributes["hair"].labels[parts.training].tolist()
    male = table.attributes["Male"].labels[parts.training].tolist()
    smiling = table.attributes["Smiling"].labels[parts.training].tolist()
    counts = [f"{len(rows)} {part}" for part, rows in vars(parts).items()]
    assert lines[:7] == [
        f"images    {faces}: {IMAGES} ({', '.join(counts)})",
        "          never on two sides: images of one person",
        f"hide      hair (black: {hair.count(0)}, blond: {hair.count(1)}, "
        f"brown: {hair.count(2)} in training)",
        f"keep      Male (not Male: {male.count(0)}, Male: {male.count(1)} in training), Smiling "
        f"(not Smiling: {smiling.count(0)}, Smiling: {smiling.count(1)} in training)",
        "          hair: 3 classes: black, blond, brown; 19 missing",
        "          Male: binary: 1 is yes, 0 is no; 22 missing",
        "          Smiling: binary: 1 is yes, 0 is no",
    ]
    assert list(card.training["hidden"]) == ["hair"]
    assert list(card.training["kept"]) == ["Male", "Smiling"]
    assert lines[-1] == (
        f"Attack it: scotoma verify {out}/encoder.safetensors --data {faces} --group-by person "
        f"--out {out}-attacked"
    )
    # The same command finds it done, another grouping is another run.
    assert main(["train", str(faces), *NAMES, *given]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        f"{out} holds this run, finished. To train anew give --overwrite."
    )
    assert main(["train", str(faces), *NAMES, *given[2:]]) == 2
    assert capsys.readouterr().err == (
        f"{out} holds a run that was begun with other settings:\n"
        "  sides.group_by: person there, not set now\n"
        "Give the same command again, choose another --out, or give --overwrite to start anew.\n"
    )


def test_attacks_on_a_table(
    faces: Path,
    encoder: Path,
    attacks: Path,
    verify: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Enough for attackers to end: the verdict on one that is still rising says less.
    attacks.write_text(toml({"verification": ATTACKS | {"max_iterations": 400, "rate": 1e-2}}))
    assert verify("attacked") == 0
    out = tmp_path / "attacked"
    results = Results.read(out / "results.json")
    frozen = scotoma.load_encoder(encoder)
    table = opened(faces, frozen)
    parts, persons = divide(table, frozen.card.split), table.units
    assert persons is not None
    assert results.run["data"] == {
        "source": str(faces),
        "images": IMAGES,
        "categories": [],
        "attributes": {name: each.about for name, each in table.attributes.items()},
        "skipped": [],
        "notes": [],
        "digest": table.digest(),
        "same_as_training": True,
        "sides": {
            "group_by": "person",
            "near_duplicates": False,
            "column": None,
            "files": False,
        },
        "split": {part: len(rows) for part, rows in vars(parts).items()},
        "groups": {part: len(set(persons[rows].tolist())) for part, rows in vars(parts).items()},
    }
    cells = cells_of(results)
    assert [(cell.task, cell.role, cell.classes) for cell in cells.values()] == [
        ("hair", "hide", HAIR),
        ("Male", "keep", ("not Male", "Male")),
        ("Smiling", "keep", ("not Smiling", "Smiling")),
    ]
    for cell in results.cells:
        assert cell.bits is not None and cell.cross_entropy is not None and cell.test_low is not None
        assert cell.bits == pytest.approx(math.log2(len(cell.classes)) - cell.cross_entropy / math.log(2))
        assert cell.bits <= math.log2(len(cell.classes))
        labels = table.attributes[cell.task].labels[parts.test].tolist()
        assert cell.counts.test == tuple(labels.count(label) for label in range(len(cell.classes)))
        said = json.loads((out / "cells" / f"{cell.encoder}--{cell.task}.json").read_text())["predictions"]
        known = [label for label in labels if label >= 0]
        assert said["class"] == known
        assert said["category"] == [cell.classes[label] for label in known]
        assert [len(each) for each in said["probability"]] == [len(cell.classes) - 1] * len(known)
    assert cells["Male"].floor == cells["Smiling"].floor == 0.5
    schema = json.loads((Path(scotoma.__file__).parent / "runs/results.schema.json").read_text())
    jsonschema.validate(json.loads((out / "results.json").read_text()), schema)

    shown = capsys.readouterr().out
    said_once = " ".join(shown.split())
    assert "which of 3 classes an encoded image shows in" in said_once
    assert "33.3 % is guessing" in said_once
    assert "guessing reaches 33.3 on hair, 50 on Male, 50 on Smiling" in said_once
    assert main(["report", str(out)]) == 0
    page = (out / "report.html").read_text()
    assert "Every class counts alike, so guessing reaches 33.3 on hair, 50 on Male, 50 on Smiling." in page
    assert "which of 3 classes an encoded image shows" in page


def test_corrected_labels_of_a_further_task_are_attacked_anew(
    faces: Path, encoder: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither hidden nor kept: the encoder file knows nothing of these labels."""
    with faces.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    table = tmp_path / "faces.csv"
    known = [
        "--data",
        str(table),
        "--root",
        str(faces.parent),
        "--config",
        str(attacks),
        "--tasks",
        "age>=35",
    ]
    command = ["verify", str(encoder), *known, "--baselines", "none", "--out", str(tmp_path / "out")]
    counts = []
    for corrected in (False, False, True):
        if corrected:
            rows = [row | {"age": str(60 - int(row["age"]))} for row in rows]
        write_rows(table, rows)
        assert main(command) == 0
        said = "holds these attacks, finished" in capsys.readouterr().out
        (cell,) = Results.read(tmp_path / "out" / "results.json").cells
        counts.append((said, cell.counts.test))
    assert [said for said, _ in counts] == [False, True, False]
    assert counts[0] == (False, counts[1][1])
    assert counts[2][1] != counts[1][1]


def test_the_floor_is_that_of_the_kept_labels_together(
    faces: Path, encoder: Path, verify: Callable[..., int], tmp_path: Path
) -> None:
    """Written out: of each pair of kept answers, or none, the most frequent hair of the images to learn from.
    Here they say nothing of it, and the rule is right less often than guessing is, by chance.
    """
    assert verify("attacked", "--baselines", "none", "--tasks", "hair") == 0
    (cell,) = Results.read(tmp_path / "attacked/results.json").cells
    frozen = scotoma.load_encoder(encoder)
    table = opened(faces, frozen)
    parts = divide(table, frozen.card.split)
    hair, male, smiling = (table.attributes[name].labels for name in ("hair", "Male", "Smiling"))

    def weights(rows: list[int]) -> dict[int, float]:
        of = [int(hair[row]) for row in rows]
        return {label: 1 / 3 / of.count(label) for label in set(of)}

    learned_from = np.concatenate([parts.training, parts.reserve])
    training, test = ([int(row) for row in rows if hair[row] >= 0] for rows in (learned_from, parts.test))
    votes: dict[tuple[int, int], list[float]] = {}
    for row in training:
        of = votes.setdefault((int(male[row]), int(smiling[row])), [0.0] * 3)
        of[int(hair[row])] += weights(training)[int(hair[row])]
    right = 0.0
    for row in test:
        of = votes.get((int(male[row]), int(smiling[row])), [0.0] * 3)
        right += weights(test)[int(hair[row])] * (of.index(max(of)) == hair[row])
    assert right < 1 / 3 == cell.floor


def test_a_dry_run_tells_the_floor_that_verification_will(
    faces: Path,
    tiny: Path,
    verify: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["--group-by", "person", "--config", str(tiny), "--out", str(tmp_path / "none"), "--dry-run"]
    assert main(["train", str(faces), *NAMES, *given]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert not (tmp_path / "none").exists()
    assert verify("attacked", "--baselines", "none", "--tasks", "hair") == 0
    (cell,) = Results.read(tmp_path / "attacked/results.json").cells
    told = f"floor     hair: {100 * cell.floor:.1f} % with the kept labels alone, 33.3 % by guessing"
    assert told in lines
    assert cell.excess is not None
    (tests,) = (line for line in lines if line.startswith("tests"))
    shown = re.fullmatch(
        r"tests     hair: \d+ / \d+ / \d+ test images show a leak of ([0-9.]+) points in four cases of five",
        tests,
    )
    # Before there are answers each person counts for one image: no less than the attack says of its own.
    assert shown is not None
    assert 1 <= (float(shown[1]) + 0.05) / (100 * cell.excess.smallest_leak) < 1.3


def test_nearly_equal_images_stay_together_in_verification_too(
    places: Path, tiny: Path, attacks: Path, tmp_path: Path
) -> None:
    run, out = tmp_path / "run", tmp_path / "attacked"
    names = ["--hide", "bar", "--preset", "demo", "--group-near-duplicates"]
    assert main(["train", str(places), *names, "--config", str(tiny), "--out", str(run)]) == 0
    encoder = str(run / "encoder.safetensors")
    attacked = ["--baselines", "none", "--config", str(attacks), "--out", str(out)]
    assert main(["verify", encoder, "--data", str(places), *attacked]) == 0
    about = Results.read(out / "results.json").run["data"]
    assert about["sides"]["near_duplicates"] is True
    in_training = scotoma.load_encoder(encoder).card.training["images"]
    assert about["split"] == in_training


def test_verification_divides_as_training_did(
    encoder: Path, verify: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--baselines", "none", "--tasks", "hair")
    assert verify("silent", *more) == 0
    assert verify("told", *more, "--group-by", "person") == 0
    silent, told = (Results.read(tmp_path / name / "results.json") for name in ("silent", "told"))
    assert [replace(cell, seconds=0) for cell in silent.cells] == [
        replace(cell, seconds=0) for cell in told.cells
    ]
    assert silent.run["data"] == told.run["data"]
    capsys.readouterr()
    for flags, problems in (
        (["--group-by", "age"], "--group-by age: in training it was person"),
        (["--split-column", "part"], "--split-column part: in training it was not given"),
        (
            ["--split-column", "part", "--group-near-duplicates", "--split-files", "lists"],
            "--split-column part: in training it was not given; --group-near-duplicates was not given in "
            "training; --split-files was not given in training",
        ),
    ):
        assert verify("refused", *more, *flags) == 2
        assert capsys.readouterr() == ("", f"{DIVIDED}{problems}.\n")
    assert not (tmp_path / "refused").exists()


def test_lists_of_training_are_asked_for(
    faces: Path,
    tiny: Path,
    verify: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    rows = [row_of(number) for number in range(IMAGES)]
    for name, said in (("training", ("train", "attack")), ("validation", ("val",)), ("test", ("test",))):
        text = "".join(f"{row['file']}\n" for row in rows if row["part"] in said)
        (lists / f"{name}.txt").write_text(text)
    run = tmp_path / "run"
    given = ["--split-files", str(lists), "--config", str(tiny), "--out", str(run)]
    assert main(["train", str(faces), *NAMES, *given]) == 0
    encoder = run / "encoder.safetensors"
    more = ("--baselines", "none", "--tasks", "Male")
    capsys.readouterr()
    assert verify("attacked", *more, file=encoder) == 2
    assert capsys.readouterr() == ("", f"{DIVIDED}--split-files was given in training.\n")
    assert verify("attacked", *more, "--split-files", str(lists), file=encoder) == 0
    about = Results.read(tmp_path / "attacked/results.json").run["data"]
    parts = [row["part"] for row in rows]
    assert about["sides"]["files"] is True
    assert about["split"] == {
        "training": parts.count("train") + parts.count("attack"),
        "reserve": 0,
        "validation": parts.count("val"),
        "test": parts.count("test"),
    }


def test_an_anonymous_encoder_names_no_column(
    faces: Path,
    tiny: Path,
    verify: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    given = ["--split-column", "part", "--group-by", "person", "--config", str(tiny), "--out", str(run)]
    assert main(["train", str(faces), *NAMES, "--anonymous", *given]) == 0
    encoder = run / "encoder.safetensors"
    content = encoder.read_bytes()
    for word in (b"hair", b"Male", b"Smiling", b"person", b'part"', b"blond", b"faces"):
        assert word not in content
    card = scotoma.load_encoder(encoder).card
    assert card.split.sides == Sides(group_by=UNNAMED, column=UNNAMED)
    # Nor can somebody who has images and table try which columns they were.
    asked = Labelling(("hair", "Male", "Smiling"), sides=Sides(group_by="person", column="part"))
    table = open_images(faces, card.preprocessing.stored_side, 3, labelling=asked)
    tried = [some for size in (1, 2, 3) for some in combinations(table.attributes, size)]
    digests = {table.digest(some) for some in tried}
    assert len(digests) == 7
    assert not digests & set(re.findall("[0-9a-f]{32}", content.decode("latin-1")))
    assert (list(card.training["hidden"]), list(card.training["kept"])) == (
        ["hidden 1"],
        ["kept 1", "kept 2"],
    )
    names = ("--hide", "hair", "--keep", "Male,Smiling", "--baselines", "none")
    capsys.readouterr()
    assert verify("attacked", *names, file=encoder) == 2
    assert capsys.readouterr() == (
        "",
        f"{DIVIDED}--group-by is missing: the encoder file says that there was one, not which; "
        "--split-column is missing: the encoder file says that there was one, not which.\n",
    )
    sides = ("--group-by", "person", "--split-column", "part")
    assert verify("attacked", *names, *sides, file=encoder) == 0
    results = Results.read(tmp_path / "attacked/results.json")
    assert results.run["data"]["same_as_training"] is True
    assert list(cells_of(results)) == ["hair", "Male", "Smiling"]


def test_wrong_names_are_told_before_anything_is_written(
    faces: Path,
    tiny: Path,
    encoder: Path,
    verify: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    allowed = "(allowed: Male, Smiling, hair, age, person, part)"
    out = ["--preset", "demo", "--config", str(tiny), "--out", str(tmp_path / "out")]
    table = f"{faces} is a table of attributes: there are no categories to choose from with --categories."
    for names, told in (
        (["--hide", "Mal"], f"There is no column 'Mal' in {faces}: did you mean 'Male'? {allowed}."),
        (
            ["--hide", "hair=red"],
            "The column 'hair' has no value 'red': allowed: black, blond, brown.",
        ),
        (["--hide", "hair", "--categories", "hair"], table),
        (
            ["--hide", "hair", "--keep", "Male,hair"],
            "both hidden and kept: hair; a category can be only one of them",
        ),
    ):
        assert main(["train", str(faces), *names, *out]) == 2
        assert capsys.readouterr() == ("", f"{told}\n")
    assert verify("out", "--tasks", "Mal") == 2
    assert capsys.readouterr() == (
        "",
        f"There is no column 'Mal' in {faces}: did you mean 'Male'? {allowed}.\n",
    )
    assert verify("out", "--categories", "hair") == 2
    assert capsys.readouterr() == ("", f"{table}\n")
    assert not (tmp_path / "out").exists()


def test_labels_come_from_a_file_and_flags_go_over_it(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row_of(number) for number in range(IMAGES)]
    for row in rows:
        row["Male"] = row["Male"] or "-1"
        row["hair"] = str(HAIR.index(row["hair"])) if row["hair"] else "9"
        row["copy"] = row["file"]
    table = write_rows(faces.parent / "coded.csv", rows)
    labels = {"file_column": "file", "missing": ["-1", "9"], "group_by": "part"}
    config = tmp_path / "my.toml"
    config.write_text(toml(NETWORKS | {"training": TRAINING, "labels": labels}))
    out = tmp_path / "run"
    flags = ["--group-by", "person", "--columns", "hair=classes", "--config", str(config), "--out", str(out)]
    assert main(["train", str(table), *NAMES, *flags]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "          hair: 3 classes: 0, 1, 2; 19 missing" in lines
    # Of a column of 0, 1 and -1 the last would mean no, had it not been declared.
    assert "          Male: binary: 1 is yes, 0 is no; 22 missing" in lines
    labels_said = "--file-column file --missing=-1,9 --columns hair=classes --group-by person"
    assert lines[-1] == (
        f"Attack it: scotoma verify {out}/encoder.safetensors --data {table} {labels_said} "
        f"--out {out}-attacked"
    )
    asked = json.loads((out / "settings.json").read_text())
    assert f" {labels_said} --config {config} " in asked["command"]


def test_a_file_that_cannot_be_read_is_left_out_where_that_is_asked_for(
    tiny: Path, attacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_faces(tmp_path / "faces", IMAGES)
    (table.parent / "img/010.png").write_bytes(b"")
    broken = (
        "1 of 240 images cannot be read:\n"
        "  img/010.png (line 12): the file is empty\n"
        "Repair them, or move them out of the folder: images are never left out silently. "
        "--skip-unreadable leaves them out and says so. scotoma check --full names all.\n"
    )
    run, out = tmp_path / "run", tmp_path / "attacked"
    command = ["train", str(table), *NAMES, "--config", str(tiny), "--out", str(run)]
    assert main(command) == 2
    assert capsys.readouterr().err.endswith(broken)
    assert not run.exists()
    assert main([*command, "--skip-unreadable"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"images    {table}: 239 (")
    assert lines[1] == "          left out, as they cannot be read: 1 (img/010.png: the file is empty)"
    assert lines[-1].endswith(f" --data {table} --skip-unreadable --out {run}-attacked")
    attack = ["verify", str(run / "encoder.safetensors"), "--data", str(table), "--config", str(attacks)]
    attack += ["--baselines", "none", "--tasks", "Male", "--out", str(out)]
    assert main(attack) == 2
    assert capsys.readouterr().err.endswith(broken)
    assert main([*attack, "--skip-unreadable"]) == 0
    said = "Images left out, as they cannot be read: 1 (img/010.png: the file is empty)."
    assert said in " ".join(capsys.readouterr().out.split())
    results = Results.read(out / "results.json")
    about = results.run["data"]
    assert (about["images"], about["skipped"]) == (239, ["img/010.png: the file is empty"])
    assert about["same_as_training"] is True
    assert main(["report", str(out)]) == 0
    page = (out / "report.html").read_text()
    assert "<dt>skipped</dt><dd>1 image left out, not to be read</dd>" in page and "010.png" not in page
    capsys.readouterr()
    assert main(["check", str(table)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "1 file cannot be read, and training would stop there: repair or move away what is named above."
    )
    assert main(["check", str(table), "--skip-unreadable"]) == 0
    assert "  img/010.png (line 12): the file is empty" in capsys.readouterr().out.splitlines()


def test_a_sweep_hands_labels_on(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_here(
        cells: Sequence[experiments.Cell], places: experiments.Places, *_: object, **__: object
    ) -> None:
        """The same commands, without the seconds that a process takes to start."""
        for cell in cells:
            assert main(experiments.arguments(cell.command(places))) == 0

    monkeypatch.setattr(runner, "run_cells", run_here)
    config = tmp_path / "cheap.toml"
    settings = NETWORKS | {"training": TRAINING | {"iterations": 3}, "verification": ATTACKS}
    config.write_text(toml(settings))
    out = tmp_path / "out"
    labels = ["--group-by", "person", "--columns", "hair=classes,Male=binary", "--missing=-1"]
    command = ["sweep", str(faces), *NAMES, "--alpha", "1", "--config", str(config), "--out", str(out)]
    assert main([*command, *labels]) == 0
    shown = capsys.readouterr().out
    assert "guessing reaches 33.3 on hair, 50 on Male, 50 on Smiling, the floor is what" in shown
    written = json.loads((out / "sweep.json").read_text())
    assert written["changes"]["labels"] == {
        "missing": ["-1"],
        "columns": {"hair": "classes", "Male": "binary"},
        "group_by": "person",
    }
    (cell,) = written["cells"]
    assert cell["hidden"]["hair"]["chance"] == pytest.approx(1 / 3)
    results = Results.read(out / "attacks/alpha-1-seed0/results.json")
    assert results.run["data"]["sides"]["group_by"] == "person"
    assert results.run["data"]["same_as_training"] is True
    assert main([*command, *labels[:4]]) == 2
    assert capsys.readouterr().err == (
        f"{out} holds a run that was begun with other settings:\n"
        "  labels.missing: -1 there, not set now\n"
        "Give the same command again, choose another --out, or give --overwrite to start anew.\n"
    )
    assert main([*command, "--categories", "hair"]) == 2
    assert capsys.readouterr().err == (
        f"{faces} is a table of attributes: there are no categories to choose from with --categories.\n"
    )


def test_check_looks_at_a_table(faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(faces), "--attributes", "hair", "--split-column", "part"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{faces}: {IMAGES} images in 6 columns"
    assert lines[4] == "hair: 3 classes: black, blond, brown; 19 missing"
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    table = open_images(faces, 8, 3, labelling=Labelling(("hair",)))
    labels = table.attributes["hair"].labels.tolist()
    parts = [row_of(number)["part"] for number in range(IMAGES)]
    of = ("train", "attack", "val", "test")
    expected = [["all images", str(IMAGES), *(str(parts.count(part)) for part in of), "0"]]
    for number, name in enumerate(HAIR):
        mine = [part for part, label in zip(parts, labels, strict=True) if label == number]
        expected.append([f"hair: {name}", str(len(mine)), *(str(mine.count(part)) for part in of), "0"])
    assert cells[-4:] == expected
    assert ["Male", "binary", "108 yes, 110 no", "22"] in [row[:4] for row in cells]


def test_check_says_what_a_flag_needs(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(places), "--group-by", "person"]) == 2
    assert capsys.readouterr().err == (
        f"--group-by: {places} is no table of attributes. Name a .csv or .tsv file that has a column with "
        "the images' paths, or leave this out.\n"
    )


def test_a_kind_of_column_without_a_name_is_told(faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(faces), "--columns", "hair=classes,age,=number"]) == 2
    assert capsys.readouterr().err == (
        "--columns 'hair=classes,age,=number': give NAME=KIND, as in age=classes, got age, =number.\n"
    )
