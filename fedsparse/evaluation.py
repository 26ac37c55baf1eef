"""Three ways to evaluate a probability mask: sampled networks, the expected network θ ⊙ w, the threshold θ > ½.

Trained weights have one: all three are the same number.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fedsparse.models import MaskedNetwork
from fedsparse.randomness import torch_generator
from fedsparse.weight_codec import Weights

SAMPLES = 3
BATCH = {"cpu": 256}
"""Images at a time: what fits a processor's caches (twice as fast as 2,048 on conv4); elsewhere 4,096."""


@torch.no_grad()
def accuracy(network: Callable[[Tensor, Tensor], Tensor], mask: Tensor, images: Tensor, labels: Tensor) -> float:
    """Share of images whose largest logit is the label's, in [0, 1].

    Args:
        network: logits of (images, mask): a `MaskedNetwork`; or its `dense`, and weights in place of the mask.
        mask: (n,) on the images' device.
    """
    hits = torch.zeros((), dtype=torch.int64, device=labels.device)
    batch = BATCH.get(images.device.type, 4096)
    for x, y in zip(images.split(batch), labels.split(batch), strict=True):
        hits += (network(x, mask).argmax(1) == y).sum()
    return hits.item() / len(labels)


def evaluate(
    network: MaskedNetwork, theta: np.ndarray | Weights, images: Tensor, labels: Tensor, seed: int, round: int
) -> dict[str, float]:
    """Accuracy of θ on images, three ways.

    Args:
        theta: (n,) probabilities, or trained weights.
        seed, round: key of the sampled masks, so that a resumed run draws the same.

    Returns:
        `accuracy`: mean over 3 sampled masks; `accuracy_expected`: weights θ ⊙ w; `accuracy_threshold`: θ > ½.
    """
    device = images.device
    if isinstance(theta, Weights):
        only = accuracy(network.dense, torch.from_numpy(theta.values).to(device), images, labels)
        return {"accuracy": only, "accuracy_expected": only, "accuracy_threshold": only}
    probability = torch.from_numpy(theta).to(device)
    generator = torch_generator(device, seed, "evaluate", round)
    noise = (torch.rand(len(theta), generator=generator, device=device) for _ in range(SAMPLES))
    masks = [(u < probability).float() for u in noise]
    measure = lambda mask: accuracy(network, mask, images, labels)  # noqa: E731
    return {
        "accuracy": sum(map(measure, masks)) / SAMPLES,
        "accuracy_expected": measure(probability),
        "accuracy_threshold": measure((probability > 0.5).float()),
    }
