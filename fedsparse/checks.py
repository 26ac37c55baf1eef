"""Checks for the notebooks' exercises: each prints PASS, or a hint. Any correct implementation passes.

A check calls the reader's function on inputs whose answers it knows, and never shows an answer.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fedsparse.entropy import mask_entropy


def pooled_entropy(answer: Callable[[np.ndarray], float]) -> bool:
    """Exercise: from a mask of zeros and ones to bits per parameter, one frequency for the whole network."""
    rng = np.random.default_rng(0)
    cases = [
        (np.zeros(8, np.uint8), "What is 0 · log₂ 0 to be, so that a mask with no ones costs nothing?"),
        (np.ones(8, np.uint8), "A mask of ones only is as certain as one of zeros only."),
        (np.array([0, 1] * 4, np.uint8), "At a frequency of one half, an entry costs one bit."),
        ((rng.random(1000) < 0.1).astype(np.uint8), "Both outcomes count: p log₂ p and (1 − p) log₂ (1 − p)."),
    ]
    return _verdict(answer, [((mask,), mask_entropy(mask), hint) for mask, hint in cases])


def regularizer_gradient(answer: Callable[[np.ndarray, float], np.ndarray]) -> bool:
    """Exercise: the gradient of (λ/n) Σ σ(sⱼ) with respect to the scores."""
    s = np.array([-3.0, 0.0, 0.5, 4.0])
    exact = 2.0 / 4 / (2 + np.exp(s) + np.exp(-s))
    return _verdict(
        answer,
        [
            ((np.zeros(1), 4.0), np.ones(1), "The derivative of σ is σ(1 − σ): at s = 0 it is a quarter."),
            ((s, 2.0), exact, "The sum is divided by the number of parameters, and every score has a gradient."),
        ],
    )


def aggregation(answer: Callable[[np.ndarray, float], np.ndarray]) -> bool:
    """Exercise: from masks, shape (clients, n), and a clip to the next θ, shape (n,)."""
    masks = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 1]], np.uint8)
    return _verdict(
        answer,
        [
            ((masks, 0.0), masks.mean(0), "A weight that two of three clients want has θ = 2/3."),
            (
                (masks, 0.25),
                np.array([0.25, 0.75, 2 / 3, 1 / 3]),
                "Where all agree, θ is kept off 0 and 1 by the clip.",
            ),
        ],
    )


def _verdict(answer: Callable[..., Any], cases: list[tuple[tuple, Any, str]]) -> bool:
    for arguments, expected, hint in cases:
        try:
            returned = answer(*arguments)
            if returned is ...:
                print(f"Not yet: the function is still to be written. {hint}")
                return False
            got = np.asarray(returned, dtype=float)
        except Exception as error:  # whatever the reader's code raises is shown to the reader
            print(f"Not yet: {type(error).__name__}: {error}. {hint}")
            return False
        if got.shape != np.shape(expected) or not np.allclose(got, expected, atol=1e-6):
            print(f"Not yet. {hint}")
            return False
    print("PASS")
    return True
