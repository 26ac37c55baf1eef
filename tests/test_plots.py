"""Figures: every line that was asked for is drawn, once, and has a name."""

import pandas
import pytest

from fedsparse.analysis import plots


def legend(figure):
    found = [*figure.legends, *(a.get_legend() for a in figure.axes if a.get_legend())]
    return [[text.get_text() for text in each.get_texts()] for each in found]


@pytest.mark.parametrize("count", [1, 4, 9])
def test_no_line_is_dropped(count):
    named = {f"line {i}": ([0.0, 1.0], [0.1, 0.1 * i]) for i in range(count)}
    figure = plots.lines({"left": named, "right": named}, ["x", "λ"])
    assert [len(axes.lines) for axes in figure.axes] == [count, count]
    assert legend(figure) == [list(named)], "panels of the same names have one legend"
    assert [axes.get_xscale() for axes in figure.axes] == ["linear", "log"]
    other = plots.lines({"left": named, "right": {"another": ([0, 1], [0, 1])}}, ["x", "x"])
    assert legend(other) == [list(named), ["another"]]


def test_bills_of_a_mean_or_a_line_a_seed():
    rows = [
        {"panel": panel, "line": line, "seed": seed, "round": r, "megabytes_up": r, "megabytes_down": r + seed}
        | {"accuracy_expected": 0.5 + 0.1 * seed}
        for panel, line, seeds in (("left", "a", 2), ("right", "a", 1), ("right", "b", 3))
        for seed in range(seeds)
        for r in (1, 2)
    ]
    drawn = {}
    for seeds in ("band", "lines"):
        figure = plots.tradeoff(pandas.DataFrame(rows), seeds=seeds)
        assert legend(figure) == [["a", "b"]], "also what only the second panel has"
        drawn[seeds] = [
            [tuple(line.get_ydata()) for line in axes.lines if len(line.get_xdata())] for axes in figure.axes
        ]
    assert drawn["band"] == [[pytest.approx((0.55, 0.55))], [pytest.approx((0.5, 0.5)), pytest.approx((0.6, 0.6))]]
    assert [len(lines) for lines in drawn["lines"]] == [2, 4]


def test_a_mean_with_a_band_or_a_line_a_seed():
    rows = [
        {"round": r, "seed": seed, "lam": lam, "accuracy": 0.1 * r + 0.01 * seed + lam}
        for r in (1, 2)
        for seed in range(3)
        for lam in (0.0, 0.5)
    ]
    table = pandas.DataFrame(rows)
    (axes,) = plots.by_round(table, ("accuracy",)).axes
    drawn = [line.get_ydata() for line in axes.lines if len(line.get_xdata())]
    assert [list(y) for y in drawn] == [pytest.approx([0.11, 0.21]), pytest.approx([0.61, 0.71])]
    (axes,) = plots.by_round(table, ("accuracy",), seeds="lines").axes
    ends = sorted(line.get_ydata()[-1] for line in axes.lines if len(line.get_xdata()))
    assert ends == pytest.approx([0.2, 0.21, 0.22, 0.7, 0.71, 0.72])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["λ = 0", "λ = 0.5"]
