"""Local training of one client, plain and readable: decode θ, train the scores, sample a mask, encode it."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsparse.errors import RunError
from fedsparse.experiment import Experiment
from fedsparse.layers import sample_mask
from fedsparse.models import MaskedNetwork
from fedsparse.randomness import torch_generator
from fedsparse.regularizers import REGULARIZERS


@dataclass
class Client:
    """One client: its own images, and what it remembers between rounds. None of it is ever sent."""

    index: int
    images: Tensor
    """(N, channels, height, width) uint8, on the device."""
    labels: Tensor
    """(N,) int64."""
    memory: dict = field(default_factory=dict)
    """The optimizer's moments, with `optimizer_state=kept`."""


def train(
    network: MaskedNetwork, client: Client, theta: Tensor, experiment: Experiment, round: int, lam: float
) -> tuple[Tensor, float]:
    """Train scores from logit θ on the client's images (FedPM, Algorithm 1; the loss of arXiv 2309.10834, section III).

    Every local step samples a mask m ~ Bernoulli(σ(s)) and descends cross-entropy(network(x, m)) + λ · regularizer(s).

    Args:
        theta: the decoded broadcast, (n,) float32 on the device.
        round: the round, which keys the random draws together with the client's index.
        lam: λ of the round, as the broadcast says.

    Returns:
        The trained scores, (n,), and the mean cross-entropy over the steps.

    Raises:
        RunError: the loss or the scores are no longer finite numbers.
    """
    device = theta.device
    order = torch_generator("cpu", experiment.seed, "order", round, client.index)
    noise = torch_generator(device, experiment.seed, "masks", round, client.index)
    regularizer = REGULARIZERS[experiment.regularizer]
    start = torch.logit(theta)
    scores = start.clone().requires_grad_()
    optimizer = _optimizer(scores, client, experiment)

    losses = []
    for _ in range(experiment.local_epochs):
        for batch in torch.randperm(len(client.labels), generator=order).to(device).split(experiment.batch_size):
            mask = sample_mask(scores, noise, experiment.estimator)
            loss = F.cross_entropy(network(client.images[batch], mask), client.labels[batch])
            losses.append(loss.detach())
            if lam:
                loss = loss + lam * regularizer(scores, start)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    if experiment.optimizer_state == "kept":
        client.memory["optimizer"] = optimizer.state_dict()["state"]
    mean_loss = torch.stack(losses).mean().item()
    if not torch.isfinite(torch.tensor(mean_loss)) or scores.isnan().any():
        raise RunError(f"training diverged at client {client.index} in round {round}: try lr below {experiment.lr:g}")
    return scores.detach(), mean_loss


def draw(scores: Tensor, experiment: Experiment, round: int, client: int) -> Tensor:
    """The one mask that is sent: m ~ Bernoulli(σ(s)), (n,) uint8."""
    generator = torch_generator(scores.device, experiment.seed, "upload", round, client)
    return sample_mask(scores, generator).to(torch.uint8)


def _optimizer(scores: Tensor, client: Client, experiment: Experiment) -> torch.optim.Optimizer:
    if experiment.optimizer == "sgd":
        return torch.optim.SGD([scores], lr=experiment.lr)
    optimizer = torch.optim.Adam([scores], lr=experiment.lr, fused=True)
    if "optimizer" in client.memory:
        whole = optimizer.state_dict()
        optimizer.load_state_dict({**whole, "state": client.memory["optimizer"]})
    return optimizer
