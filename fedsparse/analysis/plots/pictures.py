"""Figures of masks, probabilities and data: histograms of θ, heat maps, images, and who holds which labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from fedsparse.analysis.plots.style import OKABE_ITO, panels
from fedsparse.errors import DataError


def probabilities(thetas: Mapping[str, Any], title: str = "") -> Figure:
    """Histograms of θ, one panel per name, on a common scale of the share of weights."""
    figure, row = panels(len(thetas), max(7.2, 2.6 * len(thetas)), 3.0, title, grid="y", sharey=True)
    for axes, (name, theta) in zip(row, thetas.items(), strict=True):
        weights = [1 / len(theta)] * len(theta)
        axes.hist(theta, bins=11, range=(-0.05, 1.05), weights=weights, color=OKABE_ITO[0], rwidth=0.9)
        axes.set(xlabel="θ", title=name)
        axes.set_axisbelow(True)
    row[0].set_ylabel("share of all weights")
    return figure


def small_multiples(points: Sequence[Any], title: str = "", outlined: slice | None = None) -> Figure:
    """One column per λ: the histogram of θ above, the picture of a mask below; `points` are `explorer.Point`.

    Args:
        outlined: rows of the masks in a frame, as the weights of one filter.
    """
    many, heights = len(points), {"height_ratios": [1, 2]}
    figure, tiles = panels(2 * many, 2.3 * many + 0.5, 4.8, title, columns=many, grid="", gridspec_kw=heights)
    for above, below, point in zip(tiles[:many], tiles[many:], points, strict=True):
        shares = np.divide(point.theta, sum(point.theta))
        above.bar(np.linspace(0, 1, len(shares)), shares, width=0.09, color=OKABE_ITO[1])
        above.set(title=f"λ = {point.lam:g}", xlim=(-0.1, 1.1), ylim=(0, 1), xticks=[0, 1])
        above.set_yticks([0, 0.5, 1], ["0", "½", "1"] if above is tiles[0] else [])
        below.imshow(point.mask, cmap="Greys", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        below.set(xticks=[], yticks=[])
        below.spines[:].set_visible(True)
        if outlined is not None:
            corner, rows = (-0.5, outlined.start - 0.5), outlined.stop - outlined.start
            frame = Rectangle(corner, point.mask.shape[1], rows, fill=False, edgecolor=OKABE_ITO[1], linewidth=2)
            below.add_patch(frame)
    tiles[0].set_ylabel("share of weights\nwith this θ")
    tiles[many].set_ylabel("a layer's mask,\nones dark")
    return figure


def images(pixels: Any, captions: list[str], columns: int = 6) -> Figure:
    """Grey images in a grid, each with a caption above it."""
    height = 1.45 * -(-len(captions) // columns)
    figure, tiles = panels(len(captions), 1.2 * columns, height, columns=columns, grid="")
    for axes, image, caption in zip(tiles, pixels, captions, strict=True):
        axes.imshow(image, cmap="gray")
        axes.set_title(caption, fontsize=9)
        axes.axis("off")
    return figure


def heat_maps(pictures: Mapping[str, Any], title: str = "") -> Figure:
    """Pictures side by side, (height, width) each, each with its own scale from 0 in a colour bar beside it."""
    figure, row = panels(len(pictures), 2.6 * len(pictures), 2.9, title, grid="")
    for axes, (name, picture) in zip(row, pictures.items(), strict=True):
        figure.colorbar(axes.imshow(picture, cmap="cividis", vmin=0), ax=axes, shrink=0.7)
        axes.set_title(name, fontsize=9)
        axes.axis("off")
    return figure


def label_counts(counts: Any, title: str = "") -> Figure:
    """Who holds which labels: one bubble per client and class, its area the number of training images.

    Args:
        counts: (clients, classes), as from `fedsparse.partition.label_counts`.
    """
    clients, classes = counts.shape
    figure, (axes,) = panels(1, max(4.0, 0.32 * clients + 1.6), 0.32 * classes + 1.2)
    _bubbles(axes, counts, 0.32)
    axes.set(title=title)
    place = {"ha": "right", "va": "top", "annotation_clip": False, "fontsize": 8}
    axes.annotate(f"largest: {counts.max():,} images", (1, 0), (0, -30), "axes fraction", "offset points", **place)
    return figure


def partitions(tables: Mapping[str, Any], title: str = "") -> Figure:
    """`label_counts` of several partitions, one panel per partition, each with its own scale.

    Args:
        tables: a name, and (clients, classes) counts as from `fedsparse.partition.label_counts`.
    """
    clients, classes = next(iter(tables.values())).shape
    columns = min(len(tables), 3)
    size = columns * (0.26 * clients + 0.7), -(-len(tables) // columns) * (0.26 * classes + 0.9)
    figure, tiles = panels(len(tables), *size, title, columns=columns)
    for axes, (name, counts) in zip(tiles, tables.items(), strict=True):
        _bubbles(axes, counts, 0.26)
        axes.set_title(f"{name}\n(largest: {counts.max():,} images)", fontsize="medium")
    return figure


def _bubbles(axes: Any, counts: Any, inches: float) -> None:
    """One bubble per client and class, in cells of so many inches: bubbles of neighbours touch at most."""
    clients, classes = counts.shape
    k, c = counts.nonzero()
    largest = (0.9 * inches * 72) ** 2
    axes.scatter(k, c, s=largest * counts[k, c] / counts.max(), color=OKABE_ITO[0], linewidths=0)
    axes.set(xlabel="client", ylabel="class", xlim=(-0.6, clients - 0.4), ylim=(classes - 0.4, -0.6))
    axes.set_xticks(range(0, clients, -(-clients // 30)))
    axes.set_yticks(range(0, classes, -(-classes // 30)))
    axes.set_axisbelow(True)


def arrows(charts: Mapping[str, Any], title: str = "") -> Figure:
    """One panel per name: the steps of clients, (clients, n), as arrows in a plane, and their mean as a thick one.

    To the right is the mean step, and upwards the direction in which clients differ most from each other. The circle
    has the length of a step, the root of the mean square: an arrow that ends within it points out of the plane.

    Raises:
        DataError: nobody moved, or the mean step of all clients is zero.
    """
    figure, row = panels(len(charts), 3.6 * len(charts), 4.6, title, grid="", sharey=True)
    for axes, (name, steps) in zip(row, charts.items(), strict=True):
        mean, scale = np.mean(steps, axis=0), np.sqrt(np.mean(np.sum(np.square(steps), axis=1)))
        if not (length := np.linalg.norm(mean)):
            raise DataError(f"{name}: the steps of the clients cancel, so their mean has no direction")
        along = steps @ mean / length
        aside, *_ = np.linalg.svd(steps - np.outer(along, mean / length), full_matrices=False)[2]
        looks: dict[str, Any] = {"xytext": (0, 0), "annotation_clip": False}
        for x, y in zip(along / scale, steps @ aside / scale, strict=True):
            axes.annotate("", (x, y), arrowprops={"arrowstyle": "->", "color": OKABE_ITO[0], "alpha": 0.7}, **looks)
        thick = {"arrowstyle": "-|>", "color": OKABE_ITO[1], "linewidth": 3.5}
        axes.annotate("", (length / scale, 0), arrowprops=thick, **looks)
        axes.add_patch(Circle((0, 0), 1, fill=False, linestyle=":", color="black"))
        share = (length / scale) ** 2
        axes.set(title=f"{name}\ncommon share {share:.2f}", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
        axes.set(xlabel="along the mean step", xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    row[0].set_ylabel("where clients differ most")
    return figure
