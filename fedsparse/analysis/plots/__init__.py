"""Figures: what to draw (by kind of input), and how it leaves a notebook (`page`), saying what it was made from."""

from fedsparse.analysis.plots.diagrams import one_round, race, train_prune_rewind
from fedsparse.analysis.plots.frontier import frontier
from fedsparse.analysis.plots.lines import annotated_lines, cost_to_target, curves, lines, log_lines, spread
from fedsparse.analysis.plots.page import adopt, bound, png, save, show, show_only, slide
from fedsparse.analysis.plots.pictures import (
    arrows,
    heat_maps,
    images,
    label_counts,
    partitions,
    probabilities,
    small_multiples,
)
from fedsparse.analysis.plots.runs import (
    against_share,
    by_lam,
    by_round,
    communication_cost,
    points,
    tradeoff,
)
from fedsparse.analysis.plots.style import LABELS, in_words
from fedsparse.analysis.plots.wire import intervals, message_map

__all__ = [
    "LABELS", "adopt", "against_share", "annotated_lines", "arrows", "bound", "by_lam", "by_round",
    "communication_cost", "cost_to_target", "curves", "frontier", "heat_maps", "images", "in_words", "intervals",
    "label_counts", "lines", "log_lines", "message_map", "one_round", "partitions", "png", "points",
    "probabilities", "race", "save", "show", "show_only", "slide", "small_multiples", "spread", "tradeoff",
    "train_prune_rewind",
]  # fmt: skip
