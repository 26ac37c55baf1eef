"""Checks for the notebooks' exercises: each prints PASS, or a hint. Any correct implementation passes.

A check calls the reader's function on inputs whose answers it knows, and never shows an answer. One module a notebook.
"""

from fedsparse.teaching.checks.costs import break_even, megabytes_to, total_megabytes
from fedsparse.teaching.checks.lambda_sweep import dominated_share, dual_ascent, knee
from fedsparse.teaching.checks.lottery import magnitude_mask, next_start, share_left
from fedsparse.teaching.checks.masked_layers import exact_gradient, masked_forward, straight_through_gradient
from fedsparse.teaching.checks.non_iid import owners, same_owner, skew
from fedsparse.teaching.checks.open_questions import counting_bound, living, subset_sum
from fedsparse.teaching.checks.real_federation import accepted, whole_sum
from fedsparse.teaching.checks.regularized import aggregation, pooled_entropy, regularizer_gradient
from fedsparse.teaching.checks.round_by_round import beta_mode, mean_variance, partial_cohort
from fedsparse.teaching.checks.shared_randomness import importance_weights, number_cost, rebuilt_theta
from fedsparse.teaching.checks.wire import conditional_entropy, header, interval

__all__ = [
    "accepted",
    "aggregation",
    "beta_mode",
    "break_even",
    "conditional_entropy",
    "counting_bound",
    "dominated_share",
    "dual_ascent",
    "exact_gradient",
    "header",
    "importance_weights",
    "interval",
    "knee",
    "living",
    "magnitude_mask",
    "masked_forward",
    "mean_variance",
    "megabytes_to",
    "next_start",
    "number_cost",
    "owners",
    "partial_cohort",
    "pooled_entropy",
    "rebuilt_theta",
    "regularizer_gradient",
    "same_owner",
    "share_left",
    "skew",
    "straight_through_gradient",
    "subset_sum",
    "total_megabytes",
    "whole_sum",
]
