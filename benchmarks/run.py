"""How fast is Scotoma beside plain PyTorch, and beside what this machine can do?

    python benchmarks/run.py DATA --hide airport_terminal --keep office [--out speed.json] [--quick]

DATA is a folder of photographs, one folder a category. Rival (`plain.py`) and library do the same job in
turn, each time in a process of its own, with the preset `small` and all cores; medians over the repeats, and
the ratio of the medians. Beside them stands what the machine can do: matrix products, convolutions, memory.
"""

# ruff: noqa: E402 (the allocator must be tuned before torch is imported)
from scotoma.allocation import tune_allocator

tune_allocator()

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from iteration import fastest, iterate, make_game, median_time, record
from torch import Tensor, nn

from scotoma.data.augmentation import centre_crop
from scotoma.data.decoding import decode_image, fit_square
from scotoma.data.images import open_images
from scotoma.data.photos import list_photos
from scotoma.data.prefetch import Prefetched
from scotoma.data.sampling import Batches
from scotoma.data.splits import split
from scotoma.data.table import ImageTable
from scotoma.encoder_file import ENCODE_BATCH, Card, FrozenEncoder, load_encoder, save_encoder
from scotoma.networks.classifier import Classifier
from scotoma.networks.encoder import Encoder
from scotoma.networks.population import set_population_statistics
from scotoma.presets import Preset, load_preset
from scotoma.runs.threads import cores
from scotoma.runs.whole_files import write_json
from scotoma.training.adversarial import play, start_game
from scotoma.training.run import POPULATION_BATCHES
from scotoma.verification.run import VerificationRequest, make_plan
from scotoma.verification.suite import Suite, subjects_of

PLAIN = Path(__file__).with_name("plain.py")
DECODED = 2000
WARM_UP = 5

Row = dict[str, Any]


def main() -> None:
    """Run the parts that were asked for, print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--hide", required=True)
    parser.add_argument("--keep", required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="one repeat, few iterations: does it run?")
    parser.add_argument("--part", choices=tuple(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--iterations", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(cores())
    if options.part:
        print("\n" + json.dumps(PARTS[options.part](options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        options.folder = Path(folder)
        rows = measure(options)
    for row in rows:
        print(" | ".join(f"{key}: {value}" for key, value in row.items()))
    if options.out:
        write_json(options.out, {"machine": PARTS["machine"](options), "rows": rows})


def measure(options: argparse.Namespace) -> list[Row]:
    """Rival and library by turns, then the rest."""
    repeats, iterations, attack = (1, 4, 20) if options.quick else (3, 30, 300)
    tasks = sorted(folder.name for folder in Path(options.data).iterdir() if folder.is_dir())[:8]
    hide, keep = f"--hide={options.hide}", f"--keep={options.keep}"
    network = str(options.folder / "plain.pt")
    train = compared(
        "training, small, iterations a second",
        lambda: rival(
            "train", options.data, network, hide, keep, f"--iterations={iterations}", "--warm-up=5"
        ),
        lambda: part("train", options, iterations)["rate"],
        repeats,
    )
    # The library's encoder for both, so that both attack the same codes.
    torch.save(for_rival(load_encoder(options.folder / "encoder.safetensors").network), network)
    verify = compared(
        f"verification, {len(tasks)} tasks of {attack} iterations, iterations a second",
        lambda: rival("verify", options.data, network, f"--task={','.join(tasks)}", f"--iterations={attack}"),
        lambda: part("verify", options, attack)["rate"],
        1,
    )
    codes = str(options.folder / "codes.npy")
    encode = compared(
        "encoding JPEG files, images a second",
        lambda: rival("encode", options.data, network, f"--codes={codes}"),
        lambda: part("encode", options)["rate"],
        repeats,
    )
    return [
        train,
        verify,
        encode,
        part("encode-bound", options) | {"what": "encoding over its bound", "encoding": encode["library"]},
        part("iteration", options),
        part("paper-step", options),
        {"what": "scotoma --help, seconds", "median": help_seconds(1 if options.quick else 7)},
    ]


def compared(what: str, by_rival: Callable[[], float], by_library: Callable[[], float], repeats: int) -> Row:
    """Medians of two rates that are taken by turns, and their ratio."""
    pairs = [(by_rival(), by_library()) for _ in range(repeats)]
    theirs, ours = (statistics.median(rates) for rates in zip(*pairs, strict=True))
    row = {"what": what, "rival": theirs, "library": ours, "ratio": round(ours / theirs, 2), "pairs": pairs}
    print(row, file=sys.stderr, flush=True)
    return row


def rival(*arguments: str) -> float:
    """The rate that plain.py prints."""
    output = run([sys.executable, str(PLAIN), *arguments])
    print(output, file=sys.stderr, flush=True)
    found = re.search(r"([\d.]+) (?:iterations|images) a second", output)
    assert found is not None, output
    return float(found[1])


def part(name: str, options: argparse.Namespace, iterations: int = 0) -> Row:
    """What this script says when it runs one part alone."""
    own = [sys.executable, __file__, options.data, f"--hide={options.hide}", f"--keep={options.keep}"]
    own += [f"--part={name}", f"--folder={options.folder}", f"--iterations={iterations}"]
    output = run(own)
    row: Row = json.loads(output.splitlines()[-1])
    print(row, file=sys.stderr, flush=True)
    return row


def run(command: list[str]) -> str:
    """Standard output of a command that must succeed."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def for_rival(encoder: Encoder) -> dict[str, Tensor]:
    """Weights and population statistics under the names and in the order of plain.py."""
    state: dict[str, Tensor] = {}
    place = 0
    convolutions = [layer for layer in encoder.modules() if isinstance(layer, nn.Conv2d)]
    pooled_after = {sum(encoder.settings.convolutions[: stage + 1]) for stage in range(3)}
    for number, (layer, norm) in enumerate(zip(convolutions, encoder.normalisations(), strict=True), 1):
        state[f"{place}.weight"] = layer.weight.detach().contiguous()
        for name, ours in (("running_mean", norm.mean), ("running_var", norm.variance)):
            assert isinstance(ours, Tensor)
            state[f"{place + 2}.{name}"] = ours.permute(2, 0, 1).flatten()
        state[f"{place + 2}.num_batches_tracked"] = torch.tensor(0)
        place += 6 if number in pooled_after else 5
    return state


