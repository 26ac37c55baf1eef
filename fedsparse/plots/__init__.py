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
from fedsparse.plots.page import png, save, show
from fedsparse.plots.sweeps import by_lam, lines, small_multiples

__all__ = [
    "LABELS",
    "OKABE_ITO",
    "STYLES",
    "by_lam",
    "by_round",
    "curves",
    "holdings",
    "images",
    "lines",
    "png",
    "probabilities",
    "save",
    "show",
    "small_multiples",
    "tradeoff",
]
