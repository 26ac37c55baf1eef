"""What is done, what is missing, and how long each takes."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from fedsparse.analysis.reproduction import naming
from fedsparse.analysis.reproduction.plan import CASES, PARTS, chosen_lams
from fedsparse.analysis.reproduction.record import Record, rounds_done
from fedsparse.experiment import Experiment


def listing(scale: str, members: Mapping[str, Sequence[Experiment]], record: Record) -> str:
    """A line for the seeds of each run, part by part: done, begun or missing, and minutes, measured or expected."""
    lines: list[str] = []
    left: dict[str, float | None] = {}
    for part, experiments in members.items():
        lines.append(f"{PARTS[part].title} (part={part})")
        groups: dict[str, list[Experiment]] = {}
        for e in experiments:
            groups.setdefault(_title(part, e), []).append(e)
        for title, runs in groups.items():
            states = []
            for e in runs:
                if row := record.row(e):
                    states.append(f"seed {e.seed} done in {row['minutes']:.1f} min")
                    continue
                begun, minutes = min(rounds_done(e), e.rounds), expected(e, record)
                rest = None if minutes is None else minutes * (1 - begun / e.rounds)
                left[e.key] = rest
                state = f"begun, {begun} of {e.rounds} rounds" if begun else "missing"
                states.append(f"seed {e.seed} {state}" + ("" if rest is None else f", about {rest:.0f} min"))
            lines.append(f"  {title:<58}{'; '.join(states)}")
    every = {e.key for runs in members.values() for e in runs}  # some belong to more than one part
    known = [rest for rest in left.values() if rest is not None]
    waiting = [naming.TITLES[c] for c in CASES if c not in chosen_lams(scale, record)]
    lines.append(f"\nscale={scale}: {len(every) - len(left)} of {len(every)} runs done")
    if left:
        untimed = len(left) - len(known)
        parts = [f"about {sum(known):.0f} minutes of one process for {len(known)}"] if known else []
        parts += [f"{untimed} like which none has been timed"] if untimed else []
        lines[-1] += f"; left: {', and '.join(parts)}"
    if waiting:
        lines.append(f"more regularized runs on {', '.join(waiting)} follow when the λ grid there is done")
    return "\n".join(lines)


def expected(experiment: Experiment, record: Record) -> float | None:
    """Minutes that a run is expected to take: as many a round as the median of those like it; None without any."""
    if record.runs.empty:
        return None
    like = {
        "dataset": experiment.dataset,
        "model": experiment.model,
        "width": experiment.width,
        "train_size": experiment.train_size,
    }
    for more in ({"algorithm": experiment.algorithm}, {}):
        rows = record.runs
        for name, value in {**like, **more}.items():
            rows = rows[rows[name] == value]
        if len(rows):
            return experiment.rounds * median(rows["minutes"] / rows["rounds"])
    return None


def _title(part: str, e: Experiment) -> str:
    settings: dict[str, Any] = e.settings
    return naming.run(settings, naming.change(settings) if part == "ablation" else "")
