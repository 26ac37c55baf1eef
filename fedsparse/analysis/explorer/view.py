"""What the explorer shows at one λ in a notebook, as a pure function: four charts and a caption; the table of all λ."""

import base64
import html
import io
import math
from collections.abc import Iterable, Sequence
from itertools import combinations_with_replacement
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from fedsparse.analysis.explorer.sweep import ACCURACIES, RATES, WAYS, Point, Sweep
from fedsparse.analysis.plots.style import MARKERS, OKABE_ITO, plot_lines

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
    return Frame(f'<figure class="fedsparse-frame">{images}</figure>', caption(point, sweep))


def section(lam: float, sweep: Sweep) -> str:
    """The frame as HTML, caption first."""
    figure, words = frame(lam, sweep)
    return f'<p class="fedsparse-caption">{html.escape(words)}</p>{figure}'


def row(point: Point) -> dict[str, str]:
    """A λ as a row of the table: accuracies and ones in percent, bits per parameter, the whole training's megabytes.

    Where some seeds have collapsed and others have not, each by itself.
    """
    percent = {f"{name}, %": _percent(point, column) for column, name in ACCURACIES.items()}
    rates = {name: _by_seed(point, column, 3) for column, name in RATES.items()}
    megabytes = {f"MB {name}": _by_seed(point, column, 2) for column, name in WAYS.items()}
    return {"λ": f"{point.lam:g}", **percent, "ones, %": _by_seed(point, "density", 1, 100), **rates, **megabytes}


def table(sweep: Sweep, lam: float) -> str:
    """All rows as an HTML table, with the row of `lam` marked."""
    rows = pandas.DataFrame([row(point) for point in sweep.points]).set_index("λ").rename_axis(None)
    cells = rows.rename_axis("λ", axis=1).to_html(classes="fedsparse-table", border=0)
    cells = cells.replace(f"<tr>\n      <th>{lam:g}</th>", f'<tr aria-current="true">\n      <th>{lam:g}</th>')
    # On a narrow page the table scrolls by itself, and Tab reaches it without a mouse.
    return f'<div class="fedsparse-scroll" tabindex="0" role="region" aria-label="table of all λ">{cells}</div>'


def collapsed(point: Point, sweep: Sweep) -> bool:
    """Whether accuracy is below half of the best in the sweep, and below 2 % are ones: else, training may go on.

    Some seeds that have collapsed are enough, while others live.
    """
    best = max(p.level("accuracy_expected")[0] for p in sweep.points)
    return point.parted or bool(point.level("accuracy_expected")[0] < best / 2 and point.density < 0.02)


def landmarks(sweep: Sweep) -> dict[float, str]:
    """The λ of the sweep that have a name: its knee, and where the mask collapses first; neither, if none shows it.

    The knee is the largest λ before the first at which sampled networks lose more than a point to those of the smallest
    λ, in the mean over seeds.
    """
    knee = knee_of(_sampled(sweep))
    ends = [p.lam for p in sweep.points if collapsed(p, sweep)]
    return ({knee: "knee"} if knee < sweep.lams[-1] else {}) | dict.fromkeys(ends[:1], "collapse")


def knee_of(accuracies: Any, drawn: Sequence[int] | None = None) -> float:
    """The knee of a sweep, as `landmarks` has it.

    Args:
        accuracies: by λ, in increasing order, one per seed; a mapping, or a series.
        drawn: the seeds of which the means are taken, counted from 0; by default each once.
    """
    lams, values = zip(*accuracies.items(), strict=True)
    means = [fmean(of_lam[i % len(of_lam)] for i in drawn or range(len(of_lam))) for of_lam in values]
    falls = next((i for i, mean in enumerate(means) if mean < means[0] - 0.01), len(means))
    return lams[falls - 1]


def knees(accuracies: Any) -> tuple[float, float, float]:
    """The knee of a sweep, and the least and the largest that come out if as many seeds are drawn again of its own.

    The second and the third say how well the seeds determine the first. Up to seven seeds are drawn in every way, more
    of them in 2,000 ways.

    Args:
        accuracies: as for `knee_of`.
    """
    count = max(map(len, accuracies.values if isinstance(accuracies, pandas.Series) else accuracies.values()))
    ways: Iterable[Sequence[int]] = combinations_with_replacement(range(count), count)
    if count > 7:
        ways = np.random.default_rng(0).integers(0, count, (2000, count)).tolist()
    found = [knee_of(accuracies, drawn) for drawn in ways]
    return knee_of(accuracies), min(found), max(found)


