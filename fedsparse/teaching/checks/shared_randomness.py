"""Exercises of notebook 09: far below one bit per parameter."""

from collections.abc import Callable

import numpy as np

from fedsparse.teaching.checks.verdict import verdict


def importance_weights(answer: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> bool:
    """Exercise: from σ(s) and θ, (n,), and candidates, (K, n), to weights, (K,), that add up to 1."""
    masks = np.array([[1, 0], [0, 1], [1, 1]], np.uint8)
    half = np.array([0.5, 0.5])
    moved, held = np.array([0.9, 0.2]), np.array([0.6, 0.3])
    every = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)], np.uint8)
    q, p = np.array([0.2, 0.7, 0.99]), np.array([0.5, 0.01, 0.9])
    odds = np.array([[0.8 / 0.5, 0.2 / 0.5], [0.3 / 0.99, 0.7 / 0.01], [0.01 / 0.1, 0.99 / 0.9]])
    products = np.array([odds[0, a] * odds[1, b] * odds[2, c] for a, b, c in every])
    return verdict(
        answer,
        [
            ((half, half, masks), np.full(3, 1 / 3), "Where nothing was learned, all candidates have the same weight."),
            (
                (moved, held, masks),
                np.array([144, 14, 84]) / 242,  # 3/2 · 8/7, 1/4 · 2/3 and 3/2 · 2/3, times 84
                "A zero counts as well as a one: with 1 − σ(s) over 1 − θ.",
            ),
            ((q, p, every), products / products.sum(), "A candidate's factors multiply; the weights add up to 1."),
        ],
    )


def number_cost(answer: Callable[[np.ndarray], float]) -> bool:
    """Exercise: from numbers of 1 or more to bits per number: entropy of their binary lengths, and further digits."""
    return verdict(
        answer,
        [
            ((np.array([1, 1, 1, 1]),), 0.0, "A number that is always 1 carries no information, and costs nothing."),
            (
                (np.array([4, 5, 6, 7]),),
                2.0,
                "Where all lengths are equal, only the digits after the leading one cost bits.",
            ),
            ((np.array([1, 2, 1, 3]),), 1.5, "The length costs its entropy; of l binary digits, the first is known."),
            ((np.array([1, 1, 2, 3, 4, 7, 6, 5]),), 2.75, "Means over the numbers, both of them, in bits."),
        ],
    )


def rebuilt_theta(answer: Callable[[np.ndarray, np.ndarray, np.ndarray, float], np.ndarray]) -> bool:
    """Exercise: from candidates, (clients, K, n), their numbers and weights, (clients,), and a clip to θ, (n,)."""
    candidates = np.array(
        [[[0, 0, 1], [1, 1, 0], [0, 1, 1]], [[1, 0, 0], [0, 0, 1], [1, 0, 1]], [[0, 1, 0], [1, 0, 1], [0, 0, 0]]],
        np.uint8,
    )
    alike, unlike = np.ones(3, np.int64), np.array([5, 2, 1])
    return verdict(
        answer,
        [
            (
                (candidates, np.array([2, 1, 3]), alike, 0.0),
                np.array([2, 1, 0]) / 3,
                "Each client has candidates of its own, and the first of them is number 1.",
            ),
            ((candidates, np.array([2, 1, 3]), unlike, 0.0), np.array([7, 5, 0]) / 8, "A mask counts by its weight."),
            (
                (candidates, np.array([3, 2, 2]), unlike, 0.05),
                np.array([0.125, 0.625, 0.95]),
                "θ is kept off 0 and 1 by the clip.",
            ),
        ],
    )
