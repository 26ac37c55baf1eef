"""Lines with their spread: what is expected, and how far single draws lie from it."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from fedsparse.analysis.plots.charts import OKABE_ITO, STYLES, headline

Line = tuple[Any, Any] | tuple[Any, Any, Any]
"""x and y, and if there is a third, the half-width of a band around y."""


def spread(
    panels: Mapping[str, Mapping[str, Line]], xlabel: str, ylabel: str, title: str = "", log: bool = False
) -> Figure:
    """One panel a key, all on one scale; in each its lines by name, with their bands.

    Lines of the same name look the same in every panel.

    Args:
        log: a logarithmic y-axis.
    """
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    figure = Figure(figsize=(max(7.2, 3.6 * len(panels)), 3.6), layout="constrained")
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    handles = {}
    for axes, (panel, lines) in zip(grid, panels.items(), strict=True):
        for name, (x, y, *band) in lines.items():
            i = names.index(name)
            (handles[name],) = axes.plot(x, y, label=name, color=OKABE_ITO[i], linestyle=STYLES[i])
            for half in band:
                axes.fill_between(x, y - half, y + half, color=OKABE_ITO[i], alpha=0.15, linewidth=0)
        axes.set(title=panel, xlabel=xlabel, yscale="log" if log else "linear")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].set_ylabel(ylabel)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)
    headline(figure, title)
    return figure