def _sampled(sweep: Sweep) -> dict[float, tuple[float, ...]]:
    return {p.lam: p.accuracies["accuracy"] for p in sweep.points}


def floor(sweep: Sweep) -> float:
    """Where the axis of accuracy begins: a multiple of 0.05 below every interval of a λ that has not collapsed."""
    working = [p for p in sweep.points if not collapsed(p, sweep)]
    low = [np.nan_to_num(p.level(name)).dot([1, -1]) for p in working for name in ACCURACIES]
    return max(0.0, math.floor(min(low, default=0.0) * 20) / 20)


def charts(point: Point, sweep: Sweep) -> list[tuple[Figure, str]]:
    """Accuracy by λ, rates by λ, the histogram of θ and the mask, each with words for readers who cannot see it."""
    lams = np.array(sweep.lams)
    places, low = np.log1p(lams), floor(sweep)
    look = {"xticks": places, "xticklabels": _apart(places, lams), "xlim": (places[0] - 0.1, places[-1] + 0.1)}
    accuracy = _axes("accuracy (bar: 95 %; ↓: seeds below)", "λ", ylim=(low - 0.05 * (1 - low), 1.005), **look)
    words = []
    for i, (column, name) in enumerate(ACCURACIES.items()):
        means, halves = np.array([p.level(column) for p in sweep.points]).T
        drawn = np.where(means < low, np.nan, means)  # what has collapsed lies below the axis
        shift = 0.02 * (i - 1)
        own = {"color": OKABE_ITO[i], "marker": MARKERS[i], "markersize": 4, "linewidth": 1}
        accuracy.errorbar(places + shift, drawn, halves, ecolor="gray", elinewidth=0.8, label=name, **own)
        alone = [len(p.accuracies[column]) == 1 for p in sweep.points]
        accuracy.plot(
            places[alone] + shift, drawn[alone], own["marker"], color=own["color"], mfc="white", markersize=6, zorder=3
        )
        for place, p in zip(places, sweep.points, strict=True):
            live = [a for a in p.accuracies[column] if p.parted and a >= low]
            accuracy.scatter(
                [place + shift] * len(live), live, 12, "white", marker=own["marker"], edgecolors=own["color"]
            )
        words.append(f"{name} " + ", ".join(f"{mean:.3f} at {lam:g}" for mean, lam in zip(means, lams, strict=True)))
    for place, p in zip(places, sweep.points, strict=True):
        if min(p.accuracies["accuracy"]) < low:
            accuracy.annotate("↓", (place, low), ha="center", va="bottom", fontsize=8)
    accuracy.legend(loc="lower left", frameon=False, fontsize=7.5)
    rates = _axes("bits per parameter", "λ", yscale="log", **look)
    plot_lines(rates, {n: (places, [_mean(p, c) for p in sweep.points]) for c, n in RATES.items()})
    for i, column in enumerate(RATES):
        for place, p in zip(places, sweep.points, strict=True):
            if p.parted:
                values = p.of_seeds(column)
                rates.scatter([place] * len(values), values, 12, "white", marker=MARKERS[i], edgecolors=OKABE_ITO[i])
    rates.set_ylim(top=30)
    rates.yaxis.set_major_formatter("{x:g}")
    rates.minorticks_off()
    rates.legend(ncols=4, loc="upper center", frameon=False, fontsize=7.5)
    for axes in (accuracy, rates):
        axes.axvline(np.log1p(point.lam), color="black", alpha=0.12, linewidth=10, zorder=0)
        for lam, name in landmarks(sweep).items():
            axes.axvline(np.log1p(lam), color="black", linewidth=1, linestyle=":", zorder=0)
            above = {"xycoords": axes.get_xaxis_transform(), "ha": "right", "va": "bottom", "fontsize": 7.5}
            axes.annotate(name, (np.log1p(lam) + 0.05, 1), **above)
    theta = _axes("share of weights, by θ", "θ, probability that a weight is kept", ylim=(0, 1))
    theta.bar(np.linspace(0, 1, len(point.theta)), np.divide(point.theta, sum(point.theta)), 0.09, color=OKABE_ITO[1])
    mask = _axes("mask of one layer, ones in colour", "input of the layer", xticks=[], yticks=[])
    mask.set_ylabel("output of the layer")
    colours = ListedColormap(["white", OKABE_ITO[2]])
    mask.imshow(point.mask, cmap=colours, vmin=0, vmax=1, interpolation="none", aspect="auto")
    marked = "".join(f", {name} at λ = {lam:g}" for lam, name in landmarks(sweep).items())
    at_lam = f"at λ = {point.lam:g}: {_rates_of(point)} bits per parameter."
    return [
        (accuracy.figure, f"Accuracy by λ{marked}: {'; '.join(words)}."),
        (rates.figure, f"Rates by λ on a logarithmic axis; {at_lam}"),
        (theta.figure, f"Histogram of θ. {_ends(point)}"),
        (mask.figure, f"{point.mask.mean():.1%} of its weights are ones: {sweep.shown}."),
    ]


