"""Figures from tables of history: told apart by colour, for colour-blind readers too, and by line style."""

import itertools
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import seaborn
from matplotlib.figure import Figure

if TYPE_CHECKING:
    import pandas

OKABE_ITO = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
"""Okabe and Ito's palette, told apart by colour-blind readers too."""

STYLES = ("-", "--", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), "-")
"""Of lines, in the order of the palette."""

LABELS = {
    "accuracy": "accuracy, sampled networks",
    "accuracy_expected": "accuracy, expected network",
    "accuracy_threshold": "accuracy, threshold network",
    "bpp_entropy": "entropy of the mask (bpp)",
    "bpp_uplink": "measured uplink (bpp)",
    "bpp_downlink": "measured downlink (bpp)",
    "bpp_kl": "KL to the broadcast (bpp)",
    "density": "share of ones in the mask",
    "accuracy_client_mean": "accuracy, mean over clients",
    "accuracy_client_worst": "accuracy, worst client",
    "lam_used": "λ of the round",
}


def headline(figure: Figure, title: str) -> None:
    """The figure's title, in as many lines as its width asks for."""
    figure.suptitle(textwrap.fill(title, int(13 * figure.get_figwidth())), fontsize="medium")


def by_round(
    table: "pandas.DataFrame", columns: tuple[str, ...], by: str = "lam", title: str = "", seeds: str = "band"
) -> Figure:
    """One panel a column, against the round: the mean over seeds, and their whole range as a band.

    Args:
        table: as from `fedsparse.analysis.sweeps.tidy`.
        columns: of `fedsparse.history.COLUMNS`.
        by: the setting that tells the lines apart.
        title: what the figure shows.
        seeds: "lines" for a line a seed instead: a mean over one that starves and one that lives describes neither.
    """
    name = "λ" if by == "lam" else by
    several: dict[str, Any] = {"errorbar": ("pi", 100)}
    if seeds == "lines":
        several = {"units": "seed", "estimator": None, "linewidth": 1.2}
    labelled = table.assign(**{name: table[by].map(lambda v: f"{name} = {v:g}" if by == "lam" else str(v))})
    figure = Figure(figsize=(3.6 * len(columns), 3.4), layout="constrained")
    for i, (axes, column) in enumerate(zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True)):
        seaborn.lineplot(
            labelled.dropna(subset=[column]), x="round", y=column, hue=name, style=name, ax=axes,
            palette=OKABE_ITO[: labelled[name].nunique()], legend=i == 0, **several,
        )  # fmt: skip
        axes.set(ylabel=LABELS.get(column, column), ylim=(0, 1.02) if table[column].max() <= 1.02 else (0, None))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if i == 0:
            axes.get_legend().set_title(None)
    headline(figure, title)
    return figure


