"""Figures of the record: what is in it, and nothing else; with the words that go with them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Any

from matplotlib.figure import Figure

from fedsparse.analysis import plots
from fedsparse.analysis.reproduction import naming, tables
from fedsparse.analysis.reproduction.plan import CASES, DATASETS, PARTITIONS, SCALE_TITLES, SCALES
from fedsparse.analysis.reproduction.record import Record
from fedsparse.experiment import Experiment


@dataclass(frozen=True)
class Picture:
    """A figure that can be drawn, and its words."""

    name: str
    draw: Callable[[], Figure]
    alt: str
    caption: str


def curves(record: Record, scale: str, case: str) -> Picture | None:
    """Accuracy, entropy and measured uplink by round of FedPM and the chosen λ, iid; None before both are there."""
    found = tables.pair(record, scale, case)
    if not found:
        return None
    plan, lam = SCALES[scale], found.lam
    runs = [plan.experiment(case, seed=s, lam=v) for v in (0.0, lam) for s in found.seeds]
    columns = ("accuracy_expected", "bpp_entropy", "bpp_uplink")
    title = f"{naming.TITLES[case]}, {SCALE_TITLES[scale]}: FedPM and λ = {lam:g}"
    ends = "; ".join(f"{plots.LABELS[c]} {_ends(found.plain[c])} and {_ends(found.sparse[c])}" for c in columns)
    return Picture(
        f"paper-{scale}-{case}",
        lambda: plots.by_round(record.rounds(runs), columns, title=title, seeds="lines"),
        f"Three line charts by round, for λ = 0 and λ = {lam:g}. In the last round, by seed: {ends}.",
        _caption(scale, case, f"seeds {found.seeds}, a line each"),
    )


def communication_cost(record: Record, scale: str, case: str) -> Picture | None:
    """Accuracy against all bytes of all that was tried on a data set, a panel a partition in which rivals have run.

    None without one, and for a case of ours: its lines stand in the figure of its data set.
    """
    if case not in DATASETS:
        return None
    panels, ends = {}, []
    for partition in PARTITIONS:
        lines = _lines(record, scale, case, partition)
        rounds = record.rounds([e for group in lines.values() for e in group])
        if not len(rounds) or rounds["algorithm"].nunique() < 2:
            continue
        panels[partition] = rounds
        for line, group in lines.items():
            if rows := [row for e in group if (row := record.row(e))]:
                reached = ", ".join(f"{100 * row['accuracy_expected']:.1f}" for row in rows)
                whole = mean(row["megabytes_up"] + row["megabytes_down"] for row in rows)
                ends.append(f"{partition}, {line}: {reached} % at {whole:.0f} MB")
    if not panels:
        return None
    return Picture(
        f"paper-{scale}-{case}-methods",
        lambda: _bills(panels, f"{naming.TITLES[case]}, {SCALE_TITLES[scale]}: accuracy against all bytes"),
        f"Accuracy of the expected network against all bytes of a training. At the end, by seed: {'; '.join(ends)}.",
        _caption(scale, case, "one to three seeds, as many as were run, a line each"),
    )


def _lines(record: Record, scale: str, dataset: str, partition: str) -> dict[str, list[Experiment]]:
    cases = [case for case, of in CASES.items() if of == dataset]
    groups = [group for case in cases for group in tables.groups(record, scale, case, partition).values()]
    return {naming.line(group[-1].settings): group for group in groups}


def _bills(panels: Mapping[str, Any], title: str) -> Figure:
    import pandas

    table = pandas.concat([rounds.assign(panel=partition) for partition, rounds in panels.items()])
    table["line"] = [naming.line(row) for row in table[["lam", "algorithm", *naming.SCHEDULES]].to_dict("records")]
    for way in ("up", "down"):
        table[f"megabytes_{way}"] = table.groupby("key")[f"{way}link_bytes"].cumsum() / 1e6
    return plots.tradeoff(table[table["accuracy_expected"].notna()], title=title, seeds="lines")


def _ends(by_seed: Iterable[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in by_seed)


def _caption(scale: str, case: str, seeds: str) -> str:
    run = SCALES[scale].experiment(case)
    images = f"{run.train_size:,} training images" if run.train_size else "all training images"
    return (
        f"{naming.TITLES[case]}, {images}, {run.model} at width {run.width:g}, {run.rounds} rounds, {seeds}. "
        f"python -m fedsparse reproduce scale={scale} dataset={run.dataset}"
    )
