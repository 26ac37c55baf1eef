"""The cost of a mask: entropies in bits per parameter (bpp), and the ledger of bytes that were sent.

`bpp_entropy` is the papers' measure; `bpp_layer` the same with one frequency per layer; `bpp_kl` what coding with
shared randomness could reach; `bpp_uplink` and `bpp_downlink` are measured. The first three are estimates, never sizes.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor


def binary_entropy(p: float | np.ndarray) -> np.ndarray:
    """H(p) = −p log₂ p − (1−p) log₂(1−p), elementwise, in bits; H(0) = H(1) = 0."""
    p = np.asarray(p, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
    return np.where((p <= 0) | (p >= 1), 0.0, bits)


def mask_entropy(mask: np.ndarray) -> float:
    """H of the pooled frequency of ones, in bpp: one frequency for the whole network, as the papers count.

    The published FedPM code moves every bit to 0.01 or 0.99 first, and so never reports less than 0.081; here the bits
    are taken as they are sent.
    """
    return float(binary_entropy(np.count_nonzero(mask) / len(mask)))


def layer_entropy(mask: np.ndarray, sizes: Sequence[int]) -> float:
    """Entropy in bpp with one frequency of ones per layer; `sizes` are the layers' entries, adding up to len(mask)."""
    parts = np.split(mask, np.cumsum(sizes)[:-1])
    return float(sum(len(part) * binary_entropy(np.count_nonzero(part) / len(part)) for part in parts) / len(mask))


def context_entropy(mask: np.ndarray, contexts: np.ndarray) -> float:
    """Entropy in bpp with one frequency of ones a context: the floor of the `context` codec's payload."""
    total = np.bincount(contexts)
    ones = np.bincount(contexts, weights=mask)
    return float(np.sum(total * binary_entropy(ones / np.maximum(total, 1))) / len(mask))


def kl_divergence(q: Tensor | np.ndarray, p: Tensor | np.ndarray) -> float:
    """(1/n) Σ KL(Bernoulli(qⱼ) ‖ Bernoulli(pⱼ)) in bits; infinite where p excludes what q allows."""
    q, p = torch.as_tensor(q), torch.as_tensor(p)
    nats = -torch.special.entr(q) - torch.special.entr(1 - q) - torch.xlogy(q, p) - torch.xlogy(1 - q, 1 - p)
    return nats.mean().item() / math.log(2)


def mean_bpp(sizes: Collection[int], n: int) -> float:
    """Mean size of messages, given in bytes, in bits per each of n parameters; 0 if there are none."""
    return 8 * sum(sizes) / max(1, len(sizes)) / n


@dataclass
class Ledger:
    """Bytes of one round, message by message, headers included: of every broadcast, and of each update that was used.

    A broadcast counts once for every client that receives it.
    """

    n: int
    """Masked parameters of the network."""
    uplink: list[int] = field(default_factory=list)
    downlink: list[int] = field(default_factory=list)

    def rates(self) -> dict[str, float]:
        """Mean bits per parameter a client, and total bytes of the round, each direction."""
        return {
            "bpp_uplink": mean_bpp(self.uplink, self.n),
            "bpp_downlink": mean_bpp(self.downlink, self.n),
            "uplink_bytes": sum(self.uplink),
            "downlink_bytes": sum(self.downlink),
        }
