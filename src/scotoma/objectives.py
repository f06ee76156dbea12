"""What does the encoder minimise against a classifier of a hidden attribute?

Every objective is a pure function of logits (batch, classes) and labels (batch,) and returns a scalar in
nats, the mean over the batch. The classifiers themselves always minimise `cross_entropy` on the true labels;
only the encoder's side differs:

    encoder's loss = mean over hidden heads of OBJECTIVES[name]
                     + alpha * mean over kept heads of cross_entropy

which is equation (4), with I_u replaced by the chosen objective and I_v = -cross-entropy, equation (3).
"""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

Objective = Callable[[Tensor, Tensor], Tensor]
ObjectiveName = Literal["label-flip", "gan", "negative-cross-entropy", "max-entropy"]


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The classifiers' loss L of equations (1) and (3): -log p[label]."""
    return F.cross_entropy(logits, labels)


def label_flip(logits: Tensor, labels: Tensor) -> Tensor:
    """Section 3.2: cross-entropy towards the opposite of what the classifier *predicts now*, be it right or
    not.

        -1 / (K - 1) * sum over k != argmax(logits) of log p[k]

    For K = 2 that is the flipped label of the paper; for more classes the target is uniform over those not
    predicted. It lowers confidence instead of producing confident mistakes, which a classifier undoes by
    reversing its outputs. The true labels are not used.
    """
    return _towards_others(logits, logits.argmax(dim=1))


def gan(logits: Tensor, labels: Tensor) -> Tensor:
    """The standard GAN update: cross-entropy towards the opposite of the *true* label.

    -1 / (K - 1) * sum over k != label of log p[k]
    """
    return _towards_others(logits, labels)


def negative_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Equation (1) taken literally (gradient reversal): log p[label]. Unbounded below."""
    return -F.cross_entropy(logits, labels)


def max_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Negative entropy of the prediction, sum over k of p[k] log p[k] (Roy and Boddeti, CVPR 2019:
    MaxEnt-ARL).

    The true labels are not used.
    """
    log_p = F.log_softmax(logits, dim=1)
    return (log_p.exp() * log_p).sum(dim=1).mean()


OBJECTIVES: dict[str, Objective] = dict(
    zip(get_args(ObjectiveName), (label_flip, gan, negative_cross_entropy, max_entropy), strict=True)
)


def encoder_loss(hidden: Sequence[Tensor], kept: Sequence[Tensor], alpha: float) -> Tensor:
    """Equation (4): mean of the hidden heads' objectives plus alpha times the mean of the kept heads'
    cross-entropies.

    Without a kept head the variance constraint alone maintains utility, and the second term is absent.
    """
    loss = torch.stack(list(hidden)).mean()
    return loss + alpha * torch.stack(list(kept)).mean() if kept else loss


def _towards_others(logits: Tensor, avoided: Tensor) -> Tensor:
    log_p = F.log_softmax(logits, dim=1)
    avoided_log_p = log_p.gather(1, avoided[:, None]).squeeze(1)
    return -((log_p.sum(dim=1) - avoided_log_p) / (logits.shape[1] - 1)).mean()
