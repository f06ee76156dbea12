"""Where does the time of an encoded image go? Processor time of one thread, from the JPEG file to the code.

    python benchmarks/encoding.py ENCODER FOLDER [--images 1024] [--repeats 5]

What `scotoma encode` does to an image, step by step in one thread, in microseconds an image, medians over the
repeats: reading and decoding the file, fitting it to the stored square, cropping, then every kind of layer of
the network. Processor time, so that other work on the machine counts little.
"""

# ruff: noqa: E402 (the allocator must be tuned before torch is imported)
from scotoma.allocation import tune_allocator

tune_allocator()

import argparse
import os
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from iteration import median_time
from torch import Tensor, nn

from scotoma.data.augmentation import centre_crop
from scotoma.data.decoding import decode_image, fit_square
from scotoma.data.photos import list_photos
from scotoma.encoder_file import ENCODE_PIXELS, FrozenEncoder, load_encoder


def main() -> None:
    """Print the steps and their shares."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("encoder", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    encoder = load_encoder(options.encoder)
    folder, names = list_photos(options.folder)
    files = [os.path.join(folder, name) for name in names[:: max(len(names) // options.images, 1)]]
    steps = profile(encoder, files, options.repeats)
    whole = sum(steps.values())
    print(f"{len(files)} images, one thread, torch {torch.__version__}: {1e6 * whole:.0f} us an image")
    for name, seconds in steps.items():
        print(f"{name:24}{1e6 * seconds:8.0f} us{seconds / whole:8.1%}")


def profile(encoder: FrozenEncoder, files: list[str], repeats: int) -> dict[str, float]:
    """Seconds an image of each step."""
    stored = encoder.card.preprocessing
    decoded = [decode_image(file) for file in files]
    fitted = np.stack([fit_square(image, stored.stored_side, stored.channels) for image in decoded])

    def fit() -> object:
        return [fit_square(image, stored.stored_side, stored.channels) for image in decoded]

    steps = {
        "read and decode": median_time(
            lambda: [decode_image(file) for file in files], repeats, time.thread_time
        ),
        "fit to the stored square": median_time(fit, repeats, time.thread_time),
        "crop and scale": median_time(lambda: centre_crop(fitted, stored), repeats, time.thread_time),
        **layers(encoder, fitted, repeats),
    }
    return {name: seconds / len(files) for name, seconds in steps.items()}


def layers(encoder: FrozenEncoder, fitted: npt.NDArray[np.uint8], repeats: int) -> dict[str, float]:
    """Seconds of each kind of layer, for all images; what lies between layers is the network's remainder."""
    step = max(ENCODE_PIXELS // encoder.card.preprocessing.size**2, 1)
    batches = [
        centre_crop(fitted[start : start + step], encoder.card.preprocessing)
        for start in range(0, len(fitted), step)
    ]
    runs: list[dict[str, float]] = []
    started: dict[nn.Module, float] = {}

    def begin(module: nn.Module, _: Any) -> None:
        started[module] = time.thread_time()

    def end(module: nn.Module, _: Any, __: Tensor) -> None:
        runs[-1][type(module).__name__] += time.thread_time() - started[module]

    leaves = [module for module in encoder.network.modules() if not list(module.children())]
    hooks = [module.register_forward_pre_hook(begin) for module in leaves]
    hooks += [module.register_forward_hook(end) for module in leaves]
    for _ in range(repeats + 1):
        runs.append(defaultdict(float))
        start = time.thread_time()
        with torch.inference_mode():
            for batch in batches:
                encoder.network(batch)
        between = time.thread_time() - start - sum(runs[-1].values())
        runs[-1]["tanh, rounding, rest"] = between
    for hook in hooks:
        hook.remove()
    return {name: statistics.median(run[name] for run in runs[1:]) for name in runs[0]}


if __name__ == "__main__":
    main()
