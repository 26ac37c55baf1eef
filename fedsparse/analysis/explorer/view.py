"""What the explorer shows at one λ, as a pure function: four charts, a caption, a row of the table."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fedsparse.analysis.explorer import svg
from fedsparse.analysis.explorer.sweep import BINS, RATES, Point, Sweep
from fedsparse.analysis.sweeps import interval

COLLAPSED_DENSITY = 0.02
"""Density below which a network at half the best accuracy has collapsed; above it, training may be unfinished."""

STYLE = f"<style>\n{Path(__file__).with_name('view.css').read_text()}</style>"


class Frame(NamedTuple):
    """One position of the slider."""

    figure: str
    """HTML: four charts, each with words for readers who cannot see it."""
    caption: str
    """The same in a few sentences of plain text."""
    row: dict[str, str]
    """Cells of the table by the names of their columns."""


def frame(lam: float, sweep: Sweep) -> Frame:
    """Everything that is shown at a λ of the sweep.

    Raises:
        SettingError: the sweep has no such λ.
    """
    point = sweep.at(lam)
    current = sweep.lams.index(point.lam)
    charts = _accuracy(sweep, current) + _rates(sweep, current) + _theta(point) + _mask(point, sweep.shown)
    return Frame(f'<figure class="fedsparse-frame">{charts}</figure>', _caption(point, sweep), row(point))


def row(point: Point) -> dict[str, str]:
    """A λ as a row of the table: accuracy in percent, rates in bits per parameter."""
    mean, half = interval(point.accuracies)
    spread = "one seed" if len(point.accuracies) == 1 else f"{100 * half:.1f}"
    rates = {name: f"{point.rates[column]:.3f}" for column, name in RATES.items()}
    percent = {"accuracy, %": f"{100 * mean:.1f}", "±": spread, "ones, %": f"{100 * point.density:.1f}"}
    return {"λ": f"{point.lam:g}", **percent, **rates}


def table(sweep: Sweep, lam: float) -> str:
    """All rows as an HTML table, with the row of `lam` marked."""
    rows = [row(point) for point in sweep.points]
    head = "".join(f'<th scope="col">{name}</th>' for name in rows[0])
    body = ""
    for first, *others in (cells.values() for cells in rows):
        current = ' aria-current="true"' if first == f"{lam:g}" else ""
        body += f'<tr{current}><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'
    # On a narrow page the table scrolls by itself, and Tab reaches it without a mouse.
    return (
        '<div class="fedsparse-scroll" tabindex="0" role="region" aria-label="table of all λ">'
        f'<table class="fedsparse-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def collapsed(point: Point, sweep: Sweep) -> bool:
    """Whether accuracy is below half of the best in the sweep, and the density below `COLLAPSED_DENSITY`."""
    best = max(interval(p.accuracies)[0] for p in sweep.points)
    return interval(point.accuracies)[0] < best / 2 and point.density < COLLAPSED_DENSITY


def _caption(point: Point, sweep: Sweep) -> str:
    mean, half = interval(point.accuracies)
    seeds = len(point.accuracies)
    spread = "with one seed" if seeds == 1 else f"± {100 * half:.1f} points over {seeds} seeds"
    why = " The mask has collapsed: too few weights are left to learn with." if collapsed(point, sweep) else ""
    return (
        f"λ = {point.lam:g}: accuracy {mean:.1%} {spread}, {point.density:.1%} of the mask are ones. "
        f"Bits per parameter: {_rates_of(point)}. {_ends(point)}{why}"
    )


def _rates_of(point: Point) -> str:
    return ", ".join(f"{name} {point.rates[column]:.3f}" for column, name in RATES.items())


def _ends(point: Point) -> str:
    none, every = point.theta[0] / sum(point.theta), point.theta[-1] / sum(point.theta)
    return f"θ is near 0 for {none:.0%} of the weights, and near 1 for {every:.0%}."


def _by_lam(sweep: Sweep, ticks: Sequence[float], current: int, **axis) -> svg.Chart:
    return svg.Chart([f"{lam:g}" for lam in sweep.lams], "λ", ticks, current=current, **axis)


def _accuracy(sweep: Sweep, current: int) -> str:
    means, halves = zip(*(interval(point.accuracies) for point in sweep.points), strict=True)
    chart = _by_lam(sweep, (0, 0.25, 0.5, 0.75, 1), current)
    chart.line(means, 0, halves)
    words = ", ".join(f"{mean:.3f} at {lam:g}" for mean, lam in zip(means, sweep.lams, strict=True))
    words = f"Accuracy of the expected network by λ: {words}."
    return svg.picture("accuracy, bar: 95 % interval", words, chart.body)


def _rates(sweep: Sweep, current: int) -> str:
    values = [p.rates[name] for p in sweep.points for name in RATES]
    limits = min(0.001, *(v for v in values if v > 0)), max(5.0, *values)
    chart = _by_lam(sweep, (0.001, 0.01, 0.1, 1), current, limits=limits, log=True)
    for kind, column in enumerate(RATES):
        chart.line([p.rates[column] for p in sweep.points], kind)
    chart.legend(list(RATES.values()))
    at = f"at λ = {sweep.lams[current]:g}: {_rates_of(sweep.points[current])} bits per parameter."
    return svg.picture("bits per parameter", f"Rates by λ on a logarithmic axis; {at}", chart.body)


def _theta(point: Point) -> str:
    names = [f"{i / (BINS - 1):g}" for i in range(BINS)]
    chart = svg.Chart(names, "θ, probability that a weight is kept", (0, 0.25, 0.5, 0.75, 1))
    chart.bars([count / sum(point.theta) for count in point.theta], 1)
    return svg.picture("share of weights, by θ", f"Histogram of θ. {_ends(point)}", chart.body)


def _mask(point: Point, shown: str) -> str:
    words = f"{point.mask.mean():.1%} of its weights are ones: {shown}."
    return svg.picture("mask of one layer, ones in colour", words, svg.pixels(point.mask, 2))
