"""Lottery tickets and supermasks: one network, one data set, no federation: where the masks of this package come from.

Train, prune, rewind (Frankle & Carbin, ICLR 2019); masks over weights that were never trained (Zhou et al., NeurIPS
2019); scores trained over frozen weights (edge-popup: Ramanujan et al., CVPR 2020). Weights, scores and masks are flat
vectors (n,) in the order of the network's `Layout`. A network is a `Task`'s, its local steps are a client's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fedsparse.algorithms.fedavg import first_weights
from fedsparse.client import Client, train_locally
from fedsparse.client import train as train_client
from fedsparse.data import Dataset
from fedsparse.errors import SettingError
from fedsparse.evaluation import correct
from fedsparse.experiment import Experiment
from fedsparse.models import Architecture, Layout, MaskedNetwork, scaled
from fedsparse.randomness import philox, uniforms

CRITERIA: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "large final": lambda first, final: final.abs(),
    "large final, same sign": lambda first, final: final * first.sign(),
    "magnitude increase": lambda first, final: final.abs() - first.abs(),
    "large initial": lambda first, final: first.abs(),
    "small final": lambda first, final: -final.abs(),
}
"""Mask criteria of Zhou et al. (2019), section 2: from first and final weights, (n,) each, to how much each weight
deserves to stay, (n,). The first is that of Frankle & Carbin."""


@dataclass(frozen=True)
class Task:
    """A network without weights of its own, the images that it learns, and those that it is tested on."""

    experiment: Experiment
    """Its `local_epochs`, `batch_size`, optimizer and learning rates (`weight_lr`, `lr`), and the `seed`."""
    network: MaskedNetwork
    learner: Client
    x_test: Tensor
    """(N, channels, height, width)."""
    y_test: Tensor

    @classmethod
    def of(cls, experiment: Experiment, dataset: Dataset) -> "Task":
        """All training images with one learner, who is a federation's client with nobody beside it."""
        e = experiment
        network = MaskedNetwork(Architecture(e.model, e.width, dataset.shape, dataset.classes, e.init, e.seed))
        learner = Client(0, scaled(dataset.x_train), dataset.y_train)
        return cls(e, network, learner, scaled(dataset.x_test), dataset.y_test)

    @property
    def layout(self) -> Layout:
        """The order and shapes of weights and masks."""
        return self.network.layout

    def first_weights(self, again: int = 0) -> Tensor:
        """Kaiming's random weights, biases zero, (n,): those that FedAvg begins with, or independent ones from 1 on."""
        own = self.experiment.seed
        seed = int(philox(own, "again", again).random_raw()) >> 1 if again else own
        return torch.from_numpy(first_weights(self.layout, seed))

    def train(self, start: Tensor, mask: Tensor, epochs: int = 0) -> Tensor:
        """Weights trained from `start` under a mask: those that are masked stay zero, step by step.

        Args:
            epochs: passes over the images; 0 is the experiment's `local_epochs`.

        Raises:
            RunError: training diverged.
        """
        e = self.experiment.replace(local_epochs=epochs) if epochs else self.experiment

        def logits(weights: Tensor, images: Tensor) -> Tensor:
            return self.network.forward_with_weights(images, weights * mask)  # so the gradient is masked too

        return train_locally(start * mask, logits, self.learner, e, 1, e.weight_lr)[0]

    def train_scores(self, frozen: Tensor, share: float) -> Tensor:
        """Edge-popup: scores trained, weights frozen; the top `share` of each layer's scores is the mask.

        Forward, the mask is `top_share(scores)`; backward, ∂m/∂s := 1. By value, as in the paper's text.

        Args:
            frozen: weights, (n,), which are only read.

        Returns:
            Scores, (n,), whose mask is `top_share(scores, share, layout)`.
        """
        e = self.experiment
        start = torch.from_numpy(2 * uniforms(self.layout.n, e.seed, "popup") - 1).float()

        def logits(scores: Tensor, images: Tensor) -> Tensor:
            mask = top_share(scores.detach(), share, self.layout) + (scores - scores.detach())
            return self.network.forward_with_weights(images, frozen * mask)

        return train_locally(start, logits, self.learner, e, 1, e.lr)[0]

    def train_theta(self) -> Tensor:
        """FedPM's own local training from θ = ½ over the network's frozen ±c: the trained θ = σ(s), (n,)."""
        half = torch.full((self.layout.n,), 0.5)
        return torch.sigmoid(train_client(self.network, self.experiment, self.learner, half, 1, 0.0)[0])

    def accuracy(self, weights: Tensor) -> float:
        """Share of the test images that the network reads rightly with these weights, (n,): in [0, 1]."""
        return correct(self.network, weights, self.x_test, self.y_test).float().mean().item()


