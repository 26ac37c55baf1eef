"""Drawings of what happens, not of what was measured: one round of a federation, and the race of notebook 09."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import LogLocator

from fedsparse.analysis.plots.style import OKABE_ITO, panels

DOWN, UP, BOX = OKABE_ITO[0], OKABE_ITO[1], "#f2f2f2"


def one_round(methods: Mapping[str, Mapping[str, str]], pictures: Sequence[Any], title: str | None = None) -> Figure:
    """One panel per method: the server, some clients with images of their own, and what is sent between them.

    Args:
        methods: by name, words for each of the four steps: "down", "train", "up" and "mean".
        pictures: for each client that is drawn, some of its images, (number, height, width).
    """
    figure, row = panels(len(methods), 5.6 * len(methods), 4.2, title, grid="")
    for axes, (name, words) in zip(row, methods.items(), strict=True):
        axes.set(xlim=(0, 12), ylim=(0, 9), title=name)
        axes.axis("off")
        _box(axes, 6, 7.8, 5.4, 1.9, f"server\n4. {words['mean']}")
        spacing = 12 / len(pictures)
        for k, images in enumerate(pictures):
            x = spacing * (k + 0.5)
            _box(axes, x, 1.3, spacing - 0.4, 2.4, "")
            axes.text(x, 0.75, f"client {k}\n2. {words['train']}", ha="center", va="center", fontsize=9)
            for i, image in enumerate(images):
                left = x + (i - len(images) / 2) * 0.95
                axes.imshow(image, cmap="gray_r", extent=(left, left + 0.85, 1.5, 2.35), aspect="auto", zorder=3)
            at = 6 + (x - 6) * 0.45
            for shift, start, stop, colour in ((-0.22, (at, 6.8), (x, 2.6), DOWN), (0.22, (x, 2.6), (at, 6.8), UP)):
                ends = {"xytext": (start[0] + shift, start[1]), "xy": (stop[0] + shift, stop[1])}
                looks = {"arrowstyle": "-|>", "linewidth": 2, "linestyle": "-" if colour == DOWN else "--"}
                axes.annotate("", **ends, arrowprops=looks | {"color": colour})
        axes.text(2.8, 5.6, f"1. {words['down']}", ha="right", va="center", color=DOWN, fontsize=9)
        axes.text(9.3, 5.6, f"3. {words['up']}", ha="left", va="center", color=UP, fontsize=9)
    return figure


def _box(axes: Any, x: float, y: float, width: float, height: float, text: str) -> None:
    """A rounded box around a point, with text in its middle."""
    corner = x - width / 2, y - height / 2
    axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle="round,pad=0,rounding_size=0.2", fc=BOX, ec="black"))
    axes.text(x, y, text, ha="center", va="center", fontsize=10)


def race(times: Any, weights: Any, title: str | None = None) -> Figure:
    """One row per candidate: from its arrival time to that time divided by its weight; the smallest quotient wins.

    Args:
        times, weights: (candidates,), above 0. On the logarithmic axis a weight moves every time by the same distance.
    """
    ends = np.asarray(times) / np.asarray(weights)
    winner, rows = int(np.argmin(ends)), np.arange(1, len(ends) + 1)
    figure, (axes,) = panels(1, 8.0, 0.26 * len(ends) + 1.4, title, grid="x")
    colours = [UP if k == winner else "#888888" for k in range(len(ends))]
    axes.hlines(rows, times, ends, colors=colours, linewidth=2)
    axes.scatter(times, rows, color="white", edgecolors=colours, zorder=3, label="arrival time T")
    axes.scatter(ends, rows, c=colours, marker="D", zorder=3, label="T / weight")
    axes.axvline(ends[winner], color=UP, linestyle=":")
    axes.set(xscale="log", xlabel="time", ylabel="number of the candidate", ylim=(len(ends) + 0.7, 0.3), yticks=rows)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.legend(loc="lower left")
    return figure
