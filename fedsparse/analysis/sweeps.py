"""Many runs: done in parallel, compared in one table, collected in one tidy CSV that names the failed ones."""

import logging
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fedsparse.analysis.processes import in_processes, one_thread
from fedsparse.errors import FedsparseError, RunError, RunWarning, SettingError
from fedsparse.experiment import SETTINGS, Experiment
from fedsparse.federation import run
from fedsparse.history import COLUMNS, HELD_OUT, WHOLE
from fedsparse.run_folder import RunFolder, expanded, write_whole
from fedsparse.runs import Run

if TYPE_CHECKING:
    import pandas

NAMING = ("dataset", "model", "algorithm", "lam", "seed")
"""Settings that every table of runs names, whether they vary or not."""
VALIDATION = {
    "validation": HELD_OUT["accuracy_expected"],
    "validation_sampled": HELD_OUT["accuracy"],
    "validation_threshold": HELD_OUT["accuracy_threshold"],
}
"""Columns of `summary`, by column of `History`."""
SCHEDULES = {"constant": "constant", "server_loss": "adaptive", "client_loss": "adaptive at the clients"}
"""What becomes of λ: as in the paper; or times what has been learned, as the server or each client is told by its loss,
which neither paper has."""
PROBLEM = (
    "dataset",
    "data_root",
    "train_size",
    "validation",
    "clients",
    "partition",
    "classes_per_client",
    "alpha",
    "size_skew",
)
"""Settings that make the task: an accuracy is compared with the best on the same task."""


@dataclass(frozen=True)
class Failed:
    """A run that failed, and why."""

    experiment: Experiment
    why: str


Outcome = TypeVar("Outcome", bound="Run | Failed")


