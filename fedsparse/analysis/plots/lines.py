"""Figures of named lines, each given as x and y."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fedsparse.analysis.plots.style import STYLES, common_legend, look, panels, plot_lines


def curves(charts: Mapping[str, Mapping[str, tuple]], xlabel: str, one: str, title: str = "") -> Figure:
    """One panel per quantity, named by its key, each with the same lines.

    Args:
        one: the axis on which 1 has a meaning, "x" or "y"; it is marked. An x-axis that has it is logarithmic, and
            its panels share one scale.
    """
    width, height = max(7.2, 3.6 * len(charts)), 3.4
    if one == "x":
        width, height = max(7.2, 5.0 * len(charts)), 4.4
    figure, row = panels(len(charts), width, height, title, sharey=one == "x")
    for axes, (ylabel, lines) in zip(row, charts.items(), strict=True):
        # A logarithmic axis crowds the points at its end, so fewer of them are marked.
        plot_lines(axes, lines, markevery=1 if one == "y" else 3)
        (axes.axvline if one == "x" else axes.axhline)(1, color="black", linewidth=1, linestyle=":")
        axes.set(xlabel=xlabel, ylabel=ylabel, xscale="log" if one == "x" else "linear")
        if one == "y":
            axes.set_ylim(bottom=0)
    if len(row) > 1 and one == "x":  # outside, since the lines leave no corner free
        common_legend(figure, "outside lower center", ncols=4)
    else:
        row[0].legend()
    return figure


def lines(charts: Mapping[str, Mapping[str, tuple]], xlabels: Sequence[str], title: str = "") -> Figure:
    """Shares from 0 to 1, one panel per y-label; x is logarithmic where its label says λ.

    Where all panels have the same names, one legend stands beside them.
    """
    alike = len(charts) > 1 and len({tuple(named) for named in charts.values()}) == 1
    figure, row = panels(len(charts), 4.6 * len(charts) + 2.4 * alike, 3.4, title)
    for axes, (ylabel, named), xlabel in zip(row, charts.items(), xlabels, strict=True):
        plot_lines(axes, named)
        axes.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, 1.02), xscale="log" if "λ" in xlabel else "linear")
        if not alike:
            axes.legend()
    if alike:
        common_legend(figure)
    return figure


def log_lines(named: Mapping[str, tuple], xlabel: str, ylabel: str, title: str = "") -> Figure:
    """Lines that fall by factors, on a logarithmic y-axis."""
    figure, (axes,) = panels(1, 7.2, 4.0, title)
    plot_lines(axes, named)
    axes.set(xlabel=xlabel, ylabel=ylabel, yscale="log")
    axes.legend()
    return figure


def annotated_lines(named: Mapping[str, tuple], xlabel: str, ylabel: str, title: str = "") -> Figure:
    """Lines of x, y and words beside each point, on a logarithmic x-axis; y is a share from 0 to 1.

    Points that lie more than threefold apart are not joined: nothing between them was measured.
    """
    figure, (axes,) = panels(1, 8.4, 4.6, title)
    joined = {name: _apart(x, y) for name, (x, y, _) in named.items()}
    plot_lines(axes, joined, markersize=5)
    for k, (x, y, words) in enumerate(named.values()):
        # The first line's words stand below it on the right, all others' above on the left.
        beside = {"xytext": (-6, 7) if k else (5, -12), "ha": "right" if k else "left"}
        for a, b, word in zip(x, y, words, strict=True):
            behind = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
            axes.annotate(
                word, (a, b), textcoords="offset points", fontsize=8, color=look(k)["color"], bbox=behind, **beside
            )
    axes.set(xlabel=xlabel, ylabel=ylabel, xscale="log", ylim=(0, 1.05))
    axes.margins(x=0.1)
    axes.legend(loc="lower right")
    return figure


def _apart(x: Any, y: Any) -> tuple[list[float], list[float]]:
    """The points, with a NaN, which no line crosses, where x grows or shrinks more than threefold."""
    xs: list[float] = []
    ys: list[float] = []
    for a, b in zip(x, y, strict=True):
        if xs and not 1 / 3 <= a / xs[-1] <= 3:
            xs, ys = [*xs, a], [*ys, math.nan]
        xs, ys = [*xs, a], [*ys, b]
    return xs, ys


def spread(
    charts: Mapping[str, Mapping[str, tuple]], xlabel: str, ylabel: str, title: str = "", log: bool = False,
    within: tuple[float, float] | None = None,
) -> Figure:  # fmt: skip
    """One panel per key, all on one scale: lines of x and y, and if there is a third, the half-width of a band.

    Lines of the same name look the same in every panel.

    Args:
        log: a logarithmic y-axis.
        within: the least and the largest value that there can be, beyond which no band is drawn.
    """
    low, high = within or (-math.inf, math.inf)
    figure, row = panels(len(charts), max(7.2, 3.6 * len(charts)), 3.6, title, sharey=True)
    handles: dict[str, Any] = dict.fromkeys(name for named in charts.values() for name in named)
    for axes, (panel, named) in zip(row, charts.items(), strict=True):
        for name, (x, y, *band) in named.items():
            i = list(handles).index(name)
            (handles[name],) = axes.plot(x, y, label=name, color=look(i)["color"], linestyle=STYLES[i % 7])
            for half in band:
                bottom, top = np.clip(y - half, low, high), np.clip(y + half, low, high)
                axes.fill_between(x, bottom, top, color=look(i)["color"], alpha=0.15, linewidth=0)
        axes.set(title=panel, xlabel=xlabel, yscale="log" if log else "linear")
    row[0].set_ylabel(ylabel)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def cost_to_target(charts: Mapping[str, Mapping[str, tuple]], title: str = "") -> Figure:
    """One panel per network, named by its key: megabytes until it reaches a target accuracy, one line per method.

    Args:
        charts: accuracies and megabytes of each method, NaN where one of the seeds did not reach the accuracy.
    """
    figure, row = panels(len(charts), 3.4 * len(charts) + 2.0, 4.2, title, sharey=True, sharex=True)
    for axes, (network, named) in zip(row, charts.items(), strict=True):
        plot_lines(axes, named, markersize=5)
        axes.set(title=network, xlabel="accuracy to reach", yscale="log")
    row[0].set_ylabel("megabytes, both directions")
    common_legend(figure)
    return figure
