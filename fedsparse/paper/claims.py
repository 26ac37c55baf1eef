"""The papers' claims, each set beside what the record says: reached, not reached, or not run.

The words of the claims are those of the abstracts, and of summaries where no abstract has them; the papers' result
tables were not at hand, so no cell of them is cited.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from fedsparse.paper import naming
from fedsparse.paper.plan import CASES, DATASETS, PARTITIONS, SCALES, TOLERANCE
from fedsparse.paper.record import Record
from fedsparse.paper.tables import digest, pair

FEDPM = "FedPM"
REGULARIZED = "regularized"
SAVINGS = {"mnist": 0.8, "cifar10": 0.31, "cifar100": 0.31, "mnist-clip": 0.8}
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

    paper: str
    words: str
    judge: Callable[[Record, str], Verdict]


def claims() -> Iterator[Claim]:
    """All that can be asked of a run."""
    yield Claim(FEDPM, "a client sends at most 1 bit per parameter", _at_most_one_bit)
    yield Claim(FEDPM, "the trained network as a file: at most 1 bpp, 32 times smaller than float32", _small_file)
    for partition in PARTITIONS:
        for case in CASES if partition == "iid" else DATASETS:
            saving = SAVINGS[case]
            words = f"{naming.TITLES[case]}, {partition}: at least {saving:g} bpp saved, at little loss of accuracy"
            yield Claim(REGULARIZED, words, partial(_saving, case=case, partition=partition))
    yield Claim(REGULARIZED, "up to five times fewer bits than FedPM (a summary's reading)", _five_times)


def survives(found: dict[str, Any], case: str) -> str:
    """Whether the saving that is claimed is there in measured bytes, in words."""
    plain, sparse = found["plain"], found["sparse"]
    up, down = found["saved"]["bpp_uplink"][0], found["saved"]["bpp_downlink"][0]
    ratios = {column: plain[column] / sparse[column] for column in ("bpp_entropy", "bpp_uplink")}
    whole = "survives" if up >= SAVINGS[case] else "does not survive"
    return (
        f"λ = {found['lam']:g} against FedPM, means over seeds {found['seeds']}: entropy falls from "
        f"{plain['bpp_entropy']:.3f} to {sparse['bpp_entropy']:.3f} bpp. But FedPM's masks, coded against the θ that "
        f"both sides hold, cost {plain['bpp_uplink']:.3f} bpp and not {plain['bpp_entropy']:.3f}, and the regularized "
        f"ones {sparse['bpp_uplink']:.3f}: measured on the way up, {up:.3f} bpp are saved. As a difference, the "
        f"claimed {SAVINGS[case]:g} bpp **{whole}** real coding. As a ratio, entropy falls by a factor of "
        f"{ratios['bpp_entropy']:.1f} and measured bytes by {ratios['bpp_uplink']:.1f}. On the way down, which neither "
        f"paper counts, {down:.3f} bpp are saved."
    )


def _at_most_one_bit(record: Record, scale: str) -> Verdict:
    runs = _of(record, scale)
    if runs is None:
        return Verdict("not run")
    highest, last = runs["uplink_highest"].max(), runs["bpp_uplink"].max()
    word = "reached" if highest <= 1 else "not reached"
    return Verdict(
        word, f"{highest:.4f} bpp, header included, in the costliest round of any run; {last:.3f} in the last"
    )


def _small_file(record: Record, scale: str) -> Verdict:
    runs = _of(record, scale)
    if runs is None:
        return Verdict("not run")
    rates = 8 * runs["network_bytes"] / runs["parameters"]
    bpp, run = rates.max(), digest(runs.loc[rates.idxmax(), "key"])
    return Verdict(
        "reached" if bpp <= 1 else "not reached", f"{bpp:.4f} bpp at most (`{run}`), {32 / bpp:.2f} times smaller"
    )


def _of(record: Record, scale: str) -> Any:
    """FedPM's runs of the plan, λ = 0, all partitions; None without any."""
    plan = SCALES[scale]
    keys = [
        row["key"]
        for partition in PARTITIONS
        for case in CASES
        for seed in range(plan.seeds)
        if (row := record.row(plan.experiment(case, partition, seed=seed)))
    ]
    return record.runs[record.runs["key"].isin(keys)] if keys else None


def _saving(record: Record, scale: str, case: str, partition: str) -> Verdict:
    found = pair(record, scale, case, partition)
    if not found:
        return Verdict("not run")
    saved, up, lost = found["saved"]["bpp_entropy"], found["saved"]["bpp_uplink"], found["lost"]
    good = saved[0] >= SAVINGS[case] and lost[0] <= 100 * TOLERANCE
    return Verdict(
        "reached" if good else "not reached",
        f"λ = {found['lam']:g}: {_range(saved, 3)} bpp of entropy saved for {_range(lost, 1)} points of accuracy; in "
        f"measured bytes {_range(up, 3)} bpp up. {len(found['seeds'])} of {found['of']} seeds",
    )


def _five_times(record: Record, scale: str) -> Verdict:
    pairs = {d: found for d in CASES if (found := pair(record, scale, d)) and found["lost"][0] <= 100 * TOLERANCE}
    if not pairs:
        return Verdict("not run")
    ratio = {d: f["plain"]["bpp_entropy"] / f["sparse"]["bpp_entropy"] for d, f in pairs.items()}
    coded = {d: f["plain"]["bpp_uplink"] / f["sparse"]["bpp_uplink"] for d, f in pairs.items()}
    words = "; ".join(f"{naming.TITLES[d]}: entropy {ratio[d]:.1f}, measured bytes {coded[d]:.1f}" for d in pairs)
    return Verdict("reached" if max(ratio.values()) >= 5 else "not reached", f"{words} times fewer")


def _range(value: tuple[float, float], digits: int) -> str:
    mean, half = value
    return f"{mean:.{digits}f}" + ("" if half != half else f" ± {half:.{digits}f}")
