"""The papers' claims, and what we add to them, each set beside what the record says.

The papers' result tables could not be read. A claim comes from an abstract or an introduction, or from a summary, which
may be wrong; which of them it is stands beside it. The words are ours, in `page.md`.

A verdict uses 95 % intervals over seeds (Student's t): *reached* if the whole interval is on the right side, *not
reached* if it is on the wrong one, *undecided* otherwise, and where there is one seed.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from fedsparse.analysis.reproduction import tables
from fedsparse.analysis.reproduction.plan import (
    FEDPM,
    PARTITIONS,
    SCALES,
    TITLES,
    TOLERANCE,
    Choices,
    planned,
    schedule,
    tuned_rates,
)
from fedsparse.analysis.reproduction.record import Record
from fedsparse.analysis.reproduction.rivals import PAPERS
from fedsparse.analysis.reproduction.tables import Comparison, at_chance, comparisons, digest, spread
from fedsparse.analysis.sweeps import SCHEDULES, interval

if TYPE_CHECKING:
    import pandas

SAVINGS = {"mnist": 0.8, "cifar10": 0.31, "cifar100": 0.31}
"""Bits per parameter of entropy that regularized training is to save at least (CIFAR: 0.31 to 0.52)."""
LOST = {"sampled": "accuracy", "thresholded": "accuracy_threshold"}
"""The networks that may lose at most a point: what FedPM's code evaluates, and what is shipped."""


class Verdict(NamedTuple):
    """What a record says: reached, not reached, undecided or not run; and why."""

    word: str
    numbers: str = ""


class Claim(NamedTuple):
    """A claim, and how a record is asked for it."""

    name: str
    """Of its words in `page.md`; claims of one name share a row of the summary."""
    source: str
    data: str
    runs: tuple[str, str]
    """Part and data set of the runs that decide it; an empty one is every data set."""
    judge: Callable[[Record, str], Verdict | None]

    def verdict(self, record: Record, scale: str) -> Verdict:
        """What the record says at this scale."""
        part, dataset = self.runs
        plan = schedule(scale, Choices(rates=dict.fromkeys(SCALES[scale].rivals, 0.1)))
        if not any(of == part and dataset in ("", name) for of, name, *_ in plan):
            return Verdict("not run", "not in the plan of this scale")
        todo = f"`scale={scale} part={part}{f' dataset={dataset}' * bool(dataset)}`"
        if part == "baselines" and len(tuned_rates(scale, record)) < len(SCALES[scale].rivals):
            todo = f"`scale={scale} part=tuning`, then {todo}"
        return self.judge(record, scale) or Verdict("not run", todo)


def claims() -> Iterator[Claim]:
    """The claims that a run can decide."""
    yield Claim("one bit", "FedPM, abstract", "all data sets", ("pairs", ""), _below_one_bit)
    yield Claim("small network", "FedPM, introduction", "all data sets", ("pairs", ""), _small_network)
    for dataset in ("mnist", "cifar10"):
        judge = partial(_beats_baselines, dataset=dataset)
        yield Claim("baselines", "FedPM, abstract", f"{TITLES[dataset]}, iid", ("baselines", dataset), judge)
    for name, dataset in product(("constant", "server_loss"), SAVINGS):
        judge = partial(_saving, dataset=dataset, name=name)
        source = "regularized, a summary" + (", but our λ" if name != "constant" else "")
        yield Claim(f"saving, {name}", source, f"{TITLES[dataset]}, iid", ("pairs", dataset), judge)
    for dataset in ("mnist", "cifar10"):
        judge = partial(_no_collapse, dataset=dataset)
        yield Claim("collapse", "ours", f"{TITLES[dataset]}, iid", ("lambda", dataset), judge)
    for partition, name in product(list(PARTITIONS)[1:], ("server_loss", "client_loss")):
        judge = partial(_non_iid, partition=partition, name=name)
        yield Claim("non-iid", "ours", f"MNIST, {partition}, λ {SCHEDULES[name]}", ("non-iid", "mnist"), judge)
    yield Claim("sparser", "regularized, abstract", "all data sets, iid", ("pairs", ""), _sparser)
    yield Claim("five times", "regularized, abstract", "all data sets, iid", ("pairs", ""), _five_times)


