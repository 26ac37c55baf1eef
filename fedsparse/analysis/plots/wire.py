"""Figures of notebook 04: an interval that shrinks bit by bit, and the bytes of a message, field by field."""

from collections.abc import Sequence
from fractions import Fraction

from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from fedsparse.analysis.plots.style import OKABE_ITO, panels
from fedsparse.teaching.message_anatomy import Part

COLUMNS = 16
GROUPS = {"header": "#56B4E9", "report": "#E69F00", "θ's fields": "#E69F00", "tables": "#009E73", "symbols": "#CC79A7"}


def intervals(
    steps: Sequence[tuple[Fraction, Fraction]], bits: Sequence[int], ones: Fraction, digits: str, title: str = ""
) -> Figure:
    """One bar per bit: the interval, divided into the part of a 0 and the part of a 1; at the bottom what is sent.

    Args:
        steps: as from `range_coder_by_hand.subdivide(bits, ones)`.
        digits: as from `range_coder_by_hand.shortest`.
    """
    figure, (axes,) = panels(1, 8.4, 0.55 * len(bits) + 1.7, grid="")
    for k, bit in enumerate(bits):
        low, width = map(float, steps[k])
        border = low + width * float(1 - ones)
        for value, left, right in ((0, low, border), (1, border, low + width)):
            taken = value == bit
            axes.barh(k, right - left, 0.5, left, color=OKABE_ITO[value], alpha=1 if taken else 0.25, linewidth=0)
            if right - left > 0.02:
                axes.text((left + right) / 2, k, str(value), ha="center", va="center", color="w" if taken else "k")
        for x in (float(steps[k + 1][0]), float(sum(steps[k + 1]))):
            axes.plot([x, x], [k + 0.25, k + 0.75], color="black", linewidth=0.8, linestyle=":")
    last, (low, width) = len(bits), map(float, steps[-1])
    axes.barh(last, width, 0.5, low, color="#bbbbbb", linewidth=0)
    first, length = int(digits or "0", 2) / 2 ** len(digits), 2.0 ** -len(digits)
    axes.barh(last, length, 0.5, first, color="none", edgecolor="black", hatch="////")
    axes.set(xlim=(0, 1), ylim=(last + 0.6, -0.6), xlabel="numbers from 0 to 1", title=title)
    axes.set_yticks(range(last + 1), [*(f"bit {k + 1}: {bit}" for k, bit in enumerate(bits)), f"sent: 0.{digits}"])
    axes.spines["left"].set_visible(False)
    return figure


def message_map(message: bytes, parts: Sequence[Part], title: str = "") -> Figure:
    """Every byte of a message in hexadecimal, coloured by what it belongs to, each part named where it begins.

    Args:
        parts: as from `message_anatomy.of_mask` or `message_anatomy.of_theta`.
    """
    rows = -(-len(message) // COLUMNS)
    figure, (axes,) = panels(1, 9.2, 0.56 * rows + 1.0, title, grid="")
    for shade, part in enumerate(parts):
        for at in range(part.start, part.stop):
            x, y = at % COLUMNS, at // COLUMNS
            alpha = 0.75 if shade % 2 else 0.45
            axes.add_patch(Rectangle((x, y), 1, 0.94, color=GROUPS[part.group], alpha=alpha, linewidth=0))
            axes.text(x + 0.5, y + 0.66, f"{message[at]:02x}", ha="center", va="center", family="monospace")
        y, x = divmod(part.start, COLUMNS)
        axes.text(x + 0.05, y + 0.22, part.name, ha="left", va="center", fontsize=8)
    axes.set(xlim=(0, COLUMNS), ylim=(rows, 0))
    axes.set_yticks([row + 0.5 for row in range(rows)], [f"byte {row * COLUMNS}" for row in range(rows)])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    sizes = {group: sum(len(p) for p in parts if p.group == group) for group in dict.fromkeys(p.group for p in parts)}
    handles = [Patch(color=GROUPS[group], alpha=0.75, label=f"{group}: {size} bytes") for group, size in sizes.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure
