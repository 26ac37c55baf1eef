"""Figures of a sweep over λ: one quantity a panel, or one λ a column."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from fedsparse.analysis.plots.charts import LABELS, OKABE_ITO, STYLES, headline

if TYPE_CHECKING:
    import pandas


def by_lam(last: "pandas.DataFrame", columns: tuple[str, ...], title: str = "") -> Figure:
    """One panel a column, against λ, at even steps whatever its size: a dot a seed, a line through their means.

    Args:
        last: a row a run, with `lam`, as the last rounds of a table of `fedsparse.analysis.sweeps`.
        columns: of `fedsparse.history.COLUMNS`.
        title: what the figure shows.
    """
    lams = sorted(last["lam"].unique())
    place = {lam: i for i, lam in enumerate(lams)}
    figure = Figure(figsize=(3.4 * len(columns), 3.3), layout="constrained")
    panels = figure.subplots(1, len(columns), squeeze=False)[0]
    for axes, column, colour in zip(panels, columns, OKABE_ITO, strict=False):
        means = last.groupby("lam")[column].mean()
        axes.plot(range(len(lams)), means.loc[lams], color=colour, linewidth=1.5)
        axes.scatter(last["lam"].map(place), last[column], color=colour, s=16, alpha=0.7, linewidths=0)
        axes.set(xlabel="λ", ylabel=LABELS.get(column, column), ylim=(0, 1.05 * max(last[column].max(), 1e-9)))
        axes.set_xticks(range(len(lams)), [f"{lam:g}" for lam in lams], fontsize=8)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    headline(figure, title)
    return figure


def small_multiples(points: Sequence[Any], title: str = "") -> Figure:
    """One column per λ: the histogram of θ above, the picture of a mask below; `points` are `explorer.Point`."""
    figure = Figure(figsize=(1.22 * len(points) + 0.5, 3.1), layout="constrained")
    rows = figure.subplots(2, len(points), squeeze=False, gridspec_kw={"height_ratios": [1, 1.25]})
    for above, below, point in zip(*rows, points, strict=True):
        bins = len(point.theta)
        shares = [count / sum(point.theta) for count in point.theta]
        above.bar([i / (bins - 1) for i in range(bins)], shares, width=0.09, color=OKABE_ITO[1])
        above.set(title=f"λ = {point.lam:g}", xlim=(-0.1, 1.1), ylim=(0, 1))
        above.set_xticks([0, 1])
        above.set_yticks([0, 0.5, 1], ["0", "½", "1"] if above is rows[0][0] else [])
        above.spines[["top", "right"]].set_visible(False)
        below.imshow(point.mask, cmap="Greys", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        below.set_xticks([])
        below.set_yticks([])
    rows[0][0].set_ylabel("share of weights\nwith this θ")
    rows[1][0].set_ylabel("a layer's mask,\nones dark")
    headline(figure, title)
    return figure


def lines(panels: Mapping[str, Mapping[str, tuple[Any, Any]]], xlabels: Sequence[str], title: str = "") -> Figure:
    """Shares from 0 to 1, one panel a y-label: named lines of x and y; x is logarithmic where its label says λ.

    Where all panels have the same names, one legend stands beside them.
    """
    alike = len(panels) > 1 and len({tuple(named) for named in panels.values()}) == 1
    figure = Figure(figsize=(4.6 * len(panels) + 2.4 * alike, 3.4), layout="constrained")
    for i, ((ylabel, named), xlabel) in enumerate(zip(panels.items(), xlabels, strict=True)):
        axes = figure.add_subplot(1, len(panels), i + 1)
        for j, (name, (x, y)) in enumerate(named.items()):
            marker, style = "osD^vPX"[j % 7], STYLES[j % 7]
            axes.plot(x, y, label=name, color=OKABE_ITO[j % 7], marker=marker, markersize=4, linestyle=style)
        axes.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, 1.02), xscale="log" if "λ" in xlabel else "linear")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if not alike:
            axes.legend()
    if alike:
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    headline(figure, title)
    return figure
