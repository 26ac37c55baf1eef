"""What is added to the local loss, λ times one of these: each a mean over the n parameters, so λ needs no rescaling.

All are functions of the scores s and of the scores s₀ = logit θ that the round began with.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def sparsity(scores: Tensor, start: Tensor) -> Tensor:
    """(1/n) Σ σ(sⱼ): the proxy of arXiv 2309.10834 for the entropy of the sent mask; gradient θ(1−θ)/n.

    It falls with density, so it lowers the entropy on the sparse side (θ < ½) only.
    """
    return torch.sigmoid(scores).mean()


def entropy(scores: Tensor, start: Tensor) -> Tensor:
    """(1/n) Σ H(σ(sⱼ)) in bits: certainty of either kind is rewarded."""
    theta = torch.sigmoid(scores)
    nats = -(theta * F.logsigmoid(scores) + (1 - theta) * F.logsigmoid(-scores))
    return nats.mean() / torch.log(torch.tensor(2.0))


def kl(scores: Tensor, start: Tensor) -> Tensor:
    """(1/n) Σ KL(σ(sⱼ) ‖ θⱼ) in bits: the price of moving away from what both sides know."""
    theta = torch.sigmoid(scores)
    on = F.logsigmoid(scores) - F.logsigmoid(start)
    off = F.logsigmoid(-scores) - F.logsigmoid(-start)
    return (theta * on + (1 - theta) * off).mean() / torch.log(torch.tensor(2.0))


REGULARIZERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"sparsity": sparsity, "entropy": entropy, "kl": kl}
