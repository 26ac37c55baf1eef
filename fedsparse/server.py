"""The server's part: who takes part, and how masks that arrive one by one become the next θ.

All sums are of whole numbers, so θ does not depend on the order in which the masks arrive.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fedsparse.codec import MOST_LEVELS, Broadcast, Report, Theta, decode_mask
from fedsparse.entropy import layer_entropy, mask_entropy
from fedsparse.errors import MessageError
from fedsparse.randomness import permutation, uniforms


def sample_cohort(clients: int, size: int, seed: int, round: int) -> list[int]:
    """Clients of a round, ascending: `size` of them without replacement, all if 0; keyed by (seed, round) alone."""
    if size in (0, clients):
        return list(range(clients))
    return sorted(permutation(clients, seed, "cohort", round)[:size].tolist())


def answering(cohort: Sequence[int], dropout: float, seed: int, round: int) -> list[int]:
    """Those of a cohort that answer: each is lost with probability `dropout`, keyed by (seed, round, client) alone."""
    return [k for k in cohort if uniforms(1, seed, "dropout", round, k)[0] >= dropout]


@dataclass(frozen=True)
class Votes:
    """How often each weight was wanted: Σ w·m of `total` = Σ w, over the masks since the last reset."""

    ones: np.ndarray
    """(n,) int64."""
    total: int

    @classmethod
    def of(cls, ones: np.ndarray, weights: Iterable[int]) -> "Votes":
        """Σ w·m and the weights w that went into it, reduced to smallest terms."""
        weights = list(weights)
        common = math.gcd(*weights)
        return cls(ones // common, sum(weights) // common)

    def theta(self, clip: float) -> Theta:
        """ones/total as levels: exactly while total fits a byte, else to the nearest 1/255.

        This is the mean of the masks, and it is also the mode (α−1)/(α+β−2) of FedPM's posterior Beta(α, β) with
        α = 1 + Σ m, β = 1 + Σ (1−m): with a flat prior the two differ only in how long the votes are kept.
        """
        if self.total <= MOST_LEVELS:
            return Theta(self.ones.astype(np.uint8), self.total, clip)
        levels = (2 * self.ones * MOST_LEVELS + self.total) // (2 * self.total)
        return Theta(levels.astype(np.uint8), MOST_LEVELS, clip)


class Tally:
    """Masks of one round, added as they arrive; memory O(n) whatever their number.

    Args:
        broadcast: the θ that the masks answer.
        seed: of the randomness that is shared with the clients, if masks are coded so.
        weighted: count each client by its samples, not once.
        before: votes of earlier rounds to add to (the Beta posterior between resets).
    """

    def __init__(
        self, broadcast: Broadcast, seed: int | None = None, weighted: bool = False, before: Votes | None = None
    ) -> None:
        self.broadcast = broadcast
        self.seed = seed
        self.weighted = weighted
        self.before = before
        self.ones = np.zeros(broadcast.layout.n, np.int64)
        self.weights: dict[int, int] = {}
        self.measures: list[dict[str, float]] = []

    def add(self, message: bytes) -> None:
        """Count one update.

        Raises:
            MessageError: the bytes are not a mask for this round's θ, or this client has been counted already. The
                tally is then as it was before.
        """
        mask, report = decode_mask(message, self.broadcast, self.seed)
        if report.client in self.weights:
            raise MessageError(f"client {report.client} has already answered in round {self.broadcast.round}")
        weight = report.samples if self.weighted else 1
        self.weights[report.client] = weight
        np.add(self.ones, weight, out=self.ones, where=mask.astype(bool))
        self.measures.append(self._measure(mask, report))

    def merge(self, other: "Tally") -> None:
        """Count all that another tally has counted: sums of masks are sums, so a tree of tallies ends as one tally.

        Raises:
            MessageError: the other one counts masks for another θ, or one of its clients has been counted here. The
                tally is then as it was before.
        """
        if other.broadcast.checksum != self.broadcast.checksum:
            raise MessageError("a tally of masks for another θ than this round's broadcast")
        if both := sorted(self.weights.keys() & other.weights.keys()):
            raise MessageError(f"client {both[0]} is in both tallies of round {self.broadcast.round}")
        self.ones += other.ones
        self.weights |= other.weights
        self.measures += other.measures

    def _measure(self, mask: np.ndarray, report: Report) -> dict[str, float]:
        return {
            "loss": report.loss,
            "density": float(np.mean(mask)),
            "bpp_entropy": mask_entropy(mask),
            "bpp_layer": layer_entropy(mask, self.broadcast.layout.sizes),
            "bpp_kl": report.kl,
        }

    def votes(self) -> Votes:
        """The votes counted so far, weights reduced to smallest terms; those of before, if no mask arrived."""
        if not self.weights:
            return self.before or Votes(self.broadcast.theta.levels.astype(np.int64), self.broadcast.theta.top)
        votes = Votes.of(self.ones, self.weights.values())
        if self.before:
            votes = Votes(votes.ones + self.before.ones, votes.total + self.before.total)
        return votes

    def means(self) -> dict[str, float]:
        """Mean over the masks of what was measured on each; `math.fsum` keeps it free of their order."""
        count = len(self.measures)
        return {name: math.fsum(m[name] for m in self.measures) / count for name in self.measures[0]} if count else {}
