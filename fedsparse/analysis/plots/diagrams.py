"""Drawings of what happens, not of what was measured.

One round of a federation (notebook 00), a winning ticket (01), and the race for a candidate (09).
"""

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


def train_prune_rewind(first: Any, trained: Any, mask: Any, title: str | None = None) -> Figure:
    """The weights of one unit as lines from its inputs: before and after training, pruned, and rewound to the first.

    Args:
        first, trained: (inputs,), its weights; lines are as wide as these are large, and dashed if they are negative.
        mask: (inputs,), zeros and ones; weights of zero are dotted.
    """
    first, trained, mask = (np.asarray(each, float) for each in (first, trained, mask))
    every = np.ones_like(mask)
    stages = {
        "1. first weights\n$w_0$": (first, every),
        "2. trained\n$w_T$": (trained, every),
        "3. pruned\n$m \\odot w_T$": (trained, mask),
        "4. rewound: a ticket\n$m \\odot w_0$": (first, mask),
    }
    figure, (axes,) = panels(1, 11.2, 4.4, title, grid="")
    axes.set(xlim=(0, 22.4), ylim=(0, 8.8))
    axes.axis("off")
    looks = {"arrowstyle": "-|>", "linewidth": 2, "color": "black", "mutation_scale": 15}
    for k, (name, (values, kept)) in enumerate(stages.items()):
        left = 0.1 + 6.0 * k
        _box(axes, left + 2.1, 5.1, 4.2, 6.4, "")
        axes.text(left + 2.1, 8.05, name, ha="center", va="top", fontsize=11)
        _unit(axes, left, values, kept)
        if k:
            axes.annotate("", xytext=(left - 1.7, 5), xy=(left - 0.1, 5), arrowprops=looks)
            axes.text(left - 0.9, 5.2, ("train", "prune", "rewind")[k - 1], ha="center", va="bottom", fontsize=11)
    axes.plot((20.2, 20.2, 5.2), (1.8, 0.9, 0.9), color="black", linewidth=2, solid_joinstyle="miter")
    axes.annotate("", xytext=(5.2, 0.86), xy=(5.2, 4.9), arrowprops=looks)
    axes.text(12.7, 0.75, "again, with the weights that are left", ha="center", va="top", fontsize=11)
    return figure


def _unit(axes: Any, left: float, values: Any, kept: Any) -> None:
    """Inputs, one below the other, and a line from each to the unit: dotted and without its value if not kept."""
    unit = (left + 3.7, 4.4)
    for y, value, there in zip(np.linspace(6.5, 2.3, len(values)), values, kept, strict=True):
        colour = (UP if value < 0 else DOWN) if there else "#888888"
        style = ("--" if value < 0 else "-") if there else ":"
        width = 0.6 + 5 * abs(value) if there else 1
        axes.plot((left + 1.5, unit[0]), (y, unit[1]), color=colour, linestyle=style, linewidth=width, zorder=2)
        axes.scatter(left + 1.5, y, s=40, color="white", edgecolors="black", zorder=3)
        number = f"{value:.1f}".replace("-", "−") if there else "0"
        axes.text(left + 1.2, y, number, ha="right", va="center", color=colour, fontsize=10)
    axes.scatter(*unit, s=160, color="white", edgecolors="black", zorder=3)


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
