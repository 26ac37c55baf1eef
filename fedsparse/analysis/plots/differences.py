"""Figures of clients that differ: who holds what, what it costs, and how far apart clients drift."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from fedsparse.analysis.plots.charts import LABELS, OKABE_ITO, bubbles, headline

if TYPE_CHECKING:
    import pandas


def partitions(tables: Mapping[str, Any], title: str = "") -> Figure:
    """Who holds what, a panel a partition: the area of a bubble is the number of images, on a scale of each panel.

    Args:
        tables: a name, and (clients, classes) counts as from `fedsparse.partition.label_counts`.
    """
    clients, classes = next(iter(tables.values())).shape
    columns = min(len(tables), 3)
    rows = -(-len(tables) // columns)
    inches = 0.26  # a cell
    size = columns * (inches * clients + 0.7), rows * (inches * classes + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes, (name, counts) in zip(grid, tables.items(), strict=False):
        bubbles(axes, counts, inches)
        axes.set_title(f"{name}\n(largest: {counts.max():,} images)", fontsize="medium")
    for axes in list(figure.axes)[len(tables) :]:
        axes.axis("off")
    headline(figure, title)
    return figure


def points(
    table: "pandas.DataFrame", columns: Sequence[str], x: str, by: str, title: str = "", chance: float | None = None
) -> Figure:
    """One panel a column of the table: for each `x` a group of markers, one a value of `by`, means over the rows.

    A line through a marker is the range of its rows, which are seeds. Where `by` is `x`, each group has one marker.

    Args:
        chance: a level to mark with a dotted line.
    """
    groups, lines = list(table[x].unique()), list(table[by].unique())
    figure = Figure(figsize=(max(5.6, 3.9 * len(columns)), 3.7), layout="constrained")
    wide = 13 if len(groups) < 5 else 8  # letters of a label's line
    for i, column in enumerate(columns):
        axes = figure.add_subplot(1, len(columns), i + 1)
        for j, (line, colour, marker) in enumerate(zip(lines, OKABE_ITO, "osD^vPX", strict=False)):
            values = table[table[by] == line].groupby(x, sort=False)[column].agg(["mean", "min", "max"]).reindex(groups)
            aside = 0.0 if x == by else 0.16 * (j - (len(lines) - 1) / 2)
            place = [g + aside for g in range(len(groups))]
            axes.vlines(place, values["min"], values["max"], color=colour, linewidth=1.5)
            axes.scatter(place, values["mean"], color=colour, marker=marker, s=36, label=line, zorder=3)
        if chance is not None:
            axes.axhline(chance, color="black", linewidth=1, linestyle=":")
        axes.set(ylabel=LABELS.get(column, column), ylim=(-0.02, 1.02), xlim=(-0.5, len(groups) - 0.5))
        axes.set_xticks(range(len(groups)), [textwrap.fill(str(group), wide) for group in groups], fontsize=9)
        axes.grid(alpha=0.3, axis="y")
        axes.spines[["top", "right"]].set_visible(False)
        if i == 0 and len(lines) > 1 and x != by:
            axes.legend()
    headline(figure, title)
    return figure


def stacked(
    panels: Mapping[str, Mapping[str, Sequence[float]]], parts: Sequence[str], ylabel: str, title: str = ""
) -> Figure:
    """One panel a name, and in it bars in parts that lie on each other: a bar's name, and its parts."""
    figure = Figure(figsize=(2.5 * len(panels) + 0.6, 3.4), layout="constrained")
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for i, (axes, (name, bars)) in enumerate(zip(row, panels.items(), strict=True)):
        below = [0.0] * len(bars)
        for k, (part, colour, hatch) in enumerate(zip(parts, OKABE_ITO, ("", "//", "..", "xx"), strict=False)):
            heights = [values[k] for values in bars.values()]
            axes.bar(
                list(bars), heights, bottom=below, color=colour, hatch=hatch, edgecolor="white", label=part, width=0.7
            )
            below = [b + h for b, h in zip(below, heights, strict=True)]
        axes.set_title(name, fontsize="medium")
        axes.grid(alpha=0.3, axis="y")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if i == 0:
            axes.set_ylabel(ylabel)
    handles, labels = row[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(parts), frameon=False)
    headline(figure, title)
    return figure
