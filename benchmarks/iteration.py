"""How much of a training iteration is convolution? Time of an iteration over that of its convolutions.

    python benchmarks/iteration.py [--preset small] [--threads 2] [--repeats 7]

One iteration is `classifier_steps` updates of the classifiers and one of the encoder, batch assembly
included, on random images. Every convolution that it runs is then timed alone, forward and backward as far as
the iteration needs it, in the fastest of three formats (bf16 and fp32 in channels_last, fp32 in NCHW).
Medians over the repeats.
"""

# ruff: noqa: E402 (the allocator must be tuned before torch is imported)
from scotoma.allocation import tune_allocator

tune_allocator()

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from scotoma.data.prefetch import Prefetched
from scotoma.data.sampling import Batches
from scotoma.data.table import ImageTable, by_category
from scotoma.data.tasks import training_tasks
from scotoma.networks.classifier import Classifier
from scotoma.networks.encoder import Encoder
from scotoma.presets import Preset, load_preset
from scotoma.training.adversarial import Game, play, start_game, update_classifiers, update_encoder

CATEGORIES = tuple(f"category {index}" for index in range(10))


@dataclass(frozen=True)
class Call:
    """One run of a convolution: the gradients that its backward pass has to compute decide its cost."""

    convolution: nn.Conv2d
    shape: tuple[int, ...]
    input_gradient: bool
    weight_gradient: bool


def main() -> None:
    """Print the two times and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="small")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    preset = load_preset(options.preset)
    game, batches = make_game(preset)
    calls = record(game, batches, preset)
    with Prefetched(batches) as prefetched:
        whole = median_time(lambda: iterate(game, prefetched, preset), options.repeats)
    alone = sum(fastest(call, options.repeats) for call in calls)
    print(
        f"preset {options.preset}, {options.threads} threads, {torch.__version__}, {len(calls)} convolutions"
    )
    print(f"one iteration            {1e3 * whole:8.1f} ms")
    print(f"its convolutions alone   {1e3 * alone:8.1f} ms")
    print(f"ratio                    {whole / alone:8.2f}")


def make_game(preset: Preset, images: int = 1000) -> tuple[Game, Batches]:
    """A game on random images: one hidden and one kept category of ten."""
    random = np.random.default_rng(0)
    side, channels = preset.images.stored_side, preset.encoder.channels
    pixels = random.integers(0, 256, (images, side, side, channels), dtype=np.uint8)
    labels = np.arange(images, dtype=np.int64) % 10
    table = ImageTable(pixels, np.arange(images).astype("<U32"), by_category(CATEGORIES, labels), "random")
    hidden, kept = training_tasks(CATEGORIES[:1], CATEGORIES[1:2], table.attributes)
    tasks = [*hidden, *kept]
    classifiers = [Classifier(preset.classifier, preset.encoder.code_shape, task.classes) for task in tasks]
    game = start_game(Encoder(preset.encoder), classifiers, len(hidden), preset.training)
    game.iteration = 0
    rows = np.arange(images)
    return game, Batches(table, rows, tasks, preset.training.batch, preset.preprocessing, 0)


def iterate(game: Game, batches: Prefetched, preset: Preset) -> None:
    """One iteration of training."""
    until = replace(preset.training, iterations=game.iteration + 1)
    play(game, batches, until, lambda game, losses: None)


def record(game: Game, batches: Batches, preset: Preset) -> list[Call]:
    """The convolutions of one iteration, in order."""
    calls: list[Call] = []
    of_encoder = set(game.encoder.modules())

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, nn.Conv2d)
        # In the encoder's update the classifiers pass gradients on and get none themselves.
        updating_encoder = torch.is_grad_enabled() and encoder_updates
        weight = torch.is_grad_enabled() and (module in of_encoder) == updating_encoder
        calls.append(Call(module, tuple(inputs[0].shape), inputs[0].requires_grad, weight))

    modules = [game.encoder, *game.classifiers]
    convolutions = [m for network in modules for m in network.modules() if isinstance(m, nn.Conv2d)]
    hooks = [convolution.register_forward_pre_hook(note) for convolution in convolutions]
    encoder_updates = False
    for step in range(preset.training.classifier_steps):
        update_classifiers(game, batches.at(step), preset.training)
    encoder_updates = True
    update_encoder(game, batches.at(preset.training.classifier_steps), preset.training)
    for hook in hooks:
        hook.remove()
    return calls


def fastest(call: Call, repeats: int) -> float:
    """Seconds of a call in the best of three formats."""
    formats = [
        (torch.bfloat16, torch.channels_last),
        (torch.float32, torch.channels_last),
        (torch.float32, torch.contiguous_format),
    ]
    return min(alone(call, dtype, memory, repeats) for dtype, memory in formats)


def alone(call: Call, dtype: torch.dtype, memory: torch.memory_format, repeats: int) -> float:
    """Seconds of a call in one format, forward and backward."""
    layer = call.convolution
    images = torch.randn(call.shape).to(dtype).contiguous(memory_format=memory)
    weight = layer.weight.detach().to(dtype).contiguous(memory_format=memory)
    images.requires_grad_(call.input_gradient)
    weight.requires_grad_(call.weight_gradient)
    wanted = [tensor for tensor in (images, weight) if tensor.requires_grad]
    with torch.no_grad():
        gradient = torch.randn_like(nn.functional.conv2d(images, weight, padding=layer.padding))

    def run() -> None:
        output = nn.functional.conv2d(images, weight, padding=layer.padding)
        if wanted:
            torch.autograd.grad(output, wanted, gradient)

    return median_time(run, repeats)


def median_time(
    work: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Median seconds by a clock, after two runs that do not count."""
    times = []
    for repeat in range(repeats + 2):
        start = clock()
        work()
        if repeat >= 2:
            times.append(clock() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
