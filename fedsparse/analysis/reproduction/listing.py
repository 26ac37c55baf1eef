"""What is done, what is missing, and how long each run takes."""

from collections.abc import Mapping, Sequence

from fedsparse.analysis.reproduction.plan import PARTS, SCALES, TITLES, change_of, choices, title_of
from fedsparse.analysis.reproduction.record import Record, rounds_done
from fedsparse.experiment import Experiment


def listing(scale: str, members: Mapping[str, Sequence[Experiment]], record: Record) -> str:
    """One line for the seeds of each run, part by part: done, begun or missing, and minutes, measured or expected."""
    lines: list[str] = []
    left: dict[str, float | None] = {}  # minutes by key, since some runs belong to several parts
    for part, experiments in members.items():
        lines.append(f"{PARTS[part]} (part={part})")
        states: dict[str, list[str]] = {}
        for e in experiments:
            if row := record.row(e):
                state = f"done in {row['minutes']:.1f} min"
            else:
                begun, minutes = min(rounds_done(e), e.rounds), expected_minutes(e, record)
                left[e.key] = minutes and minutes * (1 - begun / e.rounds)
                state = f"begun, {begun} of {e.rounds} rounds" if begun else "missing"
                state += "" if minutes is None else f", about {left[e.key]:.0f} min"
            title = title_of(e.settings) + (f", {change_of(e.settings)}" if part in ("ablation", "tuning") else "")
            states.setdefault(title, []).append(f"seed {e.seed} {state}")
        lines += [f"  {title:<58}{'; '.join(seeds)}" for title, seeds in states.items()]
    every = {e.key for runs in members.values() for e in runs}
    lines.append(f"\nscale={scale}: {len(every) - len(left)} of {len(every)} runs done")
    if left:
        timed = [minutes for minutes in left.values() if minutes is not None]
        known = [f"about {sum(timed):.0f} minutes of one process for {len(timed)}"] if timed else []
        unknown = [f"{len(left) - len(timed)} like which none has been timed"] if len(timed) < len(left) else []
        lines[-1] += f"; left: {', and '.join(known + unknown)}"
    chosen = choices(scale, record)
    if len(chosen.rates) < len(SCALES[scale].rivals):
        lines.append("more baselines follow when their learning rates are tuned")
    if len(chosen.lams) < len(SCALES[scale].lams):
        grid = " and ".join(TITLES[dataset] for dataset in SCALES[scale].grid)
        lines.append(f"more regularized runs follow when the λ grid on {grid} is done")
    return "\n".join(lines)


def expected_minutes(e: Experiment, record: Record) -> float | None:
    """Rounds times the median minutes per round of runs like it; None without any."""
    like = ["dataset", "model", "width", "train_size"]
    rows = record.runs[(record.runs[like] == [getattr(e, name) for name in like]).all(axis=1)]
    same_method = rows[rows["algorithm"] == e.algorithm]
    rows = same_method if len(same_method) else rows
    return e.rounds * (rows["minutes"] / rows["rounds"]).median() if len(rows) else None
