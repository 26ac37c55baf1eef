"""Which of the two gradients is larger for each weight, that of the loss or that of the sparsity regularizer."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsparse.client import batches
from fedsparse.federation import Federation
from fedsparse.layers import sample_mask
from fedsparse.population import Population
from fedsparse.randomness import torch_generator


def loss_gradients(federation: Federation, client: int = 0) -> Tensor:
    """∂ cross-entropy / ∂s at the federation's current θ, (steps, n): one row per batch, each under its own mask.

    These are the gradients of the client's next round if no step moved the scores; nothing is trained.
    """
    assert isinstance(federation.clients, Population), "in one process"
    theta = torch.from_numpy(federation.algorithm.parameters(federation.state)).to(federation.device)
    scores = torch.logit(theta).requires_grad_()
    experiment, round, data = federation.experiment, federation.state.round + 1, federation.clients[client]
    noise = torch_generator(theta.device, experiment.seed, "masks", round, client)
    rows = []
    for batch in batches(data, experiment, round):
        mask = sample_mask(scores, noise, experiment.estimator)
        loss = F.cross_entropy(federation.network(data.images[batch], mask), data.labels[batch])
        rows.append(torch.autograd.grad(loss, scores)[0])
    return torch.stack(rows)


def dominated_shares(gradients: Tensor, theta: Tensor, lam: float) -> tuple[float, float]:
    """Shares of weights whose |loss gradient| is below the sparsity regularizer's gradient, λ/n · θ(1−θ).

    Args:
        gradients: (steps, n), as from `loss_gradients`.
        theta: (n,).

    Returns:
        The share in a single step, averaged over the steps; and the share by the mean gradient of all steps, in which
        the noise of batches and masks has cancelled.
    """
    threshold = lam / len(theta) * theta * (1 - theta)
    in_one_step = (gradients.abs() < threshold).float().mean().item()
    return in_one_step, (gradients.mean(0).abs() < threshold).float().mean().item()
