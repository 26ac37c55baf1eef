"""Exercises of notebook 11: a real federation."""

from collections.abc import Callable, Sequence

import numpy as np

from fedsparse.teaching.checks.verdict import verdict


def accepted(answer: Callable[[Sequence[tuple[int, int]], int, set[int]], Sequence[int]]) -> bool:
    """Exercise: from replies (client, round) in order of arrival, this round and the asked clients to those counted."""
    return verdict(
        answer,
        [
            (([(2, 5), (0, 5)], 5, {0, 2}), [0, 2], "All clients count here, and the answer is sorted by client."),
            (([(0, 4), (1, 5)], 5, {0, 1}), [1], "An update of another round answers another θ."),
            (([(0, 5), (7, 5)], 5, {0, 1}), [0], "Only a client that was asked may answer."),
            (([(1, 5), (0, 5), (1, 5)], 5, {0, 1}), [0, 1], "An update that comes twice is counted once."),
            (([(1, 4), (1, 5)], 5, {1}), [1], "A reply that is refused does not use up the client's turn."),
            (([], 5, {0, 1}), [], "It may happen that no client answers."),
        ],
    )


def whole_sum(answer: Callable[[np.ndarray, np.ndarray, float], np.ndarray]) -> bool:
    """Exercise: updates (K, n), weights (K,) and a unit to Σ w · the update in whole units, (n,)."""
    tenths = np.full((3, 2), 0.1)
    three = np.array([[0.5, -0.25], [0.3, 0.3], [-1.0, 0.2]])
    return verdict(
        answer,
        [
            ((three, np.ones(3), 0.25), [-1, 1], "In units: divide each update by the unit and round; then add."),
            ((tenths, np.ones(3), 0.25), [0, 0], "Round each update before adding: sums of rounded numbers are exact."),
            ((three, np.array([4, 2, 1]), 0.25), [6, -1], "A client counts by its weight."),
            ((tenths, np.array([5, 5, 5]), 0.25), [0, 0], "The weight multiplies the rounded update."),
        ],
    )
