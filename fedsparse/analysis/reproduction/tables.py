"""The record as tables, one row per comparison: means over the seeds that are there; what was not run has no row.

`±` is the half-width of the 95 % interval over seeds (Student's t), NaN for one seed; `lowest` is the worst seed, since
a mean over seeds of which one has collapsed describes none. Accuracies are those of the expected network, in percent.
All values are those of the last round. `runs` has the ends of the keys in `runs.csv`.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedsparse.analysis.reproduction.plan import (
    BASELINES,
    CASES,
    DATASETS,
    OPEN,
    PARTITIONS,
    PARTS,
    SCALE_TITLES,
    SCALES,
    TITLES,
    chosen_lams,
    equal_accuracy,
    members,
    method_of,
    title_of,
)
from fedsparse.analysis.reproduction.record import Record, key_of
from fedsparse.analysis.sweeps import interval
from fedsparse.data import CLASSES
from fedsparse.experiment import Experiment

if TYPE_CHECKING:
    import pandas

RATES = {
    "entropy (bpp)": "bpp_entropy",
    "up (bpp)": "bpp_uplink",
    "down (bpp)": "bpp_downlink",
    "MB up": "megabytes_up",
    "MB down": "megabytes_down",
}
OVER_SEEDS = ("seeds", "±", "lowest")
"""Columns that say nothing of a single run."""


@dataclass(frozen=True)
class Pair:
    """FedPM against the chosen λ: `plain` and `sparse` have one row per seed, for the same seeds.

    Their columns are those of `runs.csv`; `percent`, the accuracy of the expected network; and the means over all
    rounds, `bpp_entropy_overall` and `bpp_uplink_overall`.
    """

    lam: float
    planned: int
    """Seeds in the plan."""
    plain: "pandas.DataFrame"
    sparse: "pandas.DataFrame"

    @property
    def seeds(self) -> list[int]:
        """Seeds that were run."""
        return self.plain["seed"].tolist()

    @property
    def saved(self) -> "pandas.DataFrame":
        """FedPM minus the regularized form, by seed."""
        return self.plain.select_dtypes("number") - self.sparse.select_dtypes("number")

    @property
    def factor(self) -> "pandas.Series":
        """The means of FedPM over those of the regularized form."""
        return self.plain.mean(numeric_only=True) / self.sparse.mean(numeric_only=True)

    @property
    def twice_chance(self) -> float:
        """In percent: whatever is not more accurate has not learned, or has collapsed."""
        return 200 / CLASSES[self.plain["dataset"].iloc[0]]

    @property
    def learned(self) -> bool:
        """Whether FedPM has learned; else there is nothing to lose."""
        return self.plain["percent"].mean() > self.twice_chance

    @property
    def equal(self) -> bool:
        """Whether FedPM has learned, and the mean over seeds loses no more than is allowed."""
        return self.learned and equal_accuracy(self.saved["percent"].mean() / 100)


def pair(record: Record, scale: str, case: str, partition: str = "iid") -> Pair | None:
    """FedPM against the chosen λ, with the seeds for which both are there; None without any."""
    import pandas

    plan, lam = SCALES[scale], chosen_lams(scale, record).get(case)
    if lam is None:
        return None
    planned = [[plan.experiment(case, partition, seed=s, lam=v) for v in (0.0, lam)] for s in range(plan.seeds)]
    both = [runs for runs in planned if all(record.row(e) for e in runs)]
    if not both:
        return None
    rounds = record.rounds([e for runs in both for e in runs])
    overall = rounds.groupby("key")[["bpp_entropy", "bpp_uplink"]].mean().add_suffix("_overall")
    tables = [pandas.DataFrame([record.row(e) for e in runs]) for runs in zip(*both, strict=True)]
    plain, sparse = (t.join(overall, on="key").assign(percent=100 * t["accuracy_expected"]) for t in tables)
    return Pair(lam, plan.seeds, plain, sparse)


def pairs(record: Record) -> Iterator[tuple[str, str, Pair]]:
    """Scale, case and `pair`, iid, of each that is there."""
    for scale, case in itertools.product(SCALES, CASES):
        if found := pair(record, scale, case):
            yield scale, case, found


def lam_grid(record: Record, scale: str, case: str) -> "pandas.DataFrame":
    """One row per λ, seed 0."""
    plan = SCALES[scale]
    return _one_seed({f"{lam:g}": [plan.experiment(case, lam=lam)] for lam in (0.0, *plan.lams[case])}, record, "λ")


def lam_grids(record: Record) -> Iterator[tuple[str, "pandas.DataFrame"]]:
    """A title and the `lam_grid` of each scale and case of which two λ are there."""
    for scale, case in itertools.product(SCALES, CASES):
        if len(table := lam_grid(record, scale, case)) > 1:
            yield f"{TITLES[case]}, {SCALE_TITLES[scale]}", table


def ablation(record: Record, scale: str, lam: float) -> "pandas.DataFrame":
    """One row per changed setting, MNIST, seed 0."""
    plan = SCALES[scale]
    rows = {title: [plan.experiment("mnist", lam=lam, **plan.ablation, **more)] for title, more in OPEN.items()}
    return _one_seed(rows, record, f"λ = {lam:g}")


def groups(record: Record, scale: str, case: str, partition: str = "iid") -> dict[str, list[Experiment]]:
    """By method, the runs of the plan, one per seed; a baseline belongs to a data set, not to a schedule of λ."""
    plan, lam = SCALES[scale], chosen_lams(scale, record).get(case)
    baselines = [{"algorithm": name} for name in BASELINES if case in DATASETS]
    choices: list[dict[str, Any]] = [{}, *([{"lam": lam}] if lam else []), *baselines]
    runs = [[plan.experiment(case, partition, seed=s, **choice) for s in range(plan.seeds)] for choice in choices]
    return {method_of(group[0].settings): group for group in runs}


def methods(record: Record, scale: str, case: str, partition: str = "iid") -> "pandas.DataFrame":
    """One row per method, over its seeds."""
    return _table(groups(record, scale, case, partition), record, "method")


def all_methods(record: Record) -> "pandas.DataFrame":
    """`methods` of every scale, case and partition, one below the other, with columns that say which."""
    import pandas

    tables = []
    for scale, case, partition in itertools.product(SCALES, CASES, PARTITIONS):
        table = methods(record, scale, case, partition)
        if len(table) > (case not in DATASETS):  # FedPM alone already stands under its data set
            where = {"scale": SCALE_TITLES[scale], "data": TITLES[case], "clients hold": partition}
            tables.append(table.assign(**where)[[*where, *table.columns]])
    return pandas.concat(tables, ignore_index=True) if tables else pandas.DataFrame()


def unplanned(record: Record) -> "pandas.DataFrame":
    """One row per run that the plan no longer has: what was tried and given up is reported too."""
    import pandas

    planned = {key_of(e) for s in SCALES for part in PARTS for e in members(part, s, chosen_lams(s, record))}
    rows = [row for row in record.runs.to_dict("records") if row["key"] not in planned]
    table = pandas.DataFrame([{"run": title_of(row), "seed": row["seed"], **_measures([row])} for row in rows])
    return table.drop(columns=list(OVER_SEEDS), errors="ignore")


def digest(key: str) -> str:
    """The end of a key, which is enough to find its row."""
    return key.rsplit("-", 1)[-1]


def _table(groups: Mapping[str, Iterable[Experiment]], record: Record, what: str) -> "pandas.DataFrame":
    import pandas

    found = {title: [row for e in runs if (row := record.row(e))] for title, runs in groups.items()}
    return pandas.DataFrame([{what: title, **_measures(rows)} for title, rows in found.items() if rows])


def _one_seed(groups: Mapping[str, Iterable[Experiment]], record: Record, what: str) -> "pandas.DataFrame":
    return _table(groups, record, what).drop(columns=list(OVER_SEEDS), errors="ignore")


def _measures(rows: list[dict]) -> dict[str, Any]:
    """Means over runs that differ in their seed."""
    import pandas

    frame = pandas.DataFrame(rows)
    accuracies = 100 * frame["accuracy_expected"]
    accuracy, half = interval(accuracies)
    over_seeds = {"seeds": len(frame), "accuracy": accuracy, "±": half, "lowest": accuracies.min()}
    rates = {name: frame[column].mean() for name, column in RATES.items()}
    return {**over_seeds, **rates, "runs": " ".join(map(digest, frame["key"]))}
