"""Figures of communication cost: megabytes of each method, and megabytes until an accuracy is reached."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from fedsparse.analysis.plots.style import OKABE_ITO, panels, plot_lines

if TYPE_CHECKING:
    import pandas


def communication_cost(costs: "pandas.DataFrame", title: str = "") -> Figure:
    """One row per method: megabytes up, down and in all, on a logarithmic axis, the most expensive at the top.

    Args:
        costs: one row per method, with columns `up`, `down` and `all`, as from `fedsparse.analysis.costs`.
    """
    ordered = costs.sort_values("all")
    rows = range(len(ordered))
    figure, (axes,) = panels(1, 8.4, 0.42 * len(ordered) + 1.5, grid="x")
    axes.hlines(rows, ordered["up"], ordered["all"], color="#bbbbbb", linewidth=2, zorder=1)
    looks = {"up": ("up", "^", OKABE_ITO[0]), "down": ("down", "v", OKABE_ITO[1]), "all": ("in all", "D", "black")}
    for column, (label, marker, colour) in looks.items():
        axes.scatter(ordered[column], rows, marker=marker, color=colour, s=45, label=label, zorder=2)
    for row, total in zip(rows, ordered["all"], strict=True):
        axes.annotate(f"{total:.1f}", (total, row), (8, 0), textcoords="offset points", va="center")
    axes.set_yticks(rows, list(map(str, ordered.index)))
    axes.set(xscale="log", xlabel="megabytes: all clients, all rounds", title=title, ylim=(-0.6, len(ordered) - 0.4))
    axes.set_xlim(right=2 * ordered["all"].max())
    axes.spines["left"].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def cost_to_target(costs: Mapping[float, Mapping[str, float]], title: str = "") -> Figure:
    """One line per method: megabytes until a target accuracy; it ends where one of the seeds did not reach it.

    Args:
        costs: for each target accuracy, in [0, 1], megabytes by method, NaN where it was not reached.
    """
    targets = list(costs)
    methods = dict.fromkeys(name for row in costs.values() for name in row)
    figure, (axes,) = panels(1, 8.4, 4.2)
    plot_lines(axes, {name: (targets, [row[name] for row in costs.values()]) for name in methods}, markersize=5)
    axes.set(
        xlabel="accuracy to reach, expected network", ylabel="megabytes, both directions", yscale="log", title=title
    )
    figure.legend(loc="outside right center", frameon=False)
    return figure
