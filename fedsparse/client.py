"""Local training of one client, plain and readable: from θ, train the scores by autograd, and sample a mask.

`client_fast.py` does the same work faster: on a processor equal to the bit at λ = 0, else within float rounding.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsparse.errors import RunError
from fedsparse.experiment import Experiment
from fedsparse.layers import sample_mask
from fedsparse.models import MaskedNetwork
from fedsparse.randomness import torch_generator
from fedsparse.regularizers import learned, regularizer_of


@dataclass
class Client:
    """One client: its own images, and its memory between rounds. Neither is ever sent."""

    index: int
    images: Tensor
    """(N, channels, height, width) uint8, on the device."""
    labels: Tensor
    """(N,) int64."""
    memory: dict = field(default_factory=dict)
    """The optimizer's moments, with `optimizer_state=kept`; what it last trained from, if a broadcast builds on it."""


def train(
    network: MaskedNetwork, experiment: Experiment, client: Client, theta: Tensor, round: int, lam: float
) -> tuple[Tensor, float]:
    """Train scores from logit θ on the client's images (FedPM, Algorithm 1; the loss of arXiv 2309.10834, section III).

    Every local step samples a mask m ~ Bernoulli(σ(s)) and descends cross-entropy(network(x, m)) + λ · regularizer(s);
    with `lam_schedule=client_loss`, λ times what that cross-entropy says has been learned.

    Args:
        theta: the decoded broadcast, (n,) float32 on the device.
        round: the round, which keys the random draws together with the client's index.
        lam: λ of the round, as the broadcast says.

    Returns:
        The trained scores, (n,), and the mean cross-entropy over the steps.

    Raises:
        RunError: the loss or the scores are no longer finite numbers.
    """
    noise = torch_generator(theta.device, experiment.seed, "masks", round, client.index)
    regularizer = regularizer_of(experiment)
    start = torch.logit(theta)

    def logits(scores: Tensor, images: Tensor) -> Tensor:
        return network(images, sample_mask(scores, noise, experiment.estimator))

    def penalty(scores: Tensor, cross_entropy: Tensor) -> Tensor:
        own = experiment.lam_schedule == "client_loss"
        followed = learned(cross_entropy.detach(), network.architecture.classes) if own else 1.0
        return lam * followed * regularizer(scores, start)

    return train_locally(start, logits, client, experiment, round, experiment.lr, penalty if lam else None)


def train_locally(
    start: Tensor,
    logits: Callable[[Tensor, Tensor], Tensor],
    client: Client,
    experiment: Experiment,
    round: int,
    lr: float,
    penalty: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> tuple[Tensor, float]:
    """The local steps of every algorithm: from `start`, descend cross-entropy(logits(values, x)) + penalty.

    Args:
        start: what is trained, scores or weights, as the round begins: (n,) float32 on the device.
        logits: of a batch of images, given the values.
        round: keys the order of the images together with the client's index.
        penalty: what is added to the loss, given the values and the cross-entropy.

    Returns:
        The trained values, (n,), and the mean cross-entropy over the steps, penalty not included.

    Raises:
        RunError: the loss or the values are no longer finite numbers.
    """
    values = start.clone().requires_grad_()
    optimizer = optimizer_for(values, experiment, lr)
    if "optimizer" in client.memory:
        optimizer.load_state_dict(optimizer.state_dict() | {"state": client.memory["optimizer"]})

    losses = []
    for batch in batches(client, experiment, round):
        cross_entropy = F.cross_entropy(logits(values, client.images[batch]), client.labels[batch])
        losses.append(cross_entropy.detach())
        loss = cross_entropy + penalty(values, cross_entropy) if penalty else cross_entropy
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    if experiment.optimizer_state == "kept":
        client.memory["optimizer"] = optimizer.state_dict()["state"]
    return values.detach(), mean_loss(losses, values.detach(), client, round, lr, penalty is not None)


def batches(client: Client, experiment: Experiment, round: int) -> Iterator[Tensor]:
    """Indices of the images of every local step, all epochs: the order is drawn anew for each epoch."""
    order = torch_generator("cpu", experiment.seed, "order", round, client.index)
    for _ in range(experiment.local_epochs):
        shuffled = torch.randperm(len(client.labels), generator=order).to(client.labels.device)
        yield from shuffled.split(experiment.batch_size)


def mean_loss(losses: list[Tensor], values: Tensor, client: Client, round: int, lr: float, regularized: bool) -> float:
    """The mean over the steps. Raises `RunError` if it, or one of the values, is no longer a finite number."""
    mean = torch.stack(losses).mean()
    if not (torch.isfinite(mean) & ~values.isnan().any()):
        smaller = "try a smaller λ, or " if regularized else "try "
        where = f"training diverged at client {client.index} in round {round}"
        raise RunError(f"{where}: {smaller}a learning rate below {lr:g}")
    return mean.item()


def sample_upload(scores: Tensor, experiment: Experiment, round: int, client: int) -> Tensor:
    """The one mask that is sent: m ~ Bernoulli(σ(s)), (n,) uint8."""
    generator = torch_generator(scores.device, experiment.seed, "upload", round, client)
    return sample_mask(scores, generator).to(torch.uint8)


def optimizer_for(values: Tensor, experiment: Experiment, lr: float, capturable: bool = False) -> torch.optim.Optimizer:
    """The local optimizer over one tensor, of scores or weights; `capturable` for a step within a CUDA graph."""
    if experiment.optimizer == "sgd":
        return torch.optim.SGD([values], lr=lr)
    return torch.optim.Adam([values], lr=lr, fused=True, capturable=capturable)
