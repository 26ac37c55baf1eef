"""How well a subset of random numbers can add up to a target: the lemma behind results on sparse subnetworks.

Pruning a random network can stand in for training it because a kept subset of random weights adds up to nearly any
required weight (Pensia et al., NeurIPS 2020, after Lueker, Random Structures & Algorithms 1998): of n numbers uniform
in [−1, 1], n = O(log 1/ε) suffice for all targets in [−½, ½] at once, up to ε, with high probability.
"""

import math

import numpy as np

from fedsparse.entropy import binary_entropy
from fedsparse.errors import SettingError

MAX_NUMBERS = 40
"""Numbers of which the subsets can be searched: two halves of 2²⁰ subsets each."""


def best_errors(numbers: np.ndarray, targets: np.ndarray, ones: int | None = None) -> np.ndarray:
    """The distance from each target to the nearest sum of a subset: exact, by meeting in the middle.

    All sums of one half of the numbers are listed and sorted, and each sum of the other half asks for its best partner:
    2^(n/2) searches instead of 2^n sums.

    Args:
        numbers: (n,).
        targets: (t,).
        ones: only subsets of this size; None for any size, the empty one included.

    Returns:
        (t,) distances.

    Raises:
        SettingError: more than `MAX_NUMBERS` numbers, or no subset of that size.
    """
    if len(numbers) > MAX_NUMBERS or (ones is not None and not 0 <= ones <= len(numbers)):
        raise SettingError(
            f"at most {MAX_NUMBERS} numbers, and subsets of 0 to {len(numbers)} of them, can be searched"
        )
    half = len(numbers) // 2
    left, right = _sums(numbers[:half]), _sums(numbers[half:])
    if ones is None:
        pairs = [(np.concatenate(left), np.concatenate(right))]
    else:
        pairs = [(sums, right[ones - a]) for a, sums in enumerate(left) if 0 <= ones - a < len(right)]
    nearest = np.full(len(targets), np.inf)
    for sums, partners in pairs:
        partners.sort()
        for t, target in enumerate(targets):
            required = target - sums
            above = np.searchsorted(partners, required).clip(0, len(partners) - 1)
            gaps = np.minimum(np.abs(partners[above] - required), np.abs(partners[above - 1] - required))
            nearest[t] = min(nearest[t], gaps.min())
    return nearest


def numbers_needed(error: float, density: float = 0.5) -> float:
    """How many random numbers a target costs at least, if a share `density` of them is kept: log₂(1/ε) / H(density).

    By counting: n numbers have about 2^(n H) subsets of that size; each serves targets within ε of its sum, a length of
    2ε; and [−1, 1] is 2 long. Whatever the distribution of the numbers, fewer cannot serve all of it.

    Args:
        error: ε, above 0 and below 1.
        density: above 0 and below 1; ½, where subsets are most, stands for subsets of any size.

    Raises:
        SettingError: an error or a density outside of that.
    """
    if not (0 < error < 1 and 0 < density < 1):
        raise SettingError(f"error={error:g} and density={density:g} have to lie between 0 and 1")
    return math.log2(1 / error) / float(binary_entropy(density))


def _sums(numbers: np.ndarray) -> list[np.ndarray]:
    """Sums of all subsets, by how many numbers are in them: element k has C(n, k) sums."""
    none, sums = np.zeros(0), [np.zeros(1)]
    for number in numbers:
        sums = [np.append(left, taken + number) for left, taken in zip([*sums, none], [none, *sums], strict=True)]
    return sums
