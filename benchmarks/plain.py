"""How fast is the same job in plain PyTorch, as written in an afternoon? The preset `small` in eager fp32,
without figures, checkpoints, saturation, calibration; `tests/benchmarks/test_plain.py` holds the mathematics.

    python benchmarks/plain.py train photos plain.pt --hide bar --keep office --iterations 100
    python benchmarks/plain.py verify photos plain.pt --task bar,office --iterations 300
    python benchmarks/plain.py encode photos plain.pt --codes codes.npy
"""

import argparse
import copy
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

SIZE, STORED_SIDE, SCALES, CODE_BITS, CODE_SIDE = 64, 72, (0.85, 1.1), 1, 8
# Stages give the channels of the convolutions between two poolings.
ENCODER, CLASSIFIER, HIDDEN_UNITS = ((16,), (32, 32), (64, 64), (96, 3)), ((32, 32), (64, 64)), 128
BATCH, CLASSIFIER_STEPS, WARM_UP, ALPHA, ENCODER_AVERAGE, POPULATION_BATCHES = 64, 4, 100, 0.5, 0.99, 16
CLASSIFIER_RATE, ENCODER_RATE, ENCODER_DROP, DROP_EVERY = 2e-3, 1e-3, 0.86, 150
ATTACK_BATCH, ATTACK_RATE, EVALUATE_EVERY, WORKERS = 128, 2e-3, 50, 2


def rounded(codes: Tensor, bits: int = CODE_BITS) -> Tensor:
    """Codes in (-1, 1), moved to the middle of one of 2**bits steps; gradients pass straight through."""
    step = ((codes.detach() + 1) * 2.0**bits / 2).floor().clamp(0, 2.0**bits - 1)
    return (step + 0.5) * 2 / 2.0**bits - 1 + (codes - codes.detach())


