"""What is added to the local loss, λ times one of these: each a mean over the n parameters, so λ needs no rescaling.

All are functions of the scores s, of θ = σ(s), and of the scores s₀ = logit θ₀ that the round began with. `slope` is
what training uses: (∂R/∂θⱼ) · n, from which ∂R/∂sⱼ = slope/n · θ(1−θ); the value is for reading and for tests.
"""

from dataclasses import dataclass
from math import log
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F


class Term(Protocol):
    """A function of (θ, s, s₀)."""

    def __call__(self, theta: Tensor, scores: Tensor, start: Tensor) -> Tensor | float: ...


@dataclass(frozen=True)
class Regularizer:
    """A mean over parameters, and its slope."""

    each: Term
    """What a parameter contributes, (n,)."""
    slope: Term
    """Its derivative by θ, (n,) or a number."""

    def __call__(self, scores: Tensor, start: Tensor) -> Tensor:
        """(1/n) Σ each(sⱼ)."""
        return torch.as_tensor(self.each(torch.sigmoid(scores), scores, start)).mean()

    def pull(self, gradient: Tensor, lam: Tensor, theta: Tensor, scores: Tensor, start: Tensor, bend: Tensor) -> None:
        """Add λ ∂R/∂s to a gradient in place, all (n,) but λ, a tensor of one number; `bend` is θ(1−θ)."""
        gradient.addcmul_(bend, self.slope(theta, scores, start) * (lam / len(scores)))


def _entropy(theta: Tensor, scores: Tensor, start: Tensor) -> Tensor:
    return -(theta * F.logsigmoid(scores) + (1 - theta) * F.logsigmoid(-scores)) / log(2)


def _kl(theta: Tensor, scores: Tensor, start: Tensor) -> Tensor:
    on = F.logsigmoid(scores) - F.logsigmoid(start)
    off = F.logsigmoid(-scores) - F.logsigmoid(-start)
    return (theta * on + (1 - theta) * off) / log(2)


sparsity = Regularizer(each=lambda theta, s, s0: theta, slope=lambda theta, s, s0: 1.0)
"""(1/n) Σ θⱼ: the proxy of arXiv 2309.10834 for the entropy of the sent mask. It falls with density, so it lowers the
entropy on the sparse side (θ < ½) only."""

entropy = Regularizer(each=_entropy, slope=lambda theta, s, s0: s / -log(2))
"""(1/n) Σ H(θⱼ) in bits: certainty of either kind is rewarded."""

kl = Regularizer(each=_kl, slope=lambda theta, s, s0: (s - s0) / log(2))
"""(1/n) Σ KL(θⱼ ‖ θ₀ⱼ) in bits: the price of moving away from what both sides know."""

REGULARIZERS = {"sparsity": sparsity, "entropy": entropy, "kl": kl}
