"""The papers' claims, each set beside what the record says: reached, not reached, or not run.

The papers' result tables could not be read. A claim comes from an abstract, or from a summary, which may be wrong;
which of the two it is stands beside it. The words are ours.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from fedsparse.paper import naming
from fedsparse.paper.plan import CASES, DATASETS, PARTITIONS, SCALES, equal
from fedsparse.paper.record import Record
from fedsparse.paper.tables import digest, pair

FEDPM = "FedPM (abstract)"
REGULARIZED = "regularized (a summary)"
SAVINGS = {"mnist": 0.8, "cifar10": 0.31, "cifar100": 0.31, "mnist-warm-up": 0.8, "cifar10-delay": 0.31}
"""Bits per parameter of entropy that regularized training is to save, at the least (CIFAR: 0.31 to 0.52)."""


@dataclass(frozen=True)
class Verdict:
    """What a record says of a claim."""

    word: str
    """reached, not reached, not run."""
    evidence: str = ""


@dataclass(frozen=True)
class Claim:
    """One of a paper's, and how a record is asked for it."""

    source: str
    words: str
    judge: Callable[[Record, str], Verdict]


def claims() -> Iterator[Claim]:
    """All that can be asked of a run."""
    yield Claim(FEDPM, "masks cost less than 1 bit per parameter", _below_one_bit)
    yield Claim(FEDPM, "the trained network is at least 32 times smaller than float32", _small_file)
    for partition in PARTITIONS:
        for case in CASES:
            words = f"{naming.TITLES[case]}, {partition}: {SAVINGS[case]:g} bpp saved, at little loss of accuracy"
            source = REGULARIZED if case in DATASETS else f"{REGULARIZED}, but our schedule"
            yield Claim(source, words, partial(_saving, case=case, partition=partition))
    yield Claim("regularized (abstract)", "up to five magnitudes cheaper; read here as five times", _five_times)


def survives(found: dict[str, Any], case: str) -> str:
    """What a `pair` says of the claimed saving, in entropy and in measured bytes, in words."""
    plain, sparse, claimed = found["plain"], found["sparse"], SAVINGS[case]
    saved, up, down = (found["saved"][c][0] for c in ("bpp_entropy", "bpp_uplink", "bpp_downlink"))
    factors = {c: plain[c] / sparse[c] for c in ("bpp_entropy", "bpp_uplink")}
    whole = {way: plain[f"megabytes_{way}"] / sparse[f"megabytes_{way}"] for way in ("up", "down")}
    if saved < claimed:
        verdict = f"The claimed {claimed:g} bpp are not there, in entropy or in bytes."
    elif not equal(found["lost"][0] / 100):
        verdict = f"The claimed {claimed:g} bpp of entropy are there, but not at equal accuracy."
    else:
        verb = "**survives** real coding" if up >= claimed else "**does not survive** real coding as a difference"
        verdict = f"The claimed saving of {claimed:g} bpp {verb}."
    return (
        f"λ = {found['lam']:g} against FedPM, last round, means over seeds {found['seeds']}: accuracy "
        f"{100 * plain['accuracy_expected']:.2f} % and {100 * sparse['accuracy_expected']:.2f} %; entropy "
        f"{plain['bpp_entropy']:.3f} and {sparse['bpp_entropy']:.3f} bpp, so {saved:.3f} saved. But FedPM's masks, "
        f"coded against the θ that both sides hold, cost {plain['bpp_uplink']:.3f} bpp and not "
        f"{plain['bpp_entropy']:.3f}; the regularized ones cost {sparse['bpp_uplink']:.3f}, so {up:.3f} bpp are saved "
        f"on the way up. {verdict} As factors: entropy {factors['bpp_entropy']:.1f}, bytes up "
        f"{factors['bpp_uplink']:.1f} in the last round and {whole['up']:.1f} over all rounds. On the way down, which "
        f"FedPM's code does not count, {down:.3f} bpp are saved in the last round, and all rounds together cost "
        f"{whole['down']:.1f} times less."
    )


def _below_one_bit(record: Record, scale: str) -> Verdict:
    runs = _of(record, scale)
    if runs is None:
        return Verdict("not run")
    worst = runs.loc[runs["uplink_highest"].idxmax()]
    return Verdict(
        "reached" if runs["bpp_uplink"].max() < 1 else "not reached",
        f"measured in the last round at most {runs['bpp_uplink'].max():.3f} bpp; in the costliest round of all, with "
        f"its header, {worst['uplink_highest']:.4f} (`{digest(worst['key'])}`)",
    )


def _small_file(record: Record, scale: str) -> Verdict:
    runs = _of(record, scale)
    if runs is None:
        return Verdict("not run")
    factors = 4 * runs["parameters"] / runs["network_bytes"]
    worst = runs.loc[factors.idxmin()]
    return Verdict(
        "reached" if factors.min() >= 32 else "not reached",
        f"at least {factors.min():.2f} times, header and seed included (`{digest(worst['key'])}`)",
    )


def _of(record: Record, scale: str) -> Any:
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


def _saving(record: Record, scale: str, case: str, partition: str) -> Verdict:
    found = pair(record, scale, case, partition)
    if not found:
        return Verdict("not run")
    saved, up, lost = found["saved"]["bpp_entropy"], found["saved"]["bpp_uplink"], found["lost"]
    by_seed = ", ".join(f"{-points:+.1f}" for points in found["lost_by_seed"])
    good = saved[0] >= SAVINGS[case] and equal(lost[0] / 100)
    return Verdict(
        "reached" if good else "not reached",
        f"λ = {found['lam']:g}: {_range(saved, 3)} bpp of entropy saved, accuracy "
        f"{_range((-lost[0], lost[1]), 2, '+')} points (by seed {by_seed}); in measured bytes {_range(up, 3)} bpp up. "
        f"{len(found['seeds'])} of {found['of']} seeds",
    )


def _five_times(record: Record, scale: str) -> Verdict:
    """By what is asked in the paper's own way first; where only ours gets there, the verdict says so."""
    pairs = {case: found for case in CASES if (found := pair(record, scale, case))}
    if not pairs:
        return Verdict("not run")
    words, reached = [], []
    for case, found in pairs.items():
        entropy, up = (found["plain"][c] / found["sparse"][c] for c in ("bpp_entropy", "bpp_uplink"))
        words.append(f"{naming.TITLES[case]} {entropy:.1f} in entropy, {up:.1f} in measured bytes up")
        reached += [case] if entropy >= 5 and equal(found["lost"][0] / 100) else []
    evidence = f"factors: {'; '.join(words)}"
    if reached and not set(reached) & set(DATASETS):
        evidence = f"with a schedule of ours alone ({', '.join(naming.TITLES[c] for c in reached)}); {evidence}"
    return Verdict("reached" if reached else "not reached", evidence)


def _range(value: tuple[float, float], digits: int, sign: str = "") -> str:
    mean, half = value
    return f"{mean:{sign}.{digits}f}" + ("" if half != half else f" ± {half:.{digits}f}")
