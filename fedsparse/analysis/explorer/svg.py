"""Small charts as SVG: text in the colour of the page they stand on, so that they read in light and in dark."""

import base64
import html
import io
from collections.abc import Iterable, Sequence

import numpy as np

from fedsparse.analysis.plots.charts import OKABE_ITO

WIDTH, HEIGHT = 320, 230
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 34, 36
"""Margins of the plotted area: room for the title above, for labels below and on the left."""
MARKS = ("circle", "square", "diamond", "triangle")
DASHES = ("", "7 3", "2 2", "8 3 2 3")


class Axes:
    """From data to pixels; y runs over `low` to `high`, logarithmically if asked."""

    def __init__(self, across: int, low: float, high: float, log: bool = False) -> None:
        self.across, self.log = across, log
        self.low, self.high = self._bent(low), self._bent(high)

    def _bent(self, value: float) -> float:
        return float(np.log10(value)) if self.log else value

    def x(self, place: float) -> float:
        """Of the place-th of `across` columns, its middle."""
        return LEFT + (place + 0.5) * (WIDTH - LEFT - RIGHT) / self.across

    def y(self, value: float) -> float:
        """Of a value, kept within the area."""
        share = (self._bent(max(value, 1e-12)) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - min(1.0, max(0.0, share)) * (HEIGHT - TOP - BOTTOM)


def chart(title: str, words: str, parts: Iterable[str]) -> str:
    """An `<svg>` with a title above, and words for who does not see it."""
    body = "".join(parts)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(words)}">'
        f'<text class="title" x="{LEFT}" y="14">{html.escape(title)}</text>{body}</svg>'
    )


def scales(axes: Axes, ticks: Sequence[float], names: Sequence[str], xlabel: str, here: int | None = None) -> str:
    """Grid lines at the ticks of y, names below the columns, and the column that one is at shaded."""
    step = (WIDTH - LEFT - RIGHT) / axes.across
    shaded = ""
    if here is not None:
        left, height = axes.x(here) - step / 2, HEIGHT - TOP - BOTTOM
        shaded = f'<rect class="here" x="{left:.1f}" y="{TOP}" width="{step:.1f}" height="{height}"/>'
    lines = "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{axes.y(t):.1f}" y2="{axes.y(t):.1f}"/>'
        f'<text x="{LEFT - 5}" y="{axes.y(t) + 3.5:.1f}" text-anchor="end">{t:g}</text>'
        for t in ticks
    )
    middled = f'y="{HEIGHT - BOTTOM + 14}" text-anchor="middle"'
    below = "".join(
        f'<text x="{axes.x(i):.1f}" {middled}{" class=bold" * (i == here)}>{n}</text>' for i, n in enumerate(names)
    )
    label = f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 5}" text-anchor="middle">{html.escape(xlabel)}</text>'
    return shaded + lines + below + label


def line(axes: Axes, values: Sequence[float], kind: int, here: int) -> str:
    """A line through all columns, marked at each, and larger at the one that one is at."""
    colour = OKABE_ITO[kind]
    places = [(axes.x(i), axes.y(v)) for i, v in enumerate(values)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = "".join(mark(x, y, kind, 5 if i == here else 2.5) for i, (x, y) in enumerate(places))
    style = f'fill="none" stroke="{colour}" stroke-width="1.6" stroke-dasharray="{DASHES[kind]}"'
    return f'<polyline points="{path}" {style}/>{marks}'


def mark(x: float, y: float, kind: int, size: float) -> str:
    """A marker of the kind's own shape and colour, and the same for all readers by its shape."""
    fill = f'fill="{OKABE_ITO[kind]}"'
    shape = MARKS[kind]
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" {fill}/>'
    polygons: dict[str, list[tuple[float, float]]] = {
        "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
        "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
        "triangle": [(0, -1.2), (1.1, 0.9), (-1.1, 0.9)],
    }
    corners = " ".join(f"{x + a * size:.1f},{y + b * size:.1f}" for a, b in polygons[shape])
    return f'<polygon points="{corners}" {fill}/>'


def legend(names: Sequence[str]) -> str:
    """Marker and name of each line, side by side under the title."""
    step = (WIDTH - LEFT - RIGHT) / len(names)
    return "".join(
        f'{mark(LEFT + i * step + 5, 25, i, 3.5)}<text x="{LEFT + i * step + 13:.1f}" y="28.5">{name}</text>'
        for i, name in enumerate(names)
    )


def bars(axes: Axes, values: Sequence[float], kind: int) -> str:
    """A bar a column, from the bottom."""
    width = 0.86 * (WIDTH - LEFT - RIGHT) / axes.across
    bottom = HEIGHT - BOTTOM
    return "".join(
        f'<rect x="{axes.x(i) - width / 2:.1f}" y="{axes.y(v):.1f}" width="{width:.1f}" '
        f'height="{bottom - axes.y(v):.1f}" fill="{OKABE_ITO[kind]}"/>'
        for i, v in enumerate(values)
    )


def pixels(mask: np.ndarray, kind: int) -> str:
    """A mask as a picture that fills the area, its ones in colour and its zeros see-through."""
    from PIL import Image

    ink = tuple(int(OKABE_ITO[kind][i : i + 2], 16) for i in (1, 3, 5))
    picture = Image.fromarray((mask > 0).astype(np.uint8), "P")
    picture.putpalette([255, 255, 255, *ink])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", bits=1, transparency=0, optimize=True)
    source = base64.b64encode(buffer.getvalue()).decode()
    side = HEIGHT - TOP - 4
    wide = min(WIDTH - LEFT, side * mask.shape[1] / mask.shape[0])
    frame = f'x="{LEFT}" y="{TOP}" width="{wide:.1f}" height="{side}"'
    return (
        f'<rect class="frame" {frame}/>'
        f'<image {frame} preserveAspectRatio="none" style="image-rendering:pixelated" '
        f'href="data:image/png;base64,{source}"/>'
    )
