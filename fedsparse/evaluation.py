"""Three ways to evaluate a probability mask: sampled networks, the expected network θ ⊙ w, the threshold θ > ½.

Trained weights have one way: all three are the same number.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedsparse.models import MaskedNetwork
from fedsparse.randomness import torch_generator
from fedsparse.theta import Weights
from fedsparse.threads import parallel_map, worker_count

SAMPLES = 3
BATCH = {"cpu": 256}
"""Images at a time: 256 fit a processor's caches (twice as fast as 2,048 on conv4); other devices take 4,096."""


def correct(network: MaskedNetwork, weights: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """Whether the largest logit of each image is its label's, (N,) bool; weights (n,) on the images' device."""
    size = BATCH.get(images.device.type, 4096)
    parts = network.parts(weights)

    @torch.no_grad()  # it holds for one thread only
    def of_batch(batch: tuple[Tensor, Tensor]) -> Tensor:
        return network.forward_with_parts(batch[0], parts).argmax(1) == batch[1]

    batches = list(zip(images.split(size), labels.split(size), strict=True))
    return torch.cat(list(parallel_map(of_batch, batches, min(worker_count(images.device), len(batches)))))


def accuracy(network: MaskedNetwork, mask: Tensor, images: Tensor, labels: Tensor) -> float:
    """Share of images whose largest logit is the label's, in [0, 1]; mask (n,) on the images' device."""
    return correct(network, network.weights(mask), images, labels).sum().item() / len(labels)


def client_accuracies(hit: np.ndarray, labels: np.ndarray, label_counts: np.ndarray) -> np.ndarray:
    """Accuracy for each client on its own classes: those of each class, weighted by the client's share of that class.

    Args:
        hit: whether each test image is classified correctly, (N,) bool.
        labels: their classes, (N,).
        label_counts: training images of each client and class, (clients, classes).

    Returns:
        (clients,) in [0, 1]. Classes without a test image are left out; NaN for a client that holds only such.
    """
    classes = label_counts.shape[1]
    tested = np.bincount(labels, minlength=classes)
    per_class = np.bincount(labels, weights=hit, minlength=classes) / np.maximum(tested, 1)
    known = label_counts * (tested > 0)
    images = known.sum(1)
    return np.where(images > 0, known @ per_class / np.maximum(images, 1), np.nan)


def three_accuracies(
    network: MaskedNetwork, theta: np.ndarray | Weights, images: Tensor, labels: Tensor, seed: int, round: int
) -> tuple[dict[str, float], np.ndarray]:
    """Accuracy of θ on images, three ways; and whether the expected network is right, image by image.

    Args:
        theta: (n,) probabilities, or trained weights.
        seed, round: key of the sampled masks, so that a resumed run draws the same.

    Returns:
        `accuracy`: mean over 3 sampled masks; `accuracy_expected`: weights θ ⊙ w; `accuracy_threshold`: θ > ½. And
        (N,) bool.
    """
    device = images.device
    if isinstance(theta, Weights):
        expected = correct(network, torch.from_numpy(theta.values).to(device), images, labels).cpu().numpy()
        sampled = threshold = float(expected.mean())
    else:
        probability = torch.from_numpy(theta).to(device)
        generator = torch_generator(device, seed, "evaluate", round)
        noise = (torch.rand(len(theta), generator=generator, device=device) for _ in range(SAMPLES))
        sampled = sum(accuracy(network, (u < probability).float(), images, labels) for u in noise) / SAMPLES
        threshold = accuracy(network, (probability > 0.5).float(), images, labels)
        expected = correct(network, network.weights(probability), images, labels).cpu().numpy()
    accuracies = {"accuracy": sampled, "accuracy_expected": float(expected.mean()), "accuracy_threshold": threshold}
    return accuracies, expected


def evaluate(
    network: MaskedNetwork,
    theta: np.ndarray | Weights,
    images: Tensor,
    labels: Tensor,
    seed: int,
    round: int,
    label_counts: np.ndarray,
) -> dict[str, Any]:
    """`three_accuracies`, and the accuracy of the expected network client by client.

    Args:
        label_counts: training images of each client and class, (clients, classes), as from `partition.label_counts`.

    Returns:
        Beside the three, `accuracy_clients`: `client_accuracies` over the whole population, empty if it is not known
        what clients hold; `accuracy_client_mean` and `accuracy_client_worst`, NaN then.
    """
    accuracies, expected = three_accuracies(network, theta, images, labels, seed, round)
    clients = client_accuracies(expected, labels.cpu().numpy(), label_counts)
    return {
        **accuracies,
        "accuracy_client_mean": float(np.nanmean(clients)) if len(clients) else math.nan,
        "accuracy_client_worst": float(np.nanmin(clients)) if len(clients) else math.nan,
        "accuracy_clients": clients,
    }
