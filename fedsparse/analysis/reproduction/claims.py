"""The papers' claims, each set beside what the record says: reached, not reached, undecided or not run.

The papers' result tables could not be read. A claim comes from an abstract or an introduction, or from a summary, which
may be wrong; which of them it is stands beside it. The words are ours, in `page.md`.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import product
from typing import Any, NamedTuple

from fedsparse.analysis.reproduction import tables
from fedsparse.analysis.reproduction.plan import (
    BASELINES,
    CASES,
    DATASETS,
    METHODS,
    PARTITIONS,
    SCALES,
    TITLES,
    planned,
)
from fedsparse.analysis.reproduction.record import Record
from fedsparse.analysis.reproduction.tables import Pair, digest, pair
from fedsparse.analysis.reproduction.template import fill
from fedsparse.analysis.sweeps import interval

SAVINGS = {"mnist": 0.8, "cifar10": 0.31, "cifar100": 0.31, "mnist-warm-up": 0.8, "cifar10-delay": 0.31}
"""Bits per parameter of entropy that regularized training is to save at least (CIFAR: 0.31 to 0.52)."""


class Verdict(NamedTuple):
    """What a record says: reached, reached in the last round, not reached, undecided or not run; and why."""

    word: str
    numbers: str = ""
    details: str = ""


class Claim(NamedTuple):
    """A claim of one of the papers, and how a record is asked for it."""

    name: str
    """Of its words in `page.md`; claims of one name share a row of the summary."""
    source: str
    data: str
    part: str
    """The runs that decide it."""
    judge: Callable[[Record, str], Verdict | None]

    def verdict(self, record: Record, scale: str) -> Verdict:
        """What the record says at this scale."""
        todo = f"`scale={scale} part={self.part}` {'takes a GPU' if scale == 'paper' else 'is still to be done'}"
        return self.judge(record, scale) or Verdict("not run", details=todo)


def claims() -> Iterator[Claim]:
    """The claims that a run can decide."""
    yield Claim("one bit", "FedPM, abstract", "all data sets", "lambda", _below_one_bit)
    yield Claim("small network", "FedPM, introduction", "all data sets", "lambda", _small_network)
    for dataset in DATASETS:
        judge, part = partial(_beats_baselines, dataset=dataset), f"baselines dataset={dataset}"
        yield Claim("baselines", "FedPM, abstract", f"{TITLES[dataset]}, iid", part, judge)
    for partition, (case, dataset) in product(PARTITIONS, CASES.items()):
        iid, late = partition == "iid", case not in DATASETS
        name = "non-iid" if not iid else "late λ" if late else case
        source = "regularized, a summary" + (", but our schedule" if late else "")
        part = f"{'pairs' if iid else 'non-iid'} dataset={dataset}"
        judge = partial(_saving, case=case, partition=partition)
        yield Claim(name, source, f"{TITLES[case]}, {partition}", part, judge)
    yield Claim("sparser", "regularized, abstract", "all data sets, iid", "pairs", _sparser)
    yield Claim("five times", "regularized, abstract", "all data sets, iid", "pairs", _five_times)


def survives(found: Pair, case: str) -> str:
    """What a `Pair` says of the claimed saving, in entropy and in measured bytes, in words."""
    if not found.equal:
        plain, sparse = (_list(table["percent"], 1) for table in (found.plain, found.sparse))
        entropy, uplink = (_list(found.saved[column], 3) for column in ("bpp_entropy", "bpp_uplink"))
        return fill("unequal accuracy", pair=found, plain=plain, sparse=sparse, entropy=entropy, uplink=uplink)
    means = {name: getattr(found, name).mean(numeric_only=True) for name in ("plain", "sparse", "saved")}
    columns = {"entropy": "bpp_entropy", "bytes": "bpp_uplink"}
    where = " and ".join(name for name, column in columns.items() if means["saved"][column] >= SAVINGS[case])
    verdict = fill(f"saving in {where or 'neither'}", claimed=SAVINGS[case])
    return fill("equal accuracy", pair=found, verdict=verdict, **means)


def _below_one_bit(record: Record, scale: str) -> Verdict | None:
    if (runs := _plain(record, scale)) is None:
        return None
    worst, highest = runs.loc[runs["uplink_highest"].idxmax()], runs["bpp_uplink"].max()
    return Verdict(
        "reached" if highest < 1 else "not reached",
        f"at most {highest:.3f} bpp measured in the last round of {len(runs)} runs",
        f"in the most expensive round, header included, {worst['uplink_highest']:.4f} (`{digest(worst['key'])}`)",
    )


def _small_network(record: Record, scale: str) -> Verdict | None:
    if (runs := _plain(record, scale)) is None:
        return None
    factors = 4 * runs["parameters"] / runs["network_bytes"]
    return Verdict(
        "reached" if factors.min() >= 32 else "not reached",
        f"at least {factors.min():.2f} times in {len(runs)} runs, header and seed included",
        f"the largest network is that of `{digest(runs['key'][factors.idxmin()])}`",
    )


def _plain(record: Record, scale: str) -> Any:
    """FedPM's runs of the plan, λ = 0, all partitions; None without any."""
    plain = planned(record, scale).query("done and part != 'ablation' and algorithm == 'fedpm' and lam == 0")
    return None if plain.empty else record.runs[record.runs["key"].isin(plain["key"])]


