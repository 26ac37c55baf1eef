"""Accuracy against entropy for every run of a grid over λ."""

from collections.abc import Sequence
from typing import Any

import pandas
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from fedsparse.analysis.plots.runs import check_table, floor_of
from fedsparse.analysis.plots.style import LABELS, common_legend, look, panels

LETTER, LINE = 6, 10
"""Width of a letter and height of a line of a label, in points."""
MARKER = 8
"""Width of a marker, in points."""
HALO = withStroke(linewidth=2.5, foreground="white")
"""Around words, which may lie on lines and dots."""


def frontier(
    table: pandas.DataFrame,
    columns: Sequence[str],
    title: str = "",
    chance: float | None = None,
    rate: str = "bpp_entropy",
) -> Figure:
    """One panel per column of accuracies, against a rate in bits per parameter: one dot per run.

    A marker is the mean of the runs with one λ, which stands beside it. The axis of accuracies spans the runs that
    have learned; an arrow names the λ of runs below it, which have no dot and enter no mean.

    Args:
        table: one row per run, with `lam`, and with `line`, which tells methods apart.
        chance: a level to mark with a dotted line.
        rate: its column; by default the entropy of the sent masks.
    """
    check_table(table, "lam", "line", rate, *columns)
    figure, row = panels(len(columns), 4.6 * len(columns), 4.2, title, sharey=True)
    floor, best = floor_of(table[list(columns)]), max(table[list(columns)].max().max(), 1e-9)
    labels: list[list[tuple[float, float, str, str]]] = []
    for axes, column in zip(row, columns, strict=True):
        labels.append([])
        for i, line in enumerate(table["line"].unique()):
            mine, own = table[table["line"] == line], look(i)
            shown, below = mine[mine[column] >= floor], mine[mine[column] < floor]
            axes.scatter(shown[rate], shown[column], s=18, alpha=0.35, linewidths=0, **own)
            means = shown.groupby("lam")[[rate, column]].mean()
            axes.plot(means[rate], means[column], linewidth=0.8, markersize=7, label=line, **own)
            labels[-1] += [(x, y, f"{lam:g}" if lam else "", own["color"]) for lam, (x, y) in means.T.items()]
            if len(below):
                gone = ", ".join(f"{lam:g}" for lam in sorted(below["lam"].unique()))
                axes.annotate(f"↓ {gone}", (below[rate].min(), floor), fontsize=10, color=own["color"], va="bottom")
        if chance is not None:
            axes.axhline(chance, color="black", linewidth=1, linestyle=":")
        axes.set(xlabel=LABELS[rate], ylabel=LABELS.get(column, column))
        axes.set_xlim(-0.02 * table[rate].max(), 1.05 * table[rate].max())
        axes.set_ylim(floor, best + 0.1 * (best - floor))
    common_legend(figure, "outside lower center", ncols=table["line"].nunique())
    figure.draw_without_rendering()  # from now on it is known where a point lies
    for axes, of_panel in zip(row, labels, strict=True):
        _write_beside(axes, of_panel)
    return figure


def _write_beside(axes: Any, labels: Sequence[tuple[float, float, str, str]]) -> None:
    """Write words beside their markers, each where it covers the fewest markers and other words.

    Args:
        labels: x, y, the words, which may be empty, and their colour.
    """
    points = axes.transData.transform([label[:2] for label in labels]) * 72 / axes.figure.dpi
    taken = [(x, y, MARKER, MARKER) for x, y in points]
    for (x, y, words, colour), (left, bottom) in zip(labels, points, strict=True):
        width = LETTER * len(words)
        aside, up = (MARKER + width) / 2, (MARKER + LINE) / 2
        near = [(0, up), (0, -up), (aside, 0), (-aside, 0), (aside, up), (-aside, up), (aside, -up), (-aside, -up)]
        places = near + [(dx, 2 * dy) for dx, dy in near if dy]  # and further away
        boxes = [(left + dx, bottom + dy, width, LINE) for dx, dy in places]
        covered = [sum(_touch(box, other) for other in taken) for box in boxes]
        best = covered.index(min(covered))
        if words:
            taken.append(boxes[best])
            look = {"ha": "center", "va": "center", "fontsize": 9, "color": colour, "path_effects": [HALO]}
            axes.annotate(words, (x, y), xytext=places[best], textcoords="offset points", **look)


def _touch(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two boxes, each given by its centre, width and height, overlap."""
    return all(abs(one[i] - other[i]) < (one[i + 2] + other[i + 2]) / 2 for i in (0, 1))
