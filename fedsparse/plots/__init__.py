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
from fedsparse.plots.differences import partitions, points, stacked
from fedsparse.plots.page import png, save, show
from fedsparse.plots.precision import against, shrinking

__all__ = [
    "LABELS",
    "OKABE_ITO",
    "STYLES",
    "against",
    "by_round",
    "curves",
    "holdings",
    "images",
    "partitions",
    "png",
    "points",
    "probabilities",
    "save",
    "show",
    "shrinking",
    "stacked",
    "tradeoff",
]
