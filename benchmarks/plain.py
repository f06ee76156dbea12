"""How fast is the same job in plain PyTorch? Training, attacking and encoding, as written in an afternoon.

    python benchmarks/plain.py train photos plain.pt --hide bar --keep office --iterations 100
    python benchmarks/plain.py verify photos plain.pt --task bar --iterations 300
    python benchmarks/plain.py encode photos plain.pt --codes codes.npy

The rival that Scotoma's speed is compared with: mathematics and sizes of the preset `small`, in eager fp32
and PyTorch's own order of dimensions. Pillow decodes an image whenever it is drawn, in two workers of a
DataLoader; tasks are attacked one at a time, and every batch is cropped and encoded anew. Nothing is slow on
purpose, and nothing of Scotoma is imported: `tests/benchmarks/test_plain.py` holds losses, gradients and
codes equal to the library's. Left out: figures during training, checkpoints, saturation and the second rate,
calibration, intervals.
"""

import argparse
import copy
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

SIZE, STORED_SIDE, SCALES = 64, 72, (0.85, 1.1)
ENCODER = ((16,), (32, 32), (64, 64), (96, 3))  # channels of the convolutions between two poolings
CLASSIFIER, HIDDEN_UNITS = ((32, 32), (64, 64)), 128
CODE_BITS, CODE_SIDE = 1, 8
BATCH, CLASSIFIER_STEPS, WARM_UP, ALPHA = 64, 4, 100, 0.5
CLASSIFIER_RATE, ENCODER_RATE, ENCODER_DROP, DROP_EVERY = 2e-3, 1e-3, 0.86, 150
ENCODER_AVERAGE, POPULATION_BATCHES = 0.99, 16
ATTACK_BATCH, ATTACK_RATE, EVALUATE_EVERY = 128, 2e-3, 50
WORKERS, ENCODE_BATCH = 2, 128

Batches = Iterator[tuple[Tensor, Tensor]]
Stages = Sequence[Sequence[int]]


class LocationNorm(nn.BatchNorm1d):
    """Normalises every (channel, row, column) over the batch: (batch, channels, side, side) to the same."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__(channels * side * side, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the flattened activations."""
        return super().forward(x.flatten(1)).view_as(x)


