"""Checks for the notebooks' exercises: each prints PASS, or a hint. Any correct implementation passes.

A check calls the reader's function on inputs whose answers it knows, and never shows an answer. One module a notebook.
"""

from fedsparse.checks.costs import break_even, megabytes_to, total_megabytes
from fedsparse.checks.regularized import aggregation, pooled_entropy, regularizer_gradient
from fedsparse.checks.shared_randomness import importance_weights, number_cost, rebuilt_theta
from fedsparse.checks.wire import conditional_entropy, header, interval

__all__ = [
    "aggregation",
    "break_even",
    "conditional_entropy",
    "header",
    "importance_weights",
    "interval",
    "megabytes_to",
    "number_cost",
    "pooled_entropy",
    "rebuilt_theta",
    "regularizer_gradient",
    "total_megabytes",
]
