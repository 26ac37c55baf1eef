"""Figures of tickets and supermasks: accuracy against the share of weights kept, and what is left, drawn."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter

from fedsparse.analysis.plots.charts import OKABE_ITO, STYLES, headline

if TYPE_CHECKING:
    import pandas


def against_share(
    table: "pandas.DataFrame",
    columns: tuple[str, ...],
    by: str,
    title: str = "",
    levels: Mapping[str, float] | None = None,
    logarithmic: bool = True,
) -> Figure:
    """One panel a column of accuracies, one line a value of `by`: means over seeds, and their whole range as a band.

    Args:
        table: with columns `share`, `by` and those to be drawn.
        levels: accuracies to hold the lines against, by name: horizontal lines.
        logarithmic: shares from all weights on the left to few on the right, each half as wide as the one before.
    """
    figure = Figure(figsize=(max(7.2, 4.2 * len(columns)), 4.2), layout="constrained")
    panels = figure.subplots(1, len(columns), squeeze=False, sharey=True)[0]
    for axes, column in zip(panels, columns, strict=True):
        for name, colour, marker, style in zip(table[by].unique(), OKABE_ITO, "osD^vPX", STYLES, strict=False):
            mine = table[table[by] == name].groupby("share")[column]
            share, mean = mine.mean().index, mine.mean()
            axes.plot(share, mean, label=name, color=colour, marker=marker, markersize=4, linestyle=style)
            axes.fill_between(share, mine.min(), mine.max(), color=colour, alpha=0.15, linewidth=0)
        for (name, level), style in zip((levels or {}).items(), ("--", ":"), strict=False):
            axes.axhline(level, color="black", linewidth=1, linestyle=style, label=name)
        axes.set(title=column, ylim=(0, 1.02), xlabel="share of weights kept")
        if logarithmic:
            axes.set_xscale("log", base=2)
            axes.set_xlim(1.15, table["share"].min() / 1.15)
            axes.set_xticks(sorted(table["share"].unique()))
            axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        axes.tick_params(axis="x", labelsize=8)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("accuracy on test images")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(labels)), frameon=False)
    headline(figure, title)
    return figure


def survivors(pictures: Mapping[str, Any], title: str = "") -> Figure:
    """Pictures side by side, (height, width) each and each on its own scale from 0, which a bar beside it tells."""
    figure = Figure(figsize=(2.6 * len(pictures), 2.9), layout="constrained")
    for axes, (name, picture) in zip(
        figure.subplots(1, len(pictures), squeeze=False)[0], pictures.items(), strict=True
    ):
        shown = axes.imshow(picture, cmap="cividis", vmin=0)
        figure.colorbar(shown, ax=axes, shrink=0.7)
        axes.set_title(name, fontsize=9)
        axes.axis("off")
    headline(figure, title)
    return figure