def opened(options: argparse.Namespace, preset: Preset) -> ImageTable:
    """The photographs as the library keeps them, decoded once."""
    return open_images(options.data, preset.preprocessing.stored_side, preset.preprocessing.channels)


def library_train(options: argparse.Namespace) -> Row:
    """Iterations a second after warm-up; leaves an encoder file."""
    preset = load_preset("small")
    table = opened(options, preset)
    plan = preset.plan((options.hide,), (options.keep,), 0)
    hidden, kept = plan.tasks(table.attributes)
    tasks = [*hidden, *kept]
    rows = split(table.keys, 0, plan.split.fractions).training
    classifiers = [Classifier(plan.classifier, plan.encoder.code_shape, task.classes) for task in tasks]
    game = start_game(Encoder(plan.encoder), classifiers, len(hidden), plan.training)
    game.iteration = -WARM_UP
    batches = Batches(table, rows, tasks, plan.training.batch, plan.preprocessing, 0)
    with Prefetched(batches) as prefetched:
        play(game, prefetched, replace(plan.training, iterations=1), lambda game, losses: None)
        start = time.perf_counter()
        until = replace(plan.training, iterations=1 + options.iterations)
        play(game, prefetched, until, lambda game, losses: None)
        seconds = (time.perf_counter() - start) / options.iterations
    images = [batches.at(number).images for number in range(POPULATION_BATCHES)]
    set_population_statistics(game.average, lambda: images)
    card = Card(
        plan.encoder,
        plan.preprocessing,
        plan.classifier,
        plan.split,
        table.digest(),
        plan.hide,
        plan.keep,
        table.categories,
    )
    save_encoder(options.folder / "encoder.safetensors", game.average, card)
    return {"rate": round(1 / seconds, 3)}


def library_verify(options: argparse.Namespace) -> Row:
    """Iterations a second of eight tasks, everything included: a budget that no attack ends before."""
    preset = load_preset("small")
    start = time.perf_counter()
    table, encoder = opened(options, preset), loaded(options)
    # The rival's attack: Adam at one rate, in batches of 128, for so many iterations whatever they bring.
    settings = replace(
        preset.verification,
        schedule="literal",
        batch=128,
        evaluate_every=50,
        patience=10**9,
        max_iterations=options.iterations,
    )
    plan = make_plan(encoder, VerificationRequest(tasks=table.categories[:8]), settings)
    subjects = subjects_of(encoder, (), encoder.card.encoder, plan.attack)
    with tempfile.TemporaryDirectory() as folder:
        cells = Suite(table, subjects, plan, Path(folder)).run(cores())
    seconds = time.perf_counter() - start
    accuracies = {
        cell.task: [
            round(float(value or 0), 3) for value in (cell.test_accuracy, cell.test_low, cell.test_high)
        ]
        for cell in cells
    }
    return {"rate": round(len(cells) * options.iterations / seconds, 3), "accuracies": accuracies}


def library_encode(options: argparse.Namespace) -> Row:
    """Images a second of the verb `encode`, from the first file to the last code on the disk."""
    from scotoma.cli.encode import encode

    _, names = list_photos(Path(options.data))
    encoder = options.folder / "encoder.safetensors"
    start = time.perf_counter()
    encode(encoder, options.data, out=options.folder / "codes.npz", overwrite=True)
    return {"rate": round(len(names) / (time.perf_counter() - start), 1)}


