"""What the explorer shows at one λ, as a pure function: four charts and a caption; and the table of all λ."""

import base64
import html
import io
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from fedsparse.analysis.explorer.sweep import RATES, Point, Sweep
from fedsparse.analysis.plots.style import OKABE_ITO, plot_lines
from fedsparse.analysis.sweeps import interval

STYLE = f"<style>\n{Path(__file__).with_name('view.css').read_text(encoding='utf-8')}</style>"


class Frame(NamedTuple):
    """One position of the slider."""

    figure: str
    """HTML: four charts, each with words for readers who cannot see it."""
    caption: str
    """The same in a few sentences of plain text."""


def frame(lam: float, sweep: Sweep) -> Frame:
    """Everything that is shown at a λ of the sweep.

    Raises:
        SettingError: the sweep has no such λ.
    """
    point = sweep.at(lam)
    images = "".join(_image(figure, words) for figure, words in charts(point, sweep))
    return Frame(f'<figure class="fedsparse-frame">{images}</figure>', _caption(point, sweep))


def section(lam: float, sweep: Sweep) -> str:
    """The frame as HTML, caption first."""
    figure, caption = frame(lam, sweep)
    return f'<p class="fedsparse-caption">{html.escape(caption)}</p>{figure}'


def row(point: Point) -> dict[str, str]:
    """A λ as a row of the table: accuracy in percent, rates in bits per parameter."""
    mean, half = interval(point.accuracies)
    spread = "one seed" if len(point.accuracies) == 1 else f"{100 * half:.1f}"
    rates = {name: f"{point.rates[column]:.3f}" for column, name in RATES.items()}
    percent = {"accuracy, %": f"{100 * mean:.1f}", "±": spread, "ones, %": f"{100 * point.density:.1f}"}
    return {"λ": f"{point.lam:g}", **percent, **rates}


def table(sweep: Sweep, lam: float) -> str:
    """All rows as an HTML table, with the row of `lam` marked."""
    rows = pandas.DataFrame([row(point) for point in sweep.points]).set_index("λ").rename_axis(None)
    cells = rows.rename_axis("λ", axis=1).to_html(classes="fedsparse-table", border=0)
    cells = cells.replace(f"<tr>\n      <th>{lam:g}</th>", f'<tr aria-current="true">\n      <th>{lam:g}</th>')
    # On a narrow page the table scrolls by itself, and Tab reaches it without a mouse.
    return f'<div class="fedsparse-scroll" tabindex="0" role="region" aria-label="table of all λ">{cells}</div>'


def collapsed(point: Point, sweep: Sweep) -> bool:
    """Whether accuracy is below half of the best in the sweep, and below 2 % are ones: else, training may go on."""
    best = max(np.mean(p.accuracies) for p in sweep.points)
    return bool(np.mean(point.accuracies) < best / 2 and point.density < 0.02)


def charts(point: Point, sweep: Sweep) -> list[tuple[Figure, str]]:
    """Accuracy by λ, rates by λ, the histogram of θ and the mask, each with words for readers who cannot see it."""
    lams, at = [f"{lam:g}" for lam in sweep.lams], sweep.lams.index(point.lam)
    accuracy = _axes("accuracy, bar: 95 % interval", "λ", ylim=(0, 1.02))
    means, halves = zip(*(interval(p.accuracies) for p in sweep.points), strict=True)
    accuracy.errorbar(lams, means, halves, color=OKABE_ITO[0], marker="o", markersize=4, ecolor="gray")
    rates = _axes("bits per parameter", "λ", yscale="log")
    plot_lines(rates, {n: (lams, [max(p.rates[c], 1e-5) for p in sweep.points]) for c, n in RATES.items()})
    rates.set_ylim(top=30)
    rates.yaxis.set_major_formatter("{x:g}")
    rates.minorticks_off()
    rates.legend(ncols=4, loc="upper center", frameon=False, fontsize=7.5)
    for axes in (accuracy, rates):
        axes.axvspan(at - 0.5, at + 0.5, color="black", alpha=0.1)
    theta = _axes("share of weights, by θ", "θ, probability that a weight is kept", ylim=(0, 1))
    theta.bar(np.linspace(0, 1, len(point.theta)), np.divide(point.theta, sum(point.theta)), 0.09, color=OKABE_ITO[1])
    mask = _axes("mask of one layer, ones in colour", "", xticks=[], yticks=[])
    colours = ListedColormap(["white", OKABE_ITO[2]])
    mask.imshow(point.mask, cmap=colours, vmin=0, vmax=1, interpolation="none", aspect="auto")

    by_lam = ", ".join(f"{mean:.3f} at {lam}" for mean, lam in zip(means, lams, strict=True))
    at_lam = f"at λ = {point.lam:g}: {_rates_of(point)} bits per parameter."
    return [
        (accuracy.figure, f"Accuracy of the expected network by λ: {by_lam}."),
        (rates.figure, f"Rates by λ on a logarithmic axis; {at_lam}"),
        (theta.figure, f"Histogram of θ. {_ends(point)}"),
        (mask.figure, f"{point.mask.mean():.1%} of its weights are ones: {sweep.shown}."),
    ]


def _axes(title: str, xlabel: str, **look: Any) -> Any:
    figure = Figure(figsize=(4, 2.9))
    figure.suptitle(title, x=0.555)  # a title and a label of the axes would take twice the time
    figure.supxlabel(xlabel, x=0.555)
    margins = {"left": 0.13, "right": 0.98, "top": 0.9, "bottom": 0.17}
    return figure.subplots(gridspec_kw=margins, subplot_kw=look)


def _image(figure: Figure, words: str) -> str:
    buffer = io.BytesIO()  # text stays text, and the same figure is the same file
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "-", "font.sans-serif": ["DejaVu Sans"]}):
        figure.savefig(buffer, format="svg", metadata={"Creator": None, "Date": None})
    source = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(words)}" src="data:image/svg+xml;base64,{source}">'


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