class Rounding(nn.Module):
    """Moves values in (-1, 1) to the middle of one of 2**bits steps; gradients pass straight through."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.steps = 2**bits

    def forward(self, codes: Tensor) -> Tensor:
        """Round codes of any shape."""
        step = ((codes.detach() + 1) * self.steps / 2).floor().clamp(0, self.steps - 1)
        middle: Tensor = (step + 0.5) * 2 / self.steps - 1
        return middle + (codes - codes.detach())


def stack(
    stages: Stages, side: int, normalisation: Callable[[int, int], nn.Module]
) -> tuple[list[nn.Module], int]:
    """Convolutions with normalisation and ReLU, poolings between stages; and how many values come out."""
    layers: list[nn.Module] = []
    channels = 3
    for stage in stages:
        if layers:
            layers.append(nn.MaxPool2d(2))
            side //= 2
        for width in stage:
            convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            layers += [convolution, normalisation(width, side), nn.ReLU(inplace=True)]
            channels = width
    return layers, channels * side * side


def make_encoder(stages: Stages = ENCODER, size: int = SIZE, bits: int = CODE_BITS) -> nn.Sequential:
    """Images (batch, 3, size, size) in [-1, 1] to codes (batch, 3, height, width) of a few bits a value."""
    layers, _ = stack(stages, size, LocationNorm)
    encoder = nn.Sequential(*layers[:-1], nn.Tanh(), Rounding(bits))
    for weight in encoder.parameters():
        nn.init.kaiming_normal_(weight, nonlinearity="relu")
    return encoder


def make_classifier(
    stages: Stages = CLASSIFIER, hidden: int = HIDDEN_UNITS, side: int = CODE_SIDE
) -> nn.Sequential:
    """Codes (batch, 3, side, side) to logits (batch, 2)."""
    layers, values = stack(stages, side, lambda channels, side: nn.BatchNorm2d(channels))
    layers += [nn.Flatten(), nn.Linear(values, hidden, bias=False), nn.BatchNorm1d(hidden)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True), nn.Linear(hidden, 2))


class Trainer:
    """The encoder against the classifier of what is hidden and with that of what is kept; `average` is the
    running average of its weights. A batch is images (2 * share, 3, size, size), the first half of them for
    `hidden`, and labels (2 * share,), 0 or 1.
    """

    def __init__(self, encoder: nn.Sequential, hidden: nn.Sequential, kept: nn.Sequential) -> None:
        self.encoder, self.hidden, self.kept = encoder, hidden, kept
        self.average = copy.deepcopy(encoder).requires_grad_(False)
        self.encoder_optimiser = torch.optim.Adam(encoder.parameters(), lr=ENCODER_RATE)
        self.schedule = torch.optim.lr_scheduler.StepLR(self.encoder_optimiser, DROP_EVERY, ENCODER_DROP)
        both = [*hidden.parameters(), *kept.parameters()]
        self.classifier_optimiser = torch.optim.Adam(both, lr=CLASSIFIER_RATE)
        self.iteration = 0

    def train_step(self, batches: Batches) -> Tensor:
        """One iteration, each update on a batch of its own. Returns the encoder's loss."""
        for _ in range(CLASSIFIER_STEPS):
            self.update_classifiers(*next(batches))
        return self.update_encoder(*next(batches))

    def update_classifiers(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step of both classifiers on the true labels. Returns their losses (2,)."""
        with torch.no_grad():
            hidden_codes, kept_codes = self.encoder(images).chunk(2)
        hidden_labels, kept_labels = labels.chunk(2)
        hidden_loss = F.cross_entropy(self.hidden(hidden_codes), hidden_labels)
        kept_loss = F.cross_entropy(self.kept(kept_codes), kept_labels)
        self.classifier_optimiser.zero_grad()
        (hidden_loss + kept_loss).backward()
        self.classifier_optimiser.step()
        return torch.stack([hidden_loss, kept_loss]).detach()

    def update_encoder(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step of the encoder: equation (4) with the label flip. Returns its loss."""
        hidden_codes, kept_codes = self.encoder(images).chunk(2)
        hidden_logits = self.hidden(hidden_codes)
        opposite = 1 - hidden_logits.argmax(1)  # of what is predicted, be it right or not
        kept_loss = F.cross_entropy(self.kept(kept_codes), labels.chunk(2)[1])
        loss = F.cross_entropy(hidden_logits, opposite) + ALPHA * kept_loss
        self.encoder_optimiser.zero_grad()
        loss.backward(inputs=list(self.encoder.parameters()))  # spares the classifiers' gradients
        self.encoder_optimiser.step()
        self.schedule.step()
        decay = min(ENCODER_AVERAGE, (self.iteration + 1) / (self.iteration + 3))
        with torch.no_grad():
            for average, weight in zip(self.average.parameters(), self.encoder.parameters(), strict=True):
                average.lerp_(weight, 1 - decay)
        self.iteration += 1
        return loss.detach()


@torch.no_grad()
def set_population_statistics(encoder: nn.Sequential, batches: Sequence[Tensor]) -> None:
    """Mean and biased variance of every normalisation's inputs, behind layers that use theirs already.

    `batches` are images (batch, 3, size, size), as many in each.
    """
    encoder.eval()
    for layer in encoder:
        if isinstance(layer, LocationNorm):
            assert layer.running_mean is not None and layer.running_var is not None
            moments = [torch.var_mean(x.flatten(1), 0, correction=0) for x in batches]
            variances, means = (torch.stack(each) for each in zip(*moments, strict=True))
            layer.running_mean.copy_(means.mean(0))
            layer.running_var.copy_(variances.mean(0) + means.var(0, correction=0))
        batches = [layer(x) for x in batches]


class Photos(Dataset[Tensor]):
    """Images (3, SIZE, SIZE) in [-1, 1] of a folder of category folders: cropped at random, or centrally."""

    def __init__(self, folder: Path, augment: bool = False) -> None:
        endings = (".jpg", ".jpeg", ".png", ".webp")
        self.files = sorted(file for file in folder.glob("*/*") if file.suffix.lower() in endings)
        self.categories = [file.parent.name for file in self.files]
        self.augment = augment

    def __len__(self) -> int:
        """Number of images."""
        return len(self.files)

    def __getitem__(self, row: int) -> Tensor:
        """Decode, crop and scale one image; crop and scaling are a single resampling."""
        scale, across, down, mirrored = 1.0, 0.5, 0.5, False
        if self.augment:
            scale, across, down = random.uniform(*SCALES), random.random(), random.random()
            mirrored = random.random() < 0.5
        image = Image.open(self.files[row]).convert("RGB")
        short = min(image.size)
        side = scale * short * SIZE / STORED_SIDE
        left = (image.width - short) / 2 + across * (short - side)
        top = (image.height - short) / 2 + down * (short - side)
        box = (left, top, left + side, top + side)
        image = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box)
        if mirrored:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1) / 127.5 - 1

    def parts(self) -> list[list[int]]:
        """Rows of the training, validation and test images: 60, 15 and 25 %."""
        order = np.random.default_rng(0).permutation(len(self))
        bounds = [int(0.6 * len(self)), int(0.75 * len(self))]
        return [part.tolist() for part in np.split(order, bounds)]

    def balanced_batches(
        self, rows: Sequence[int], tasks: Sequence[tuple[str, Sequence[str]]], share: int, count: int
    ) -> Batches:
        """`count` batches, images (tasks * share, 3, SIZE, SIZE) and labels (tasks * share,): for each task
        (category, others) half a share of the category, labelled 1, and as many of the others, labelled 0.
        """
        of_category: dict[str, list[int]] = {name: [] for name in self.categories}
        for row in rows:
            of_category[self.categories[row]].append(row)
        drawn = (
            [
                random.choice(of_category[name])
                for category, others in tasks
                for name in [category] * (share // 2) + random.choices(others, k=share // 2)
            ]
            for _ in range(count)
        )
        labels = torch.tensor(([1] * (share // 2) + [0] * (share // 2)) * len(tasks))
        for images in DataLoader(self, batch_sampler=drawn, num_workers=WORKERS):
            yield images, labels


def train(
    folder: Path, hide: str, keep: str, iterations: int, warm_up: int = WARM_UP
) -> tuple[nn.Sequential, float]:
    """Train an encoder on the training images of a folder.

    Returns:
        The averaged encoder in evaluation mode, and seconds an iteration after warm-up.
    """
    photos = Photos(folder, augment=True)
    rows = photos.parts()[0]
    kept_others = sorted({*photos.categories} - {keep})
    tasks = [(hide, [name for name in kept_others if name != hide]), (keep, kept_others)]
    trainer = Trainer(make_encoder(), make_classifier(), make_classifier())
    count = warm_up + iterations * (CLASSIFIER_STEPS + 1)
    batches = photos.balanced_batches(rows, tasks, BATCH, count)
    for _ in range(warm_up):
        trainer.update_classifiers(*next(batches))
    start = time.perf_counter()
    for _ in range(iterations):
        trainer.train_step(batches)
    seconds = (time.perf_counter() - start) / iterations
    population = photos.balanced_batches(rows, tasks, BATCH, POPULATION_BATCHES)
    set_population_statistics(trainer.average, [images for images, _ in population])
    return trainer.average, seconds


def verify(encoder: nn.Sequential, folder: Path, task: str, iterations: int) -> tuple[float, float]:
    """Attack a frozen encoder: a fresh classifier learns to tell one category from all others.

    Returns:
        Balanced test accuracy of the weights with the lowest validation cross-entropy, and seconds an
        iteration, looks at the validation images included.
    """
    photos = Photos(folder, augment=True)
    categories, (rows, *held_out) = photos.categories, photos.parts()
    # Central crops never change: their codes are made once.
    (codes, labels), (test_codes, test_labels) = (
        (encode_folder(encoder, folder, part), torch.tensor([int(categories[row] == task) for row in part]))
        for part in held_out
    )
    others = sorted({*categories} - {task})
    batches = photos.balanced_batches(rows, [(task, others)], ATTACK_BATCH, iterations)
    classifier = make_classifier()
    optimiser = torch.optim.Adam(classifier.parameters(), lr=ATTACK_RATE)
    lowest, best = float("inf"), classifier.state_dict()
    start = time.perf_counter()
    for iteration, (images, classes) in enumerate(batches, start=1):
        with torch.no_grad():
            batch_codes = encoder(images)
        loss = F.cross_entropy(classifier(batch_codes), classes)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if iteration % EVALUATE_EVERY == 0 or iteration == iterations:
            logits = logits_of(classifier, codes)
            cross_entropy = float(F.cross_entropy(logits, labels, 1 / labels.bincount(minlength=2)))
            if cross_entropy < lowest:
                lowest, best = cross_entropy, copy.deepcopy(classifier.state_dict())
    seconds = (time.perf_counter() - start) / iterations
    classifier.load_state_dict(best)
    right = (logits_of(classifier, test_codes).argmax(1) == test_labels).float()
    return float(right[test_labels == 0].mean() + right[test_labels == 1].mean()) / 2, seconds


@torch.no_grad()
def logits_of(classifier: nn.Sequential, codes: Tensor) -> Tensor:
    """Logits (images, 2) in evaluation mode; the classifier is left in training mode."""
    logits: Tensor = classifier.eval()(codes)
    classifier.train()
    return logits


@torch.no_grad()
def encode_folder(encoder: nn.Sequential, folder: Path, rows: Sequence[int] | None = None) -> Tensor:
    """Codes (images, 3, CODE_SIDE, CODE_SIDE) of the images sorted by name, all or those in `rows`."""
    photos = Photos(folder)
    part = Subset(photos, range(len(photos)) if rows is None else rows)
    loader = DataLoader(part, ENCODE_BATCH, num_workers=WORKERS)
    return torch.cat([encoder(images) for images in loader])


def main() -> None:
    """Train, verify or encode, and print the rate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, names in {"train": ["--hide", "--keep"], "verify": ["--task"], "encode": ["--codes"]}.items():
        command = verbs.add_parser(verb)
        command.add_argument("folder", type=Path, help="holds one folder of images for each category")
        command.add_argument("encoder", type=Path, help="file of the encoder's weights")
        for name in names:
            command.add_argument(name, required=True)
        if verb != "encode":
            command.add_argument("--iterations", type=int, default=3000)
        if verb == "train":
            command.add_argument("--warm-up", type=int, default=WARM_UP)
    asked = parser.parse_args()
    random.seed(0)
    torch.manual_seed(0)
    if asked.verb == "train":
        encoder, seconds = train(asked.folder, asked.hide, asked.keep, asked.iterations, asked.warm_up)
        torch.save(encoder.state_dict(), asked.encoder)
        print(f"{1 / seconds:.2f} iterations a second")
        return
    encoder = make_encoder().eval()
    encoder.load_state_dict(torch.load(asked.encoder))
    if asked.verb == "verify":
        accuracy, seconds = verify(encoder, asked.folder, asked.task, asked.iterations)
        print(f"{1 / seconds:.2f} iterations a second, test accuracy {accuracy:.3f}")
    else:
        start = time.perf_counter()
        codes = encode_folder(encoder, asked.folder)
        print(f"{len(codes) / (time.perf_counter() - start):.0f} images a second")
        np.save(asked.codes, codes.numpy())


if __name__ == "__main__":
    main()
