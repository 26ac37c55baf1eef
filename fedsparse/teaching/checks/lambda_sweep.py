"""Exercises of notebook 06: the λ sweep."""

from collections.abc import Callable

import numpy as np

from fedsparse.algorithms.lambda_schedule import SMALL, STEP
from fedsparse.teaching.checks.verdict import verdict


def dominated_share(answer: Callable[[np.ndarray, np.ndarray, float], float]) -> bool:
    """Exercise: from loss gradients, (steps, n), θ, (n,), and λ to the share that the regularizer dominates."""
    half = np.full(4, 0.5)
    quiet = np.array([[0.3, 0.01, -0.3, 0.0]])
    noisy = np.array([[0.3, 0.2, -0.3, 0.2], [0.3, -0.2, -0.3, 0.2]])
    sure = np.array([0.5, 0.01, 0.99, 0.01])
    return verdict(
        answer,
        [
            ((np.zeros((1, 4)), half, 1.0), 1.0, "Where the loss has no gradient, any λ above 0 dominates."),
            ((quiet, half, 1.6), 0.5, "The regularizer's gradient is λ/n · θ(1 − θ); signs do not matter, sizes do."),
            ((noisy, half, 1.6), 0.25, "Noise cancels over the steps: take the mean of the gradients, then its size."),
            (
                (np.full((2, 4), 0.02), sure, 1.6),
                0.25,
                "Near 0 and 1 the regularizer's gradient is smaller.",
            ),
        ],
    )


def knee(answer: Callable[[np.ndarray, np.ndarray, float], float]) -> bool:
    """Exercise: from λs, (k,), accuracies, (k, seeds), and a tolerance to the largest λ before accuracy falls."""
    lams = np.array([0.0, 1.0, 2.0, 4.0, 8.0])
    falls = np.array([[0.96, 0.94], [0.94, 0.96], [0.95, 0.93], [0.90, 0.90], [0.1, 0.1]])
    lucky = np.array([[0.95, 0.95], [0.99, 0.99], [0.94, 0.94], [0.80, 0.80], [0.945, 0.945]])
    mixed = np.array([2, 0, 4, 1, 3])
    lost = np.array([[0.9, 0.9], [0.5, 0.5], [0.4, 0.4], [0.3, 0.3], [0.2, 0.2]])
    return verdict(
        answer,
        [
            ((lams, falls, 0.02), 2.0, "A λ is within tolerance if its mean over seeds is."),
            (
                (lams, lucky, 0.02),
                2.0,
                "Measured against λ = 0; and once accuracy has fallen, a later λ does not count.",
            ),
            ((lams[mixed], falls[mixed], 0.02), 2.0, "The λs need not come in order."),
            ((lams, lost, 0.02), 0.0, "If the first λ above 0 costs too much already, the knee is at 0."),
        ],
    )


def dual_ascent(answer: Callable[[float, float, float], float]) -> bool:
    """Exercise: from λ, the measured rate and a target to the next λ, by one step in log(1 + λ / 0.3)."""

    def exact(lam: float, rate: float, target: float) -> float:
        u = np.log1p(lam / SMALL) + STEP * np.clip(np.log(rate / target), -1, 1)
        return float(SMALL * np.expm1(max(0.0, u)))

    hints = {
        (3.0, 0.2, 0.2): "At the target, λ stays.",
        (3.0, 0.3, 0.2): "Too many bits: λ rises, by 0.4 times the logarithm of rate / target, in log(1 + λ / 0.3).",
        (0.0, 0.3, 0.2): "λ has to be able to leave 0.",
        (3.0, 0.01, 0.2): "The logarithm is clipped to [−1, 1], so that one odd round does no harm.",
        (0.01, 0.1, 0.2): "λ is never below 0.",
    }
    return verdict(answer, [(given, exact(*given), hint) for given, hint in hints.items()])