def make_network(stages: Sequence[Sequence[int]], side: int, hidden: int = 0) -> nn.Sequential:
    """Images (batch, 3, side, side) to codes, not yet rounded; or, with hidden units, codes to two logits."""
    layers: list[nn.Module] = []
    channels = 3
    for stage in stages:
        for width in stage:
            location = nn.BatchNorm1d(width * side**2, affine=False)
            flat = [nn.Flatten(), location, nn.Unflatten(1, (width, side, side))]
            norm = [nn.BatchNorm2d(width)] if hidden else flat
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), *norm, nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2))
        side //= 2
    if hidden:
        head = [nn.Linear(channels * (2 * side) ** 2, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()]
        return nn.Sequential(*layers[:-1], nn.Flatten(), *head, nn.Linear(hidden, 2))
    encoder = nn.Sequential(*layers[:-2], nn.Tanh())
    for weight in encoder.parameters():
        nn.init.kaiming_normal_(weight, nonlinearity="relu")
    return encoder


def losses(networks: Sequence[nn.Module], images: Tensor, labels: Tensor, flip: bool) -> list[Tensor]:
    """Of what is hidden and what is kept: half of images (batch, 3, side, side) and labels (batch,) each."""
    encoder, hidden, kept = networks
    with torch.set_grad_enabled(flip):  # without the flip it is the classifiers' turn
        hidden_codes, kept_codes = rounded(encoder(images)).chunk(2)
    true, kept_labels = labels.chunk(2)
    logits = hidden(hidden_codes)
    hidden_labels = 1 - logits.argmax(1) if flip else true  # flips what is predicted, be it right or not
    return [F.cross_entropy(logits, hidden_labels), F.cross_entropy(kept(kept_codes), kept_labels)]


def train(folder: str, hide: str, keep: str, iterations: int, warm_up: int) -> dict[str, Tensor]:
    """Train an encoder, and print the rate after warm-up. Returns the state of its running average."""
    photos = Photos(folder, augment=True)
    pools = [[hide], sorted({*photos.category} - {hide, keep}), [keep], sorted({*photos.category} - {keep})]
    turns = [False] * warm_up + ([False] * CLASSIFIER_STEPS + [True]) * iterations  # is it the encoder's?
    batches = photos.draw(pools, BATCH // 2, len(turns) + POPULATION_BATCHES)
    encoder = make_network(ENCODER, SIZE)
    hidden, kept = (make_network(CLASSIFIER, CODE_SIDE, HIDDEN_UNITS) for _ in range(2))
    average = copy.deepcopy(encoder).requires_grad_(False)
    encoder_optimiser = torch.optim.Adam(encoder.parameters(), ENCODER_RATE)
    schedule = torch.optim.lr_scheduler.StepLR(encoder_optimiser, DROP_EVERY, ENCODER_DROP)
    classifier_optimiser = torch.optim.Adam([*hidden.parameters(), *kept.parameters()], CLASSIFIER_RATE)
    for number, encoders_turn in enumerate(turns):
        if number == warm_up:
            start = time.perf_counter()
        hidden_loss, kept_loss = losses((encoder, hidden, kept), *next(batches), flip=encoders_turn)
        if not encoders_turn:
            classifier_optimiser.zero_grad()
            (hidden_loss + kept_loss).backward()
            classifier_optimiser.step()
            continue
        encoder_optimiser.zero_grad()
        (hidden_loss + ALPHA * kept_loss).backward(inputs=list(encoder.parameters()))
        encoder_optimiser.step()
        schedule.step()
        decay = min(ENCODER_AVERAGE, schedule.last_epoch / (schedule.last_epoch + 2))
        for mean, weight in zip(average.parameters(), encoder.parameters(), strict=True):
            mean.lerp_(weight.detach(), 1 - decay)
    print(f"{iterations / (time.perf_counter() - start):.2f} iterations a second")
    x = torch.cat([images for images, _ in batches])
    for layer in average.eval():
        if isinstance(layer, nn.BatchNorm1d):  # of the whole population, behind layers that have theirs
            layer.running_var, layer.running_mean = torch.var_mean(x, 0, correction=0)
        x = layer(x)
    return average.state_dict()


class Photos(Dataset[Tensor]):
    """Images (3, SIZE, SIZE) in [-1, 1] of a folder of category folders: cropped at random, or centrally."""

    def __init__(self, folder: str, augment: bool = False) -> None:
        self.files, self.augment = sorted(Path(folder).glob("*/*")), augment
        self.category = np.array([file.parent.name for file in self.files])
        order, bounds = np.random.default_rng(0).permutation(len(self.files)), np.array([0.6, 0.75])
        self.training, *self.held_out = np.split(order, (bounds * len(order)).astype(int))

    def __getitem__(self, row: int) -> Tensor:
        drawn = (random.uniform(*SCALES), random.random(), random.random())
        scale, across, down = drawn if self.augment else (1.0, 0.5, 0.5)
        image = Image.open(self.files[row]).convert("RGB")
        short = min(image.size)
        side = scale * short * SIZE / STORED_SIDE
        left = (image.width - short) / 2 + across * (short - side)
        top = (image.height - short) / 2 + down * (short - side)
        image = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
        if self.augment and random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1) / 127.5 - 1

    def draw(self, pools: list[list[str]], each: int, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Training images (pools * each, 3, SIZE, SIZE) of pools of categories, labelled 1 and 0 by turns."""
        rows = {name: self.training[self.category[self.training] == name] for name in {*self.category}}
        slots = [pool for pool in pools for _ in range(each)]
        drawn = ([random.choice(rows[random.choice(pool)]) for pool in slots] for _ in range(count))
        labels = torch.tensor([1, 0] * (len(pools) // 2)).repeat_interleave(each)
        return ((images, labels) for images in DataLoader(self, batch_sampler=drawn, num_workers=WORKERS))


def encode(encoder: nn.Sequential, photos: Photos, rows: Iterable[int]) -> Tensor:
    """Codes (rows, 3, CODE_SIDE, CODE_SIDE), by an encoder without gradients."""
    loader = DataLoader(photos, ATTACK_BATCH, sampler=rows, num_workers=WORKERS)
    return torch.cat([rounded(encoder(images)) for images in loader])


def verify(encoder: nn.Sequential, folder: str, tasks: Sequence[str], iterations: int) -> None:
    """Attack an encoder without gradients, one task after another, and print balanced test accuracies."""
    start = time.perf_counter()
    photos = Photos(folder, augment=True)
    # Central crops never change: their codes are made once, for all tasks.
    codes, test_codes = (encode(encoder, Photos(folder), rows) for rows in photos.held_out)
    for task in tasks:
        labels, test_labels = (torch.tensor(photos.category[rows] == task).long() for rows in photos.held_out)
        batches = photos.draw([[task], sorted({*photos.category} - {task})], ATTACK_BATCH // 2, iterations)
        classifier = make_network(CLASSIFIER, CODE_SIDE, HIDDEN_UNITS)
        optimiser = torch.optim.Adam(classifier.parameters(), ATTACK_RATE)
        lowest, best = float("inf"), classifier
        for iteration, (images, classes) in enumerate(batches, start=1):
            optimiser.zero_grad()
            F.cross_entropy(classifier.train()(rounded(encoder(images))), classes).backward()
            optimiser.step()
            if iteration % EVALUATE_EVERY == 0 or iteration == iterations:
                with torch.no_grad():
                    logits = classifier.eval()(codes)
                cross_entropy = float(F.cross_entropy(logits, labels, 1 / labels.bincount(minlength=2)))
                if cross_entropy < lowest:
                    lowest, best = cross_entropy, copy.deepcopy(classifier).requires_grad_(False)
        right = (best(test_codes).argmax(1) == test_labels).float()
        accuracy = (right[test_labels == 0].mean() + right[test_labels == 1].mean()) / 2
        print(f"{task}: test accuracy {accuracy:.3f}")
    seconds, total = time.perf_counter() - start, len(tasks) * iterations
    print(f"{len(tasks)} tasks in {seconds:.1f} s, {total / seconds:.2f} iterations a second")


def main() -> None:
    """Train, verify or encode, and print the rate."""
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=("train", "verify", "encode"))
    for name in ("folder", "encoder", "--hide", "--keep", "--task", "--codes"):
        parser.add_argument(name)
    parser.add_argument("--iterations", type=int, default=3000)
    parser.add_argument("--warm-up", type=int, default=WARM_UP)
    args = parser.parse_args()
    random.seed(0)
    torch.manual_seed(0)
    if args.verb == "train":
        torch.save(train(args.folder, args.hide, args.keep, args.iterations, args.warm_up), args.encoder)
        return
    encoder = make_network(ENCODER, SIZE).eval().requires_grad_(False)
    encoder.load_state_dict(torch.load(args.encoder))
    if args.verb == "verify":
        verify(encoder, args.folder, args.task.split(","), args.iterations)
        return
    start = time.perf_counter()
    photos = Photos(args.folder)
    codes = encode(encoder, photos, range(len(photos.files)))
    print(f"{len(codes) / (time.perf_counter() - start):.0f} images a second")
    np.save(args.codes, codes.numpy())


if __name__ == "__main__":
    main()
