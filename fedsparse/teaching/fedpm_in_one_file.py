"""FedPM written the straightforward way, as one would from the paper and as its published code works: what the engines
are measured against.

A module a client with its own copy of the weights, scores and float masks a layer, a DataLoader a client, a state dict
of floats down and another up, clients one after the other. No bytes are encoded.
"""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from fedsparse import Experiment
from fedsparse.data import Dataset
from fedsparse.models import Architecture
from fedsparse.partition import split


class Bernoulli(torch.autograd.Function):
    """A sample forward; backward times θ, as in the published code."""

    @staticmethod
    def forward(ctx, theta: Tensor) -> Tensor:
        ctx.save_for_backward(theta)
        return torch.bernoulli(theta)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad * ctx.saved_tensors[0]


class Layer(nn.Module):
    """A convolution or a dense layer with its weights, its scores, and a mask drawn at every call."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        c = math.e / math.sqrt(math.prod(shape[1:]))
        self.weight = nn.Parameter(torch.randint(0, 2, shape) * 2 * c - c, requires_grad=False)
        self.bias = nn.Parameter(torch.randint(0, 2, shape[:1]) * 2 * c - c, requires_grad=False)
        self.scores = nn.Parameter(torch.zeros(shape))
        self.bias_scores = nn.Parameter(torch.zeros(shape[0]))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * Bernoulli.apply(torch.sigmoid(self.scores))
        bias = self.bias * Bernoulli.apply(torch.sigmoid(self.bias_scores))
        if self.weight.dim() == 4:
            return F.conv2d(x, weight, bias, padding=self.weight.shape[-1] // 2)
        return F.linear(x.flatten(1), weight, bias)


def network(architecture: Architecture) -> nn.Sequential:
    """The same layers as `fedsparse.models.MaskedNetwork`."""
    stages: list[nn.Module] = []
    for kind, shape in architecture.stages():
        stages += [nn.MaxPool2d(2)] if kind == "pool" else [Layer(shape), nn.ReLU()]
    return nn.Sequential(*stages[:-1])


class StraightforwardFedPM:
    """The same work as `Federation(experiment)`: the same network, clients, local steps and five evaluations."""

    def __init__(self, experiment: Experiment, dataset: Dataset, device: str = "cpu") -> None:
        self.experiment, self.device = experiment, torch.device(device)
        shape = dataset.shape
        self.server = network(Architecture(experiment.model, experiment.width, shape, dataset.classes)).to(device)
        normal = lambda images: images.float() / 127.5 - 1  # noqa: E731
        parts = split(dataset.y_train.numpy(), experiment)
        self.loaders = [
            DataLoader(
                TensorDataset(normal(dataset.x_train[p]), dataset.y_train[p]), experiment.batch_size, shuffle=True
            )
            for p in map(torch.from_numpy, parts)
        ]
        self.models = [copy.deepcopy(self.server) for _ in parts]
        self.test = DataLoader(TensorDataset(normal(dataset.x_test), dataset.y_test), batch_size=256)

    def round(self) -> float:
        """One round; returns the mean accuracy of five sampled masks."""
        masks = [self.train(model, loader) for model, loader in zip(self.models, self.loaders, strict=True)]
        for name, scores in self.server.named_parameters():
            if "scores" in name:
                mean = torch.stack([m[name] for m in masks]).mean(0).clamp(0.01, 0.99)
                scores.data = torch.logit(mean)
        return sum(self.accuracy() for _ in range(5)) / 5

    def train(self, model: nn.Module, loader: DataLoader) -> dict[str, Tensor]:
        """Local epochs of one client; returns one float mask a layer."""
        model.load_state_dict(self.server.state_dict())
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        optimizer = torch.optim.Adam(trained.values(), lr=self.experiment.lr)
        for _ in range(self.experiment.local_epochs):
            for images, labels in loader:
                loss = F.cross_entropy(model(images.to(self.device)), labels.to(self.device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return {name: torch.bernoulli(torch.sigmoid(p.detach())) for name, p in trained.items()}

    @torch.no_grad()
    def accuracy(self) -> float:
        """Of a fresh mask a batch."""
        hits = [(self.server(x.to(self.device)).argmax(1) == y.to(self.device)).sum() for x, y in self.test]
        return sum(h.item() for h in hits) / len(self.test.dataset)  # type: ignore[arg-type]
