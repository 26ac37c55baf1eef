"""The record as tables, a row a comparison: means over the seeds that are there; what was not run has no row.

`±` is the half-width of the 95 % interval over seeds (Student's t), NaN for one seed; `lowest` that of the worst seed,
since a mean over seeds of which one has starved describes none. Accuracies, of the expected network, are in percent;
all are those of the last round. `runs` are the ends of the keys in `runs.csv`.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedsparse.analysis.reproduction import naming
from fedsparse.analysis.reproduction.plan import (
    CASES,
    DATASETS,
    OPEN,
    PARTITIONS,
    PARTS,
    RIVALS,
    SCALE_TITLES,
    SCALES,
    chosen_lams,
    equal,
    members,
)
from fedsparse.analysis.reproduction.record import Record, key_of
from fedsparse.analysis.sweeps import interval
from fedsparse.data import CLASSES
from fedsparse.experiment import Experiment

if TYPE_CHECKING:
    import pandas

SHOWN = {
    "entropy (bpp)": "bpp_entropy",
    "up (bpp)": "bpp_uplink",
    "down (bpp)": "bpp_downlink",
    "MB up": "megabytes_up",
    "MB down": "megabytes_down",
}


@dataclass(frozen=True)
class Pair:
    """FedPM against the chosen λ: `plain` and `sparse` have a row a seed, the same seeds.

    To the columns of `runs.csv` come `bpp_entropy_overall` and `bpp_uplink_overall`, the means over all rounds.
    """

    lam: float
    of: int
    """Seeds that there are to be."""
    plain: "pandas.DataFrame"
    sparse: "pandas.DataFrame"

    @property
    def seeds(self) -> list[int]:
        return [int(s) for s in self.plain["seed"]]

    @property
    def keys(self) -> list[str]:
        return [*self.plain["key"], *self.sparse["key"]]

    @property
    def lost(self) -> "pandas.Series":
        """Points of accuracy, by seed."""
        return 100 * self.saved("accuracy_expected")

    @property
    def learned(self) -> bool:
        """Whether FedPM is above twice the chance: else there is nothing to lose."""
        return self.plain["accuracy_expected"].mean() > 2 / CLASSES[self.plain["dataset"].iloc[0]]

    @property
    def equal(self) -> bool:
        """Whether FedPM has learned, and the mean loses no more than is allowed."""
        return self.learned and equal(self.lost.mean() / 100)

    def saved(self, column: str) -> "pandas.Series":
        """FedPM's less the regularized one's, by seed."""
        return self.plain[column] - self.sparse[column]

    def factor(self, column: str) -> float:
        """How often the mean of the regularized ones goes into FedPM's."""
        return float(self.plain[column].mean() / self.sparse[column].mean())


def pair(record: Record, scale: str, case: str, partition: str = "iid") -> Pair | None:
    """FedPM against the chosen λ, with the seeds for which both are there; None without any."""
    import pandas

    lam = chosen_lams(scale, record).get(case)
    plan = SCALES[scale]
    both = [
        [plan.experiment(case, partition, seed=seed, lam=v) for v in (0.0, lam)]
        for seed in range(plan.seeds if lam else 0)
    ]
    both = [runs for runs in both if all(record.row(e) for e in runs)]
    if not lam or not both:
        return None
    plain, sparse = (pandas.DataFrame([record.row(e) for e in runs]) for runs in zip(*both, strict=True))
    rounds = record.rounds([e for runs in both for e in runs])
    overall = rounds.groupby("key")[["bpp_entropy", "bpp_uplink"]].mean().add_suffix("_overall")
    return Pair(lam, plan.seeds, plain.join(overall, on="key"), sparse.join(overall, on="key"))


def lam_grid(record: Record, scale: str, case: str) -> "pandas.DataFrame":
    """A row a λ, seed 0."""
    plan = SCALES[scale]
    return _one_seed({f"{lam:g}": [plan.experiment(case, lam=lam)] for lam in (0.0, *plan.lams[case])}, record, "λ")


def ablation(record: Record, scale: str, lam: float) -> "pandas.DataFrame":
    """A row for what was changed, MNIST, seed 0."""
    plan = SCALES[scale]
    rows = {title: [plan.experiment("mnist", lam=lam, **plan.ablation, **more)] for title, more in OPEN.items()}
    return _one_seed(rows, record, f"λ = {lam:g}")


