"""Figures on a logarithmic scale of precision."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from fedsparse.analysis.plots.charts import OKABE_ITO, STYLES, headline


def shrinking(lines: Mapping[str, tuple[Any, Any]], xlabel: str, ylabel: str, title: str = "") -> Figure:
    """Lines that fall by factors: a name, its x and y, with y on a logarithmic axis."""
    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
    for (name, (x, y)), colour, marker, style in zip(lines.items(), OKABE_ITO, "osD^vPX", STYLES, strict=False):
        axes.plot(x, y, label=name, color=colour, marker=marker, markersize=4, linestyle=style)
    axes.set(xlabel=xlabel, ylabel=ylabel, yscale="log")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend()
    headline(figure, title)
    return figure


def against(lines: Mapping[str, tuple[Any, Any, Any]], xlabel: str, ylabel: str, title: str = "") -> Figure:
    """Points joined by lines on a logarithmic x-axis, each point with its words: a name, its x, y and words."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    for k, ((name, (x, y, words)), colour) in enumerate(zip(lines.items(), OKABE_ITO, strict=False)):
        axes.plot(x, y, label=name, color=colour, marker="osD^vPX"[k], markersize=5, linestyle=STYLES[k])
        for a, b, word in zip(x, y, words, strict=True):
            axes.annotate(
                word, (a, b), (-6, 7) if k else (5, -12), textcoords="offset points", fontsize=8, color=colour,
                ha="right" if k else "left",
            )  # fmt: skip
    axes.set(xlabel=xlabel, ylabel=ylabel, xscale="log", ylim=(0, 1.05))
    axes.margins(x=0.1)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right")
    headline(figure, title)
    return figure