def at_least(values: "pandas.Series", bound: float) -> str:
    """Whether the mean that these values are drawn from is at least this, by its 95 % interval."""
    mean, half = interval(values)
    if half != half:
        return "undecided"
    return "reached" if round(mean - half, 9) >= bound else "not reached" if mean + half < bound else "undecided"


def both(*words: str) -> str:
    """The verdict on several conditions together."""
    return next((word for word in ("not reached", "undecided") if word in words), "reached")


def either(*words: str) -> str:
    """The verdict on whether at least one of several conditions holds."""
    return next((word for word in ("reached", "undecided") if word in words), "not reached")


def equal_accuracy(found: Comparison) -> str:
    """Whether at most a point is lost, by sampled and by thresholded networks; a collapsed seed loses more."""
    if not found.learned:
        return "undecided"
    if found.collapsed:
        return "not reached"
    return both(*(at_least(found.difference(column), -TOLERANCE) for column in LOST.values()))


def differences(found: Comparison) -> str:
    """What a method saves and loses against FedPM, in words: means and intervals; by seed where one has collapsed."""
    by_seed = found.collapsed > 0
    entropy, late = (spread(-found.difference(f"bpp_entropy{of}"), 3, by_seed) for of in ("", "_late"))
    lost = [f"{name} {spread(100 * found.difference(c), 1, by_seed, '+')}" for name, c in LOST.items()]
    collapsed = f", {found.collapsed} at chance" * by_seed
    return (
        f"{entropy} bpp of entropy saved in the last round, {late} over all rounds after the tenth; accuracy "
        f"{', '.join(lost)} points ({found.method}; seeds {', '.join(map(str, found.sparse['seed']))}{collapsed})"
    )


def _below_one_bit(record: Record, scale: str) -> Verdict | None:
    if (runs := _plain(record, scale)) is None:
        return None
    worst, highest = runs.loc[runs["uplink_highest"].idxmax()], runs["bpp_uplink"].max()
    return Verdict(
        "reached" if highest < 1 else "not reached",
        f"at most {highest:.3f} bpp measured in the last round of {len(runs)} runs; in the most expensive round, "
        f"header included, {worst['uplink_highest']:.4f} (`{digest(worst['key'])}`)",
    )


def _small_network(record: Record, scale: str) -> Verdict | None:
    if (runs := _plain(record, scale)) is None:
        return None
    factors = 4 * runs["parameters"] / runs["network_bytes"]
    return Verdict(
        "reached" if factors.min() >= 32 else "not reached",
        f"at least {factors.min():.2f} times in {len(runs)} runs, header and seed included "
        f"(`{digest(runs['key'][factors.idxmin()])}`)",
    )


def _plain(record: Record, scale: str) -> Any:
    """FedPM's runs of the plan, λ = 0, all partitions; None without any."""
    plain = planned(record, scale).query("done and part != 'ablation' and algorithm == 'fedpm' and lam == 0")
    return None if plain.empty else plain.drop_duplicates("key")


def _beats_baselines(record: Record, scale: str, dataset: str) -> Verdict | None:
    runs = tables.compared(record, scale, dataset).query("done").set_index("seed")
    plain = runs[runs["method"] == FEDPM]
    words, said = [], []
    for name in PAPERS[:2]:
        baseline = runs[runs["method"] == name]
        if len(difference := (plain["accuracy"] - baseline["accuracy"]).dropna()):
            words.append(at_least(difference, 0.0))
            up = " against ".join(f"{of['bpp_uplink'].mean():.3f}" for of in (plain, baseline))
            points = f"{spread(100 * difference, 1, sign='+')} points against {name}"
            said.append(f"sampled networks {points} at {up} bpp up ({len(difference)} seeds)")
        else:
            words.append("undecided")
    return Verdict(both(*words), "; ".join(said)) if said else None


