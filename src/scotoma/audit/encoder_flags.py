"""What makes the verdict on an encoder doubtful: the encoder itself, or the images?

Each check looks at one thing and says nothing or raises a `Flag`: a code for machines and a sentence for
people. One that blocks makes "no leak found" impossible: it says that a leak might be there and have been
missed.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from scotoma.runs.verdict import Flag

ALL_EQUAL = "all-codes-equal"
DEAD_VALUES = "dead-values"
COLLAPSED = "collapsed"
BATCH_DEPENDENT = "batch-dependent"
STOCHASTIC = "stochastic"
DUPLICATES = "duplicates"
OTHER_IMAGES = "other-images"
NO_FRESH_IMAGES = "no-fresh-images"

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
# Difference of codes of one image that rounding explains, as a share of their size: of each value, its
# deviation over images or, where that is more, a share of the root mean square of all, beside which it is
# rounded.
TOLERANCE = 1e-4
BESIDE = 0.05
REPEATS = 4

Pixels = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]
Encode = Callable[[Pixels], Codes]


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
    differs = float(_noise(encode, images).max())
    if differs <= TOLERANCE:
        return None
    said = (
        f"The same images encoded twice have different codes (by up to {100 * differs:.2g} % of their size). "
        "Who sees several codes of one image can average the difference away, so averages are attacked, too."
    )
    return Flag(STOCHASTIC, said)


def depends_on_batch(encode: Encode, images: Pixels) -> Flag | None:
    """The code of an image depends on the images that are encoded with it. Blocks: such codes tell of other
    images, and what was attacked is not what will be released.

    The codes of the first half of at least four images are compared with those in other company (with the
    other half), in reverse order, and each alone. One value that differs is enough; codes of a stochastic
    encoder must differ on the whole by more than twice as much as in repeated calls.
    """
    few = images[: len(images) // 2]
    codes = _encoded(encode, few)
    others = {
        "together with others": _encoded(encode, images)[: len(few)],
        "in reverse order": _encoded(encode, few[::-1])[::-1],
        "alone": np.concatenate([_encoded(encode, few[[row]]) for row in range(len(few))]),
    }
    by_value = {name: _difference(codes, other) for name, other in others.items()}
    noise = _noise(encode, few)
    if noise.max() > TOLERANCE:
        # What chance seldom does to one value it may do here and not there.
        by_value = {name: _together(differs) for name, differs in by_value.items()}
        noise = 2 * _together(noise)
    differs = {name: float(found.max()) for name, found in by_value.items()}
    worst = max(differs, key=lambda name: differs[name])
    if differs[worst] <= max(TOLERANCE, float(noise.max())):
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


def _encoded(encode: Encode, images: Pixels) -> Values:
    # PyTorch refuses images in reverse order that were not copied.
    return np.asarray(encode(np.ascontiguousarray(images)), np.float64).reshape(len(images), -1)


def _noise(encode: Encode, images: Pixels) -> Values:
    """Of each value (values,) the largest difference of repeated calls."""
    codes = [_encoded(encode, images) for _ in range(REPEATS)]
    found: Values = np.max([_difference(codes[0], each) for each in codes[1:]], axis=0)
    return found


def _difference(one: Values, other: Values) -> Values:
    """Of each value (values,) of codes (images, values), the root mean square of the difference as a share of
    its size.
    """
    both = np.concatenate([one, other])
    size = np.maximum(both.std(axis=0), BESIDE * np.sqrt(np.square(both).mean()))
    found: Values = np.sqrt(np.square(one - other).mean(axis=0)) / np.where(size > 0, size, 1.0)
    return found


def _together(differences: Values) -> Values:
    """One root mean square of all values' differences, (1,)."""
    found: Values = np.sqrt(np.square(differences).mean(keepdims=True))
    return found
