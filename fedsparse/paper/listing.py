"""What is done, what is missing, and how long each takes."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from fedsparse.experiment import Experiment
from fedsparse.history import History
from fedsparse.paper import naming
from fedsparse.paper.plan import CASES, PARTS, chosen_lams
from fedsparse.paper.record import Record
from fedsparse.run_folder import RunFolder


def listing(scale: str, members: Mapping[str, Sequence[Experiment]], record: Record) -> str:
    """A line for the seeds of each run, part by part: done, begun or missing, and minutes, measured or expected."""
    lines, left, unknown = [], 0.0, 0
    for part, experiments in members.items():
        lines.append(f"{PARTS[part].title} (part={part})")
        groups: dict[str, list[Experiment]] = {}
        for e in experiments:
            groups.setdefault(_title(part, e), []).append(e)
        for title, runs in groups.items():
            states = []
            for e in runs:
                row, minutes = record.row(e), expected(e, record)
                if row:
                    states.append(f"seed {e.seed} done in {row['minutes']:.1f} min")
                    continue
                begun = _rounds_done(e)
                words = f"seed {e.seed} {f'begun, {begun} of {e.rounds} rounds' if begun else 'missing'}"
                if minutes is None:
                    unknown += 1
                else:
                    rest = minutes * (1 - begun / e.rounds)
                    left += rest
                    words += f", about {rest:.0f} min"
                states.append(words)
            lines.append(f"  {title:<58}{'; '.join(states)}")
    done = sum(1 for runs in members.values() for e in runs if record.row(e))
    total = sum(map(len, members.values()))
    waiting = [naming.TITLES[c] for c in CASES if c not in chosen_lams(scale, record)]
    lines.append(
        f"\nscale={scale}: {done} of {total} runs done; the rest takes about {left:.0f} minutes of one process"
    )
    if unknown:
        lines[-1] += f", and that of {unknown} runs that nothing like them has been measured for"
    if waiting:
        lines.append(f"more regularized runs on {', '.join(waiting)} follow when the λ grid there is done")
    return "\n".join(lines)


def expected(experiment: Experiment, record: Record) -> float | None:
    """Minutes that a run is expected to take: as many a round as the median of those like it; None without any."""
    if record.runs.empty:
        return None
    like = {"dataset": experiment.dataset, "width": experiment.width, "train_size": experiment.train_size}
    for more in ({"algorithm": experiment.algorithm}, {}):
        rows = record.runs
        for name, value in {**like, **more}.items():
            rows = rows[rows[name] == value]
        if len(rows):
            return experiment.rounds * median(rows["minutes"] / rows["rounds"])
    return None


def _title(part: str, e: Experiment) -> str:
    settings: dict[str, Any] = e.settings
    change = naming.change(settings)
    changed = "" if change == "as chosen" else f", {change}"
    return f"{naming.TITLES[e.dataset]}, {naming.partition(settings)}, {naming.method(settings)}{changed}"


def _rounds_done(experiment: Experiment) -> int:
    file = RunFolder(experiment).path / "history.csv"
    return len(History.from_csv(file.read_text())) if file.exists() else 0
