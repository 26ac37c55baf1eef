"""Figures from tables of runs, as `fedsparse.analysis.sweeps` and `fedsparse.analysis.costs` make them.

They raise `SettingError` for a table that lacks a column that is drawn, or has no rows.
"""

import itertools
import math
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas
import seaborn
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from fedsparse.analysis.plots.style import LABELS, OKABE_ITO, STYLES, common_legend, look, panels
from fedsparse.analysis.sweeps import parted
from fedsparse.errors import SettingError


def by_round(
    table: pandas.DataFrame, columns: tuple[str, ...], by: str = "lam", title: str = "", seeds: str = "band",
    logarithmic: Collection[str] = (), levels: Mapping[str, float] | None = None,
) -> Figure:  # fmt: skip
    """One panel per column, against the round: the mean over seeds, and their whole range as a band.

    Args:
        table: as from `fedsparse.analysis.sweeps.tidy`.
        columns: of `fedsparse.history.COLUMNS`.
        by: the setting that tells the lines apart; a single line needs no legend.
        seeds: "lines" for one line per seed: a mean of collapsed and working runs describes neither.
        logarithmic: those of the columns that are drawn on a logarithmic axis.
        levels: by column, a value to mark with a dotted line, such as a target.
    """
    check_table(table, "round", by, *columns, *["seed"] * (seeds == "lines"))
    name = "λ" if by == "lam" else by
    several: dict[str, Any] = {"errorbar": ("pi", 100)}
    if seeds == "lines":
        several = {"units": "seed", "estimator": None, "linewidth": 1.2}
    labelled = table.assign(**{name: table[by].map(lambda v: f"{name} = {v:g}" if by == "lam" else str(v))})
    there = [column for column in columns if table[column].notna().any()]
    if not there:
        raise SettingError(f"nothing to draw: no values of {', '.join(columns) or 'any column'}")
    figure, row = panels(len(columns), 3.6 * len(columns), 3.4, title)
    order = list(labelled[name].unique())  # in every panel, also where a line has no values
    for axes, column in zip(row, columns, strict=True):
        if column in there:
            seaborn.lineplot(
                labelled.dropna(subset=[column]), x="round", y=column, hue=name, style=name, ax=axes,
                hue_order=order, style_order=order, palette=[look(i)["color"] for i in range(len(order))],
                legend=column == there[0], **several,
            )  # fmt: skip
        top = 1.02 if table[column].max() <= 1.02 else None
        axes.set(xlabel="round", ylabel=LABELS.get(column, column))
        axes.set(**{"yscale": "log"} if column in logarithmic else {"ylim": (0, top)})
        if levels and column in levels:
            axes.axhline(levels[column], color="black", linewidth=1, linestyle=":")
    first = row[columns.index(there[0])]
    handles, names = first.get_legend_handles_labels()
    first.get_legend().remove()
    ncols = max(1, int(11 * figure.get_figwidth()) // (max(map(len, names)) + 8))
    if len(names) > 1:  # inside it would hide lines
        figure.legend(handles, names, loc="outside lower center", ncols=ncols, frameon=False)
    return figure


def by_lam(last: pandas.DataFrame, columns: Sequence[str | tuple[str, ...]], title: str = "") -> Figure:
    """One panel per entry of `columns`, against λ: one dot per seed, and a line through their means.

    Where some seeds have collapsed and others have not, the line has a gap: their mean would describe neither.
    λ is to scale on a logarithmic axis, on which 0 has a place at the left. A panel of accuracies shows the upper
    end of the axis alone; an arrow near its lower edge stands for a run below it.

    Args:
        last: one row per run, with `lam`, as the last rounds of a table of `fedsparse.analysis.sweeps`.
        columns: of `fedsparse.history.COLUMNS`; several in a tuple share a panel.
    """
    groups = [(entry,) if isinstance(entry, str) else tuple(entry) for entry in columns]
    check_table(last, "lam", *itertools.chain(*groups))
    lams = sorted(last["lam"].unique())
    figure, row = panels(len(groups), max(7.2, 3.8 * len(groups)), 3.7, title)
    several = last.filter(like="accuracy").min(axis=1).groupby(last["lam"]).agg(parted)
    for axes, group in zip(row, groups, strict=True):
        means, floor = last.groupby("lam")[list(group)].mean()[~several], 0.0
        if all(column.startswith("accuracy") for column in group):
            floor = floor_of(means)
        means = means.reindex(lams)
        for i, column in enumerate(group):
            shown, below, own = last[last[column] >= floor], last[last[column] < floor], look(i)
            axes.plot(means.index, means[column].where(means[column] >= floor), color=own["color"], linewidth=1.5)
            every = {"clip_on": False, "in_layout": False, "zorder": 3, "s": 16}
            label = LABELS.get(column, column)
            axes.scatter(shown["lam"], shown[column], alpha=0.7, label=label, **own, **every)
            above = offset_copy(axes.transData, figure, y=6 * i, units="points")
            axes.scatter(below["lam"], [floor] * len(below), marker="v", color=own["color"], transform=above, **every)
        top = 1.01 if floor else 1.05 * max(last[list(group)].max().max(), 1e-9)
        axes.set(xlabel="λ", ylabel=LABELS.get(group[0], group[0]) if len(group) == 1 else "accuracy")
        axes.set_ylim(floor, top)
        _lam_axis(axes, lams)
        if len(group) > 1:
            axes.legend(fontsize=8)
    return figure


def floor_of(means: pandas.DataFrame) -> float:
    """Where an axis of accuracies may begin: below the least mean of those that are above half of the best."""
    best = means.max().max()
    least = means[means > best / 2].min().min()  # NaN where there is none
    return max(0.0, math.floor(20 * least - 0.5) / 20) if least == least else 0.0


def _lam_axis(axes: Any, lams: Sequence[float]) -> None:
    """A logarithmic x-axis with a place for 0, with ticks at such of the λ as leave each other room."""
    positive = [lam for lam in lams if lam > 0]
    if not positive:
        return
    axes.set_xscale("symlog", linthresh=positive[0], linscale=0.4)
    ticks = [lam for lam in lams if lam == 0] + positive[:1]
    room = max(0.2, math.log10(positive[-1] / positive[0]) / 7)
    for lam in positive[1:]:
        if math.log10(lam / ticks[-1]) >= room:
            ticks.append(lam)
    axes.set_xticks(ticks, [f"{lam:g}" for lam in ticks])
    axes.minorticks_off()
    axes.set_xlim(left=-0.3 * positive[0] if 0 in lams else None)


def tradeoff(
    table: pandas.DataFrame, title: str = "", seeds: str = "band",
    accuracy: str | tuple[str, ...] = ("accuracy", "accuracy_threshold"),
) -> Figure:  # fmt: skip
    """Accuracy against all bytes so far in both directions, one panel per `panel`, one line per `line`.

    Args:
        table: as from `analysis.sweeps.collect`, with columns `panel` and `line`; lines are means over seeds, bands
            their range, each marker an evaluation.
        seeds: "lines" for one line per seed, as in `by_round`.
        accuracy: the column of accuracies, or several: then each has a row of panels, or a panel where there is one.
    """
    every = (accuracy,) if isinstance(accuracy, str) else accuracy
    drawn = "panel", "line", "round", "megabytes_up", "megabytes_down", *every
    check_table(table, *drawn, *["seed"] * (seeds == "lines"))
    table = table.assign(megabytes=table["megabytes_up"] + table["megabytes_down"])
    names, lines = list(itertools.product(every, table["panel"].unique())), table["line"].unique()
    columns = min(3, len(names)) if 1 in (len(every), len(names) // len(every)) else len(names) // len(every)
    size = 4.0 * columns + (2.2 if columns < 3 else 0), 3.6 * -(-len(names) // columns)
    figure, tiles = panels(len(names), *size, title, columns=columns, sharey=True, sharex=True)
    for axes, (column, panel) in zip(tiles, names, strict=True):
        for number, line in enumerate(lines):
            mine = table[(table["panel"] == panel) & (table["line"] == line)]
            each = [mine] if seeds == "band" else [one for _, one in mine.groupby("seed")]
            for i, part in enumerate(each or [mine]):  # a line without runs in this panel has its name in the legend
                x, y = part.groupby("round")["megabytes"].mean(), part.groupby("round")[column]
                label = line if i == 0 else None
                _mean_and_range(axes, x, y, linewidth=1.2, label=label, **look(number))
        words = [LABELS[column].removeprefix("accuracy, ")] if len(every) > 1 else []
        axes.set(title=", ".join([*words, *filter(None, [panel])]), xscale="log", ylim=(0, 1.02))
    if len(figure.axes) > len(names):  # there is room for it
        figure.axes[-1].legend(*tiles[0].get_legend_handles_labels(), loc="center", frameon=False)
    else:
        common_legend(figure)
    figure.supxlabel("megabytes so far: all clients, both directions")
    figure.supylabel(LABELS.get(every[0], every[0]) if len(every) == 1 else "accuracy")
    return figure


def points(
    table: pandas.DataFrame, columns: Sequence[str], x: str, by: str, title: str = "", chance: float | None = None
) -> Figure:
    """One panel per column of the table: for each `x` a group of markers, one per value of `by`, means over the rows.

    A line through a marker is the range of its rows, which are seeds. Where `by` is `x`, each group has one marker.
    Five groups or more would have no room for their names in panels beside each other: they stand one below the other.

    Args:
        chance: a level to mark with a dotted line.
    """
    check_table(table, x, by, *columns)
    groups, lines = list(table[x].unique()), list(table[by].unique())
    few, letters = len(groups) < 5, 13 if len(groups) < 5 else 10  # letters of a label's line
    size = (max(5.6, 3.9 * len(columns)), 3.7) if few else (1.0 + 0.85 * len(groups), 1.2 + 2.5 * len(columns))
    figure, row = panels(len(columns), *size, title, columns=0 if few else 1, grid="y", sharex=not few)
    for axes, column in zip(row, columns, strict=True):
        for j, line in enumerate(lines):
            values = table[table[by] == line].groupby(x, sort=False)[column].agg(["mean", "min", "max"]).reindex(groups)
            aside = 0.0 if x == by else 0.16 * (j - (len(lines) - 1) / 2)
            place = [g + aside for g in range(len(groups))]
            axes.vlines(place, values["min"], values["max"], color=look(j)["color"], linewidth=1.5)
            axes.scatter(place, values["mean"], s=36, label=line, zorder=3, **look(j))
        if chance is not None:
            axes.axhline(chance, color="black", linewidth=1, linestyle=":")
        axes.set(ylabel=LABELS.get(column, column), ylim=(-0.02, 1.02), xlim=(-0.5, len(groups) - 0.5))
        axes.set_xticks(range(len(groups)), [textwrap.fill(str(group), letters) for group in groups], fontsize=9)
    if len(lines) > 1 and x != by:  # outside, since the groups leave no corner free
        common_legend(figure, "outside lower center", ncols=len(lines))
    return figure


def against_share(
    table: pandas.DataFrame, columns: tuple[str, ...], by: str, title: str = "",
    levels: Mapping[str, float] | None = None, logarithmic: bool = True,
) -> Figure:  # fmt: skip
    """One panel per column of accuracies, against the share of weights kept: means over seeds, and their whole range.

    Args:
        table: with columns `share`, `by` and those to be drawn; one line per value of `by`.
        levels: accuracies to compare the lines with, by name: horizontal lines.
        logarithmic: shares from all weights on the left to few on the right, each half as wide as the one before.
    """
    check_table(table, "share", by, *columns)
    figure, row = panels(len(columns), max(7.2, 4.2 * len(columns)), 4.2, title, sharey=True)
    for axes, column in zip(row, columns, strict=True):
        for i, name in enumerate(table[by].unique()):
            mine = table[table[by] == name].groupby("share")[column]
            _mean_and_range(axes, list(mine.groups), mine, linestyle=STYLES[i % 7], label=name, **look(i))
        for (name, level), style in zip((levels or {}).items(), ("--", ":"), strict=False):
            axes.axhline(level, color="black", linewidth=1, linestyle=style, label=name)
        axes.set(title=column, ylim=(0, 1.02), xlabel="share of weights kept")
        if logarithmic:
            axes.set_xscale("log", base=2)
            axes.set_xlim(1.15, table["share"].min() / 1.15)
            axes.set_xticks(sorted(table["share"].unique()))
            axes.minorticks_off()
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g} %")
        axes.tick_params(axis="x", labelsize=8)
    row[0].set_ylabel("accuracy on test images")
    common_legend(figure, "outside lower center", ncols=min(3, len(row[0].get_legend_handles_labels()[1])))
    return figure


def communication_cost(costs: pandas.DataFrame, title: str = "") -> Figure:
    """One row per method: megabytes up, down and in all, on a logarithmic axis, the most expensive at the top.

    Args:
        costs: one row per method, with columns `up`, `down` and `all`, as from `fedsparse.analysis.costs`.
    """
    check_table(costs, "up", "down", "all")
    ordered = costs.sort_values("all")
    rows = range(len(ordered))
    figure, (axes,) = panels(1, 8.4, 0.42 * len(ordered) + 1.9, title, grid="x")
    axes.hlines(rows, ordered["up"], ordered["all"], color="#bbbbbb", linewidth=2, zorder=1)
    looks = {"up": ("up", "^", OKABE_ITO[0]), "down": ("down", "v", OKABE_ITO[1]), "all": ("in all", "D", "black")}
    for column, (label, marker, colour) in looks.items():
        axes.scatter(ordered[column], rows, marker=marker, color=colour, s=45, label=label, zorder=2)
    for row, total in zip(rows, ordered["all"], strict=True):
        axes.annotate(f"{total:.1f}", (total, row), (8, 0), textcoords="offset points", va="center")
    axes.set_yticks(rows, list(map(str, ordered.index)))
    axes.set(xscale="log", xlabel="megabytes: all clients, all rounds", ylim=(-0.6, len(ordered) - 0.4))
    axes.set_xlim(right=2 * ordered["all"].max())
    axes.spines["left"].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def check_table(table: pandas.DataFrame, *columns: str) -> None:
    """Raise `SettingError` if the table has no rows, or lacks one of these columns."""
    if not len(table):
        raise SettingError("nothing to draw: the table has no rows")
    if missing := [column for column in columns if column not in table]:
        raise SettingError(f"this figure needs a table with {', '.join(columns)}; it has no {', '.join(missing)}")


def _mean_and_range(axes: Any, x: Any, groups: Any, *, color: str, **looks: Any) -> None:
    """A marked line through the means of grouped values, and a band from the least to the largest of each group."""
    axes.plot(x, groups.mean(), color=color, markersize=4, **looks)
    axes.fill_between(x, groups.min(), groups.max(), color=color, alpha=0.15, linewidth=0)
