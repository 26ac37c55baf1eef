"""Checks for the notebooks' exercises: each prints PASS, or a hint. Any correct implementation passes.

A check calls the reader's function on inputs whose answers it knows, and never shows an answer. One module a notebook.
"""

from fedsparse.checks.masked_layers import exact_gradient, masked_forward, straight_through_gradient
from fedsparse.checks.regularized import aggregation, pooled_entropy, regularizer_gradient
from fedsparse.checks.shared_randomness import importance_weights, number_cost, rebuilt_theta

__all__ = [
    "aggregation",
    "exact_gradient",
    "importance_weights",
    "masked_forward",
    "number_cost",
    "pooled_entropy",
    "rebuilt_theta",
    "regularizer_gradient",
    "straight_through_gradient",
]
