"""Gradient estimators compared with the exact gradient: with few weights, expectations are sums over all masks.

For a loss L of a random mask m ~ Bernoulli(σ(s)), E[L] = Σ P(m) L(m) over the 2ⁿ masks is a smooth function of the
scores, and its gradient is exact. So are the mean and variance of an estimator over the masks.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from fedsparse.errors import SettingError
from fedsparse.layers import straight_through

MAX_WEIGHTS = 16


def every_mask(n: int) -> Tensor:
    """All masks of n weights, shape (2ⁿ, n), float32, in the order of binary numbers.

    Raises:
        SettingError: n is not in 1 … 16; a list twice as long for each further weight is soon too long.
    """
    if not 1 <= n <= MAX_WEIGHTS:
        raise SettingError(f"n={n}: masks can be listed for 1 to {MAX_WEIGHTS} weights")
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * n).view(-1, n)


def probabilities(masks: Tensor, theta: Tensor) -> Tensor:
    """P(m) = Π θⱼ where mⱼ = 1, 1 − θⱼ where mⱼ = 0: masks (2ⁿ, n), θ (n,); returns (2ⁿ,)."""
    return torch.where(masks == 1, theta, 1 - theta).prod(1)


def expected_loss(scores: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
    """E[L(m)], a scalar that is differentiable by the scores, (n,); `loss` maps masks (2ⁿ, n) to losses (2ⁿ,)."""
    masks = every_mask(len(scores))
    return (probabilities(masks, torch.sigmoid(scores)) * loss(masks).detach()).sum()


def exact_gradient(scores: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
    """∂E[L(m)]/∂s, (n,)."""
    scores = scores.detach().requires_grad_()
    return torch.autograd.grad(expected_loss(scores, loss), scores)[0]


def estimates(scores: Tensor, loss: Callable[[Tensor], Tensor], estimator: str) -> Tensor:
    """An estimator's value of ∂E[L]/∂s for each of the masks, (2ⁿ, n).

    `identity` and `scaled` are the backward passes of `layers.straight_through`. `score` is the score function
    estimator L(m) ∂ log P(m)/∂s = L(m) (m − θ) (REINFORCE: Williams, Machine Learning 1992), unbiased for any loss.
    """
    masks, theta = every_mask(len(scores)), torch.sigmoid(scores)
    if estimator == "score":
        return loss(masks).detach()[:, None] * (masks - theta)
    each = scores.detach().expand_as(masks).clone().requires_grad_()
    sampled = straight_through(each, 1 - masks, estimator)  # noise 0 is below every θ, noise 1 below none
    return torch.autograd.grad(loss(sampled).sum(), each)[0]


def moments(scores: Tensor, loss: Callable[[Tensor], Tensor], estimator: str) -> tuple[Tensor, Tensor]:
    """Exact mean and variance of an estimator over the masks, both (n,)."""
    each = estimates(scores, loss, estimator)
    law = probabilities(every_mask(len(scores)), torch.sigmoid(scores))[:, None]
    mean = (law * each).sum(0)
    return mean, (law * (each - mean) ** 2).sum(0)
