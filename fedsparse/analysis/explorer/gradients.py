"""Which of the two gradients rules a weight, that of the loss or that of the regularizer: who would win its score."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsparse.client import batches
from fedsparse.federation import Federation
from fedsparse.layers import sample_mask
from fedsparse.population import Population
from fedsparse.randomness import torch_generator


def loss_gradients(federation: Federation, client: int = 0) -> Tensor:
    """∂ cross-entropy / ∂s at the θ that the federation stands at, (steps, n): a row a batch, each under its own mask.

    They are the gradients of a client's coming round if nothing moved in it; nothing is trained.
    """
    assert isinstance(federation.clients, Population), "in one process"
    theta = torch.from_numpy(federation.algorithm.parameters(federation.state)).to(federation.device)
    scores = torch.logit(theta).requires_grad_()
    experiment, round, who = federation.experiment, federation.state.round + 1, federation.clients[client]
    noise = torch_generator(theta.device, experiment.seed, "masks", round, client)
    rows = []
    for batch in batches(who, experiment, round):
        mask = sample_mask(scores, noise, experiment.estimator)
        loss = F.cross_entropy(federation.network(who.images[batch], mask), who.labels[batch])
        rows.append(torch.autograd.grad(loss, scores)[0])
    return torch.stack(rows)


def ruled(gradients: Tensor, theta: Tensor, lam: float) -> tuple[float, float]:
    """Shares of weights whose |loss gradient| is below the sparsity regularizer's λ/n · θ(1−θ).

    Args:
        gradients: (steps, n), as from `loss_gradients`.
        theta: (n,).

    Returns:
        The share in one step, mean over the steps; and of the mean gradient of all steps, which is what is left of the
        loss once the noise of batches and masks has cancelled.
    """
    pull = lam / len(theta) * theta * (1 - theta)
    return (gradients.abs() < pull).float().mean().item(), (gradients.mean(0).abs() < pull).float().mean().item()
