"""Checks for the notebooks' exercises: each prints PASS, or a hint. Any correct implementation passes.

A check calls the reader's function on inputs whose answers it knows, and never shows an answer. One module a notebook.
"""

from fedsparse.checks.non_iid import owners, same_owner, skew
from fedsparse.checks.open_questions import counting_bound, living, subset_sum
from fedsparse.checks.regularized import aggregation, pooled_entropy, regularizer_gradient
from fedsparse.checks.shared_randomness import importance_weights, number_cost, rebuilt_theta

__all__ = [
    "aggregation",
    "counting_bound",
    "importance_weights",
    "living",
    "number_cost",
    "owners",
    "pooled_entropy",
    "rebuilt_theta",
    "regularizer_gradient",
    "same_owner",
    "skew",
    "subset_sum",
]