def encode_bound(options: argparse.Namespace) -> Row:
    """Decoding and convolutions alone, one thread, times the cores: what encoding could reach at most."""
    torch.set_num_threads(1)
    encoder = loaded(options)
    stored = encoder.card.preprocessing
    root, names = list_photos(Path(options.data))
    files = [root / name for name in names[:: max(len(names) // DECODED, 1)]]
    some = [fit_square(decode_image(file), stored.stored_side, stored.channels) for file in files[:128]]

    def decode() -> None:
        for file in files:
            fit_square(decode_image(file), stored.stored_side, stored.channels)

    images = centre_crop(np.stack(some), stored)
    decoding = cores() * len(files) / median_time(decode, 3)
    rows = {"decoding": round(decoding)}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        convolving = cores() * ENCODE_BATCH / convolution_seconds(encoder.network, images, dtype)
        rows |= {name: round(convolving), f"bound {name}": round(1 / (1 / decoding + 1 / convolving))}
    return rows


@torch.inference_mode()
def convolution_seconds(network: Encoder, images: Tensor, dtype: torch.dtype) -> float:
    """Seconds of an encoder's convolutions on a batch, each alone, in channels_last."""
    total, x = 0.0, images.contiguous(memory_format=torch.channels_last)
    for layer in network.features:
        if isinstance(layer, nn.Conv2d):
            weight, given = layer.weight.to(dtype), x.to(dtype)
            total += median_time(partial(nn.functional.conv2d, given, weight, padding=1), 5)
        x = layer(x)
    return total


def loaded(options: argparse.Namespace) -> FrozenEncoder:
    """The encoder that the part `train` left."""
    return load_encoder(options.folder / "encoder.safetensors")


def iteration(options: argparse.Namespace) -> Row:
    """An iteration of `small` over the sum of its convolutions, on one thread and on all."""
    row: Row = {"what": "iteration over its convolutions, small"}
    preset = load_preset("small")
    game, batches = make_game(preset)
    for threads in sorted({1, cores()}):
        torch.set_num_threads(threads)
        calls = record(game, batches, preset)
        with Prefetched(batches) as prefetched:
            whole = median_time(partial(iterate, game, prefetched, preset), 9)
        alone = sum(fastest(call, 5) for call in calls)
        times = {"iteration, ms": round(1e3 * whole), "convolutions, ms": round(1e3 * alone)}
        row[f"{threads} threads"] = times | {"ratio": round(whole / alone, 2)}
    return row


def paper_step(options: argparse.Namespace) -> Row:
    """One training iteration of `paper` at its batch of 128 an attribute, on random images."""
    import resource

    preset = load_preset("paper")
    game, batches = make_game(preset, images=300)
    start = time.perf_counter()
    until = replace(preset.training, iterations=1)
    play(game, batches, until, lambda game, losses: None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seconds = round(time.perf_counter() - start, 1)
    return {"what": "one iteration of paper, batch 128", "seconds": seconds, "peak, GiB": round(peak, 1)}


def machine(options: argparse.Namespace) -> Row:
    """Peak rates on all cores: products of matrices, a convolution in three formats, a copy of memory."""
    size = 2048
    a, b = torch.randn(2, size, size)
    x, weight = torch.randn(128, 64, 16, 16), torch.randn(64, 64, 3, 3)
    work = 2 * 128 * 64 * 64 * 9 * 16 * 16
    row: Row = {"cores": cores(), "torch": torch.__version__}
    for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        c, d = a.to(dtype), b.to(dtype)
        seconds = median_time(partial(torch.mm, c, d), 7)
        row[f"matrix product {name}, GFLOP/s"] = round(2 * size**3 / seconds / 1e9)
    with torch.inference_mode():
        for name, dtype, order in (
            ("bf16 channels_last", torch.bfloat16, torch.channels_last),
            ("fp32 channels_last", torch.float32, torch.channels_last),
            ("fp32 NCHW", torch.float32, torch.contiguous_format),
        ):
            given = x.to(dtype).contiguous(memory_format=order)
            by = weight.to(dtype).contiguous(memory_format=order)
            seconds = median_time(partial(nn.functional.conv2d, given, by, padding=1), 7)
            row[f"convolution {name}, GFLOP/s"] = round(work / seconds / 1e9)
    large = torch.zeros(2**28)
    seconds = median_time(lambda: large[: 2**27].copy_(large[2**27 :]), 5)
    row["copy of memory, GB/s read and written"] = round(2 * 2**29 / seconds / 1e9, 1)
    return row


def help_seconds(repeats: int) -> float:
    """Median seconds of `scotoma --help`."""
    command = [str(Path(sys.executable).with_name("scotoma")), "--help"]
    return round(median_time(lambda: run(command), repeats), 3)


PARTS: dict[str, Callable[[argparse.Namespace], Row]] = {
    "machine": machine,
    "train": library_train,
    "verify": library_verify,
    "encode": library_encode,
    "encode-bound": encode_bound,
    "iteration": iteration,
    "paper-step": paper_step,
}


if __name__ == "__main__":
    main()
