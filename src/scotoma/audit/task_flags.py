"""What makes the verdict on a task doubtful: how its attackers did, or its labels?

Checks as in `encoder_flags`; the caller names the task in what they raise.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, stdtrit

from scotoma.runs.leaks import MOST_MISSED, POWER, hidden_below_floor
from scotoma.runs.verdict import Attempt, Flag, Reference, Winner

BELOW_CHANCE = "below-chance-on-training"
BIGGER_IS_WORSE = "bigger-is-worse"
STILL_RISING = "still-rising"
TOO_FEW_VALIDATION_IMAGES = "too-few-validation-images"
TOO_FEW_TEST_IMAGES = "too-few-test-images"
WINNER_BELOW_FLOOR = "winner-below-floor"
ORIGINALS_NOT_READ = "originals-not-read"
DEPENDENT_LABELS = "dependent-labels"
FAILED = "failed"

# Points by which figures may differ for no reason.
BELOW_BY = 0.02
WORSE_BY = 0.03

# Standard error of the difference of two attempts' accuracies on the choosing half, and its degrees of
# freedom.
ErrorOf = Callable[[Attempt, Attempt], tuple[float, float]]


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
    interval of its excess is below 0. Blocks if a leak of `MOST_MISSED` may be hidden so: what the attacker
    finds beyond the kept labels, which it does not read, shows only above the floor.
    """
    if winner.excess_high >= 0:
        return None
    missed = hidden_below_floor(winner.excess, winner.smallest_leak)
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
    said += f" A leak of less than {100 * missed:.1f} points may be hidden below the floor."
    return Flag(WINNER_BELOW_FLOOR, said, blocks=missed > MOST_MISSED)


def originals_not_read(original: Reference | None, floor: float) -> Flag | None:
    """Attackers find no more than the kept labels tell where nothing is hidden, in the original images: the
    interval of what they reach there does not lie above the floor. Blocks: they could not have found a leak.
    """
    if original is None or original.accuracy is None or original.low is None or original.high is None:
        return None
    if original.low > floor:
        return None
    said = (
        f"In the original images, too, attackers find no more than the kept labels tell "
        f"({100 * original.accuracy:.1f} %, 95 % interval {100 * original.low:.1f} to "
        f"{100 * original.high:.1f}; floor {100 * floor:.1f} %): attackers like these find no leak, be there "
        "one or not."
    )
    return Flag(ORIGINALS_NOT_READ, said, blocks=True)


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
