"""What came out: `runs.csv`, one row per finished run, and its rounds beside it. What is there is not run again.

A run is known by its settings, wherever its data and its folder lay. It enters the record when its last round is done;
an interrupted run is in its run folder alone, and resumes from there.
"""

import platform
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from filelock import FileLock

from fedsparse.errors import RunError, one_line
from fedsparse.experiment import SETTINGS, Experiment
from fedsparse.history import HELD_OUT
from fedsparse.models import device_of
from fedsparse.run_folder import RETIRED, RunFolder, read_checkpoint, write_whole
from fedsparse.runs import Run

if TYPE_CHECKING:
    import pandas

FOLDER = "data/results/paper"
PLACES = ("data_root", "out", "device")
"""Settings that say where a run was made, not what it is."""
ROUND = (
    "round", "accuracy", "accuracy_expected", "accuracy_threshold", "density", "bpp_entropy", "bpp_kl", "bpp_uplink",
    "bpp_downlink", "uplink_bytes", "downlink_bytes", *HELD_OUT.values(), "lam_used",
)  # fmt: skip
"""Columns of `History` that the record has."""
LAST = tuple(name for name in ROUND if name not in ("round", "uplink_bytes", "downlink_bytes"))
"""Those whose value in the last round is in `runs.csv` too."""
COLUMNS = {name: f"{name}_setting" if name in ROUND else name for name in SETTINGS if name not in PLACES}
"""Columns of `runs.csv` by setting: `density` is both a setting and a rate."""
RENAMED = {"engine": {"cohort": "fast"}}
"""Values of settings in older rows, and what they are called now."""


@lru_cache(maxsize=4096)
def key_of(experiment: Experiment) -> str:
    """The name of a run in the record: the same wherever it was done."""
    return experiment.replace(**{name: SETTINGS[name].default for name in PLACES}).earlier_key


def settings_of(experiment: Experiment) -> dict[str, Any]:
    """What a run is, as its row in `runs.csv` has it."""
    return {column: getattr(experiment, name) for name, column in COLUMNS.items()}


