"""A sweep over λ: the table of its runs, and what a table cannot hold, the histogram of θ and the mask.

A study keeps both, as CSV and JSON; of one's own `--multirun` the second is read from the run folders.
"""

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from fedsparse.analysis.processes import in_processes, one_thread
from fedsparse.analysis.sweeps import interval, parted
from fedsparse.analysis.tables import NETWORKS
from fedsparse.errors import DataError, SettingError
from fedsparse.experiment import SETTINGS, Experiment, without_effect
from fedsparse.federation import Federation
from fedsparse.history import COLUMNS
from fedsparse.models import Layout
from fedsparse.run_folder import read_checkpoint, write_whole
from fedsparse.runs import Run

ACCURACIES = {column: network for network, column in NETWORKS.items()}
RATES = {"bpp_entropy": "entropy", "bpp_uplink": "uplink", "bpp_downlink": "downlink", "bpp_kl": "KL"}
"""Columns of the history, in bits per parameter, and their names on the page."""
WAYS = {"megabytes_up": "up", "megabytes_down": "down"}
"""Columns of a comparison: the bytes of all clients up to a round, in megabytes."""


@dataclass(frozen=True)
class Point:
    """One λ of a sweep."""

    lam: float
    accuracies: Mapping[str, tuple[float, ...]]
    """By column of `ACCURACIES`: in the last round, one per seed."""
    ends: Mapping[str, tuple[float, ...]]
    """The same of `density`, `RATES` and `WAYS`."""
    rounds: pandas.DataFrame = field(compare=False)
    """One row per round: `ACCURACIES`, `density`, `RATES`, `WAYS`; means over seeds, or of parted seeds the first."""
    thetas: tuple[tuple[int, ...], ...]
    """After each round, or after the last alone: number of weights in each bin of the histogram of θ, first seed."""
    mask: np.ndarray = field(compare=False)
    """(rows, columns) uint8: the mask θ > ½ of the layer that is shown, first seed only."""

    @classmethod
    def of(cls, lam: float, rows: pandas.DataFrame, details: dict[str, Any]) -> "Point":
        """From one row per round and seed, and the first seed's `details`."""
        shape = details["rows"], details["columns"]
        bits = np.frombuffer(base64.b64decode(details["mask"]), np.uint8)
        mask = np.unpackbits(bits, count=math.prod(shape)).reshape(shape)
        last = rows[rows["round"] == rows["round"].max()]
        accuracies, ends = ({n: tuple(last[n]) for n in names} for names in (ACCURACIES, ["density", *RATES, *WAYS]))
        if parted(accuracies["accuracy_expected"]):
            rows = rows[rows["seed"] == rows["seed"].min()]
        rounds = rows.groupby("round")[[*accuracies, *ends]].mean()
        return cls(lam, accuracies, ends, rounds, tuple(map(tuple, details["theta"])), mask)

    @property
    def theta(self) -> tuple[int, ...]:
        """The histogram after the last round."""
        return self.thetas[-1]

    @property
    def parted(self) -> bool:
        """Whether some seeds have collapsed and others have not."""
        return parted(self.accuracies["accuracy_expected"])

    def level(self, column: str) -> tuple[float, float]:
        """Mean accuracy over the seeds and half the width of its 95 % interval, NaN for one seed.

        Where seeds have parted, a mean would be of no network that there is: the least accuracy, and NaN.
        """
        values = self.accuracies[column]
        return (min(values), math.nan) if self.parted else interval(values)

    def of_seeds(self, column: str) -> tuple[float, ...]:
        """Of `ends`: the mean over the seeds; where they have parted, each seed by itself."""
        values = self.ends[column]
        return values if self.parted else (sum(values) / len(values),)

    @property
    def density(self) -> float:
        """Share of ones in the last round, mean over the seeds."""
        return sum(self.ends["density"]) / len(self.ends["density"])