def groups(record: Record, scale: str, case: str, partition: str = "iid") -> dict[str, list[Experiment]]:
    """By method, the runs of the plan, a seed each; rivals stand under the data set itself alone."""
    plan, lam = SCALES[scale], chosen_lams(scale, record).get(case)
    rivals = [{"algorithm": rival} for rival in RIVALS if case in DATASETS]
    choices: list[dict[str, Any]] = [{}, *([{"lam": lam}] if lam else []), *rivals]
    found = [[plan.experiment(case, partition, seed=s, **c) for s in range(plan.seeds)] for c in choices]
    return {naming.method(group[0].settings): group for group in found}


def methods(record: Record, scale: str, case: str, partition: str = "iid") -> "pandas.DataFrame":
    """A row a method, over its seeds."""
    return _table(groups(record, scale, case, partition), record, "method")


def all_methods(record: Record) -> "pandas.DataFrame":
    """`methods` of every scale, data set and partition, one below the other, with columns that say which."""
    import pandas

    found = []
    for scale, case, partition in itertools.product(SCALES, CASES, PARTITIONS):
        table = methods(record, scale, case, partition)
        if len(table) < 2 and case not in DATASETS:  # FedPM alone, which stands under the data set
            continue
        where = {"scale": SCALE_TITLES[scale], "data": naming.TITLES[case], "clients hold": partition}
        found += [table.assign(**where)[[*where, *table.columns]]] if len(table) else []
    return pandas.concat(found, ignore_index=True) if found else pandas.DataFrame()


def lam_grids(record: Record) -> Iterator[tuple[str, "pandas.DataFrame"]]:
    """A title and the `lam_grid` of each scale and data set of which two λ are there."""
    for scale, case in itertools.product(SCALES, CASES):
        if len(table := lam_grid(record, scale, case)) > 1:
            yield f"{naming.TITLES[case]}, {SCALE_TITLES[scale]}", table


def pairs(record: Record) -> Iterator[tuple[str, str, Pair]]:
    """Scale, data set and `pair`, iid, of each that is there."""
    for scale, case in itertools.product(SCALES, CASES):
        if found := pair(record, scale, case):
            yield scale, case, found


def unplanned(record: Record) -> "pandas.DataFrame":
    """A row a run that the plan does not have any more: what was tried and given up is told too."""
    import pandas

    planned = {
        key_of(e) for scale in SCALES for part in PARTS for e in members(part, scale, chosen_lams(scale, record))
    }
    table = []
    for found in record.runs[~record.runs["key"].isin(planned)].to_dict("records") if len(record.runs) else []:
        row = {str(name): value for name, value in found.items()}
        over = {"seed": int(row["seed"]), "accuracy": 100 * row["accuracy_expected"]}
        rates = {name: row[column] for name, column in SHOWN.items()}
        table.append({"run": naming.run(row), **over, **rates, "runs": digest(row["key"])})
    return pandas.DataFrame(table)


def digest(key: str) -> str:
    """The end of a key, which is enough to find its row."""
    return key.rsplit("-", 1)[-1]


def _table(groups: Mapping[str, Iterable[Experiment]], record: Record, what: str) -> "pandas.DataFrame":
    import pandas

    rows = []
    for title, runs in groups.items():
        found = [row for e in runs if (row := record.row(e))]
        if found:
            frame = pandas.DataFrame(found)
            accuracies = 100 * frame["accuracy_expected"]
            accuracy, half = interval(accuracies)
            over = {"seeds": len(found), "accuracy": accuracy, "±": half, "lowest": accuracies.min()}
            rates = {name: frame[column].mean() for name, column in SHOWN.items()}
            rows.append({what: title, **over, **rates, "runs": " ".join(digest(row["key"]) for row in found)})
    return pandas.DataFrame(rows)


def _one_seed(groups: Mapping[str, Iterable[Experiment]], record: Record, what: str) -> "pandas.DataFrame":
    """The same without what needs several seeds."""
    return _table(groups, record, what).drop(columns=["seeds", "±", "lowest"], errors="ignore")
