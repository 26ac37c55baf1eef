"""Local training as fast as the device allows: the work of `client.train`, equal to the bit on a processor at λ = 0.

A `TrainStep` owns every buffer that a step needs: nothing is allocated, copied or rebuilt between the steps or clients
that it serves. Masked weights are written directly into the tensors that the network reads, and their gradients into
one flat vector; sampling, the estimator's backward and the regularizer are a few passes over such vectors. On a
processor each core has its own `TrainStep`. On a GPU a step is captured once as a CUDA graph and replayed, so that
launches cost nothing.

Why not stack the clients (`vmap`, grouped convolutions)? Their sums round differently; one sampled bit that flips
changes every later gradient, and the masks of the two engines would drift apart. benchmarks/NOTES.md says where
stacking was faster.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsparse.client import Client, batches, mean_loss, optimizer_for
from fedsparse.experiment import Experiment
from fedsparse.models import MaskedNetwork, scaled
from fedsparse.randomness import reseed
from fedsparse.regularizers import learned, regularizer_of
from fedsparse.threads import borrowed

IGNORED = -100
"""The label that `cross_entropy` passes over: of the rows that fill up a last batch in a CUDA graph."""


class FastTrainer:
    """`train` as in `client.py`, for several threads at a time."""

    def __init__(self, network: MaskedNetwork, experiment: Experiment) -> None:
        self.network, self.experiment = network, experiment
        self.idle: list[TrainStep] = []

    def train(self, client: Client, theta: Tensor, round: int, lam: float) -> tuple[Tensor, float]:
        """As `client.train`."""
        with borrowed(self.idle, lambda: TrainStep(self.network, self.experiment, theta.device)) as step:
            return step.train(client, theta, round, lam)


class TrainStep:
    """The buffers of one client's training at a time, and the step that works on them."""

    def __init__(self, network: MaskedNetwork, experiment: Experiment, device: torch.device) -> None:
        self.network, self.experiment = network, experiment
        self.regularizer = regularizer_of(experiment)
        n = network.layout.n
        self.frozen = network.weights(torch.ones(n, device=device))
        self.start, self.scores, self.theta, self.noise, self.weights, self.gradient = (
            torch.zeros(n, device=device) for _ in range(6)
        )
        # The layers read views of `weights` and leave their gradients in views of `gradient`.
        self.leaves = [part.detach().requires_grad_() for part in network.parts(self.weights)]
        self.gradients = network.parts(self.gradient)
        self.lam = torch.zeros((), device=device)  # a tensor: a CUDA graph reads it anew at every replay
        self.regularized = False
        self.generator = torch.Generator(device)
        self.scores.grad = self.gradient
        self.optimizer = optimizer_for(self.scores, experiment, experiment.lr, capturable=device.type == "cuda")
        self.optimizer.step()  # with a gradient of zero: nothing but the optimizer's state comes into being
        self.graphs: dict[bool, Graph] = {}

    def train(self, client: Client, theta: Tensor, round: int, lam: float) -> tuple[Tensor, float]:
        """As `client.train`."""
        self.regularized = lam > 0
        step = self._graph() if theta.is_cuda else self._step
        self.start.copy_(torch.logit(theta))
        self.scores.copy_(self.start)
        self.lam.fill_(lam)
        reseed(self.generator, self.experiment.seed, "masks", round, client.index)
        saved = client.memory.get("optimizer")
        for name, buffer in self.optimizer.state[self.scores].items():
            if saved:
                buffer.copy_(saved[0][name])
            else:
                buffer.zero_()
        images = client.images if theta.is_cuda else scaled(client.images)  # once, not at every step
        losses = [step(images[b], client.labels[b]) for b in batches(client, self.experiment, round)]
        if self.experiment.optimizer_state == "kept":
            state = self.optimizer.state[self.scores].items()
            client.memory["optimizer"] = {0: {name: buffer.clone() for name, buffer in state}}
        return self.scores.clone(), mean_loss(losses, self.scores, client, round, self.experiment.lr, lam > 0)

    def _graph(self) -> "Graph":
        """The step with, or without, the regularizer: captured when it is first needed."""
        if self.regularized not in self.graphs:
            self.graphs[self.regularized] = Graph(self)
        return self.graphs[self.regularized]

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step of `client.train`, written out; returns the cross-entropy."""
        theta, gradient = self.theta, self.gradient
        torch.sigmoid(self.scores, out=theta)
        self.noise.uniform_(generator=self.generator)
        mask = torch.sub(theta, self.noise, out=self.noise).ceil_()  # 1 where u < θ, else 0: faster than comparing
        torch.mul(self.frozen, mask, out=self.weights)
        loss = F.cross_entropy(self.network.forward_with_parts(images, self.leaves), labels)
        torch._foreach_copy_(self.gradients, torch.autograd.grad(loss, self.leaves, materialize_grads=True))
        # ∂L/∂s = ∂L/∂(w m) · w · θ (1−θ), times θ once more with the scaled estimator (`layers.sample_mask`).
        sigmoid_grad = torch.sub(1, theta, out=self.noise).mul_(theta)
        gradient.mul_(self.frozen).mul_(sigmoid_grad)
        if self.experiment.estimator == "scaled":
            gradient.mul_(theta)
        if self.regularized:
            own = self.experiment.lam_schedule == "client_loss"
            lam = self.lam * learned(loss.detach(), self.network.architecture.classes) if own else self.lam
            self.regularizer.add_gradient_(gradient, lam, theta, self.scores, self.start, sigmoid_grad)
        self.optimizer.step()
        return loss.detach()


class Graph:
    """A training step as one CUDA graph: captured once, replayed for every batch of every client.

    A graph has fixed shapes and fixed memory: batches are copied into its own, and a smaller last batch is filled up
    with rows whose label is ignored.
    """

    def __init__(self, step: TrainStep) -> None:
        architecture, size = step.network.architecture, step.experiment.batch_size
        device = step.scores.device
        self.images = torch.zeros(size, *architecture.shape, dtype=torch.uint8, device=device)
        self.labels = torch.zeros(size, dtype=torch.int64, device=device)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # capturing needs kernels that have been chosen, and an optimizer with its state
            for _ in range(3):
                step._step(self.images, self.labels)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        self.graph.register_generator_state(step.generator)
        with torch.cuda.graph(self.graph):
            self.loss = step._step(self.images, self.labels)

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step on a batch of at most the experiment's size."""
        self.images[: len(labels)].copy_(images)
        self.labels[: len(labels)].copy_(labels)
        self.labels[len(labels) :].fill_(IGNORED)
        self.graph.replay()
        return self.loss.clone()
