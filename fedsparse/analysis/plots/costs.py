"""Figures of notebook 08: bills in both directions, and what each accuracy costs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from fedsparse.analysis.plots.charts import OKABE_ITO, STYLES

if TYPE_CHECKING:
    import pandas


def communication_cost(bill: "pandas.DataFrame", title: str = "") -> Figure:
    """One row a line of the bill: megabytes up, down and in all, on a logarithmic axis, the dearest at the top.

    Args:
        bill: as from `costs.bill`.
    """
    ordered = bill.sort_values("all")
    figure = Figure(figsize=(8.4, 0.42 * len(ordered) + 1.5), layout="constrained")
    axes = figure.subplots()
    rows = range(len(ordered))
    axes.hlines(rows, ordered["up"], ordered["all"], color="#bbbbbb", linewidth=2, zorder=1)
    looks = {"up": ("^", OKABE_ITO[0]), "down": ("v", OKABE_ITO[1]), "all": ("D", "black")}
    for column, (marker, colour) in looks.items():
        label = "in all" if column == "all" else column
        axes.scatter(ordered[column], rows, marker=marker, color=colour, s=45, label=label, zorder=2)
    for row, (_, line) in zip(rows, ordered.iterrows(), strict=True):
        axes.annotate(f"{line['all']:.1f}", (line["all"], row), (8, 0), textcoords="offset points", va="center")
    axes.set_yticks(rows, list(map(str, ordered.index)))
    axes.set(xscale="log", xlabel="megabytes: all clients, all rounds", title=title, ylim=(-0.6, len(ordered) - 0.4))
    axes.set_xlim(right=2 * ordered["all"].max())
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def cost_to_target(paid: Mapping[float, Mapping[str, float]], title: str = "") -> Figure:
    """One line a method: megabytes until an accuracy was first reached; it ends where some seed did not get there.

    Args:
        paid: for each accuracy, in [0, 1], megabytes by method, NaN where it was not reached.
    """
    figure = Figure(figsize=(8.4, 4.2), layout="constrained")
    axes = figure.subplots()
    methods = list(dict.fromkeys(name for row in paid.values() for name in row))
    for name, colour, marker, style in zip(methods, OKABE_ITO, "osD^vPX", STYLES, strict=False):
        price = [row[name] for row in paid.values()]
        axes.plot(list(paid), price, label=name, color=colour, marker=marker, linestyle=style, markersize=5)
    axes.set(
        xlabel="accuracy to reach, expected network", ylabel="megabytes, both directions", yscale="log", title=title
    )
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right center", frameon=False)
    return figure
