"""Exercises of notebook 10: open questions."""

from collections.abc import Callable

import numpy as np

from fedsparse.models import Layout
from fedsparse.teaching.checks.verdict import verdict
from fedsparse.teaching.effective_masks import connected
from fedsparse.teaching.subset_sums import best_errors, numbers_needed


def subset_sum(answer: Callable[[np.ndarray, float], float]) -> bool:
    """Exercise: from numbers, (n,), and a target to the distance from the target to the nearest sum of a subset."""
    numbers = np.random.default_rng(0).uniform(-1, 1, 8)
    near = best_errors(numbers, np.array([0.4]))[0]
    return verdict(
        answer,
        [
            ((np.array([0.5]), 0.1), 0.1, "To keep nothing is a choice too: the empty subset adds up to 0."),
            ((np.array([0.5]), 0.4), 0.1, "A sum may lie above the target as well as below it."),
            ((np.array([0.5, 0.75, -0.25]), 0.25), 0.0, "A subset is any choice, not a beginning and not a pair only."),
            ((np.array([1.0, 1.0, -0.75]), -2.0), 1.25, "A number is kept once or not at all."),
            ((numbers, 0.4), near, "All 2ⁿ subsets have to be looked at; taking the best next number is not enough."),
        ],
    )


def counting_bound(answer: Callable[[float, float], float]) -> bool:
    """Exercise: from an error ε and a density to how many random numbers a target in [−1, 1] costs at least."""
    return verdict(
        answer,
        [
            (
                (0.125, 0.5),
                3.0,
                "With half of the numbers kept there are about 2ⁿ subsets; each serves a length of 2ε.",
            ),
            ((0.01, 0.5), numbers_needed(0.01), "The count is in bits: logarithms to base 2."),
            ((0.01, 0.1), numbers_needed(0.01, 0.1), "Of subsets at density γ there are about 2 to the n H(γ)."),
        ],
    )


def living(answer: Callable[[np.ndarray, np.ndarray], tuple[int, int]]) -> bool:
    """Exercise: masks of two layers without biases, (h, i) and (o, h), to the connected ones of each."""
    first = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], np.uint8)
    second = np.array([[1, 0, 1, 0], [0, 0, 1, 1]], np.uint8)
    rng = np.random.default_rng(1)
    sparse, denser = ((rng.random(shape) < 0.15).astype(np.uint8) for shape in ((12, 6), (4, 12)))
    return verdict(
        answer,
        [
            (
                (np.ones((2, 3), int), np.ones((1, 2), int)),
                (6, 2),
                "Where everything is kept, everything is connected.",
            ),
            (
                (np.eye(2, dtype=int), np.array([[1, 0]])),
                (1, 1),
                "Where no output uses a unit, the ones that enter it are dead.",
            ),
            (
                (np.array([[1], [0]]), np.array([[1, 1]])),
                (1, 1),
                "Where a unit receives nothing, the ones that leave it are dead.",
            ),
            (
                (first, second),
                _alive(first, second),
                "Both ways: rows of the first mask belong to columns of the second.",
            ),
            (
                (sparse, denser),
                _alive(sparse, denser),
                "Both ways: rows of the first mask belong to columns of the second.",
            ),
        ],
    )


def _alive(first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    layout = Layout((first.shape, second.shape))
    flat = np.concatenate([part for m in (first, second) for part in (m.ravel(), np.zeros(len(m), np.uint8))])
    ends = np.cumsum(layout.sizes)[:-1]
    ones = [int(part.sum()) for part in np.split(connected(flat, layout), ends)]
    return ones[0], ones[1]
