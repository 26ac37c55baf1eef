"""Figures: what to draw (`charts`), and how it leaves a notebook (`page`), saying what it was made from."""

from fedsparse.analysis.plots.charts import (
    LABELS,
    OKABE_ITO,
    STYLES,
    by_round,
    curves,
    images,
    label_counts,
    probabilities,
    tradeoff,
)
from fedsparse.analysis.plots.costs import communication_cost, cost_to_target
from fedsparse.analysis.plots.differences import partitions, points, stacked
from fedsparse.analysis.plots.lottery import against_share, survivors
from fedsparse.analysis.plots.page import adopt, bound, png, save, show, show_only
from fedsparse.analysis.plots.precision import against, shrinking
from fedsparse.analysis.plots.spread import spread
from fedsparse.analysis.plots.sweeps import by_lam, lines, small_multiples
from fedsparse.analysis.plots.wire import intervals, message_map

__all__ = [
    "LABELS",
    "OKABE_ITO",
    "STYLES",
    "adopt",
    "against",
    "against_share",
    "bound",
    "by_lam",
    "by_round",
    "communication_cost",
    "cost_to_target",
    "curves",
    "images",
    "intervals",
    "label_counts",
    "lines",
    "message_map",
    "partitions",
    "png",
    "points",
    "probabilities",
    "save",
    "show",
    "show_only",
    "shrinking",
    "small_multiples",
    "spread",
    "stacked",
    "survivors",
    "tradeoff",
]
