"""A sweep over λ: the CSV of a study, and beside it as JSON what a CSV cannot hold, the θ histogram and the mask."""

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from fedsparse.errors import DataError, SettingError
from fedsparse.experiment import SETTINGS, Experiment
from fedsparse.federation import Federation
from fedsparse.history import COLUMNS
from fedsparse.run_folder import read_checkpoint, write_whole
from fedsparse.runs import Run

RATES = {"bpp_entropy": "entropy", "bpp_uplink": "uplink", "bpp_downlink": "downlink", "bpp_kl": "KL"}
"""Columns of the history, in bits per parameter, and their names on the page."""


@dataclass(frozen=True)
class Point:
    """One λ of a sweep, in its last round."""

    lam: float
    accuracies: tuple[float, ...]
    """Of the expected network, one per seed."""
    density: float
    rates: Mapping[str, float]
    """By column of `RATES`; like the density, means over the seeds."""
    theta: tuple[int, ...]
    """Number of weights in each bin of the histogram of θ, first seed only."""
    mask: np.ndarray = field(compare=False)
    """(rows, columns) uint8: the mask θ > ½ of the second layer, first seed only."""

    @classmethod
    def of(cls, lam: float, rows: pandas.DataFrame, details: dict[str, Any]) -> "Point":
        """From the last round of each seed, one row per seed, and the first seed's `details`."""
        shape = details["rows"], details["columns"]
        bits = np.frombuffer(base64.b64decode(details["mask"]), np.uint8)
        mask = np.unpackbits(bits, count=math.prod(shape)).reshape(shape)
        rates = {name: rows[name].mean() for name in RATES}
        return cls(lam, tuple(rows["accuracy_expected"]), rows["density"].mean(), rates, tuple(details["theta"]), mask)


@dataclass(frozen=True)
class Sweep:
    """Points in order of λ, and what they were made from."""

    name: str
    points: tuple[Point, ...]
    made_from: str
    experiment: Experiment
    """The settings that all points share; its λ has no meaning."""
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
    """The weights of a layer as a picture: (outputs × k, inputs × k), a convolution's k×k kernels as tiles."""
    out, inputs, k, _ = (*shape, 1, 1)[:4]
    weights = mask[: math.prod(shape)].reshape(out, inputs, k, k)
    return weights.transpose(0, 2, 1, 3).reshape(out * k, inputs * k)


def details(federation: Federation) -> dict[str, Any]:
    """Of a federation's current state: the histogram of θ, and the mask θ > ½ of the second layer as a picture.

    Raises:
        SettingError: its algorithm trains weights, so there is no θ.
    """
    theta = federation.algorithm.parameters(federation.state)
    if not isinstance(theta, np.ndarray):
        raise SettingError(f"algorithm={federation.experiment.algorithm} trains no mask: there is nothing to explore")
    layout = federation.network.layout
    picture = layer_picture((theta[layout.sizes[0] :] > 0.5).astype(np.uint8), layout.shapes[1])
    counts = np.histogram(theta, 11, (-0.05, 1.05))[0]  # 0, 0.1, …, 1, the values that ten clients can give θ
    bits = base64.b64encode(np.packbits(picture).tobytes()).decode()
    return {"theta": counts.tolist(), "rows": picture.shape[0], "columns": picture.shape[1], "mask": bits}


def write_details(runs: Sequence[Run], file: Path) -> None:
    """Write the `details` of the first seed's runs, read from their run folders, as JSON by λ.

    Raises:
        RunError: a run folder holds no checkpoint, or the file cannot be written.
    """
    first = min(r.experiment.seed for r in runs)
    content: dict[str, Any] = {}
    for done in (r for r in runs if r.experiment.seed == first):
        federation = Federation(done.experiment)
        federation.restore(read_checkpoint(done.folder))
        content |= {"source": federation.source, "layer": list(federation.network.layout.shapes[1])}
        content[f"{done.experiment.lam:g}"] = details(federation)
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).replace('},"', '},\n"')
    write_whole(file, f"{text}\n".encode())


def load(name: str = "lambda-digits", folder: str | Path = "data/results", data_root: str = "data") -> Sweep:
    """A stored sweep: `<folder>/<name>.csv` and `<name>.json`.

    Raises:
        DataError: a file is missing, or the two do not belong together.
    """
    table, beside = Path(folder) / f"{name}.csv", Path(folder) / f"{name}.json"
    for file in (table, beside):
        if not file.exists():
            raise DataError(f"there is no {file}: python -m fedsparse study {name} makes it")
    rows = pandas.read_csv(table).sort_values("seed", kind="stable")
    settings = {n: v for n, v in rows.iloc[0].to_dict().items() if n in SETTINGS and n not in COLUMNS}
    experiment = Experiment.of(settings | {"lam": 0.0, "data_root": data_root})
    last = rows[rows["round"] == experiment.rounds]
    try:
        stored = json.loads(beside.read_text(encoding="utf-8"))
        lams = sorted(map(float, last["lam"].unique()))
        points = tuple(Point.of(lam, last[last["lam"] == lam], stored[f"{lam:g}"]) for lam in lams)
        source, (out, inputs, *kernel) = stored["source"], stored["layer"]
    except (KeyError, ValueError) as error:
        raise DataError(f"{table} and {beside} do not belong together ({error})") from None
    made_from = (
        f"{source}; {experiment.model} at width {experiment.width:g}, {experiment.clients} clients, "
        f"{experiment.rounds} rounds, seeds {last['seed'].unique().tolist()}"
    )
    unit = f"kernels of {kernel[0]} × {kernel[1]} weights" if kernel else "weights"
    shown = f"second layer, {out} × {inputs} {unit}: one row per output, one column per input"
    return Sweep(name, points, made_from, experiment, shown)


def train(lam: float, sweep: Sweep, progress: Callable[[int, int], None] = lambda *_: None) -> Point:
    """Train a λ with the sweep's settings and its first seed: about ten seconds on digits.

    Args:
        progress: called before the first round and after each, with the rounds done and the rounds in all.

    Raises:
        FedsparseError: λ is out of range, or the run fails.
    """
    rounds = sweep.experiment.rounds
    federation = Federation(sweep.experiment.replace(lam=lam, evaluate_every=rounds))
    for done in range(rounds):
        progress(done, rounds)
        federation.round()
    federation.check_frozen()
    progress(rounds, rounds)
    return Point.of(lam, federation.history.frame.tail(1), details(federation))
