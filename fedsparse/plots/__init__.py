"""Figures: what to draw (`charts`), and how it leaves a notebook (`page`), saying what it was made from."""

from fedsparse.plots.charts import (
    LABELS,
    OKABE_ITO,
    STYLES,
    by_round,
    curves,
    holdings,
    images,
    probabilities,
    tradeoff,
)
from fedsparse.plots.costs import bills, prices
from fedsparse.plots.differences import partitions, points, stacked
from fedsparse.plots.lottery import against_share, survivors
from fedsparse.plots.page import adopt, png, save, show, show_only
from fedsparse.plots.precision import against, shrinking
from fedsparse.plots.spread import spread
from fedsparse.plots.sweeps import by_lam, lines, small_multiples
from fedsparse.plots.wire import intervals, message_map

__all__ = [
    "LABELS",
    "OKABE_ITO",
    "STYLES",
    "adopt",
    "against",
    "against_share",
    "bills",
    "by_lam",
    "by_round",
    "curves",
    "holdings",
    "images",
    "intervals",
    "lines",
    "message_map",
    "partitions",
    "png",
    "points",
    "prices",
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
