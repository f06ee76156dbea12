"""What makes the verdict on an encoder doubtful?

Each check looks at one thing and says nothing or raises a `Flag`: a code for machines and a sentence for
people. One that blocks makes "no leak found" impossible: it says that a leak might be there and have been
missed. The caller names the task in a flag that is about one.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr, stdtrit

from scotoma.runs.leaks import MOST_MISSED, POWER
from scotoma.runs.verdict import Attempt, Flag, Winner

ALL_EQUAL = "all-codes-equal"
DEAD_VALUES = "dead-values"
COLLAPSED = "collapsed"
BATCH_DEPENDENT = "batch-dependent"
STOCHASTIC = "stochastic"
DUPLICATES = "duplicates"
OTHER_IMAGES = "other-images"
NO_FRESH_IMAGES = "no-fresh-images"
BELOW_CHANCE = "below-chance-on-training"
BIGGER_IS_WORSE = "bigger-is-worse"
STILL_RISING = "still-rising"
TOO_FEW_VALIDATION_IMAGES = "too-few-validation-images"
TOO_FEW_TEST_IMAGES = "too-few-test-images"
WINNER_BELOW_FLOOR = "winner-below-floor"
DEPENDENT_LABELS = "dependent-labels"
FAILED = "failed"

# A value is dead whose variance is this share of what a quarter of all values exceed (of the mean a few large
# values would decide), and none may be more than so many.
DEAD_VARIANCE = 1e-6
DEAD_SHARE = 0.1
# Collapsed is a code of which so many values are the same, to a thousandth of their deviation, in so many
# images: a variance that rare outliers make.
COLLAPSED_SHARE = 0.5
SAME_IMAGES = 0.99
SAME = 1e-3
NUMBERS = 1 << 20  # of all codes that are looked at together
# Difference of codes of one image that rounding explains, as a share of their root mean square.
TOLERANCE = 1e-4
REPEATS = 4
# Points by which figures may differ for no reason.
BELOW_BY = 0.02
WORSE_BY = 0.03

Pixels = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.float32]
Encode = Callable[[Pixels], Codes]
# Standard error of the difference of two attempts' accuracies on the choosing half, and its degrees of
# freedom.
ErrorOf = Callable[[Attempt, Attempt], tuple[float, float]]


def collapsed(codes: Codes) -> Flag | None:
    """Finite codes (images, ...) that are all equal, partly dead or nearly always the same.

    Does not block: what is the same for all images tells nothing, and attackers look at every value at its
    own scale.
    """
    flat = codes.reshape(len(codes), -1)
    if (flat == flat[0]).all():
        return Flag(ALL_EQUAL, f"All {len(flat):,} codes are equal: the encoder tells nothing of any image.")
    variance, stays = _spread(flat)
    usual = np.quantile(variance, 0.75, method="lower") or variance.max()
    dead = float((variance <= DEAD_VARIANCE * usual).mean())
    if dead > DEAD_SHARE:
        said = f"{100 * dead:.0f} % of the values of a code are the same for all images, or nearly so."
        return Flag(DEAD_VALUES, f"{said} The encoder is partly dead.")
    stuck = float((stays >= SAME_IMAGES).mean())
    if stuck > COLLAPSED_SHARE:
        said = f"{100 * stuck:.0f} % of the values of a code are the same for 99 of 100 images."
        return Flag(COLLAPSED, f"{said} The encoder has collapsed.")
    return None


def _spread(flat: Codes) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Of each value (values,): its variance, and the share of images in which it is its median, to a
    thousandth of its deviation.
    """
    variance, stays = np.empty((2, flat.shape[1]))
    # Of large values fp32 would lose small changes; in double precision all could be too many for the memory.
    step = max(NUMBERS // len(flat), 1)
    for some in (slice(start, start + step) for start in range(0, flat.shape[1], step)):
        exact = flat[:, some].astype(np.float64)
        variance[some] = exact.var(axis=0)
        near = np.abs(exact - np.median(exact, axis=0)) <= SAME * np.sqrt(variance[some])
        stays[some] = near.mean(axis=0)
    return variance, stays


def stochastic(encode: Encode, images: Pixels) -> Flag | None:
    """The same call twice gives different codes. Does not block: several releases of each image are attacked
    together, as somebody can who sees more than one.
    """
    differs = _noise(encode, images)
    if differs <= TOLERANCE:
        return None
    said = (
        f"The same images encoded twice have different codes (by {100 * differs:.2g} % of their size). Who "
        "sees several codes of one image can average the difference away, so averages are attacked, too."
    )
    return Flag(STOCHASTIC, said)


def depends_on_batch(encode: Encode, images: Pixels) -> Flag | None:
    """The code of an image depends on the images that are encoded with it. Blocks: such codes tell of other
    images, and what was attacked is not what will be released.

    The codes of the first half of at least four images are compared with those in other company (with the
    other half), in reverse order, and each alone. A stochastic encoder must differ in one of these by more
    than twice as much as in repeated calls.
    """
    few = images[: len(images) // 2]
    codes = _encoded(encode, few)
    others = {
        "together with others": _encoded(encode, images)[: len(few)],
        "in reverse order": _encoded(encode, few[::-1])[::-1],
        "alone": np.concatenate([_encoded(encode, few[[row]]) for row in range(len(few))]),
    }
    allowed = max(TOLERANCE, 2 * _noise(encode, few))
    differs = {name: _difference(codes, other) for name, other in others.items()}
    worst = max(differs, key=lambda name: differs[name])
    if differs[worst] <= allowed:
        return None
    said = (
        f"An image has another code when it is encoded {worst} (by {100 * differs[worst]:.2g} % of its "
        "size): codes depend on the batch. Usual reason: batch normalisation left in training mode."
    )
    return Flag(BATCH_DEPENDENT, said, blocks=True)


def duplicates(keys: Mapping[str, npt.NDArray[np.str_]], *, codes: bool = False) -> Flag | None:
    """Equal images (keys, by part) among those that attackers learn from and those that they are judged by;
    of `codes` without images equal codes, which are as natural as few values are.

    Does not block: remembering images makes attackers look better than they are, so it is "leaks" that is
    doubtful.
    """
    learned, judged = (
        [keys[part] for part in parts if part in keys]
        for parts in (("training", "reserve"), ("validation", "test"))
    )
    if not learned or not judged:
        return None
    all_judged, all_learned = np.concatenate(judged), np.concatenate(learned)
    again = int(np.isin(all_judged, all_learned).sum())
    kinds = len(np.unique(np.concatenate([all_judged, all_learned])))
    # Of codes that are all equal there is nothing to remember.
    if not again or (codes and kinds == 1):
        return None
    said = f"{again:,} of {len(all_judged):,} validation and test "
    if codes:
        said += (
            f"codes equal one that attackers learn from; {kinds:,} different ones are there in all. Codes of "
            "few values are equal by nature, which is no fault. Where the same image stands there twice, an "
            "attacker that remembers it looks better than it is: --group-by keeps rows together."
        )
    else:
        said += (
            "images are also among those that attackers learn from. An attacker that remembers them looks "
            "better than it is."
        )
    return Flag(DUPLICATES, said)


def other_images() -> Flag:
    """An encoder of ours is attacked with images that are not exactly those of its training. Does not block:
    it may be what was meant. But among them may be some that it was trained on, and nobody can tell which.
    """
    said = (
        "These are not exactly the images that the encoder was trained on, or not with the same labels. "
        "Which of them it has seen is not known: all that are not held out are learned from together, and "
        "test images may be among those that it has seen."
    )
    return Flag(OTHER_IMAGES, said)


def no_fresh_images(task: str, fewest: int) -> Flag:
    """No attacker learned from images that the encoder has not seen. Does not block: those that learn from
    the encoder's own images are there.
    """
    said = (
        f"The reserve has fewer than {fewest} images of a category: no attacker learned from images that the "
        "encoder has not seen, as somebody would who has photographs of his own."
    )
    return Flag(NO_FRESH_IMAGES, said, task=task)


def below_chance_on_training(attempts: Sequence[Attempt], chance: float, error: float = 0.0) -> Flag | None:
    """An attacker is worse than guessing on the images that it learned from, by more than 2 points and 3
    standard errors (`guessing_error` of those images). Blocks: it did not learn.
    """
    limit = chance - max(BELOW_BY, 3 * error)
    low = {each.name: each.training for each in attempts if each.training is not None}
    low = {name: accuracy for name, accuracy in low.items() if accuracy < limit}
    if not low:
        return None
    figures = ", ".join(f"{name} {100 * accuracy:.1f} %" for name, accuracy in low.items())
    said = f"Worse than guessing ({100 * chance:.1f} %) on their own training images: {figures}."
    return Flag(BELOW_CHANCE, f"{said} Something is wrong with how they learn.", blocks=True)


def bigger_is_worse(attempts: Sequence[Attempt], bigger: Mapping[str, str], error_of: ErrorOf) -> Flag | None:
    """A larger attacker is clearly worse than the smaller one that it should include. Blocks: it was not
    trained well, and what only it can find was missed.

    The best seeds are compared on the choosing half, for each kind of training images. Clearly is by more
    than 3 points and 2 standard errors, on the same images; of several pairs more, so that the chance that
    any looks so for no reason stays the same (Bonferroni).

    Args:
        attempts: all of one task.
        bigger: name of a larger attacker -> name of a smaller one.
        error_of: how far the difference of two of them may be off.
    """
    best: dict[tuple[str, str], tuple[float, Attempt]] = {}
    for each in attempts:
        place = (each.attacker, each.sees)
        if each.choosing is not None and each.choosing > best.get(place, (-1.0,))[0]:
            best[place] = each.choosing, each
    pairs = [
        (best[large, sees], best[small, sees])
        for large, small in bigger.items()
        for sees in ("same", "fresh", "all")
        if (large, sees) in best and (small, sees) in best
    ]
    if not pairs:
        return None
    level = ndtr(-2) / len(pairs)
    worse = []
    for (accuracy, large), (of_small, small) in pairs:
        error, freedom = error_of(large, small)
        if of_small - accuracy > max(WORSE_BY, -float(stdtrit(freedom, level)) * error):
            figures = f"{large.attacker} {100 * accuracy:.1f} %, {small.attacker} {100 * of_small:.1f} %"
            worse.append(f"{figures} ({large.sees})")
    if not worse:
        return None
    said = f"Larger attackers are clearly worse than smaller ones: {'; '.join(worse)}."
    return Flag(BIGGER_IS_WORSE, f"{said} The larger were not trained well.", blocks=True)


def still_rising(attempts: Sequence[Attempt], winner: Winner | None) -> Flag | None:
    """An attacker was still improving when its budget ended. Blocks, whether it is the winner or not: with
    more time it might have found what no other did.
    """
    rising = [each for each in attempts if each.state == "inconclusive"]
    if not rising:
        return None
    won = winner is not None and winner.name in {each.name for each in rising}
    names = ", ".join(each.name for each in rising)
    best = " The best attacker is one of them." if won else ""
    return Flag(STILL_RISING, f"Still improving when their time was up: {names}.{best}", blocks=True)


def too_few_validation_images(attempts: int, error: float, limit: float = MOST_MISSED) -> Flag | None:
    """The best of several attempts is not told from the luckiest by the images that one is chosen with.
    Blocks: what only one of them finds would be missed, for test images are read for the one chosen.

    An attempt that is better by d than all others, which find nothing, has to be chosen with the chance
    `POWER`: the mean of Phi(z + d / error)**(attempts - 1) over a standard normal z, where the others err
    independently of each other. They err on the same images; so d is rather too large than too small.

    Args:
        attempts: from how many was chosen.
        error: standard error of an accuracy on the choosing half.
        limit: the largest d that will do.
    """
    z, weights = np.polynomial.hermite_e.hermegauss(64)

    def lacks(distance: float) -> float:
        return float(weights / weights.sum() @ ndtr(z + distance) ** (attempts - 1)) - POWER

    needed = error * float(brentq(lacks, 0, 20)) if attempts > 1 else 0.0
    if needed <= limit:
        return None
    said = (
        f"There are too few validation images to choose the best of {attempts} attempts: one that alone "
        f"finds a leak of less than {100 * min(needed, 1):.1f} points would be passed over in more than one "
        f"case of five; {100 * limit:.0f} points are asked for."
    )
    return Flag(TOO_FEW_VALIDATION_IMAGES, said, blocks=True)


def too_few_test_images(smallest_leak: float, limit: float = MOST_MISSED) -> Flag | None:
    """Only a leak of more than `limit` (of balanced accuracy) would have been seen. Blocks."""
    if smallest_leak <= limit:
        return None
    said = (
        f"There are too few test images: a leak of less than {100 * smallest_leak:.1f} points would be "
        f"missed in more than one case of five; {100 * limit:.0f} points are asked for."
    )
    return Flag(TOO_FEW_TEST_IMAGES, said, blocks=True)


def winner_below_floor(winner: Winner, floor_is_guessing: bool = False) -> Flag | None:
    """The best attacker is clearly worse than the kept labels alone: the upper bound of the one-sided 97.5 %
    interval of its excess is below 0. Blocks: it does not read the kept labels, so that what it finds beyond
    them may be hidden below the floor.
    """
    if winner.excess_high >= 0:
        return None
    worse = (
        f"The best attacker ({winner.attacker}, {100 * winner.accuracy:.1f} %) is "
        f"{-100 * winner.excess:.1f} points worse than"
    )
    if floor_is_guessing:
        said = (
            f"{worse} guessing. That comes about by chance in one case of forty; or test images are unlike "
            "those that it learned from."
        )
    else:
        said = (
            f"{worse} somebody who knows the kept labels and nothing else. It cannot read the kept labels: "
            "the encoder does not keep them, or the attacker is weak."
        )
    return Flag(WINNER_BELOW_FLOOR, said, blocks=True)


def dependent_labels(floor: float, low: float, chance: float, limit: float = 0.10) -> Flag | None:
    """The kept labels alone tell much of the hidden one: the lower end of the floor's 95 % interval is
    clearly above guessing. Does not block: it is so in the data, and no encoder that keeps the ones hides the
    other; "no leak found" is about what codes tell beyond.
    """
    if low - chance <= limit:
        return None
    said = (
        f"Who knows the kept labels alone is right in {100 * floor:.1f} %, guessing in {100 * chance:.1f} %: "
        "what is kept tells much of what is hidden, and no encoder can prevent that."
    )
    return Flag(DEPENDENT_LABELS, said)


def failed(attempts: Sequence[Attempt]) -> Flag | None:
    """An attacker failed and has no figures. Blocks: what it would have found is not known."""
    notes = [f"{each.name} ({each.note})" for each in attempts if each.state == "failed"]
    if not notes:
        return None
    return Flag(FAILED, f"Attackers that failed: {'; '.join(notes)}.", blocks=True)


def _encoded(encode: Encode, images: Pixels) -> npt.NDArray[np.float64]:
    # PyTorch refuses images in reverse order that were not copied.
    return np.asarray(encode(np.ascontiguousarray(images)), np.float64).reshape(len(images), -1)


def _noise(encode: Encode, images: Pixels) -> float:
    """The largest difference of repeated calls."""
    codes = [_encoded(encode, images) for _ in range(REPEATS)]
    return max(_difference(codes[0], each) for each in codes[1:])


def _difference(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Root mean square of the difference of codes (images, values) as a share of theirs."""
    size = np.sqrt((np.square(one).sum() + np.square(other).sum()) / 2)
    return float(np.linalg.norm(one - other) / size) if size > 0 else 0.0
