"""The record as tables, a row a comparison: means over the seeds that are there; what was not run has no row.

`±` is the half-width of the 95 % interval over seeds (Student's t), NaN for one seed; `lowest` that of the worst seed,
since a mean over seeds of which one has starved describes none. Accuracies, of the expected network, are in percent;
all are those of the last round. `runs` are the ends of the keys in `runs.csv`.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fedsparse.experiment import Experiment
from fedsparse.grid import interval
from fedsparse.paper import naming
from fedsparse.paper.plan import CASES, DATASETS, OPEN, PARTITIONS, RIVALS, SCALE_TITLES, SCALES, chosen_lams
from fedsparse.paper.record import Record

if TYPE_CHECKING:
    import pandas

SHOWN = {
    "entropy (bpp)": "bpp_entropy",
    "up (bpp)": "bpp_uplink",
    "down (bpp)": "bpp_downlink",
    "MB up": "megabytes_up",
    "MB down": "megabytes_down",
}


def pair(record: Record, scale: str, case: str, partition: str = "iid") -> dict[str, Any] | None:
    """FedPM against the chosen λ, seed by seed; None before both are there for a seed.

    Returns:
        `lam`; the `seeds` that are there, `of` how many; `plain` and `sparse`, means of every column of `runs.csv`
        that has one; `lost`, points of accuracy, also `lost_by_seed`, and what is `saved` of `bpp_entropy`,
        `bpp_uplink` and `bpp_downlink`, each a mean and a half-width; `keys` of the runs.
    """
    import pandas

    lam = chosen_lams(scale, record).get(case)
    plan = SCALES[scale]
    found = []
    for seed in range(plan.seeds if lam else 0):
        rows = [record.row(plan.experiment(case, partition, seed=seed, lam=v)) for v in (0.0, lam)]
        if all(rows):
            found.append(rows)
    if not found:
        return None
    plain, sparse = (pandas.DataFrame(list(rows)) for rows in zip(*found, strict=True))
    compared = ("accuracy_expected", "bpp_entropy", "bpp_uplink", "bpp_downlink")
    change = {column: plain[column] - sparse[column] for column in compared}
    return {
        "lam": lam,
        "seeds": [int(s) for s in plain["seed"]],
        "of": plan.seeds,
        "plain": plain.mean(numeric_only=True),
        "sparse": sparse.mean(numeric_only=True),
        "lost_by_seed": [100 * float(lost) for lost in change["accuracy_expected"]],
        "lost": interval(100 * change.pop("accuracy_expected")),
        "saved": {name: interval(values) for name, values in change.items()},
        "keys": [*plain["key"], *sparse["key"]],
    }


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


def pairs(record: Record) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Scale, data set and `pair`, iid, of each that is there."""
    for scale, case in itertools.product(SCALES, CASES):
        if found := pair(record, scale, case):
            yield scale, case, found


def digest(key: str) -> str:
    """The end of a key, which is enough to find its row."""
    return key.rsplit("-", 1)[-1]


def _table(groups: Mapping[str, Iterable[Experiment]], record: Record, what: str) -> "pandas.DataFrame":
    import pandas

    rows = []
    for title, members in groups.items():
        found = [row for e in members if (row := record.row(e))]
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
