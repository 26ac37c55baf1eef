"""θ, the probability mask: what the server broadcasts, the votes that the next one is made of, what is evaluated."""

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

MAX_LEVELS = 255


@dataclass(frozen=True)
class Theta:
    """The probability mask as it is sent: θⱼ = level[j] / max_level, kept in [clip, 1 − clip]."""

    levels: np.ndarray
    """(n,) uint8, each at most `max_level`."""
    max_level: int
    """1 … 255: with K equal clients, K, and a level is the number of clients whose mask had a one there."""
    clip: float
    lam: float = 0.0
    """Weight λ of the regularizer that clients are to train with."""

    def probabilities(self) -> np.ndarray:
        """θ, shape (n,), float32."""
        table = np.clip(np.arange(self.max_level + 1) / self.max_level, self.clip, 1 - self.clip)
        return table.astype(np.float32)[self.levels]

    def fingerprint(self) -> int:
        """A checksum of the levels and of `max_level`."""
        return zlib.crc32(self.levels.tobytes(), self.max_level)


def add_votes(ones: np.ndarray, mask: np.ndarray, weight: int) -> None:
    """ones += weight · mask, (n,) int64 and uint8: whole sums, several times as fast as adding where a mask is one."""
    np.add(ones, mask if weight == 1 else mask * np.int64(weight), out=ones)


@dataclass(frozen=True)
class Votes:
    """How many masks had a one at each parameter: Σ w·m of `total` = Σ w, over the masks since the last reset."""

    ones: np.ndarray
    """(n,) int64."""
    total: int

    @classmethod
    def of(cls, ones: np.ndarray, weights: Iterable[int]) -> "Votes":
        """Σ w·m and the weights w that went into it, reduced to smallest terms."""
        weights = list(weights)
        common = math.gcd(*weights)
        return cls(ones // common, sum(weights) // common)

    @classmethod
    def of_theta(cls, theta: Theta) -> "Votes":
        """The votes that make this θ again."""
        return cls(theta.levels.astype(np.int64), theta.max_level)

    def __add__(self, other: "Votes") -> "Votes":
        return Votes(self.ones + other.ones, self.total + other.total)

    def theta(self, clip: float, lam: float = 0.0) -> Theta:
        """ones/total as levels: exact while the total fits a byte, else rounded to the nearest 1/255.

        This is the mean of the masks, and also the mode (α−1)/(α+β−2) of FedPM's posterior Beta(α, β) with
        α = 1 + Σ m, β = 1 + Σ (1−m): with a flat prior the two differ only in how long the votes are kept.
        """
        if self.total <= MAX_LEVELS:
            return Theta(self.ones.astype(np.uint8), self.total, clip, lam)
        levels = (2 * self.ones * MAX_LEVELS + self.total) // (2 * self.total)
        return Theta(levels.astype(np.uint8), MAX_LEVELS, clip, lam)


@dataclass(frozen=True)
class Weights:
    """Trained weights: what evaluation and `network.fsp` take in place of a θ where an algorithm trains weights."""

    values: np.ndarray
    """(n,) float32."""
