"""How many bits does it take to tell the labels to somebody who has the codes and learns on the way?

A probe with a large accuracy may have needed many examples to get there. The online code length counts that,
too: the labels are sent block by block, each coded by a classifier that was trained on the blocks before.
"""

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, logsumexp

from scotoma.audit.examples import Examples
from scotoma.audit.logistic import fit_logistic
from scotoma.audit.representations import by_value

FIRST = 64  # the first block is one part in so many of all examples
# Variances that the logits have before anything was learned; small ones learn slowly and overfit little.
PRIORS = (0.1, 10.0, 1000.0)

Labels = npt.NDArray[np.int64]


def code_length(examples: Examples, seed: int) -> float:
    """Online (prequential) code length of the labels, in bits an image (Voita and Titov, 2020).

    Blocks end at 1/64, 1/32, ..., 1/2 of the examples and at the last one. The first, longer if it would lack
    a class, is coded uniformly, log2(classes) for each label. For the others logistic regression on
    standardised codes is trained on all blocks before, with several penalties, and the predictions are mixed
    with each other and with the uniform one, each with the weight 2**-(code length so far) that it has
    earned. So no penalty has to be chosen, and where the codes tell nothing the length stays near that of
    guessing. Images count by their weights, which make the classes alike in number.

    Args:
        examples: finite codes as they are released, and classes; all the training examples.
        seed: the order in which images are sent. Each block has the share of each class that all have.
    """
    order = _order(examples.classes, seed)
    codes = _standardised(examples.codes.flat()[order])
    classes = examples.classes[order]
    weights = examples.weights[order] / examples.weights.mean()
    kinds = int(classes.max()) + 1
    images = len(order)
    # Of a class that has not come yet nothing can be learned: the first block has one image of each.
    complete = max(int(np.flatnonzero(classes == index)[0]) for index in np.unique(classes)) + 1
    ends = sorted({max(images * 2**step // FIRST, complete) for step in range(FIRST.bit_length())})
    # An imagined image of each class, without a code, keeps shifts finite where a class is still to come.
    learned = np.concatenate([np.zeros((kinds, codes.shape[1]), codes.dtype), codes])
    truth = np.concatenate([np.arange(kinds), classes])
    counts = np.concatenate([np.ones(kinds), weights])
    uniform = math.log2(kinds)
    total = uniform * weights[: ends[0]].sum()
    earned = np.zeros(len(PRIORS) + 1)
    for start, end in pairwise(ends):
        block = slice(start, end)
        told = [np.full(end - start, -uniform)]
        for prior in PRIORS:
            before = slice(kinds + start)
            read, _ = fit_logistic(learned[before], truth[before], counts[before], kinds, prior)
            chosen = log_softmax(read(codes[block]), axis=1)[np.arange(end - start), classes[block]]
            told.append(chosen / math.log(2))
        each = np.array(told)
        mixed = logsumexp((earned + each.T) * math.log(2), axis=1) - logsumexp(earned * math.log(2))
        total -= float(mixed @ weights[block]) / math.log(2)
        earned += each @ weights[block]
    return float(total / weights.sum())


def _order(classes: Labels, seed: int) -> Labels:
    """A random order in which every stretch has about the share of each class that all have."""
    shuffled = np.random.default_rng(seed).permutation(len(classes))
    places = np.empty(len(classes))
    for index in np.unique(classes):
        of_class = np.flatnonzero(classes[shuffled] == index)
        places[of_class] = (np.arange(len(of_class)) + 0.5) / len(of_class)
    order: Labels = shuffled[np.argsort(places, kind="stable")]
    return order


def _standardised(codes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Each value with mean 0 and variance 1, constant ones 0, over the square root of their number."""
    standardised = by_value(codes)(codes)
    standardised /= np.float32(math.sqrt(codes.shape[1]))
    return standardised
