"""Exercises of notebook 03: FedPM round by round."""

from collections.abc import Callable

import numpy as np

from fedsparse.teaching.checks.verdict import verdict


def beta_mode(answer: Callable[[np.ndarray, float], np.ndarray]) -> bool:
    """Exercise: masks (K, n) of 0 and 1, and a prior Beta(λ₀, λ₀), λ₀ ≥ 1, to the mode of each weight's posterior."""
    masks = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 1]], np.uint8)
    return verdict(
        answer,
        [
            (
                (masks, 1.0),
                np.array([0, 1, 2 / 3, 1 / 3]),
                "A flat prior adds nothing to the mode: (α − 1)/(α + β − 2), not the posterior's mean.",
            ),
            (
                (masks, 2.0),
                np.array([0.2, 0.8, 0.6, 0.4]),
                "Ones go to α and zeros to β; both begin at λ₀, which pulls the mode towards ½.",
            ),
            ((masks[:1], 1.5), np.array([0.25, 0.75, 0.75, 0.25]), "α + β is 2 λ₀ and one more for every mask."),
        ],
    )


def mean_variance(answer: Callable[[np.ndarray], float]) -> bool:
    """Exercise: from the probabilities of K independent coins, (K,), to the variance of the mean of their tosses."""
    return verdict(
        answer,
        [
            ((np.array([0.5]),), 0.25, "For a single coin: q(1 − q)."),
            ((np.full(4, 0.5),), 1 / 16, "Variances of independent coins add up; of a mean, divide by K²."),
            ((np.array([0.0, 1.0]),), 0.0, "Certain coins that differ have no variance: average q(1 − q), not q."),
            ((np.array([0.9, 0.5, 0.2]),), (0.09 + 0.25 + 0.16) / 9, "Every coin has its own q(1 − q)."),
        ],
    )  # fmt: skip


def partial_cohort(answer: Callable[..., np.ndarray]) -> bool:
    """Exercise: θ before (n,), masks (clients, n), samples (clients,), answered (clients,) bool to the next θ, (n,)."""
    before = np.array([0.5, 0.25, 0.75])
    masks = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0]], np.uint8)
    samples = np.array([10, 30, 60, 100])
    some, everybody, nobody = np.array([1, 1, 0, 0], bool), np.ones(4, bool), np.zeros(4, bool)
    return verdict(
        answer,
        [
            (
                (before, masks, samples, everybody),
                np.array([0.35, 0.8, 0.2]),
                "A mask counts by its client's share of the images.",
            ),
            (
                (before, masks, samples, some),
                np.array([0.25, 0.0, 1.0]),
                "Shares are of the images of the clients that answered; a missing answer is not a vote of zero.",
            ),
            ((before, masks, samples, nobody), before, "If no client answers there is nothing to average: θ stays."),
        ],
    )
