"""The record as tables, one row per comparison: means over the seeds that are there; what was not run has no row.

`±` is the half-width of the 95 % interval over seeds (Student's t), NaN for one seed; `lowest` is the worst seed, since
a mean over seeds of which one has collapsed describes none. Accuracies are those of the expected network, in percent.
All values are those of the last round. `runs` has the ends of the keys in `runs.csv`.
"""

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from fedsparse.analysis.reproduction import plan
from fedsparse.analysis.reproduction.plan import CASES, DATASETS, PARTITIONS, SCALE_TITLES, SCALES, TITLES, planned
from fedsparse.analysis.reproduction.record import Record
from fedsparse.analysis.sweeps import interval
from fedsparse.data import CLASSES

if TYPE_CHECKING:
    import pandas

RATES = {
    "entropy (bpp)": "bpp_entropy",
    "up (bpp)": "bpp_uplink",
    "down (bpp)": "bpp_downlink",
    "MB up": "megabytes_up",
    "MB down": "megabytes_down",
}


class Pair(NamedTuple):
    """FedPM against the chosen λ, with the same seeds."""

    lam: float
    seeds: list[int]
    plain: "pandas.DataFrame"
    """FedPM: one row per seed, with the columns of `planned`."""
    sparse: "pandas.DataFrame"
    """The regularized form, likewise."""
    saved: "pandas.DataFrame"
    """FedPM minus the regularized form, by seed."""
    factor: "pandas.Series"
    """The means of FedPM over those of the regularized form."""
    twice_chance: float
    """In percent: whatever is not more accurate has not learned, or has collapsed."""
    learned: bool
    """Whether FedPM has learned; else there is nothing to lose."""
    equal: bool
    """Whether FedPM has learned, and the mean over seeds loses no more than is allowed."""


def compared(record: Record, scale: str, case: str, partition: str = "iid") -> "pandas.DataFrame":
    """The rows of `planned` in which methods are compared; a baseline belongs to a data set, not to a schedule of λ."""
    runs = planned(record, scale)
    parts = runs["part"].isin(("pairs", "baselines", "non-iid"))
    return runs[parts & (runs["case"] == case) & (runs["clients hold"] == partition)]


def pair(record: Record, scale: str, case: str, partition: str = "iid") -> Pair | None:
    """FedPM against the chosen λ, with the seeds for which both are there; None without any."""
    runs = compared(record, scale, case, partition).query("done and algorithm == 'fedpm'")
    both = runs[runs.groupby("seed")["key"].transform("size") == 2]
    if both.empty:
        return None
    plain, sparse = (both[of].reset_index(drop=True) for of in (both["lam"] == 0, both["lam"] > 0))
    numbers, others = plain.select_dtypes("number"), sparse.select_dtypes("number")
    saved, twice_chance = numbers - others, 200 / CLASSES[CASES[case]]
    learned = plain["percent"].mean() > twice_chance
    equal = learned and plan.equal_accuracy(saved["percent"].mean() / 100)
    factor = numbers.mean() / others.mean()
    seeds = plain["seed"].tolist()
    return Pair(sparse["lam"][0], seeds, plain, sparse, saved, factor, twice_chance, learned, equal)


def pairs(record: Record) -> Iterator[tuple[str, str, Pair]]:
    """Scale, case and `pair`, iid, of each that is there."""
    for scale, case in product(SCALES, CASES):
        if found := pair(record, scale, case):
            yield scale, case, found


def lam_grid(record: Record, scale: str, case: str) -> "pandas.DataFrame":
    """One row per λ, seed 0."""
    runs = planned(record, scale)
    return _table(runs[(runs["part"] == "lambda") & (runs["case"] == case)], ["λ"], one_seed=True)


def lam_grids(record: Record) -> Iterator[tuple[str, "pandas.DataFrame"]]:
    """A title and the `lam_grid` of each scale and case of which two λ are there."""
    for scale, case in product(SCALES, CASES):
        if len(table := lam_grid(record, scale, case)) > 1:
            yield f"{TITLES[case]}, {SCALE_TITLES[scale]}", table


def ablation(record: Record, scale: str, lam: float) -> "pandas.DataFrame":
    """One row per changed setting, MNIST, seed 0."""
    runs, title = planned(record, scale), f"λ = {lam:g}"
    runs = runs[(runs["part"] == "ablation") & (runs["lam"] == lam)]
    return _table(runs.rename(columns={"change": title}), [title], one_seed=True)


def methods(record: Record, scale: str, case: str, partition: str = "iid") -> "pandas.DataFrame":
    """One row per method, over its seeds."""
    return _table(compared(record, scale, case, partition), ["method"])


def all_methods(record: Record) -> "pandas.DataFrame":
    """`methods` of every scale, case and partition, one below the other, with columns that say which."""
    import pandas

    tables = [pandas.DataFrame()]
    for scale, case, partition in product(SCALES, CASES, PARTITIONS):
        table = methods(record, scale, case, partition)
        if len(table) > (case not in DATASETS):  # FedPM alone already stands under its data set
            where = {"scale": SCALE_TITLES[scale], "data": TITLES[case], "clients hold": partition}
            tables.append(table.assign(**where)[[*where, *table.columns]])
    return pandas.concat(tables, ignore_index=True)


def unplanned(record: Record) -> "pandas.DataFrame":
    """One row per run that the plan no longer has: what was tried and given up is reported too."""
    keys = {key for scale in SCALES for key in planned(record, scale)["key"]}
    runs = record.runs[~record.runs["key"].isin(keys)]
    titles = [plan.title_of(row) for row in runs.to_dict("records")]
    runs = runs.assign(run=titles, percent=100 * runs["accuracy_expected"], done=True)
    return _table(runs, ["run", "seed", "key"], one_seed=True).drop(columns="key", errors="ignore")


def digest(key: str) -> str:
    """The end of a key, which is enough to find its row."""
    return key.rsplit("-", 1)[-1]


def _table(runs: "pandas.DataFrame", by: list[str], one_seed: bool = False) -> "pandas.DataFrame":
    """One row per group of which a run is done, in the order of the plan."""
    import pandas

    rows = []
    for title, group in runs.groupby(by, sort=False):
        if len(done := group[group["done"]]):
            accuracy, half = interval(done["percent"])
            spread = {"seeds": len(done), "accuracy": accuracy, "±": half, "lowest": done["percent"].min()}
            rates = {name: done[column].mean() for name, column in RATES.items()}
            measured = {"accuracy": accuracy} if one_seed else spread
            row = dict(zip(by, title, strict=True)) | measured | rates
            rows.append(row | {"runs": " ".join(map(digest, done["key"]))})
    return pandas.DataFrame(rows)
