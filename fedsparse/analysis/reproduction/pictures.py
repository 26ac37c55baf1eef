"""Figures of the record, with their alt texts and captions: what is in the record, and nothing else."""

from collections.abc import Callable
from typing import NamedTuple

from matplotlib.figure import Figure

from fedsparse.analysis import plots
from fedsparse.analysis.reproduction import tables
from fedsparse.analysis.reproduction.plan import (
    PARTITIONS,
    SCALE_TITLES,
    SCALES,
    TITLES,
    classes_of,
    places,
    planned,
)
from fedsparse.analysis.reproduction.record import Record
from fedsparse.analysis.reproduction.template import fill
from fedsparse.analysis.sweeps import schedules_of


class Picture(NamedTuple):
    """A figure that can be drawn, and its words."""

    name: str
    draw: Callable[[], Figure]
    alt: str
    caption: str


def pictures(record: Record, scale: str, dataset: str) -> list[Picture]:
    """Those for which the runs are there."""
    every = frontier, curves, communication_cost
    return [picture for make in every if (picture := make(record, scale, dataset))]


def everywhere(record: Record, make: Callable[[Record, str, str], Picture | None]) -> list[Picture]:
    """One kind of picture, of every scale and data set for which the runs are there."""
    return [picture for scale, dataset in places() if (picture := make(record, scale, dataset))]


def frontier(record: Record, scale: str, dataset: str) -> Picture | None:
    """Accuracy against entropy in the last round, one dot per run of the λ grid; None before there are two λ."""
    runs = planned(record, scale).query("done and part == 'lambda' and task == @dataset")
    if runs["lam"].nunique() < 2:
        return None
    runs = runs.assign(line=schedules_of(runs))
    title = f"{TITLES[dataset]}, {SCALE_TITLES[scale]}: every run of the λ grid"
    columns = ("accuracy", "accuracy_threshold")
    ends = "; ".join(
        f"{row['method']}: {row['sampled']} % and {row['threshold']} % at {row['entropy (bpp)']} bpp"
        for row in tables.lam_grid(record, scale, dataset).to_dict("records")
    )
    return Picture(
        f"paper-{scale}-{dataset}-grid",
        lambda: plots.frontier(runs, columns, title=title, chance=1 / classes_of(dataset)),
        fill("frontier: alt", ends=ends),
        _caption(scale, dataset, f"seeds {', '.join(map(str, sorted(runs['seed'].unique())))}, one dot per run"),
    )


def curves(record: Record, scale: str, dataset: str) -> Picture | None:
    """Accuracies, entropy and measured uplink by round of FedPM and the chosen λ, iid; None before two are there."""
    if not (methods := tables.by_method(tables.comparisons(record, scale, dataset))):
        return None
    rounds = record.rounds([e for table in methods.values() for e in table["experiment"]])
    rounds = rounds.assign(method=rounds["key"].map({k: name for name, t in methods.items() for k in t["key"]}))
    columns = ("accuracy", "accuracy_threshold", "bpp_entropy", "bpp_uplink")
    ends = "; ".join(
        f"{name}: " + ", ".join(f"{plots.LABELS[c]} {tables.spread(table[c], 2, by_seed=True)}" for c in columns)
        for name, table in methods.items()
    )
    seeds = ", ".join(map(str, methods["FedPM"]["seed"]))
    return Picture(
        f"paper-{scale}-{dataset}",
        lambda: plots.by_round(
            rounds, columns, by="method", title=f"{TITLES[dataset]}, {SCALE_TITLES[scale]}", seeds="lines"
        ),
        fill("curves: alt", ends=ends),
        _caption(scale, dataset, f"seeds {seeds}, one line each"),
    )


def communication_cost(record: Record, scale: str, dataset: str) -> Picture | None:
    """Accuracy of the shipped network against all bytes, every method, one panel per partition; None with one alone."""
    import pandas

    panels, ends = [], []
    for partition in PARTITIONS:
        runs = tables.compared(record, scale, dataset, partition).query("done").drop_duplicates("key")
        if runs["method"].nunique() < 2:
            continue
        rounds = record.rounds(list(runs["experiment"])).merge(runs[["key", "method"]], on="key")
        panels.append(rounds.assign(panel=partition, line=rounds["method"]))
        for method, of in runs.groupby("method", sort=False):
            reached = tables.spread(100 * of["accuracy_threshold"], 1, by_seed=True)
            megabytes = (of["megabytes_up"] + of["megabytes_down"]).mean()
            ends.append(f"{partition}, {method}: {reached} % at {megabytes:.0f} MB")
    if not panels:
        return None
    table = pandas.concat(panels)
    for way in ("up", "down"):
        table[f"megabytes_{way}"] = table.groupby("key")[f"{way}link_bytes"].cumsum() / 1e6
    title = f"{TITLES[dataset]}, {SCALE_TITLES[scale]}: accuracy against all bytes"
    shipped = "accuracy_threshold"
    return Picture(
        f"paper-{scale}-{dataset}-methods",
        lambda: plots.tradeoff(table[table[shipped].notna()], title=title, seeds="lines", accuracy=shipped),
        fill("methods: alt", ends="; ".join(ends)),
        _caption(scale, dataset, "one line per seed"),
    )


def _caption(scale: str, dataset: str, seeds: str) -> str:
    e = SCALES[scale].experiment(dataset)
    images = f"{e.train_size:,} training images" if e.train_size else "all training images"
    slots = {"title": TITLES[dataset], "images": images, "seeds": seeds, "scale": scale}
    return fill("caption", **{**e.settings, **slots})
