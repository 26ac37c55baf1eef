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
from fedsparse.plots.lottery import against_share, survivors
from fedsparse.plots.page import adopt, png, save, show

__all__ = [
    "LABELS",
    "OKABE_ITO",
    "STYLES",
    "adopt",
    "against_share",
    "by_round",
    "curves",
    "holdings",
    "images",
    "png",
    "probabilities",
    "save",
    "show",
    "survivors",
    "tradeoff",
]
