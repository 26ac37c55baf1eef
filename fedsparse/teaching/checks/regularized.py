"""Exercises of notebook 05: FedPM against regularized training."""

from collections.abc import Callable

import numpy as np

from fedsparse.entropy import mask_entropy
from fedsparse.teaching.checks.verdict import verdict


def pooled_entropy(answer: Callable[[np.ndarray], float]) -> bool:
    """Exercise: from a mask of zeros and ones to bits per parameter, one frequency of ones for the whole network."""
    rng = np.random.default_rng(0)
    cases = [
        (np.zeros(8, np.uint8), "A mask without ones costs nothing. What must 0 · log₂ 0 be then?"),
        (np.ones(8, np.uint8), "A mask of ones only costs nothing either."),
        (np.array([0, 1] * 4, np.uint8), "At a frequency of one half, an entry costs one bit."),
        ((rng.random(1000) < 0.1).astype(np.uint8), "Both outcomes count: p log₂ p and (1 − p) log₂ (1 − p)."),
    ]
    return verdict(answer, [((mask,), mask_entropy(mask), hint) for mask, hint in cases])


def regularizer_gradient(answer: Callable[[np.ndarray, float], np.ndarray]) -> bool:
    """Exercise: the gradient of (λ/n) Σ σ(sⱼ) with respect to the scores."""
    s = np.array([-3.0, 0.0, 0.5, 4.0])
    exact = 2.0 / 4 / (2 + np.exp(s) + np.exp(-s))
    return verdict(
        answer,
        [
            ((np.zeros(1), 4.0), np.ones(1), "The derivative of σ is σ(1 − σ): at s = 0 it is a quarter."),
            ((s, 2.0), exact, "The sum is divided by the number of parameters, and every score has a gradient."),
        ],
    )


def aggregation(answer: Callable[[np.ndarray, float], np.ndarray]) -> bool:
    """Exercise: from masks, shape (clients, n), and a clip to the next θ, shape (n,)."""
    masks = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 1]], np.uint8)
    return verdict(
        answer,
        [
            ((masks, 0.0), masks.mean(0), "A weight that two of three clients keep has θ = 2/3."),
            (
                (masks, 0.25),
                np.array([0.25, 0.75, 2 / 3, 1 / 3]),
                "Where all clients agree, the clip keeps θ away from 0 and 1.",
            ),
        ],
    )
