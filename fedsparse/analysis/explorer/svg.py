"""Small charts as SVG: their text takes the colour of the page around them, so they read in light and dark themes."""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np

from fedsparse.analysis.plots.style import OKABE_ITO

WIDTH, HEIGHT = 320, 230
LEFT, RIGHT, TOP, BOTTOM = 40, 310, 34, 194
"""Edges of the plotted area: the title is above it, labels are below and on the left."""
MARKERS = ((12, 0, 1.0), (4, 45, 1.4), (4, 0, 1.3), (3, -90, 1.3))
"""For each line: how many corners, turned by how many degrees, and their distance from the middle."""
DASHES = ("", "7 3", "2 2", "8 3 2 3")


def picture(title: str, words: str, body: str) -> str:
    """An `<svg>` with a title above, and words for readers who cannot see it."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(words)}">'
        f'<text class="title" x="{LEFT}" y="14">{html.escape(title)}</text>{body}</svg>'
    )


class Chart:
    """Axes with one column per name; `line`, `bars` and `legend` add to the SVG in `body`.

    Args:
        ticks: values of y with a label and a grid line.
        limits: of y; values beyond them are drawn at the edge.
        current: the column to highlight.
    """

    def __init__(
        self, names: Sequence[str], xlabel: str, ticks: Sequence[float], *, limits: tuple[float, float] = (0, 1),
        log: bool = False, current: int | None = None,
    ) -> None:  # fmt: skip
        self.column = (RIGHT - LEFT) / len(names)
        self.limits, self.log, self.current = limits, log, current
        self.body = "" if current is None else _rect(LEFT + current * self.column, TOP, self.column, 'class="here"')
        for tick in ticks:
            y = self.y(tick)
            self.body += f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            self.body += _text(LEFT - 5, y + 3.5, f"{tick:g}", "end")
        for i, name in enumerate(names):
            self.body += _text(self.x(i), BOTTOM + 14, name, "middle", bold=i == current)
        self.body += _text((LEFT + RIGHT) / 2, HEIGHT - 5, xlabel, "middle")

    def x(self, column: int) -> float:
        """Pixels from the left to the middle of a column."""
        return LEFT + (column + 0.5) * self.column

    def y(self, value: float) -> float:
        """Pixels from the top to a value."""
        values = np.array([value, *self.limits])
        value, low, high = np.log10(np.maximum(values, 1e-12)) if self.log else values
        return float(np.interp(value, (low, high), (BOTTOM, TOP)))

    def line(self, values: Sequence[float], kind: int, halves: Sequence[float] = ()) -> None:
        """A marked line through all columns, and bars of ± `halves` where they are not NaN."""
        places = [(self.x(i), self.y(v)) for i, v in enumerate(values)]
        for i, (value, half) in enumerate(zip(values, halves, strict=False)):
            if half == half:
                ends = f'y1="{self.y(value - half):.1f}" y2="{self.y(value + half):.1f}"'
                self.body += f'<line class="interval" x1="{self.x(i):.1f}" x2="{self.x(i):.1f}" {ends}/>'
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        look = f'fill="none" stroke="{OKABE_ITO[kind]}" stroke-width="1.6" stroke-dasharray="{DASHES[kind]}"'
        self.body += f'<polyline points="{path}" {look}/>'
        self.body += "".join(_marker(*at, kind, 5 if i == self.current else 2.5) for i, at in enumerate(places))

    def bars(self, values: Sequence[float], kind: int) -> None:
        """One bar per column, from the bottom."""
        for i, value in enumerate(values):
            left = self.x(i) - 0.43 * self.column
            self.body += _rect(left, self.y(value), 0.86 * self.column, f'fill="{OKABE_ITO[kind]}"')

    def legend(self, names: Sequence[str]) -> None:
        """Marker and name of each line, side by side under the title."""
        for i, name in enumerate(names):
            left = LEFT + i * (RIGHT - LEFT) / len(names)
            self.body += _marker(left + 5, 25, i, 3.5) + _text(left + 13, 28.5, name)


def pixels(mask: np.ndarray, kind: int) -> str:
    """A mask as a picture that fills the area, with its ones in colour and its zeros transparent."""
    from PIL import Image

    image = Image.fromarray((mask > 0).astype(np.uint8), "P")
    image.putpalette([255, 255, 255, *bytes.fromhex(OKABE_ITO[kind][1:])])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", bits=1, transparency=0, optimize=True)
    source = base64.b64encode(buffer.getvalue()).decode()
    height = HEIGHT - TOP - 4
    width = min(WIDTH - LEFT, height * mask.shape[1] / mask.shape[0])
    area = f'x="{LEFT}" y="{TOP}" width="{width:.1f}" height="{height}"'
    return (
        f'<rect class="frame" {area}/><image {area} preserveAspectRatio="none" style="image-rendering:pixelated" '
        f'href="data:image/png;base64,{source}"/>'
    )


def _text(x: float, y: float, words: str, anchor: str = "start", bold: bool = False) -> str:
    look = f'text-anchor="{anchor}"{" class=bold" * bold}'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{html.escape(words)}</text>'


def _rect(x: float, y: float, width: float, look: str) -> str:
    """Down to the bottom of the plotted area."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BOTTOM - y:.1f}" {look}/>'


def _marker(x: float, y: float, kind: int, size: float) -> str:
    """Of a shape and colour for each kind: the shape alone tells the lines apart."""
    count, turn, radius = MARKERS[kind]
    angles = np.radians(turn + np.arange(count) * 360 / count)
    corners = " ".join(f"{x + size * radius * np.cos(a):.1f},{y + size * radius * np.sin(a):.1f}" for a in angles)
    return f'<polygon points="{corners}" fill="{OKABE_ITO[kind]}"/>'