def distinct(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Each run once, in order: what is repeated counts once, also if its paths are typed in another way.

    Raises:
        SettingError: two experiments that are one run, up to different rounds or with data from different places.
    """
    found: dict[Path, Experiment] = {}
    for e in experiments:
        other = found.setdefault(RunFolder(e).path.resolve(), e)
        if other.rounds != e.rounds:
            both = f"rounds={other.rounds} and rounds={e.rounds} of {e.key} are one run"
            raise SettingError(f"{both}, and the longer one holds every round of the shorter: name one of them")
        if expanded(other.data_root).resolve() != expanded(e.data_root).resolve():
            both = f"data_root={other.data_root} and data_root={e.data_root} would share one run folder"
            raise SettingError(f"{both}: make one call for each, with another out=")
    return list(found.values())


def run_all(experiments: Sequence[Experiment], jobs: int = -1) -> list[Run]:
    """Do several runs in parallel processes of one thread each; finished ones are skipped, interrupted ones resume.

    Args:
        experiments: equal ones are one run, and returned once.
        jobs: processes at a time; −1 takes every core.

    Raises:
        RunError: some failed; all others are done.
        SettingError: as `distinct`.
    """
    outcomes = attempt_all(experiments, jobs)
    if failed := [o for o in outcomes if isinstance(o, Failed)]:
        why = f"{failed[0].experiment.key}: {failed[0].why}"
        raise RunError(f"{len(failed)} of {len(outcomes)} runs failed; {why}")
    return [o for o in outcomes if isinstance(o, Run)]


def attempt_all(experiments: Sequence[Experiment], jobs: int = -1, log: bool = False) -> list[Run | Failed]:
    """As `run_all`, but what fails is returned as `Failed`, in its place.

    Args:
        log: write a line to standard error for every round.
    """
    return list(in_processes(_attempt, [(e, log) for e in distinct(experiments)], jobs))


def attempt(experiment: Experiment) -> Run | Failed:
    """A run, or why there is none."""
    from torch import OutOfMemoryError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RunWarning)  # the run's note says the same, to whoever asks
            return run(experiment)
    except FedsparseError as error:
        return Failed(experiment, str(error))
    except (MemoryError, OutOfMemoryError):
        return Failed(experiment, "the memory does not suffice: fewer runs at a time may do")


def _attempt(experiment: Experiment, log: bool) -> Run | Failed:
    with one_thread(), log_to_stderr() if log else nullcontext():
        return attempt(experiment)


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """Within it, every round that this process does is a line on standard error."""
    logger, handler = logging.getLogger("fedsparse"), logging.StreamHandler()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def varied(experiments: Sequence[Experiment]) -> list[str]:
    """Names of the settings in which the experiments differ."""
    return [name for name in SETTINGS if len({getattr(e, name) for e in experiments}) > 1]


def tidy(runs: Sequence[Run]) -> "pandas.DataFrame":
    """One row per round and run: every setting, then the columns of `History`.

    `cohort` is the column of the history, how many clients answered; the setting of that name is `cohort_setting`.
    """
    import pandas

    frames = [r.history.frame.assign(**_named(r.experiment, SETTINGS)) for r in _once(runs)]
    return pandas.concat(frames, ignore_index=True)[[*_named(runs[0].experiment, SETTINGS), *COLUMNS]]


def collect(outcomes: Sequence[Run | Failed], file: Path) -> "pandas.DataFrame":
    """Write a comparison as one CSV, one row per round and run, each run once, and return it.

    Its columns: the settings that differ from run to run or from their default; those of `History`; `megabytes_up`,
    `megabytes_down`, the bytes of all clients up to that round; versions of fedsparse, torch and numpy; `failed`, why a
    run failed: then its one row is otherwise empty.

    Raises:
        RunError: the file cannot be written.
    """
    import pandas

    outcomes = _once(outcomes)
    experiments = [o.experiment for o in outcomes]
    unusual = {n for n, f in SETTINGS.items() if any(getattr(e, n) != f.default for e in experiments)}
    names = [n for n in SETTINGS if n in {*NAMING, *varied(experiments), *unusual} - {"out", "data_root"}]
    frames = []
    for o in outcomes:
        frame = pandas.DataFrame({"failed": [o.why]}) if isinstance(o, Failed) else o.history.frame.assign(**o.versions)
        frames.append(frame.assign(**_named(o.experiment, names)))
        if isinstance(o, Run):
            frames[-1]["megabytes_up"] = frame["uplink_bytes"].cumsum() / 1e6
            frames[-1]["megabytes_down"] = frame["downlink_bytes"].cumsum() / 1e6
    measured = [*COLUMNS, "megabytes_up", "megabytes_down", "fedsparse", "torch", "numpy", "failed"]
    table = pandas.concat(frames, ignore_index=True)
    table = table.reindex(columns=[*_named(experiments[0], names), *measured])
    table = table.astype(dict.fromkeys(WHOLE, "Int64"))
    write_whole(file, table.to_csv(index=False, lineterminator="\n").encode())
    return table


def _once(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Each run once, wherever its folder lies."""
    return list({(o.experiment.key, o.experiment.rounds, expanded(o.experiment.data_root).resolve()): o
                 for o in outcomes}.values())  # fmt: skip


def _named(experiment: Experiment, names) -> dict:
    return {f"{n}_setting" if n in COLUMNS else n: getattr(experiment, n) for n in names}


def summary(outcomes: Sequence[Run | Failed]) -> "pandas.DataFrame":
    """One row per combination of the settings that differ, over its seeds.

    Columns: how many `seeds` are done, and how many `failed`; `accuracy` of the expected network in the last round,
    mean over seeds, and `±`, the half-width of its 95 % interval; that of `sampled` networks, and of the `threshold`
    network that is shipped; all three on images held out for `validation`, where there are any; accuracy of the worst
    client; measured rates of the last round with an answer; all megabytes both ways; rounds and megabytes to 90 % (and
    rounds to 95 %) of the best accuracy that any run reached on the same task, NaN unless every seed reached it.
    """
    import pandas

    outcomes = _once(outcomes)
    names = [n for n in varied([o.experiment for o in outcomes]) if n != "seed"]
    groups: dict[tuple, list[Run | Failed]] = {}
    best: dict[tuple, float] = {}  # by task
    for outcome in outcomes:
        groups.setdefault(tuple(getattr(outcome.experiment, n) for n in names), []).append(outcome)
        if isinstance(outcome, Run):
            task = _task(outcome.experiment)
            best[task] = max(best.get(task, 0.0), float(outcome.history.frame["accuracy_expected"].max()))
    rows = []
    for values, members in groups.items():
        facts = pandas.DataFrame([_facts(m, best[_task(m.experiment)]) for m in members if isinstance(m, Run)])
        named = [f"{n}_setting" if n in VALIDATION else n for n in names]
        row: dict[Any, Any] = dict(zip(named, values, strict=True))
        row |= {"seeds": len(facts), "failed": len(members) - len(facts)}
        if len(facts):
            means = facts.mean(skipna=False).to_dict()
            row |= {"accuracy": means.pop("accuracy"), "±": interval(facts["accuracy"])[1], **means}
        rows.append(row)
    table = pandas.DataFrame(rows).round(4)
    return table.drop(columns=[name for name in VALIDATION if name in table and table[name].isna().all()])


def _task(experiment: Experiment) -> tuple:
    return tuple(getattr(experiment, n) for n in PROBLEM)


def _facts(done: Run, best: float) -> dict[str, float]:
    """What `summary` says of one run."""
    frame = done.history.frame.set_index("round")
    megabytes = (frame["uplink_bytes"] + frame["downlink_bytes"]).cumsum() / 1e6
    reached_90, reached_95 = (
        min(frame.index[frame["accuracy_expected"] >= share * best], default=math.nan) for share in (90 / 100, 95 / 100)
    )
    return {
        "accuracy": frame["accuracy_expected"].iloc[-1],
        "sampled": frame["accuracy"].iloc[-1],
        "threshold": frame["accuracy_threshold"].iloc[-1],
        **{name: frame[column].iloc[-1] for name, column in VALIDATION.items()},
        "worst_client": frame["accuracy_client_worst"].iloc[-1],
        "bpp_uplink": frame["bpp_uplink"].where(frame["cohort"] > 0).ffill().fillna(0).iloc[-1],
        "bpp_downlink": frame["bpp_downlink"].iloc[-1],
        "megabytes": megabytes.iloc[-1],
        "rounds_to_90": reached_90,
        "megabytes_to_90": megabytes.get(reached_90, math.nan),
        "rounds_to_95": reached_95,
    }


def schedules_of(runs: "pandas.DataFrame") -> "pandas.Series":
    """`λ = 0`, or what becomes of λ, for each row of a table with `lam` and `lam_schedule`."""
    return runs["lam_schedule"].map(SCHEDULES).radd("λ ").where(runs["lam"] > 0, "λ = 0")


def parted(accuracies: Iterable[float]) -> bool:
    """Whether some seeds have collapsed and others have not, one below half of another: no mean describes both."""
    values = list(accuracies)
    return min(values) < max(values) / 2


def interval(values: "Sequence[float] | pandas.Series", confidence: float = 0.95) -> tuple[float, float]:
    """Mean of independent values, and the half-width of its confidence interval by Student's t; NaN for one value."""
    import numpy as np
    from scipy.stats import t

    data = np.asarray(values, dtype=float)
    if len(data) < 2:
        return float(data.mean()), float("nan")
    half = t.ppf((1 + confidence) / 2, len(data) - 1) * data.std(ddof=1) / np.sqrt(len(data))
    return float(data.mean()), float(half)