class Record:
    """The finished runs of a folder.

    Attributes:
        runs: `runs.csv`.
        plans: what `plan.planned` has joined with these runs, by scale.

    Raises:
        RunError: a file of it cannot be read.
    """

    def __init__(self, folder: str | Path = FOLDER) -> None:
        self.folder = Path(folder)
        self._load()

    def row(self, experiment: Experiment) -> dict[str, Any] | None:
        """Settings, provenance and last round of a run with as many rounds; None if it is not there."""
        return self._rows.get((key_of(experiment), experiment.rounds))

    def rounds(self, experiments: "list[Experiment]") -> "pandas.DataFrame":
        """The rounds of those of these runs that are there, beside their settings."""
        import pandas

        keys = {key_of(e) for e in experiments if self.row(e)}
        names = sorted({f"rounds-{e.dataset}.csv" for e in experiments})
        tables = list(filter(len, map(self._read, names)))
        rounds = pandas.concat(tables) if tables else self._read("none")
        merged = rounds.merge(self.runs[self.runs["key"].isin(keys)].drop(columns=list(LAST)), on="key")
        return merged[merged["round"] <= merged["rounds"]]

    def add(self, done: Run) -> None:
        """Enter a finished run: its rounds first, so that `runs.csv` never names a run without rounds."""
        import pandas

        e, history = done.experiment, done.history.frame
        key, frame = key_of(e), history[list(ROUND)]
        row = {
            "key": key,
            **settings_of(e),
            **{n: frame[n].iloc[-1] for n in LAST},
            "uplink_highest": history["bpp_uplink"].max(),
            "megabytes_up": history["uplink_bytes"].sum() / 1e6,
            "megabytes_down": history["downlink_bytes"].sum() / 1e6,
            "network_bytes": done.network_bytes,
            "parameters": done.network.masked.layout.n,
            "minutes": history["seconds"].sum() / 60,
            "data": str(read_checkpoint(done.folder)["data"]),
            **made_by(e),
            **done.versions,
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot write {self.folder}: {error.strerror or error}") from None
        with FileLock(self.folder / ".lock"):
            new_rows = {f"rounds-{e.dataset}.csv": frame.assign(key=key), "runs.csv": pandas.DataFrame([row])}
            for name, new in new_rows.items():
                others = self._read(name).query("key != @key")
                table = pandas.concat([others, new]) if len(others) else new
                order = [c for c in ("dataset", "key", "round") if c in table]
                columns = dict.fromkeys(["key", *new.columns, *table.columns])  # those of older rows stay
                self._write(name, table.sort_values(order)[list(columns)])
            self._load()

    def _load(self) -> None:
        import pandas

        runs = self._read("runs.csv")
        # A setting that was added later had its default in older rows, and one that is gone in newer ones.
        defaults: dict[str, Any] = {column: SETTINGS[n].default for n, column in COLUMNS.items()} | RETIRED
        for name, default in defaults.items():
            column = runs.get(name, pandas.Series(default, runs.index))
            if isinstance(default, str):  # a column without any text is read as one of numbers
                column = column.astype(object)
            runs[name] = column.fillna(default)
        self.runs = runs.reindex(columns=list(dict.fromkeys([*runs.columns, *LAST]))).replace(RENAMED)
        self._rows: dict[Any, dict[Any, Any]] = {
            (row["key"], row["rounds"]): row for row in self.runs.to_dict("records")
        }
        self.plans: dict[str, pandas.DataFrame] = {}

    def _read(self, name: str) -> "pandas.DataFrame":
        import pandas

        file, columns = self.folder / name, ["key", *(("rounds", *LAST) if name == "runs.csv" else ROUND)]
        if not file.exists():
            return pandas.DataFrame(columns=columns)
        try:
            table = pandas.read_csv(file, dtype={"key": str, "commit": str})
        except (OSError, ValueError) as error:
            raise RunError(f"{file} cannot be read ({one_line(error, 100)}); restore it") from None
        if not set(columns[:2]) <= set(table):
            raise RunError(f"{file} cannot be read (its first line is not that of a record); restore it")
        return table

    def _write(self, name: str, table: "pandas.DataFrame") -> None:
        content = table.to_csv(index=False, lineterminator="\n", float_format="%.6g")
        write_whole(self.folder / name, content.encode())


def rounds_done(experiment: Experiment) -> int:
    """How many rounds its run folder has. Raises `RunError` if that cannot be read."""
    folder = RunFolder(experiment).path
    return len(read_checkpoint(folder)["history"]) if (folder / "checkpoint").exists() else 0


def signature(experiment: Experiment) -> Path:
    """The file of `sign`: beside the run folder, which a run that fails at once takes away."""
    path = RunFolder(experiment).path
    return path.with_name(f"{path.name}.made_by.csv")


def sign(experiment: Experiment) -> None:
    """Note on which device, and with which commit of this package, the run is worked on from now.

    Raises:
        RunError: the note cannot be written.
    """
    file = signature(experiment)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = dict.fromkeys([*_signed(file), f"{_device(experiment)};{_commit()}"])
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write to out={experiment.out!r}: {error.strerror or error}") from None


def made_by(experiment: Experiment) -> dict[str, str]:
    """`device` and `commit` of a run; several of each if it was made in pieces."""
    lines = _signed(signature(experiment)) or [f"{_device(experiment)};{_commit()}"]
    devices, commits = (dict.fromkeys(column) for column in zip(*(line.split(";") for line in lines), strict=True))
    return {"device": " and ".join(devices), "commit": " and ".join(commits)}


def _signed(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _device(experiment: Experiment) -> str:
    device = device_of(experiment)
    if device.type != "cpu":
        return torch.cuda.get_device_name(device) if device.type == "cuda" else "Apple GPU"
    capabilities: dict = getattr(torch.cpu, "get_capabilities", dict)()
    return f"{capabilities.get('cpu_name') or platform.processor() or platform.machine()}, one thread"


def _commit() -> str:
    """The last commit that changed this package; with a + if it has been changed since."""
    package = Path(__file__).parents[2]

    def git(*words: str) -> str:
        call = ["git", *words, "--", "."]
        return subprocess.run(call, cwd=package, capture_output=True, encoding="utf-8", errors="replace").stdout.strip()

    try:
        return git("log", "-1", "--format=%h") + "+" * bool(git("status", "--porcelain"))
    except OSError:  # no git here
        return ""
