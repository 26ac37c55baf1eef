"""The record as tables, one row per comparison; what was not run has no row.

A cell is a mean over the seeds that are there, and ± the half-width of its 95 % interval (Student's t); or, where a
seed has collapsed to chance, every seed by itself, since a mean over a collapsed and a live seed describes neither.
Accuracies are in percent. All values are those of the last round. `runs` has the ends of the keys in runs.csv.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from fedsparse.analysis.reproduction import plan
from fedsparse.analysis.reproduction.plan import PARTITIONS, SCALE_TITLES, SCALES, TITLES, places, planned
from fedsparse.analysis.reproduction.record import Record
from fedsparse.analysis.reproduction.rivals import RIVALS
from fedsparse.analysis.tables import NETWORKS, plus_minus
from fedsparse.run_folder import RETIRED

if TYPE_CHECKING:
    import pandas

VALIDATION = {"validation, sampled": "accuracy_val", "validation, threshold": "accuracy_val_threshold"}
RATES = {
    "entropy (bpp)": "bpp_entropy",
    "up (bpp)": "bpp_uplink",
    "down (bpp)": "bpp_downlink",
    "MB up": "megabytes_up",
    "MB down": "megabytes_down",
}
LATE = 10
"""Rounds that "all rounds after the tenth" leaves out."""
SHARES = (0.9, 0.95)
"""Of FedPM's final accuracy, to which rounds and bytes are counted."""


class Comparison(NamedTuple):
    """A regularized method against FedPM, with the same seeds: one row per seed, with the columns of `planned`, and
    `bpp_entropy_late`, `bpp_uplink_late`, means over all rounds after the tenth."""

    method: str
    plain: "pandas.DataFrame"
    sparse: "pandas.DataFrame"

    def difference(self, column: str) -> "pandas.Series":
        """The regularized method minus FedPM, by seed."""
        return self.sparse[column] - self.plain[column]

    @property
    def learned(self) -> bool:
        """Whether FedPM has learned, with every seed; else there is nothing to lose."""
        return not at_chance(self.plain).any()

    @property
    def collapsed(self) -> int:
        """How many seeds of the regularized method are at chance."""
        return int(at_chance(self.sparse).sum())


def at_chance(runs: "pandas.DataFrame") -> "pandas.Series":
    """Which runs end at twice chance or less: these have learned nothing, or have collapsed."""
    return runs["accuracy"] <= runs["dataset"].map(plan.classes_of).rdiv(2)


def compared(record: Record, scale: str, dataset: str, partition: str = "iid") -> "pandas.DataFrame":
    """The rows of `planned` in which methods are compared with the chosen λ, each run once."""
    runs = planned(record, scale)
    parts = runs["part"].isin(("pairs", "baselines", "non-iid"))
    return runs[parts & (runs["task"] == dataset) & (runs["clients hold"] == partition)]


def comparisons(record: Record, scale: str, dataset: str, partition: str = "iid") -> list[Comparison]:
    """Each regularized method that is there, with the seeds for which FedPM is there too."""
    runs = compared(record, scale, dataset, partition).query("done")
    plain = runs[runs["method"] == plan.FEDPM]
    found = []
    for method, sparse in runs[(runs["lam"] > 0) & ~runs["method"].isin(RIVALS)].groupby("method", sort=False):
        seeds = sorted({*plain["seed"]} & {*sparse["seed"]})
        if seeds:
            two = (_late(record, t.set_index("seed").loc[seeds].reset_index()) for t in (plain, sparse))
            found.append(Comparison(str(method), *two))
    return found


def by_method(found: list[Comparison]) -> "dict[str, pandas.DataFrame]":
    """The runs of FedPM and of each method that is compared with it, by the name of the method."""
    return {plan.FEDPM: found[0].plain, **{f.method: f.sparse for f in found}} if found else {}


def lam_grid(record: Record, scale: str, dataset: str) -> "pandas.DataFrame":
    """One row per schedule and λ, iid."""
    runs = planned(record, scale)
    return _table(runs[(runs["part"] == "lambda") & (runs["task"] == dataset)], ["method"], VALIDATION)


def lam_grids(record: Record) -> "dict[str, pandas.DataFrame]":
    """The `lam_grid` of each scale and data set of which two λ are there, by a title."""
    tables = {(s, d): lam_grid(record, s, d) for s, d in places()}
    return {f"{TITLES[d]}, {SCALE_TITLES[s]}": table for (s, d), table in tables.items() if len(table) > 1}


def ablation(record: Record, scale: str, adaptive: bool) -> "pandas.DataFrame":
    """One row per changed setting, MNIST, seed 0, at λ = 0 or with the adaptive λ."""
    runs = planned(record, scale)
    return _table(runs[(runs["part"] == "ablation") & ((runs["lam"] > 0) == adaptive)], ["change"])


def tuning(record: Record, scale: str) -> "pandas.DataFrame":
    """One row per method and learning rate that was tried, MNIST, seed 0."""
    runs = planned(record, scale)
    return _table(runs[runs["part"] == "tuning"], ["method", "change"], VALIDATION)


def methods(record: Record, scale: str, dataset: str, partition: str = "iid") -> "pandas.DataFrame":
    """One row per method, over its seeds."""
    return _table(compared(record, scale, dataset, partition), ["method"])


def everywhere(record: Record, make: "Callable[[Record, str, str, str], pandas.DataFrame]") -> "pandas.DataFrame":
    """`methods` or `savings` of every scale, data set and partition, one below the other; columns say which."""
    import pandas

    tables = [pandas.DataFrame()]
    for partition, (scale, dataset) in product(PARTITIONS, places()):
        if len(table := make(record, scale, dataset, partition)):
            where = {"scale": SCALE_TITLES[scale], "data": TITLES[dataset], "clients hold": partition}
            tables.append(table.assign(**where)[[*where, *table.columns]])
    return pandas.concat(tables, ignore_index=True)


