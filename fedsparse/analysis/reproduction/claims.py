"""The papers' claims, each set beside what the record says: reached, not reached, or not run.

The papers' result tables could not be read. A claim comes from an abstract or an introduction, or from a summary, which
may be wrong; which of them it is stands beside it. The words are ours.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from fedsparse.analysis.reproduction import naming, tables
from fedsparse.analysis.reproduction.plan import CASES, DATASETS, PARTITIONS, RIVALS, SCALES
from fedsparse.analysis.reproduction.record import Record
from fedsparse.analysis.reproduction.tables import Pair, digest, pair
from fedsparse.analysis.sweeps import interval

FEDPM = "FedPM"
REGULARIZED = "regularized (a summary)"
SAVINGS = {"mnist": 0.8, "cifar10": 0.31, "cifar100": 0.31, "mnist-warm-up": 0.8, "cifar10-delay": 0.31}
"""Bits per parameter of entropy that regularized training is to save, at the least (CIFAR: 0.31 to 0.52)."""


@dataclass(frozen=True)
class Verdict:
    """What a record says of a claim."""

    word: str
    """reached, reached in the last round, not reached, undecided, not run."""
    evidence: str = ""


@dataclass(frozen=True)
class Claim:
    """One of a paper's, and how a record is asked for it."""

    source: str
    words: str
    judge: Callable[[Record, str], Verdict]


def claims() -> Iterator[Claim]:
    """Those of which a run can say anything."""
    yield Claim(f"{FEDPM} (abstract)", "masks cost less than 1 bit per parameter", _below_one_bit)
    yield Claim(f"{FEDPM} (introduction)", "the trained network is at least 32 times smaller than float32", _small_file)
    for dataset in DATASETS:
        words = f"{naming.TITLES[dataset]}, iid: more accurate than others that send little (here Top-mask, SignSGD)"
        yield Claim(f"{FEDPM} (abstract)", words, partial(_beats_rivals, dataset=dataset))
    for partition in PARTITIONS:
        for case in CASES:
            words = f"{naming.TITLES[case]}, {partition}: {SAVINGS[case]:g} bpp saved, at little loss of accuracy"
            source = REGULARIZED if case in DATASETS else f"{REGULARIZED}, but our schedule"
            yield Claim(source, words, partial(_saving, case=case, partition=partition))
    words = "FedPM's networks are not sparse (here at least 40 % ones, iid), and sparser ones are as good"
    yield Claim("regularized (abstract)", words, _sparser)
    yield Claim("regularized (abstract)", "up to five magnitudes cheaper; read here as five times", _five_times)