def _found(record: Record, scale: str, dataset: str, partition: str, name: str) -> Comparison | None:
    every = comparisons(record, scale, dataset, partition)
    return next((found for found in every if found.sparse["lam_schedule"].iloc[0] == name), None)


def _saving(record: Record, scale: str, dataset: str, name: str) -> Verdict | None:
    if (found := _found(record, scale, dataset, "iid", name)) is None:
        return None
    saved = (at_least(-found.difference(f"bpp_entropy{of}"), SAVINGS[dataset]) for of in ("", "_late"))
    return Verdict(both(equal_accuracy(found), *saved), differences(found))


def _no_collapse(record: Record, scale: str, dataset: str) -> Verdict | None:
    runs = planned(record, scale).query("part == 'lambda' and task == @dataset")
    done = runs[runs["done"]]
    plain, adaptive = done[done["lam"] == 0], done[(done["lam"] > 0) & (done["lam_schedule"] == "server_loss")]
    constant = done[(done["lam"] > 0) & (done["lam_schedule"] == "constant")]
    if adaptive.empty or plain.empty:
        return None
    lost = [f"{words}: {at_chance(of).sum()} of {len(of)}" for words, of in
            (("adaptive", adaptive), ("constant", constant), ("λ = 0", plain)) if len(of)]  # fmt: skip
    lams = f"{adaptive['lam'].min():g} to {adaptive['lam'].max():g}, {adaptive['seed'].nunique()} seeds"
    numbers = f"at chance at the end, λ from {lams}: {', '.join(lost)}"
    collapsed = adaptive[at_chance(adaptive) & ~adaptive["seed"].isin(plain["seed"][at_chance(plain)])]
    todo = runs[~runs["done"] & (runs["lam_schedule"] == "server_loss")]
    return Verdict("not reached" if len(collapsed) else "undecided" if len(todo) else "reached", numbers)


def _non_iid(record: Record, scale: str, partition: str, name: str) -> Verdict | None:
    if (found := _found(record, scale, "mnist", partition, name)) is None:
        return None
    return Verdict(equal_accuracy(found), differences(found))


def _every(record: Record, scale: str) -> dict[tuple[str, str], Comparison]:
    """Iid comparisons by data set and method."""
    return {(d, f.method): f for d in SCALES[scale].by_dataset for f in comparisons(record, scale, d)}


def _sparser(record: Record, scale: str) -> Verdict | None:
    if not (every := _every(record, scale)):
        return None
    words, said = [], []
    for (dataset, method), found in every.items():
        words.append(both(equal_accuracy(found), at_least(-found.difference("density"), 0.0)))
        ones = [spread(100 * table["density"], 1, found.collapsed > 0) for table in (found.plain, found.sparse)]
        said.append(f"{TITLES[dataset]}: {ones[0]} % ones, {ones[1]} % with {method} (**{words[-1]}**)")
    fewest = min(found.plain["density"].min() for found in every.values())
    return Verdict(either(*words) if fewest >= 0.4 else "not reached", "; ".join(said))


def _five_times(record: Record, scale: str) -> Verdict | None:
    if not (every := _every(record, scale)):
        return None
    words, said = [], []
    for (dataset, method), found in every.items():
        factors = {c: found.plain[c] / found.sparse[c] for c in ("bpp_entropy", "bpp_uplink")}
        words.append(both(equal_accuracy(found), at_least(factors["bpp_entropy"], 5.0)))
        entropy, up = (spread(factor, 1, found.collapsed > 0) for factor in factors.values())
        said.append(f"{TITLES[dataset]}, {method}: {entropy} in entropy, {up} in measured bytes up (**{words[-1]}**)")
    return Verdict(either(*words), "; ".join(said))
