"""Many runs side by side, and one tidy table of all their rounds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fedsparse.experiment import SETTINGS, Experiment
from fedsparse.federation import Run, run
from fedsparse.history import COLUMNS

if TYPE_CHECKING:
    import pandas


def run_all(experiments: Sequence[Experiment], jobs: int = -1) -> list[Run]:
    """Do several runs in parallel processes of one thread each; finished ones are skipped, cut-off ones go on.

    Args:
        jobs: processes at a time; −1 takes every core.
    """
    import joblib

    return joblib.Parallel(n_jobs=jobs)(joblib.delayed(_run_on_one_thread)(e) for e in experiments)


def _run_on_one_thread(experiment: Experiment) -> Run:
    import torch

    torch.set_num_threads(1)
    return run(experiment)


def varied(experiments: Sequence[Experiment]) -> list[str]:
    """Names of the settings in which the experiments differ."""
    return [name for name in SETTINGS if len({getattr(e, name) for e in experiments}) > 1]


def tidy(runs: Sequence[Run]) -> "pandas.DataFrame":
    """One row a round and run: every setting, then the columns of `History`.

    `cohort` is in both: it is the column of the history, how many clients answered.
    """
    import pandas

    settings = [name for name in SETTINGS if name not in COLUMNS]
    frames = [r.history.frame.assign(**{name: getattr(r.experiment, name) for name in settings}) for r in runs]
    return pandas.concat(frames, ignore_index=True)[[*settings, *COLUMNS]]


def summary(runs: Sequence[Run]) -> "pandas.DataFrame":
    """One row a run: the settings that differ, the last round, all bytes, and the size of the network file."""
    import pandas

    names = varied([r.experiment for r in runs])
    kept = ("accuracy", "accuracy_expected", "accuracy_threshold", "bpp_entropy", "bpp_uplink", "bpp_downlink")
    rows = [
        {name: getattr(r.experiment, name) for name in names}
        | {"rounds": len(r.history)}
        | {name: round(r.history.last[name], 4) for name in kept}
        | {"megabytes": round(sum(row["uplink_bytes"] + row["downlink_bytes"] for row in r.history) / 1e6, 3)}
        | {"file_bytes": r.network_bytes}
        for r in runs
    ]
    return pandas.DataFrame(rows)


def interval(values: "Sequence[float] | pandas.Series", confidence: float = 0.95) -> tuple[float, float]:
    """Mean of independent values, and the half-width of its confidence interval by Student's t; NaN for one value."""
    import numpy as np
    from scipy.stats import t

    data = np.asarray(values, dtype=float)
    if len(data) < 2:
        return float(data.mean()), float("nan")
    half = t.ppf((1 + confidence) / 2, len(data) - 1) * data.std(ddof=1) / np.sqrt(len(data))
    return float(data.mean()), float(half)