def survives(found: Pair, case: str) -> str:
    """What a `Pair` says of the claimed saving, in entropy and in measured bytes, in words."""
    plain, sparse, claimed = found.plain.mean(numeric_only=True), found.sparse.mean(numeric_only=True), SAVINGS[case]
    if not found.equal:
        reached, needed = (_list(100 * runs["accuracy_expected"], 1) for runs in (found.sparse, found.plain))
        entropy, sent = (_list(found.saved(c), 3) for c in ("bpp_entropy", "bpp_uplink"))
        return (
            f"λ = {found.lam:g} against FedPM, last round, seeds {found.seeds}: accuracy {reached} %, where FedPM has "
            f"{needed} %. That is not equal accuracy, so what is saved counts for nothing, and no mean of it is given: "
            f"{entropy} bpp of entropy, {sent} bpp in measured bytes up. A network that has starved saves everything."
        )
    saved, up = (found.saved(c).mean() for c in ("bpp_entropy", "bpp_uplink"))
    over = {c: found.saved(f"{c}_overall").mean() for c in ("bpp_entropy", "bpp_uplink")}
    if saved < claimed:
        verdict = f"The claimed {claimed:g} bpp are not there in entropy" + (", or in bytes." if up < claimed else ".")
    else:
        verb = "**survives** real coding" if up >= claimed else "**does not survive** real coding as a difference"
        verdict = f"The claimed saving of {claimed:g} bpp {verb}."
    return (
        f"λ = {found.lam:g} against FedPM, means over seeds {found.seeds}, in the last round: accuracy "
        f"{100 * plain['accuracy_expected']:.2f} % and {100 * sparse['accuracy_expected']:.2f} %; entropy "
        f"{plain['bpp_entropy']:.3f} and {sparse['bpp_entropy']:.3f} bpp, so {saved:.3f} saved. But FedPM's masks, "
        f"coded against the θ that both sides hold, cost {plain['bpp_uplink']:.3f} bpp and not "
        f"{plain['bpp_entropy']:.3f}; the regularized ones cost {sparse['bpp_uplink']:.3f}, so {up:.3f} bpp are saved "
        f"on the way up. {verdict} As factors: entropy {found.factor('bpp_entropy'):.1f}, bytes up "
        f"{found.factor('bpp_uplink'):.1f}. Over all rounds, the first ones too: {over['bpp_entropy']:.3f} bpp of "
        f"entropy saved, a factor of {found.factor('bpp_entropy_overall'):.1f}, and {over['bpp_uplink']:.3f} bpp up, "
        f"{found.factor('bpp_uplink_overall'):.1f}. On the way down, which FedPM's code does not count, "
        f"{found.saved('bpp_downlink').mean():.3f} bpp are saved in the last round, and all rounds together cost "
        f"{found.factor('megabytes_down'):.1f} times less."
    )


def _below_one_bit(record: Record, scale: str) -> Verdict:
    runs = _plain(record, scale)
    if runs is None:
        return _not_run(scale, "lambda")
    worst = runs.loc[runs["uplink_highest"].idxmax()]
    return Verdict(
        "reached" if runs["bpp_uplink"].max() < 1 else "not reached",
        f"measured in the last round at most {runs['bpp_uplink'].max():.3f} bpp; in the costliest round of all, with "
        f"its header, {worst['uplink_highest']:.4f} (`{digest(worst['key'])}`)",
    )


def _small_file(record: Record, scale: str) -> Verdict:
    runs = _plain(record, scale)
    if runs is None:
        return _not_run(scale, "lambda")
    factors = 4 * runs["parameters"] / runs["network_bytes"]
    worst = runs.loc[factors.idxmin()]
    return Verdict(
        "reached" if factors.min() >= 32 else "not reached",
        f"at least {factors.min():.2f} times, header and seed included (`{digest(worst['key'])}`)",
    )


def _plain(record: Record, scale: str) -> Any:
    """FedPM's runs of the plan, λ = 0, all partitions; None without any."""
    plan = SCALES[scale]
    keys = [
        row["key"]
        for partition in PARTITIONS
        for dataset in DATASETS
        for seed in range(plan.seeds)
        if (row := record.row(plan.experiment(dataset, partition, seed=seed)))
    ]
    return record.runs[record.runs["key"].isin(keys)] if keys else None


def _beats_rivals(record: Record, scale: str, dataset: str) -> Verdict:
    table = tables.methods(record, scale, dataset)
    rows = {row["method"]: row for row in table.to_dict("records")}
    ours = rows.get(naming.METHODS["fedpm"])
    rivals = [rows[name] for rival in RIVALS[:2] if (name := naming.METHODS[rival]) in rows]
    if not ours or not rivals:
        return _not_run(scale, "rivals", dataset)
    said = [f"{r['method']} {r['accuracy']:.1f} % at {r['up (bpp)']:.3f} bpp up" for r in (ours, *rivals)]
    good = all(ours["accuracy"] > rival["accuracy"] for rival in rivals)
    seeds = ", ".join(str(r["seeds"]) for r in (ours, *rivals))
    return Verdict("reached" if good else "not reached", f"{'; '.join(said)}; {seeds} seeds")