def caption(point: Point, sweep: Sweep) -> str:
    """What is shown at a λ, in a few sentences."""
    seeds = len(point.accuracies["accuracy"])
    spread = "one seed" if seeds == 1 else "by seed" if point.parted else f"95 % interval over {seeds} seeds"
    by_kind = ", ".join(f"{name} {_percent(point, column)}" for column, name in ACCURACIES.items())
    where = f"in some of {seeds} seeds" if point.parted else "in every seed" if seeds > 1 else ""
    why = f" The mask has collapsed {where}".rstrip() + ": too few weights are left to learn with."
    why = why if collapsed(point, sweep) else ""
    if landmarks(sweep).get(point.lam) == "knee":
        why = " This is the knee: at the next larger λ sampled networks have lost more than a point, in the mean."
        _, least, most = knees(_sampled(sweep))
        why += f" Drawn again, these seeds put it anywhere from λ = {least:g} to {most:g}." if least < most else ""
    up, down = (_by_seed(point, column, 2) for column in WAYS)
    ones = _by_seed(point, "density", 1, 100)
    return (
        f"λ = {point.lam:g}: accuracy in percent ({spread}): {by_kind}. {ones}% of the mask are ones. "
        f"Bits per parameter in the last round: {_rates_of(point)}. "
        f"The whole training: {up} megabytes up, {down} down. {_ends(point)}{why}"
    )


def _axes(title: str, xlabel: str, **look: Any) -> Any:
    figure = Figure(figsize=(4, 2.9))
    figure.suptitle(title, x=0.555)  # a title and a label of the axes would take twice the time
    figure.supxlabel(xlabel, x=0.555)
    margins = {"left": 0.13, "right": 0.98, "top": 0.87, "bottom": 0.17}
    return figure.subplots(gridspec_kw=margins, subplot_kw=look)


def _image(figure: Figure, words: str) -> str:
    """An image, and not the SVG itself: where a notebook is not trusted, JupyterLab takes the shapes out of an SVG."""
    buffer = io.BytesIO()  # text stays text, and the same figure is the same file
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "-", "font.sans-serif": ["DejaVu Sans"]}):
        figure.savefig(buffer, format="svg", metadata={"Creator": None, "Date": None})
    source = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(words)}" src="data:image/svg+xml;base64,{source}">'


def _apart(places: np.ndarray, lams: np.ndarray) -> list[str]:
    """Labels of the ticks, none where it would touch the one before it."""
    labels, last = [], -math.inf
    for place, lam in zip(places, lams, strict=True):
        shown = place - last >= 0.07 * (places[-1] - places[0])
        labels.append(f"{lam:g}" if shown else "")
        last = place if shown else last
    return labels


def _percent(point: Point, column: str) -> str:
    if point.parted:
        return " / ".join(f"{100 * value:.1f}" for value in point.accuracies[column])
    mean, half = point.level(column)
    return f"{100 * mean:.1f}" + ("" if math.isnan(half) else f" ± {100 * half:.1f}")


def _by_seed(point: Point, column: str, digits: int, factor: float = 1) -> str:
    """The mean over the seeds, or where they have parted, each by itself."""
    return " / ".join(f"{factor * value:.{digits}f}" for value in point.of_seeds(column))


def _mean(point: Point, column: str) -> float:
    """Of a rate, for a logarithmic axis; NaN where a mean would be of no network that there is."""
    return math.nan if point.parted else max(*point.of_seeds(column), 1e-5)


def _rates_of(point: Point) -> str:
    return ", ".join(f"{name} {_by_seed(point, column, 3)}" for column, name in RATES.items())


def _ends(point: Point) -> str:
    none, every = point.theta[0] / sum(point.theta), point.theta[-1] / sum(point.theta)
    return f"θ is near 0 for {none:.0%} of the weights, and near 1 for {every:.0%}."
