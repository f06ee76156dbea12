"""Run folders made by hand: what training and verification leave, with chosen figures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from scotoma.data.splits import Fractions, SplitRecipe
from scotoma.encoder_file import Card, load_encoder, save_encoder
from scotoma.experiments.cells import AttackCell, EncoderCell
from scotoma.networks.encoder import Encoder
from scotoma.runs.results import Cell, Counts, EncoderSummary, Point, Results, Role
from scotoma.runs.whole_files import write_checked_json
from scotoma.verification.cells import CELL_FORMAT, CELL_VERSION, cell_file
from tests.examples import CLASSIFIER, ENCODER, PREPROCESSING


def attack(encoder: str, task: str, test: float, role: Role = "other", **changes: Any) -> Cell:
    """One attack: validation is a point above test, the interval two points to both sides."""
    figures: dict[str, Any] = {
        "state": "done",
        "val_accuracy": test + 0.01,
        "test_accuracy": test,
        "test_low": test - 0.02,
        "test_high": test + 0.02,
        "floor": 0.5,
        "curve": (),
    }
    return Cell(
        encoder=encoder,
        task=task,
        classes=("other", task),
        role=role,
        attacker="paper",
        seed=0,
        auc=0.5,
        cross_entropy=0.6,
        bits=0.1,
        iterations=20,
        seconds=1.0,
        counts=Counts((1, 1), (1, 1), (1, 1)),
        settings={},
        **(figures | changes),
    )


def curve(values: Mapping[int, float]) -> tuple[Point, ...]:
    """Validation accuracies by iteration."""
    return tuple(Point(at, 1e-3, 0.6, 0.6, value) for at, value in values.items())


def write_encoder(cell: EncoderCell, out: Path, training: Mapping[str, Any] | None = None) -> str:
    """`encoder.safetensors` of an encoder cell, with weights of its seed and these figures; its digest."""
    torch.manual_seed(cell.seed)
    split = SplitRecipe(0, Fractions())
    names = (cell.hide, cell.keep, cell.group.categories)
    card = Card(ENCODER, PREPROCESSING, CLASSIFIER, split, "0123", *names, training=training or {})
    cell.folder(out).mkdir(parents=True, exist_ok=True)
    save_encoder(cell.file(out), Encoder(ENCODER), card)
    return load_encoder(cell.file(out)).digest


def write_begun(cell: AttackCell | EncoderCell, out: Path, **about: Any) -> None:
    """`settings.json` of a cell: what it wrote down as it began."""
    cell.folder(out).mkdir(parents=True, exist_ok=True)
    (cell.folder(out) / "settings.json").write_text(json.dumps(about))


def write_attacks(cell: AttackCell, out: Path, attacks: Sequence[Cell], digest: str = "00") -> None:
    """`results.json` of an attack cell on the encoder of this digest."""
    names = dict.fromkeys(each.encoder for each in attacks)
    kinds: dict[str, Any] = {"identity": "identity", "blur": "blur", "encoder": "trained"}
    encoders = tuple(EncoderSummary(name, kinds[name], digest, (3, 7, 7)) for name in names)
    cell.folder(out).mkdir(parents=True, exist_ok=True)
    Results({}, cell.encoder.hide, cell.encoder.keep, encoders, tuple(attacks)).write(
        cell.folder(out) / "results.json"
    )


def write_answers(
    cell: AttackCell, out: Path, encoder: str, task: str, said: Sequence[tuple[str, bool]]
) -> None:
    """What an attacker of `write_attacks` says of every test image: its category, and whether it is right."""
    folder = cell.folder(out) / "cells"
    folder.mkdir(parents=True, exist_ok=True)
    truths = [int(category == task) for category, _ in said]
    predictions = {
        "key": [f"image {number}" for number in range(len(said))],
        "category": [category for category, _ in said],
        "class": truths,
        "probability": [
            [0.9 if truth == right else 0.1] for truth, (_, right) in zip(truths, said, strict=True)
        ],
    }
    results = Results.read(cell.folder(out) / "results.json")
    (attacked,) = (each for each in results.cells if (each.encoder, each.task) == (encoder, task))
    content = {"format": CELL_FORMAT, "version": CELL_VERSION, "cell": asdict(attacked)}
    write_checked_json(cell_file(folder, encoder, task), content | {"predictions": predictions})
