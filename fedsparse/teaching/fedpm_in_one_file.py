"""FedPM and its regularized form in one file, as the papers tell them, with the gradient of FedPM's code: read it
first.

The server holds one score s per weight, and θ = σ(s). In each round every client copies the scores, trains them on its
own images through sampled masks m ~ Bernoulli(θ), and returns one sampled mask; the mean of the masks is the next θ
(Isik et al., ICLR 2023). With λ > 0 the loss adds λ times the mean of θ (Mestoukirdi et al., arXiv 2309.10834).

Nothing is encoded here, and nothing is fast: the rest of fedsparse is the same algorithm with every byte counted, and
with `estimator=scaled` the same gradient.
`benchmarks/rounds.py` measures one against the other. To see it learn: python -m fedsparse.teaching.fedpm_in_one_file
"""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from fedsparse import Experiment, data
from fedsparse.models import Architecture
from fedsparse.partition import split


class Bernoulli(torch.autograd.Function):
    """A sample of zeros and ones has no derivative; the backward pass multiplies by θ, as in FedPM's published code."""

    @staticmethod
    def forward(ctx, theta: Tensor) -> Tensor:
        ctx.save_for_backward(theta)
        return torch.bernoulli(theta)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad * ctx.saved_tensors[0]


class MaskedLayer(nn.Module):
    """A convolution or a dense layer: random weights ±c that never change, and scores that are trained."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        c = math.e / math.sqrt(math.prod(shape[1:]))
        self.weight = nn.Parameter(torch.randint(0, 2, shape) * 2 * c - c, requires_grad=False)  # frozen for ever
        self.bias = nn.Parameter(torch.randint(0, 2, shape[:1]) * 2 * c - c, requires_grad=False)
        self.scores = nn.Parameter(torch.zeros(shape))  # σ(0) = ½: the first masks are fair coins
        self.bias_scores = nn.Parameter(torch.zeros(shape[0]))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * Bernoulli.apply(torch.sigmoid(self.scores))  # a new mask at every call
        bias = self.bias * Bernoulli.apply(torch.sigmoid(self.bias_scores))
        if self.weight.dim() == 4:
            return F.conv2d(x, weight, bias, padding=self.weight.shape[-1] // 2)
        return F.linear(x.flatten(1), weight, bias)


def network(architecture: Architecture) -> nn.Sequential:
    """The same layers as `fedsparse.models.MaskedNetwork`."""
    stages: list[nn.Module] = []
    for kind, shape in architecture.stages():
        stages += [nn.MaxPool2d(2)] if kind == "pool" else [MaskedLayer(shape), nn.ReLU()]
    return nn.Sequential(*stages[:-1])


class FedPMInOneFile:
    """One server and its clients; does the same work as `Federation(experiment)` with five evaluations per round."""

    def __init__(self, experiment: Experiment, dataset: data.Dataset, device: str = "cpu") -> None:
        self.experiment, self.device = experiment, torch.device(device)
        architecture = Architecture(experiment.model, experiment.width, dataset.shape, dataset.classes)
        self.server = network(architecture).to(device)
        parts = split(dataset.y_train.numpy(), experiment)
        self.clients = [copy.deepcopy(self.server) for _ in parts]
        self.loaders = []
        for part in map(torch.from_numpy, parts):
            own = TensorDataset(dataset.x_train[part].float() / 127.5 - 1, dataset.y_train[part])
            self.loaders.append(DataLoader(own, experiment.batch_size, shuffle=True))
        test = TensorDataset(dataset.x_test.float() / 127.5 - 1, dataset.y_test)
        self.test, self.test_size = DataLoader(test, batch_size=256), len(test)

    def round(self) -> float:
        """One round: train, send, average, evaluate; returns the mean accuracy of five sampled masks."""
        masks = [self.train(client, loader) for client, loader in zip(self.clients, self.loaders, strict=True)]
        for name, scores in self.server.named_parameters():
            if "scores" in name:
                theta = torch.stack([mask[name] for mask in masks]).mean(0)
                scores.data = torch.logit(theta.clamp(0.01, 0.99))  # without a clip, logit 0 is −∞
        return sum(self.accuracy() for _ in range(5)) / 5

    def train(self, client: nn.Module, loader: DataLoader) -> dict[str, Tensor]:
        """Local epochs of one client, from the server's scores; returns one sampled mask: all that it sends."""
        client.load_state_dict(self.server.state_dict())
        scores = {name: p for name, p in client.named_parameters() if "scores" in name}
        n = sum(p.numel() for p in scores.values())
        optimizer = torch.optim.Adam(scores.values(), lr=self.experiment.lr)  # it never sees the weights
        for _ in range(self.experiment.local_epochs):
            for images, labels in loader:
                loss = F.cross_entropy(client(images.to(self.device)), labels.to(self.device))
                if self.experiment.lam:
                    loss = loss + self.experiment.lam / n * sum(torch.sigmoid(s).sum() for s in scores.values())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return {name: torch.bernoulli(torch.sigmoid(s.detach())) for name, s in scores.items()}

    @torch.no_grad()
    def accuracy(self) -> float:
        """Share of the test images that are classified correctly, with a fresh mask for each batch."""
        correct = [(self.server(x.to(self.device)).argmax(1) == y.to(self.device)).sum() for x, y in self.test]
        return sum(c.item() for c in correct) / self.test_size


if __name__ == "__main__":
    federation = FedPMInOneFile(Experiment(), data.load("digits"))
    for number in range(1, 11):
        print(f"round {number:>2}: accuracy {federation.round():.3f}", flush=True)