def _beats_baselines(record: Record, scale: str, dataset: str) -> Verdict | None:
    little = [METHODS[method] for method in ("fedpm", *BASELINES[:2])]
    rows = [row for row in tables.methods(record, scale, dataset).to_dict("records") if row["method"] in little]
    if len(rows) < 2 or rows[0]["method"] != METHODS["fedpm"]:
        return None
    good = rows[0]["accuracy"] > max(row["accuracy"] for row in rows[1:])
    said = [f"{r['method']} {_spread(r['accuracy'], r['±'], 1)} % at {r['up (bpp)']:.3f} bpp up" for r in rows]
    seeds = ", ".join(str(row["seeds"]) for row in rows)
    return Verdict("reached" if good else "not reached", f"{'; '.join(said)} ({seeds} seeds)")


def _saving(record: Record, scale: str, case: str, partition: str) -> Verdict | None:
    if (found := pair(record, scale, case, partition)) is None:
        return None
    saved = {name: _mean(values, 3) for name, values in found.saved.items() if str(name).startswith("bpp")}
    by_seed = f" (by seed {_list(-found.saved['percent'], 1, '+')})" if len(found.seeds) > 1 else ""
    accuracy = f"accuracy {_mean(-found.saved['percent'], 1, '+')} points{by_seed}"
    case_seeds = f"at λ = {found.lam:g}, {len(found.seeds)} of {SCALES[scale].seeds} seeds"
    fedpm = f"FedPM has {found.plain['percent'].mean():.1f} %"
    if not found.equal:
        details = f"{fedpm}; entropy saved, by seed, {_list(found.saved['bpp_entropy'], 3)} bpp"
        if found.learned:
            collapsed = int((found.sparse["percent"] <= found.twice_chance).sum())
            said = f", of which {collapsed} collapsed to chance" if collapsed else ""
            return Verdict("not reached", f"{accuracy} {case_seeds}{said}", details)
        return Verdict("undecided", f"FedPM itself has not learned; {accuracy} {case_seeds}", details)
    last, overall = (found.saved[c].mean() >= SAVINGS[case] for c in ("bpp_entropy", "bpp_entropy_overall"))
    return Verdict(
        "reached" if last and overall else "reached in the last round" if last else "not reached",
        f"{saved['bpp_entropy']} bpp of entropy saved in the last round, {saved['bpp_entropy_overall']} over all "
        f"rounds; {accuracy} {case_seeds}",
        f"{fedpm}; in measured bytes {saved['bpp_uplink']} bpp saved up, {saved['bpp_uplink_overall']} over all rounds",
    )


def _sparser(record: Record, scale: str) -> Verdict | None:
    if not (every := _pairs(record, scale)):
        return None
    fewest = min(found.plain["density"].min() for found in every.values())
    ones = {c: [100 * t["density"].mean() for t in (f.plain, f.sparse)] for c, f in every.items() if f.equal}
    good = fewest >= 0.4 and any(sparse < plain for plain, sparse in ones.values())
    shares = [f"{TITLES[case]} {plain:.1f} % and {sparse:.1f} %" for case, (plain, sparse) in ones.items()]
    said = f"ones in FedPM's masks and in regularized ones, at equal accuracy: {'; '.join(shares) or 'none'}"
    return Verdict("reached" if good else "not reached", said, f"FedPM's fewest ones {100 * fewest:.1f} %")


def _five_times(record: Record, scale: str) -> Verdict | None:
    if not (every := _pairs(record, scale)):
        return None
    factors = {case: found.factor for case, found in every.items() if found.equal}
    good = any(case in DATASETS and factor["bpp_entropy"] >= 5 for case, factor in factors.items())
    words = "{} {:.1f} in entropy, {:.1f} in measured bytes up"
    last, overall = (
        "; ".join(words.format(TITLES[c], f[f"bpp_entropy{over}"], f[f"bpp_uplink{over}"]) for c, f in factors.items())
        for over in ("", "_overall")
    )
    ours = ". A λ that starts late is our schedule and does not count" if set(factors) - set(DATASETS) else ""
    said = f"factors in the last round, at equal accuracy: {last or 'none'}{ours}"
    return Verdict("reached" if good else "not reached", said, f"over all rounds: {overall}" if overall else "")


def _pairs(record: Record, scale: str) -> dict[str, Pair]:
    """By case, iid."""
    return {case: found for case in CASES if (found := pair(record, scale, case))}


def _mean(by_seed: Iterable[float], digits: int, sign: str = "") -> str:
    return _spread(*interval(list(by_seed)), digits, sign)


def _spread(mean: float, half: float, digits: int, sign: str = "") -> str:
    return f"{mean:{sign}.{digits}f}" + ("" if half != half else f" ± {half:.{digits}f}")


def _list(by_seed: Iterable[float], digits: int, sign: str = "") -> str:
    return ", ".join(f"{value:{sign}.{digits}f}" for value in by_seed)
