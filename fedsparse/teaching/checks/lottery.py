"""Exercises of notebook 01: lottery tickets and supermasks."""

from collections.abc import Callable

import numpy as np

from fedsparse.teaching.checks.verdict import verdict


def magnitude_mask(answer: Callable[[np.ndarray, float], np.ndarray]) -> bool:
    """Exercise: from one layer's weights and the share to keep to a mask of the same shape."""
    few = np.array([[3.0, -4.0], [1.0, -2.0]])
    some = np.array([0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8])
    pruned = np.array([0.0, 0.0, 5.0, -1.0, 0.0, 2.0, 0.0, 0.0])
    return verdict(
        answer,
        [
            (
                (few, 0.5),
                np.array([[1, 1], [0, 0]]),
                "A large negative weight is large; the mask has the layer's shape.",
            ),
            (
                (some, 0.25),
                np.array([0, 0, 0, 0, 0, 0, 1, 1]),
                "The share is that of the weights kept, not of those pruned.",
            ),
            (
                (pruned, 0.25),
                np.array([0, 0, 1, 0, 0, 1, 0, 0]),
                "The share is of all the layer's weights, those pruned before included.",
            ),
            ((some, 1.0), np.ones(8), "A share of 1 keeps every weight."),
        ],
    )


def share_left(answer: Callable[[float, int], float]) -> bool:
    """Exercise: from the share that each round prunes, and a number of rounds, to the share that is left."""
    return verdict(
        answer,
        [
            ((0.2, 0), 1.0, "Before the first round nothing is pruned: all of the weights are left."),
            ((0.2, 1), 0.8, "The answer is the share that is left, not the share that is pruned."),
            ((0.2, 5), 0.32768, "Each round prunes a share of what is *left*, not of the whole."),
            ((0.5, 6), 1 / 64, "Each round prunes a share of what is *left*, not of the whole."),
        ],
    )


def next_start(answer: Callable[[np.ndarray, np.ndarray, float], np.ndarray]) -> bool:
    """Exercise: from a layer's first and trained weights and the share to keep to what the next round starts from."""
    first = np.array([0.5, -0.1, 0.2, 0.9])
    trained = np.array([0.1, -0.8, 0.6, 0.3])
    kept = np.array([-1.0, 0.25, 2.0, -0.5])
    return verdict(
        answer,
        [
            (
                (first, trained, 0.5),
                np.array([0.0, -0.1, 0.2, 0.0]),
                "The trained weights decide which weights are kept; those go back to their first values.",
            ),
            ((kept, kept * 2, 0.25), np.array([0.0, 0.0, 2.0, 0.0]), "A weight that is not kept is zero."),
            (
                (kept, -kept[::-1], 0.25),
                np.array([0.0, 0.25, 0.0, 0.0]),
                "Magnitudes decide, those of the trained weights.",
            ),
        ],
    )
