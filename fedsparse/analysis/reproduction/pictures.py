"""Figures of the record, with their alt texts and captions: what is in the record, and nothing else."""

from collections.abc import Callable
from typing import NamedTuple

from matplotlib.figure import Figure

from fedsparse.analysis import plots
from fedsparse.analysis.reproduction import tables
from fedsparse.analysis.reproduction.plan import CASES, DATASETS, PARTITIONS, SCALE_TITLES, SCALES, TITLES
from fedsparse.analysis.reproduction.record import Record
from fedsparse.analysis.reproduction.template import fill


class Picture(NamedTuple):
    """A figure that can be drawn, and its words."""

    name: str
    draw: Callable[[], Figure]
    alt: str
    caption: str


def pictures(record: Record, scale: str, case: str) -> list[Picture]:
    """Those for which the runs are there."""
    return [picture for make in (curves, communication_cost) if (picture := make(record, scale, case))]


def curves(record: Record, scale: str, case: str) -> Picture | None:
    """Accuracy, entropy and measured uplink by round of FedPM and the chosen λ, iid; None before both are there."""
    found = tables.pair(record, scale, case)
    if not found:
        return None
    rounds = record.rounds([*found.plain["experiment"], *found.sparse["experiment"]])
    columns = ("accuracy_expected", "bpp_entropy", "bpp_uplink")
    title = f"{TITLES[case]}, {SCALE_TITLES[scale]}: FedPM and λ = {found.lam:g}"
    plain, sparse = ({c: ", ".join(f"{v:.2f}" for v in t[c]) for c in columns} for t in (found.plain, found.sparse))
    ends = "; ".join(f"{plots.LABELS[c]} {plain[c]} and {sparse[c]}" for c in columns)
    return Picture(
        f"paper-{scale}-{case}",
        lambda: plots.by_round(rounds, columns, title=title, seeds="lines"),
        fill("curves: alt", lam=found.lam, ends=ends),
        _caption(scale, case, f"seeds {found.seeds}, one line each"),
    )


def communication_cost(record: Record, scale: str, case: str) -> Picture | None:
    """Accuracy against all bytes, all methods on a data set, one panel per partition in which a baseline was run.

    None without one, and for a case with a late λ: its lines are in the figure of its data set.
    """
    import pandas

    if case not in DATASETS:
        return None
    cases = [other for other, dataset in CASES.items() if dataset == case]
    panels, ends = [], []
    for partition in PARTITIONS:
        every = [tables.compared(record, scale, c, partition).query("done") for c in cases]
        runs = pandas.concat(every).drop_duplicates("key")
        if runs["algorithm"].nunique() < 2:
            continue
        rounds = record.rounds(list(runs["experiment"])).merge(runs[["key", "line"]], on="key")
        panels.append(rounds.assign(panel=partition))
        for line, of in runs.groupby("line", sort=False):
            reached = ", ".join(f"{accuracy:.1f}" for accuracy in of["percent"])
            megabytes = (of["megabytes_up"] + of["megabytes_down"]).mean()
            ends.append(f"{partition}, {line}: {reached} % at {megabytes:.0f} MB")
    if not panels:
        return None
    table = pandas.concat(panels)
    for way in ("up", "down"):
        table[f"megabytes_{way}"] = table.groupby("key")[f"{way}link_bytes"].cumsum() / 1e6
    title = f"{TITLES[case]}, {SCALE_TITLES[scale]}: accuracy against all bytes"
    return Picture(
        f"paper-{scale}-{case}-methods",
        lambda: plots.tradeoff(table[table["accuracy_expected"].notna()], title=title, seeds="lines"),
        fill("methods: alt", ends="; ".join(ends)),
        _caption(scale, case, "one to three seeds, as many as were run, one line each"),
    )


def _caption(scale: str, case: str, seeds: str) -> str:
    e = SCALES[scale].experiment(case)
    images = f"{e.train_size:,} training images" if e.train_size else "all training images"
    return fill("caption", **{**e.settings, "title": TITLES[case], "images": images, "seeds": seeds, "scale": scale})
