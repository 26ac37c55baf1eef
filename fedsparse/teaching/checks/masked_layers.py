"""Exercises of notebook 02: masked layers and the straight-through estimator."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fedsparse.teaching.checks.verdict import verdict


def masked_forward(answer: Callable[..., np.ndarray]) -> bool:
    """Exercise: inputs (batch, in), weight (out, in), bias (out,) and a flat mask (out·in + out,) to (batch, out)."""
    x = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]])
    weight, bias = np.array([[2.0, -1.0, 4.0], [1.0, 3.0, -2.0]]), np.array([10.0, -20.0])
    row = np.array([1, 1, 1, 0, 0, 0, 0, 0])
    every = np.array([1, 0, 1, 1, 1, 0, 0, 1])
    return verdict(
        answer,
        [
            ((x, weight, bias, row), np.array([[-4.0, 0.0], [13.0, 0.0]]), "The flat mask holds the weight row by row, "
             "one row per output; what is masked out counts 0, the bias too."),
            ((x, weight, bias, every), np.array([[-2.0, -13.0], [13.0, -19.5]]), "The last entries of the mask, one "
             "per output, belong to the biases."),
            ((x, weight, bias, np.full(8, 0.5)), np.array([[3.0, -5.5], [11.5, -12.75]]), "A mask of probabilities "
             "gives the expected network: entries between 0 and 1 scale a weight."),
        ],
    )  # fmt: skip


def straight_through_gradient(answer: Callable[..., np.ndarray]) -> bool:
    """Exercise: from scores s, mask m, inputs x, weights w, each (n,), and a target t to the estimate of ∂L/∂s, (n,).

    L = (Σ wⱼ xⱼ mⱼ − t)²/2.
    """
    s, x, w = np.array([0.0, 0.0]), np.array([1.0, 2.0]), np.array([1.0, -1.0])
    far = np.array([np.log(4), -np.log(3)])  # θ of 0.8 and 0.25
    return verdict(
        answer,
        [
            ((s, np.array([1, 1]), x, w, 0.0), np.array([-0.25, 0.5]), "Chain rule: (y − t) times ∂y/∂mⱼ, then the "
             "straight-through step ∂m/∂θ := 1, then ∂θ/∂s = θ(1 − θ)."),
            ((s, np.array([0, 1]), x, w, -2.5), np.array([0.125, -0.25]), "A weight that the mask leaves out gets a "
             "gradient all the same: ∂y/∂mⱼ = wⱼ xⱼ, whatever mⱼ is; and y is computed with the mask, not with θ."),
            ((far, np.array([1, 0]), x, w, 0.5), np.array([0.08, -0.1875]), "θ = σ(s) decides how steep the sigmoid "
             "is: θ(1 − θ), for each weight its own."),
        ],
    )  # fmt: skip


def exact_gradient(answer: Callable[..., np.ndarray]) -> bool:
    """Exercise: from scores (n,) and a function of one mask (n,) to the gradient of E[L(m)] by the scores, (n,)."""
    first: Callable[[Any], float] = lambda m: float(m[0])  # noqa: E731
    both: Callable[[Any], float] = lambda m: float(m[0] * m[1])  # noqa: E731
    rough: Callable[[Any], float] = lambda m: float(3.0 * (m[0] + m[1] == 1) + m[2] * m[1])  # noqa: E731
    s = np.array([np.log(4), -np.log(3), 0.0])  # θ = 0.8, 0.25, 0.5
    slope = np.array([0.16, 0.1875, 0.25])
    return verdict(
        answer,
        [
            ((np.zeros(1), first), np.array([0.25]), "For one weight: E[L] = θ L(1) + (1 − θ) L(0), and "
             "∂θ/∂s = θ(1 − θ)."),
            ((s[:2], both), np.array([0.25, 0.8]) * slope[:2], "For each weight: what is expected with it minus what "
             "is expected without it, the other weights as likely as they are."),
            ((s, rough), np.array([3 * 0.75 - 3 * 0.25, 3 * 0.2 + 0.5 - 3 * 0.8, 0.25]) * slope, "All 2ⁿ masks count, "
             "each with its probability; the loss need not be smooth in the mask."),
        ],
    )  # fmt: skip