@dataclass(frozen=True)
class Ticket:
    """What survived some rounds of pruning."""

    share: float
    """Of each layer's weights that the mask keeps."""
    mask: Tensor
    """(n,) of zeros and ones."""
    trained: Tensor
    """Weights after training from the first ones under this mask, (n,)."""


def top_share(values: Tensor, share: float, layout: Layout) -> Tensor:
    """Ones at the largest values of each layer's weights; biases, which are few, always stay.

    Args:
        values: (n,), for instance magnitudes, or scores.
        share: of each layer's weights, above 0 to 1; one weight a layer at least.

    Returns:
        A mask, (n,) of zeros and ones, round(share · weights) ones in each layer beside its biases.

    Raises:
        SettingError: a share that is none.
    """
    if not 0 < share <= 1:
        raise SettingError(f"share={share!r} of the weights; it is above 0 and at most 1")
    mask = torch.ones_like(values)
    for part, kept in zip(weights_of(values, layout), weights_of(mask, layout), strict=True):
        count = max(1, round(share * len(part)))
        kept.zero_()[part.topk(count, sorted=False).indices] = 1
    return mask


def weights_of(values: Tensor, layout: Layout) -> list[Tensor]:
    """Of a flat vector (n,) the entries of each layer's weights, without its biases, as views."""
    return [p[: -s[0]] for p, s in zip(values.split(layout.sizes), layout.shapes, strict=True)]


def share_alive(values: Tensor, layout: Layout) -> float:
    """Share of the weights, biases not counted, that are not zero."""
    weights = torch.cat(weights_of(values, layout))
    return weights.count_nonzero().item() / len(weights)


def prune_and_rewind(task: Task, first: Tensor, keep: float, rounds: int) -> Iterator[Ticket]:
    """Iterative magnitude pruning (Frankle & Carbin, 2019): train, prune each layer, rewind, and again.

    Args:
        first: the weights that every round starts from, (n,).
        keep: share of the surviving weights that a round keeps, by magnitude after training.
        rounds: of pruning; the ticket before the first is the whole network, trained.

    Yields:
        rounds + 1 tickets, each a part of the one before.
    """
    share, mask = 1.0, torch.ones_like(first)
    for done in range(rounds + 1):
        trained = task.train(first, mask)
        yield Ticket(share, mask, trained)
        if done < rounds:
            share *= keep
            mask = top_share(trained.abs() * mask, share, task.layout)


def random_mask(share: float, layout: Layout, seed: int, *where: int) -> Tensor:
    """A mask that keeps as many weights of each layer as `top_share` would, drawn uniformly by (seed, where)."""
    return top_share(torch.from_numpy(uniforms(layout.n, seed, "random mask", *where)), share, layout).float()


def signed_constant(weights: Tensor, layout: Layout) -> Tensor:
    """sign(w) · c, c the standard deviation of the layer's weights (Zhou et al., 2019): signs without magnitudes."""
    constant = weights.sign()
    for part, signs in zip(weights_of(weights, layout), weights_of(constant, layout), strict=True):
        signs *= part.std()
    return constant
