"""A sweep over λ of one's own: `python -m fedsparse --multirun lam=0,1,5 seed=0,1,2`."""

from pathlib import Path

import pandas

from fedsparse.analysis.explorer.sweep import Sweep, column_of, details_of, experiment_of, sweep_of, with_lam
from fedsparse.errors import DataError, SettingError
from fedsparse.experiment import SETTINGS
from fedsparse.run_folder import RunFolder, expanded
from fedsparse.runs import open_run


def load_runs(place: str | Path) -> Sweep:
    """A `--multirun` over λ of one's own, from its run folders.

    Args:
        place: the table that it wrote, `sweep-….csv`; or the folder of both, where that is the only one.

    Raises:
        FedsparseError: there is no such table, more than λ and the seed differ in it, or a run folder is not there.
    """
    table = expanded(place)
    if table.is_dir():
        found = sorted(table.glob("sweep-*.csv"))
        if len(found) != 1:
            which = (
                f"{len(found)} tables of sweeps: name one, as in {found[0]}" if found else "no table of a --multirun"
            )
            raise DataError(f"{place} holds {which}")
        table = found[0]
    try:
        rows = pandas.read_csv(table)
        rows = rows[rows["failed"].isna()]
        others = [n for n in SETTINGS if n not in ("lam", "seed") and column_of(n) in rows]
        regularized = rows[rows["lam"] > 0]  # where λ is 0, a schedule of it has no effect, and is left out
        varied = [n for n in others if regularized[column_of(n)].nunique() > 1]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{table} is no table of a --multirun ({error})") from None
    if varied or rows["lam"].nunique() < 2:
        wrong = f"has other {', '.join(varied)} from run to run" if varied else "has no two values of λ"
        raise SettingError(f"{table} {wrong}: what can be explored differs in lam, and in seed")
    base = experiment_of(rows, ".").replace(out=str(table.parent))
    first = rows.sort_values("seed").drop_duplicates("lam")[["lam", "seed"]].itertuples(index=False)
    runs = [open_run(RunFolder(with_lam(base, float(lam)).replace(seed=int(seed))).path) for lam, seed in first]
    return sweep_of(table.stem, rows, details_of(runs), runs[0].experiment.data_root)