def _saving(record: Record, scale: str, case: str, partition: str) -> Verdict:
    found = pair(record, scale, case, partition)
    if not found:
        return _not_run(scale, "pairs" if partition == "iid" else "non-iid", CASES[case])
    head, seeds = f"λ = {found.lam:g}", f"{len(found.seeds)} of {found.of} seeds"
    points = f"{_list(-found.lost, 1, '+')} points from FedPM's {100 * found.plain['accuracy_expected'].mean():.1f} %"
    if not found.equal:
        saved = _list(found.saved("bpp_entropy"), 3)
        word, why = ("not reached", "") if found.learned else ("undecided", "FedPM itself has not learned; ")
        return Verdict(word, f"{why}{head}: accuracy by seed {points}, entropy saved {saved} bpp. {seeds}")
    last, overall = (found.saved(c).mean() >= SAVINGS[case] for c in ("bpp_entropy", "bpp_entropy_overall"))
    up, up_overall = _range(found.saved("bpp_uplink"), 3), found.saved("bpp_uplink_overall").mean()
    return Verdict(
        "reached" if last and overall else "reached in the last round" if last else "not reached",
        f"{head}: {_range(found.saved('bpp_entropy'), 3)} bpp of entropy saved in the last round, over all rounds "
        f"{found.saved('bpp_entropy_overall').mean():.3f}; accuracy {_range(-found.lost, 2, '+')} points (by seed "
        f"{points}); in measured bytes {up} bpp up, over all rounds {up_overall:.3f}. {seeds}",
    )


def _sparser(record: Record, scale: str) -> Verdict:
    pairs = _pairs(record, scale)
    if not pairs:
        return _not_run(scale, "pairs")
    dense = min(found.plain["density"].min() for found in pairs.values())
    ones = {case: [100 * t["density"].mean() for t in (f.plain, f.sparse)] for case, f in pairs.items() if f.equal}
    good = dense >= 0.4 and any(sparse < plain for plain, sparse in ones.values())
    words = [f"{naming.TITLES[case]} {plain:.1f} % and {sparse:.1f} %" for case, (plain, sparse) in ones.items()]
    said = f"ones in FedPM's masks and in regularized ones, where accuracy is equal: {'; '.join(words) or 'none'}"
    return Verdict("reached" if good else "not reached", f"{said}; FedPM's fewest {100 * dense:.1f} %")


def _five_times(record: Record, scale: str) -> Verdict:
    pairs = _pairs(record, scale)
    if not pairs:
        return _not_run(scale, "pairs")
    even = {case: found for case, found in pairs.items() if found.equal}
    words = [
        f"{naming.TITLES[case]} {found.factor('bpp_entropy'):.1f} in entropy, {found.factor('bpp_uplink'):.1f} in "
        f"measured bytes up (over all rounds {found.factor('bpp_entropy_overall'):.1f} and "
        f"{found.factor('bpp_uplink_overall'):.1f})"
        for case, found in even.items()
    ]
    good = any(case in DATASETS and found.factor("bpp_entropy") >= 5 for case, found in even.items())
    said = f"factors in the last round, where accuracy is equal: {'; '.join(words) or 'none'}"
    ours = ". A λ that comes late is our schedule and does not count" if set(even) - set(DATASETS) else ""
    return Verdict("reached" if good else "not reached", said + ours)


def _pairs(record: Record, scale: str) -> dict[str, Pair]:
    """By case, iid."""
    return {case: found for case in CASES if (found := pair(record, scale, case))}


def _not_run(scale: str, part: str, dataset: str = "") -> Verdict:
    """What would make it, and what that takes."""
    call = f"`scale={scale} part={part}{f' dataset={dataset}' if dataset else ''}`"
    return Verdict("not run", f"{call} takes a GPU" if scale == "paper" else f"{call} is still to be done")


def _range(by_seed: Iterable[float], digits: int, sign: str = "") -> str:
    mean, half = interval(list(by_seed))
    return f"{mean:{sign}.{digits}f}" + ("" if half != half else f" ± {half:.{digits}f}")


def _list(by_seed: Iterable[float], digits: int, sign: str = "") -> str:
    return ", ".join(f"{value:{sign}.{digits}f}" for value in by_seed)
