"""What all figures share: colours, markers, line styles, names of quantities, titles, grids, legends, and words."""

import textwrap
from collections.abc import Mapping
from typing import Any

import pandas
from matplotlib.figure import Figure

OKABE_ITO = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
"""Okabe and Ito's palette: colour-blind readers can tell its colours apart."""
MARKERS = "osD^vPX"
"""In the order of the palette, as are the line styles."""
STYLES = ("-", "--", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), "-")

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
    "megabytes": "megabytes, both directions",
}
"""Of the columns of `fedsparse.history.COLUMNS`, and of tables that sum the bytes of a training."""


def panels(
    number: int, width: float, height: float, title: str | None = None, *, columns: int = 0, grid: str = "both",
    **shared: Any,
) -> tuple[Figure, list[Any]]:  # fmt: skip
    """A figure of so many inches with its title, and its axes, with a faint grid and an open frame.

    Args:
        number: of panels.
        title: broken into as many lines as the width asks for; None for none.
        columns: panels beside each other; 0 for all of them. Axes left over in the last row are turned off.
        grid: "both", "x", "y", or "" for none.
        shared: arguments of `Figure.subplots`.
    """
    columns = columns or number
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("constrained", wspace=0.06)  # a y-label is nearest its own panel
    if title is not None:
        figure.suptitle(textwrap.fill(title, int(11 * width)), fontsize="large")
    every = list(figure.subplots(-(-number // columns), columns, squeeze=False, **shared).flat)
    for axes in every[:number]:
        axes.spines[["top", "right"]].set_visible(False)
        if grid:
            axes.grid(alpha=0.3, axis=grid)
    for axes in every[number:]:
        axes.axis("off")
    return figure, every[:number]


def look(i: int) -> dict[str, str]:
    """Colour and marker of the i-th line, from 0: seven go through the palette, and 49 differ in one of the two."""
    return {"color": OKABE_ITO[i % 7], "marker": MARKERS[(i + i // 7) % 7]}


def plot_lines(axes: Any, lines: Mapping[str, tuple[Any, Any]], markersize: float = 4, **looks: Any) -> None:
    """Lines of x and y by name, each with its own `look`, and a style of line."""
    for i, (name, (x, y)) in enumerate(lines.items()):
        axes.plot(x, y, label=name, markersize=markersize, linestyle=STYLES[i % 7], **look(i), **looks)


def common_legend(figure: Figure, place: Any = "outside right center", **looks: Any) -> None:
    """One legend for all panels, of what the first of them shows."""
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc=place, frameon=False, **looks)


def in_words(table: pandas.DataFrame | pandas.Series, decimals: int = 3) -> str:
    """One clause per row, for an alt text: "λ = 0: density 0.497, KL 0.011; λ = 3: density 0.09, KL 0.008".

    Args:
        table: its index names the rows, by numbers or by words; its columns name the values, measures such
            as `bpp_uplink` by their labels. A series has one value per row.
        decimals: of the values, at most.
    """
    frame: Any = table.to_frame("") if isinstance(table, pandas.Series) else table
    rows = []
    for label, row in frame.iterrows():
        where = label if isinstance(label, str) else f"{frame.index.name or 'row'} = {_value(label, 6)}"
        names = [LABELS.get(column, column) if "_" in column else column for column in row.index]
        values = ", ".join(f"{name} {_value(value, decimals)}".strip() for name, value in zip(names, row, strict=True))
        rows.append(f"{where}: {values}")
    return "; ".join(rows)


def _value(value: Any, decimals: int) -> str:
    """Text as it is; a number without trailing zeros, and "none" for NaN."""
    if isinstance(value, str):
        return value
    if value != value:
        return "none"
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
