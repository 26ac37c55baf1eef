"""What the explorer shows at one λ, as a pure function: a figure, a caption, a row of the table."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fedsparse.analysis.explorer import svg
from fedsparse.analysis.explorer.sweep import BINS, Point, Sweep
from fedsparse.analysis.sweeps import interval

RATE_NAMES = {"bpp_entropy": "entropy", "bpp_uplink": "uplink", "bpp_downlink": "downlink", "bpp_kl": "KL"}

LEFT = 0.02
"""Share of ones below which a network that does not work has starved, and is not merely young."""

STYLE = f"<style>\n{Path(__file__).with_name('view.css').read_text()}</style>"


class Frame(NamedTuple):
    """One position of the slider."""

    figure: str
    """HTML: four charts, each with words for who does not see it."""
    caption: str
    """The same in a few sentences of plain text."""
    row: dict[str, str]
    """Name of the column to what stands in it."""


def frame(lam: float, sweep: Sweep) -> Frame:
    """Everything that is shown at a λ of the sweep.

    Raises:
        SettingError: the sweep has no such λ.
    """
    point = sweep.at(lam)
    here = sweep.points.index(point)
    charts = [
        _accuracy(sweep, here),
        _rates(sweep, here),
        _theta(point),
        svg.chart("the mask: ones are inked", f"{_share(point.mask.mean())} of it are ones: {sweep.shown}.",
                  [svg.pixels(point.mask, 2)]),
    ]  # fmt: skip
    return Frame(f'<figure class="fedsparse-frame">{"".join(charts)}</figure>', _caption(point, sweep), row(point))


def row(point: Point) -> dict[str, str]:
    """A λ as a row of the table: accuracy in percent, rates in bits per parameter."""
    mean, half = interval(point.accuracies)
    spread = "one seed" if len(point.accuracies) == 1 else f"{100 * half:.1f}"
    rates = {name: f"{point.rates[column]:.3f}" for column, name in RATE_NAMES.items()}
    percent = {"accuracy, %": f"{100 * mean:.1f}", "±": spread, "ones, %": f"{100 * point.density:.1f}"}
    return {"λ": f"{point.lam:g}", **percent, **rates}


def table(rows: Sequence[dict[str, str]], lam: float) -> str:
    """All rows as an HTML table, the one of λ marked."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in rows[0])
    body = ""
    for one in rows:
        first, *others = one.values()
        current = ' aria-current="true"' if first == f"{lam:g}" else ""
        cells = "".join(f"<td>{html.escape(v)}</td>" for v in others)
        body += f'<tr{current}><th scope="row">{first}</th>{cells}</tr>'
    # It scrolls by itself on a narrow page, and who has no mouse reaches it by Tab.
    return (
        '<div class="fedsparse-scroll" tabindex="0" role="region" aria-label="table of all λ">'
        f'<table class="fedsparse-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def starved(point: Point, sweep: Sweep) -> bool:
    """Whether accuracy is below half of the best in the sweep, with fewer ones in the mask than `LEFT`."""
    best = max(interval(p.accuracies)[0] for p in sweep.points)
    return interval(point.accuracies)[0] < best / 2 and point.density < LEFT


def _share(value: float) -> str:
    return f"{value:.1%}"


def _ends(point: Point) -> tuple[float, float]:
    """Shares of weights that nobody wants, and that all want."""
    return point.theta[0] / sum(point.theta), point.theta[-1] / sum(point.theta)


def _caption(point: Point, sweep: Sweep) -> str:
    mean, half = interval(point.accuracies)
    seeds = len(point.accuracies)
    over = "with one seed" if seeds == 1 else f"± {100 * half:.1f} points over {seeds} seeds"
    nobody, everybody = _ends(point)
    rates = ", ".join(f"{name} {point.rates[column]:.3f}" for column, name in RATE_NAMES.items())
    why = " The network has starved: too little of it is left to learn with." if starved(point, sweep) else ""
    return (
        f"λ = {point.lam:g}: accuracy {_share(mean)} {over}, {_share(point.density)} of the mask are ones. "
        f"Bits per parameter: {rates}. Nobody wants {nobody:.0%} of the weights, everybody {everybody:.0%}.{why}"
    )


def _names(sweep: Sweep) -> list[str]:
    return [f"{lam:g}" for lam in sweep.lams]


def _accuracy(sweep: Sweep, here: int) -> str:
    axes = svg.Axes(len(sweep.points), 0, 1)
    parts = [svg.scales(axes, (0, 0.25, 0.5, 0.75, 1), _names(sweep), "λ", here)]
    means = []
    for i, point in enumerate(sweep.points):
        mean, half = interval(point.accuracies)
        means.append(mean)
        if half == half:  # with one seed there is no interval
            x, low, high = axes.x(i), axes.y(mean - half), axes.y(mean + half)
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="currentColor" opacity=".6"/>'
            )
    parts.append(svg.line(axes, means, 0, here))
    words = ", ".join(f"{m:.3f} at {lam:g}" for m, lam in zip(means, sweep.lams, strict=True))
    return svg.chart("accuracy, bar: 95% over seeds", f"Accuracy of the expected network by λ: {words}.", parts)


def _rates(sweep: Sweep, here: int) -> str:
    every = [p.rates[name] for p in sweep.points for name in RATE_NAMES]
    low = min(0.001, *(v for v in every if v > 0))
    axes = svg.Axes(len(sweep.points), low, max(5.0, *every), log=True)
    ticks = [t for t in (0.001, 0.01, 0.1, 1) if t >= low]
    lines = [svg.line(axes, [p.rates[c] for p in sweep.points], kind, here) for kind, c in enumerate(RATE_NAMES)]
    now = ", ".join(f"{name} {sweep.points[here].rates[c]:.3f}" for c, name in RATE_NAMES.items())
    words = f"Rates by λ on a logarithmic axis; at λ = {sweep.lams[here]:g}: {now} bits per parameter."
    parts = [svg.scales(axes, ticks, _names(sweep), "λ", here), *lines, svg.legend(list(RATE_NAMES.values()))]
    return svg.chart("bits per parameter", words, parts)


def _theta(point: Point) -> str:
    axes = svg.Axes(BINS, 0, 1)
    names = [f"{i / (BINS - 1):g}" for i in range(BINS)]
    shares = [count / sum(point.theta) for count in point.theta]
    nobody, everybody = _ends(point)
    words = f"Histogram of θ: {nobody:.0%} of the weights near 0, {everybody:.0%} near 1."
    parts = [svg.scales(axes, (0, 0.25, 0.5, 0.75, 1), names, "θ, how many of the clients want it"),
             svg.bars(axes, shares, 1)]  # fmt: skip
    return svg.chart("share of weights, by θ", words, parts)
