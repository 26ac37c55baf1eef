"""Checks for the notebooks' exercises: each prints PASS, or a hint. Any correct implementation passes.

A check calls the reader's function on inputs whose answers it knows, and never shows an answer. One module a notebook.
"""

from fedsparse.checks.lottery import magnitude_mask, next_start, share_left
from fedsparse.checks.real_federation import accepted, whole_sum
from fedsparse.checks.regularized import aggregation, pooled_entropy, regularizer_gradient
from fedsparse.checks.shared_randomness import importance_weights, number_cost, rebuilt_theta

__all__ = [
    "accepted",
    "aggregation",
    "importance_weights",
    "magnitude_mask",
    "next_start",
    "number_cost",
    "pooled_entropy",
    "rebuilt_theta",
    "regularizer_gradient",
    "share_left",
    "whole_sum",
]