def tradeoff(table: "pandas.DataFrame", title: str = "", seeds: str = "band") -> Figure:
    """Accuracy against all bytes so far in both directions, one panel a `panel`, one line a `line`.

    Args:
        table: as from `analysis.sweeps.collect`, with columns `panel` and `line`; lines are means over seeds, bands
            their range, each marker an evaluation.
        title: what the figure shows.
        seeds: "lines" for a line a seed, as in `by_round`.
    """
    table = table.assign(megabytes=table["megabytes_up"] + table["megabytes_down"])
    panels, lines = table["panel"].unique(), table["line"].unique()
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    width = 4.0 * columns + (2.2 if columns < 3 else 0)
    figure = Figure(figsize=(width, 3.6 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True, sharex=True).flat
    for axes, panel in zip(grid, panels, strict=False):
        looks = zip(itertools.cycle([*OKABE_ITO, "#999999"]), itertools.cycle("osD^vPX*p"), strict=False)
        for line, (colour, marker) in zip(lines, looks, strict=False):  # 72 of them before two are alike
            mine = table[(table["panel"] == panel) & (table["line"] == line)]
            each = [mine] if seeds == "band" else [one for _, one in mine.groupby("seed")]
            for i, some in enumerate(each or [mine]):  # a line without runs in this panel has its name in the legend
                x, y = some.groupby("round")["megabytes"].mean(), some.groupby("round")["accuracy_expected"]
                label = line if i == 0 else None
                axes.plot(x, y.mean(), color=colour, marker=marker, markersize=4, linewidth=1.2, label=label)
                axes.fill_between(x, y.min(), y.max(), color=colour, alpha=0.15, linewidth=0)
        axes.set(title=panel, xscale="log", ylim=(0, 1.02))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    spare = list(figure.axes)[len(panels) :]
    for axes in spare:
        axes.axis("off")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if spare:
        spare[-1].legend(handles, labels, loc="center", frameon=False)
    else:
        figure.legend(handles, labels, loc="outside right center", frameon=False)
    figure.supxlabel("megabytes so far: all clients, both directions")
    figure.supylabel("accuracy, expected network")
    headline(figure, title)
    return figure


def probabilities(thetas: Mapping[str, Any], title: str = "") -> Figure:
    """Histograms of θ, one panel a name, on a common scale of the share of weights."""
    figure = Figure(figsize=(3.6 * len(thetas), 3.0), layout="constrained")
    panels = figure.subplots(1, len(thetas), sharey=True, squeeze=False)[0]
    for axes, (name, theta), colour in zip(panels, thetas.items(), OKABE_ITO, strict=False):
        axes.hist(theta, bins=11, range=(-0.05, 1.05), weights=[1 / len(theta)] * len(theta), color=colour, rwidth=0.9)
        axes.set(xlabel="θ", title=name, ylim=(0, 1))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("share of all weights")
    headline(figure, title)
    return figure


def label_counts(counts: Any, title: str = "") -> Figure:
    """Who holds what: a bubble a client and class, its area the number of training images.

    Args:
        counts: (clients, classes), as from `fedsparse.partition.label_counts`.
        title: what the figure shows.
    """
    clients, classes = counts.shape
    inches = 0.32  # a cell: bubbles of neighbours touch at most
    figure = Figure(figsize=(max(4.0, inches * clients + 1.6), inches * classes + 1.2), layout="constrained")
    axes = figure.subplots()
    bubbles(axes, counts, inches)
    axes.set(title=title)
    axes.annotate(
        f"largest: {counts.max():,} images", (1, 0), (0, -30), "axes fraction", "offset points", ha="right", va="top",
        annotation_clip=False, fontsize=8,
    )  # fmt: skip
    return figure


def bubbles(axes: Any, counts: Any, inches: float) -> None:
    """A bubble a client and class on some axes, in cells of so many inches."""
    clients, classes = counts.shape
    k, c = counts.nonzero()
    most = (0.9 * inches * 72) ** 2
    axes.scatter(k, c, s=most * counts[k, c] / counts.max(), color=OKABE_ITO[0], linewidths=0)
    axes.set(xlabel="client", ylabel="class", xlim=(-0.6, clients - 0.4), ylim=(classes - 0.4, -0.6))
    axes.set_xticks(range(0, clients, -(-clients // 30)))
    axes.set_yticks(range(0, classes, -(-classes // 30)))
    axes.set_axisbelow(True)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def curves(panels: Mapping[str, Mapping[str, tuple[Any, Any]]], xlabel: str, one: str, title: str = "") -> Figure:
    """One panel a quantity, named by its key, and in each the same lines: a name, and its x and y.

    Args:
        one: the axis on which 1 means something, "x" or "y"; it is marked. An x-axis that has it is logarithmic.
    """
    many = 1 if one == "y" else 3  # a logarithmic axis has many points at its end: fewer of them are marked
    figure = Figure(figsize=(max(7.2, 3.6 * len(panels)), 3.4 if one == "y" else 4.4), layout="constrained")
    for i, (ylabel, lines) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), i + 1)
        for (name, (x, y)), colour, marker, style in zip(lines.items(), OKABE_ITO, "osD^vPX", STYLES, strict=False):
            axes.plot(x, y, label=name, color=colour, marker=marker, markersize=4, markevery=many, linestyle=style)
        (axes.axvline if one == "x" else axes.axhline)(1, color="black", linewidth=1, linestyle=":")
        axes.set(xlabel=xlabel, ylabel=ylabel, xscale="log" if one == "x" else "linear")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if i == 0:
            axes.legend()
    headline(figure, title)
    return figure


def images(pixels: Any, captions: list[str], columns: int = 6) -> Figure:
    """Grey images in a grid, each with a caption above it."""
    rows = -(-len(captions) // columns)
    figure = Figure(figsize=(1.2 * columns, 1.45 * rows), layout="constrained")
    for axes, image, caption in zip(figure.subplots(rows, columns).flat, pixels, captions, strict=True):
        axes.imshow(image, cmap="gray")
        axes.set_title(caption, fontsize=9)
        axes.axis("off")
    return figure