@dataclass(frozen=True)
class Sweep:
    """Points in order of λ, and what they were made from."""

    name: str
    points: tuple[Point, ...]
    made_from: str
    experiment: Experiment
    """The settings that all points share, with the largest λ and the first seed."""
    shown: str
    """What the picture of a mask shows, in words."""

    @property
    def lams(self) -> list[float]:
        """Every λ, in increasing order."""
        return [point.lam for point in self.points]

    def at(self, lam: float) -> Point:
        """The point of a λ.

        Raises:
            SettingError: the sweep has no such λ.
        """
        if lam not in self.lams:
            raise SettingError(f"λ = {lam:g} is not in the sweep; it has {', '.join(f'{v:g}' for v in self.lams)}")
        return self.points[self.lams.index(lam)]

    def with_point(self, point: Point) -> "Sweep":
        """The same sweep with one more point, which replaces a point of the same λ."""
        points = {p.lam: p for p in (*self.points, point)}
        return replace(self, points=tuple(points[lam] for lam in sorted(points)))


def layer_picture(mask: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The weights of a layer as a picture: (outputs × height, inputs × width), a convolution's kernels as tiles.

    Kernels of one dimension lie side by side; of those of three, the first two are one below the other.
    """
    out, inputs, *_, width = shape if len(shape) > 2 else (*shape, 1, 1)
    weights = mask[: math.prod(shape)].reshape(out, inputs, -1, width)
    return weights.transpose(0, 2, 1, 3).reshape(-1, inputs * width)


def details(federation: Federation) -> dict[str, Any]:
    """Of a federation's current state: the histogram of θ, and the mask θ > ½ of the layer that is shown, as a picture.

    Raises:
        SettingError: its algorithm trains weights, so there is no θ.
    """
    theta = federation.algorithm.parameters(federation.state)
    if not isinstance(theta, np.ndarray):
        raise SettingError(f"algorithm={federation.experiment.algorithm} trains no mask: there is nothing to explore")
    layout = federation.network.layout
    layer = _shown(layout)
    picture = layer_picture((theta[sum(layout.sizes[:layer]) :] > 0.5).astype(np.uint8), layout.shapes[layer])
    counts = np.histogram(theta, 11, (-0.05, 1.05))[0]  # 0, 0.1, …, 1, the values that ten clients can give θ
    bits = base64.b64encode(np.packbits(picture).tobytes()).decode()
    return {"theta": [counts.tolist()], "rows": picture.shape[0], "columns": picture.shape[1], "mask": bits}


def details_of(runs: Sequence[Run]) -> dict[str, Any]:
    """By λ, the `details` of its first seed's run, read from the run folder; the data and the layer that is shown.

    Raises:
        FedsparseError: a run folder holds no checkpoint, the data are not there, or the runs train no mask.
    """
    content: dict[str, Any] = {}
    for done in _first(runs):
        federation = Federation(done.experiment)
        federation.restore(read_checkpoint(done.folder))
        layout = federation.network.layout
        content |= {"source": federation.source, "layer": list(layout.shapes[_shown(layout)])}
        content |= {"only layer": True} if len(layout.shapes) == 1 else {}
        content[f"{done.experiment.lam:g}"] = details(federation)
    return content


def write_details(runs: Sequence[Run], file: Path) -> None:
    """Write `details_of` the runs as JSON, with the histogram of θ after every round.

    Nothing but the last θ is kept by a run, so the first seed's are done a second time.

    Raises:
        FedsparseError: as `details_of`; or the file cannot be written.
    """
    content = details_of(runs)
    again = [r.experiment for r in _first(runs)]
    for experiment, thetas in zip(again, in_processes(_histograms, [(e,) for e in again], -1), strict=True):
        kept = content[f"{experiment.lam:g}"]
        if thetas[-1:] == kept["theta"]:  # another processor may round in another way: then, the end alone
            kept["theta"] = thetas
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).replace('},"', '},\n"')
    write_whole(file, f"{text}\n".encode())


def _shown(layout: Layout) -> int:
    """The layer whose mask is shown: the second, if there is one."""
    return min(1, len(layout.shapes) - 1)


def _first(runs: Sequence[Run]) -> list[Run]:
    """Of each λ, the run of its first seed."""
    return list({r.experiment.lam: r for r in sorted(runs, key=lambda r: -r.experiment.seed)}.values())


def _histograms(experiment: Experiment) -> list[list[int]]:
    """That of θ after each round of a run."""
    found: list[list[int]] = []
    with one_thread():
        federation = Federation(experiment.replace(evaluate_every=experiment.rounds))
        for _ in range(experiment.rounds):
            federation.round()
            found += details(federation)["theta"]
    return found


def load(name: str = "lambda-digits", folder: str | Path = "data/results", data_root: str = "data") -> Sweep:
    """A stored sweep: `<folder>/<name>.csv` and `<name>.json`.

    Raises:
        DataError: a file is missing, or the two do not belong together.
    """
    table, beside = Path(folder) / f"{name}.csv", Path(folder) / f"{name}.json"
    for file in (table, beside):
        if not file.exists():
            kept = ", ".join(sorted(f.stem for f in Path(folder).glob("*.json"))) or "none"
            raise DataError(f"there is no {file}; the sweeps that can be explored in {folder} are: {kept}")
    try:
        stored = json.loads(beside.read_text(encoding="utf-8"))
        return sweep_of(name, pandas.read_csv(table), stored, data_root)
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{table} and {beside} do not belong together ({error})") from None


def column_of(setting: str) -> str:
    """The column of a setting in a comparison."""
    return f"{setting}_setting" if setting in COLUMNS else setting


def experiment_of(rows: pandas.DataFrame, data_root: str) -> Experiment:
    """The settings that all runs of a table share."""
    largest = rows[rows["lam"] == rows["lam"].max()].sort_values("seed")  # where λ is 0, some settings say nothing
    row = largest.iloc[0].dropna().to_dict()
    settings = {n: row[column_of(n)] for n in SETTINGS if column_of(n) in row}
    return Experiment.of(settings | {"data_root": data_root})


def with_lam(experiment: Experiment, lam: float) -> Experiment:
    """The same with another λ, without the settings that it makes void."""
    void = {name: SETTINGS[name].default for name in without_effect(experiment.settings | {"lam": lam})}
    return experiment.replace(lam=lam, **void)


def sweep_of(name: str, table: pandas.DataFrame, stored: dict[str, Any], data_root: str) -> Sweep:
    """From one row per round and run, and what `details_of` gives."""
    rows = table.sort_values(["seed", "round"], kind="stable")
    lams = sorted(map(float, rows["lam"].unique()))
    points = tuple(Point.of(lam, rows[rows["lam"] == lam], stored[f"{lam:g}"]) for lam in lams)
    source, (out, inputs, *kernel) = stored["source"], stored["layer"]
    experiment = experiment_of(rows, data_root)
    made_from = (
        f"{source}; {experiment.model} at width {experiment.width:g}, {experiment.clients} clients, "
        f"{experiment.rounds} rounds, seeds {rows['seed'].unique().tolist()}"
    )
    unit = f"kernels of {' × '.join(map(str, kernel))} weights" if kernel else "weights"
    layer = "only layer" if "only layer" in stored else "second layer"
    shown = f"{layer}, {out} × {inputs} {unit}: one row per output, one column per input"
    return Sweep(name, points, made_from, experiment, shown)


def train(lam: float, sweep: Sweep, progress: Callable[[int, int], None] = lambda *_: None) -> Point:
    """Train a λ with the sweep's settings and its first seed.

    Args:
        progress: called before the first round and after each, with the rounds done and the rounds in all; what it
            raises ends the training.

    Raises:
        FedsparseError: λ is out of range, or the run fails.
    """
    rounds = sweep.experiment.rounds
    federation = Federation(with_lam(sweep.experiment, lam).replace(evaluate_every=rounds))
    thetas = []
    for done in range(rounds):
        progress(done, rounds)
        federation.round()
        thetas += details(federation)["theta"]
    federation.check_frozen()
    progress(rounds, rounds)
    history = federation.history.frame
    for column, measured in zip(WAYS, ("uplink_bytes", "downlink_bytes"), strict=True):
        history[column] = history[measured].cumsum() / 1e6
    return Point.of(lam, history, details(federation) | {"theta": thetas})


def lam_of(text: str) -> float:
    """A λ as it is typed, with a decimal point or a decimal comma.

    Raises:
        SettingError: it is no number of at least 0.
    """
    try:
        lam = float(text.strip().replace(",", "."))
    except ValueError:
        lam = math.nan
    if not 0 <= lam < math.inf:
        raise SettingError(f"{text.strip()!r} is no λ: that is a number of at least 0, such as 0.3 or 0,3")
    return lam + 0.0
