"""What is added to the local loss: λ times one of these, each a mean over the n parameters, so λ needs no rescaling.

All are functions of the scores s, of θ = σ(s), and of the scores s₀ = logit θ₀ that the round began with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsparse.errors import SettingError, one_line
from fedsparse.experiment import Experiment
from fedsparse.own.names import is_own, resolve

POWER = 2.0
"""Exponent of what has been learned, where λ follows it."""
Term = Callable[[Tensor, Tensor, Tensor], Tensor | float]
"""A function of (θ, s, s₀), each (n,), to (n,) or to one number for all."""


@dataclass(frozen=True)
class Regularizer:
    """A mean over parameters, and its derivative in closed form for the fast engine."""

    value: Term
    """What each parameter contributes."""
    derivative: Term
    """Its derivative by θ, from which n ∂R/∂s = derivative · θ(1−θ)."""

    def __call__(self, scores: Tensor, start: Tensor) -> Tensor:
        """(1/n) Σ value(sⱼ): what the plain client adds to its loss."""
        return torch.as_tensor(self.value(torch.sigmoid(scores), scores, start)).mean()

    def add_gradient_(
        self, gradient: Tensor, lam: Tensor, theta: Tensor, scores: Tensor, start: Tensor, sigmoid_grad: Tensor
    ) -> None:
        """Add λ ∂R/∂s to a gradient in place, all (n,) but λ, a tensor of one number; `sigmoid_grad` is θ(1−θ)."""
        gradient.addcmul_(sigmoid_grad, self.derivative(theta, scores, start) * (lam / len(scores)))


def learned(loss: Tensor, classes: int) -> Tensor:
    """What of a task has been learned, in [0, 1]: max(0, 1 − loss / ln C) ** POWER, for a mean cross-entropy in nats.

    λ is multiplied by it, so that no mask collapses before anything is learned: it is 0 at chance, where loss = ln C,
    and rises as the network learns; should the mask begin to collapse, the loss rises and λ eases.
    """
    return (1 - loss / log(max(classes, 2))).clamp(0, 1) ** POWER


def _entropy(theta: Tensor, scores: Tensor, start: Tensor) -> Tensor:
    return -(theta * F.logsigmoid(scores) + (1 - theta) * F.logsigmoid(-scores)) / log(2)


def _kl(theta: Tensor, scores: Tensor, start: Tensor) -> Tensor:
    on = F.logsigmoid(scores) - F.logsigmoid(start)
    off = F.logsigmoid(-scores) - F.logsigmoid(-start)
    return (theta * on + (1 - theta) * off) / log(2)


sparsity = Regularizer(value=lambda theta, s, s0: theta, derivative=lambda theta, s, s0: 1.0)
"""(1/n) Σ θⱼ: the proxy of arXiv 2309.10834 for the entropy of the sent mask. It falls with density, so it lowers the
entropy on the sparse side (θ < ½) only."""

entropy = Regularizer(value=_entropy, derivative=lambda theta, s, s0: s / -log(2))
"""(1/n) Σ H(θⱼ) in bits: certainty of either kind is rewarded."""

kl = Regularizer(value=_kl, derivative=lambda theta, s, s0: (s - s0) / log(2))
"""(1/n) Σ KL(θⱼ ‖ θ₀ⱼ) in bits: the cost of moving away from the θ that both sides know."""

REGULARIZERS = {"sparsity": sparsity, "entropy": entropy, "kl": kl}


def regularizer_of(experiment: Experiment) -> Regularizer:
    """The regularizer that an experiment names.

    Raises:
        SettingError: one of the user's own that cannot be found, is no `Regularizer`, or fails.
    """
    name = experiment.regularizer
    found = resolve("regularizer", name) if is_own(name) else REGULARIZERS[name]
    if not isinstance(found, Regularizer):
        raise SettingError(f"regularizer={name} is {type(found).__name__}; it must be a fedsparse.Regularizer")
    scores = torch.tensor([-1.0, 0.0, 2.0])
    for function in (found.value, found.derivative):
        try:
            torch.as_tensor(function(torch.sigmoid(scores), scores, scores)).expand(3)
        except Exception as error:  # whatever the user's function raises, or another shape
            raise SettingError(f"regularizer={name} fails on three parameters: {one_line(error)}") from error
    return found