def savings(record: Record, scale: str, dataset: str, partition: str = "iid") -> "pandas.DataFrame":
    """One row per regularized method: what it saves and loses against FedPM, by seed if one has collapsed."""
    import pandas

    rows = []
    for found in comparisons(record, scale, dataset, partition):
        by_seed = found.collapsed > 0
        points = {f"{name} (points)": (c, 100.0, 1) for name, c in NETWORKS.items()}
        saved = {
            f"{name} saved, {when} (bpp)": (f"{column}{of}", -1.0, 3)
            for name, column in (("entropy", "bpp_entropy"), ("up", "bpp_uplink"))
            for when, of in (("last round", ""), (f"after round {LATE}", "_late"))
        }
        row: dict[str, object] = {"method": found.method, "seeds": len(found.sparse), "at chance": found.collapsed}
        for name, (column, factor, digits) in {**points, **saved}.items():
            row[name] = spread(factor * found.difference(column), digits, by_seed, "+" * (factor > 1))
        megabytes = [t["megabytes_up"] + t["megabytes_down"] for t in (found.plain, found.sparse)]
        row["times fewer bytes in all"] = spread(megabytes[0] / megabytes[1], 2, by_seed)
        rows.append(row)
    return pandas.DataFrame(rows)


def convergence(record: Record, scale: str, dataset: str) -> "pandas.DataFrame":
    """One row per method, iid: evaluated rounds, and megabytes both ways, until a sampled network first has 90 and 95 %
    of FedPM's accuracy in its last round, by seed; "–" where that was not reached."""
    import pandas

    tables, rows = by_method(comparisons(record, scale, dataset)), []
    plain = tables.get(plan.FEDPM, pandas.DataFrame())
    for method, runs in tables.items():
        row: dict[str, object] = {"method": method, "seeds": len(runs)}
        for share in SHARES:
            targets = [share * plain.set_index("seed")["accuracy"][seed] for seed in runs["seed"]]
            reached = [_first(record, e, target) for e, target in zip(runs["experiment"], targets, strict=True)]
            row[f"rounds to {share:.0%}"] = ", ".join(r for r, _ in reached)
            row[f"MB to {share:.0%}"] = ", ".join(mb for _, mb in reached)
        rows.append(row | {"runs": " ".join(map(digest, runs["key"]))})
    return pandas.DataFrame(rows)


def unplanned(record: Record) -> "pandas.DataFrame":
    """One row per run that the plan no longer has: what was tried and given up is reported too."""
    import pandas

    plans = [planned(record, scale) for scale in SCALES]
    known = {run for plan in plans for run in zip(plan["key"], plan["rounds"], strict=True)}
    of_record = zip(record.runs["key"], record.runs["rounds"], strict=True)
    runs = record.runs[pandas.Series([run not in known for run in of_record], record.runs.index, dtype=bool)]
    titles = [_given_up(row) for row in runs.to_dict("records")]
    return _table(runs.assign(run=titles, done=True), ["run", "seed", "key"]).drop(
        columns=["key", "seeds"], errors="ignore"
    )


def digest(key: str) -> str:
    """The end of a key, which is enough to find its row."""
    return key.rsplit("-", 1)[-1]


def spread(values: "Sequence[float] | pandas.Series", digits: int, by_seed: bool = False, sign: str = "") -> str:
    """Mean ± half-width of its 95 % interval; or every value by itself; nothing where there is no number."""
    if all(value != value for value in values):
        return ""
    if by_seed:
        return ", ".join(f"{value:{sign}.{digits}f}" for value in values)
    return plus_minus(values, digits, sign)


def _given_up(row: dict) -> str:
    late = [f"{name}={row[name]:g}" for name in RETIRED if row.get(name, 0) > 0]
    return ", ".join([plan.title_of(row), f"precision={row['precision']}", *late])


def _late(record: Record, runs: "pandas.DataFrame") -> "pandas.DataFrame":
    rounds = record.rounds(list(runs["experiment"])).query("round > @LATE")
    means = rounds.groupby("key")[["bpp_entropy", "bpp_uplink"]].mean().add_suffix("_late")
    return runs.join(means, on="key")


def _first(record: Record, experiment: object, target: float) -> tuple[str, str]:
    rounds = record.rounds([experiment]).sort_values("round")  # type: ignore[list-item]
    megabytes = (rounds["uplink_bytes"] + rounds["downlink_bytes"]).cumsum() / 1e6
    there = rounds[rounds["accuracy"] >= target]
    return ("–", "–") if there.empty else (f"{there['round'].iloc[0]:g}", f"{megabytes[there.index[0]]:.1f}")


def _table(runs: "pandas.DataFrame", by: list[str], more: dict[str, str] | None = None) -> "pandas.DataFrame":
    """One row per group of which a run is done, in the order of the plan."""
    import pandas

    rows = []
    for title, group in runs.groupby(by, sort=False):
        if len(done := group[group["done"]]):
            collapsed = int(at_chance(done).sum())
            row = {**dict(zip(by, title, strict=True)), "seeds": len(done), "at chance": collapsed}
            shares = {name: 100 * done[column] for name, column in (NETWORKS | (more or {})).items()}
            row |= {name: spread(values, 1, collapsed > 0) for name, values in shares.items()}
            for name, column in RATES.items():
                row[name] = spread(done[column], 3 if "bpp" in name else 1, collapsed > 0)
            rows.append(row | {"runs": " ".join(map(digest, done["key"]))})
    return pandas.DataFrame(rows)
