"""A sweep over λ as it is kept: the CSV of a study, and beside it what a CSV cannot hold, as JSON.

`details` is what a study writes from its run folders; `load` reads both files; `train` adds a λ that is not there.
"""

import base64
import bisect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fedsparse.errors import DataError, SettingError
from fedsparse.experiment import SETTINGS, Experiment
from fedsparse.federation import Federation, Run
from fedsparse.run_folder import RunFolder

if TYPE_CHECKING:
    import pandas

BINS = 11
"""Of the histogram of θ: 0, 0.1, …, 1, where ten clients leave it."""
RATES = ("bpp_entropy", "bpp_uplink", "bpp_downlink", "bpp_kl")


@dataclass(frozen=True)
class Point:
    """One λ of a sweep, in its last round."""

    lam: float
    accuracies: tuple[float, ...]
    """Of the expected network, one a seed."""
    density: float
    rates: Mapping[str, float]
    """`RATES`, in bits per parameter; like the density, means over the seeds."""
    theta: tuple[int, ...]
    """Weights in each bin of the histogram of θ, first seed alone."""
    mask: np.ndarray = field(compare=False)
    """(rows, columns) uint8: the second layer of the network that would be shipped, first seed alone."""


@dataclass(frozen=True)
class Sweep:
    """Points by rising λ, and what they were made from."""

    name: str
    points: tuple[Point, ...]
    made_from: str
    experiment: Experiment
    """The settings that all points share; its λ means nothing."""
    shown: str
    """What the picture of a mask shows, in words."""

    @property
    def lams(self) -> list[float]:
        """Every λ, rising."""
        return [point.lam for point in self.points]

    def at(self, lam: float) -> Point:
        """The point of a λ.

        Raises:
            SettingError: the sweep has no such λ.
        """
        for point in self.points:
            if math.isclose(point.lam, lam, abs_tol=1e-9):
                return point
        raise SettingError(f"λ = {lam:g} is not in the sweep; it has {', '.join(f'{v:g}' for v in self.lams)}")

    def with_point(self, point: Point) -> "Sweep":
        """The same sweep with one more point, or with another in the place of one that it had."""
        others = [p for p in self.points if p.lam != point.lam]
        where = bisect.bisect([p.lam for p in others], point.lam)
        return Sweep(self.name, (*others[:where], point, *others[where:]), self.made_from, self.experiment, self.shown)


def layer_picture(mask: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The weights of a layer as a picture: (outputs × k, inputs × k), a convolution's k×k kernels as tiles."""
    weights = mask[: math.prod(shape)].reshape(shape)
    if len(shape) == 2:
        return weights
    out, inputs, k, _ = shape
    return weights.transpose(0, 2, 1, 3).reshape(out * k, inputs * k)


def details(federation: Federation) -> dict[str, Any]:
    """Of a federation as it stands: the histogram of θ, and the mask θ > ½ of the second layer as a picture.

    Raises:
        SettingError: its algorithm trains weights: there is no θ.
    """
    theta = federation.algorithm.parameters(federation.state)
    if not isinstance(theta, np.ndarray):
        raise SettingError(f"algorithm={federation.experiment.algorithm} trains no mask: there is nothing to explore")
    layout = federation.network.layout
    start = layout.sizes[0]
    picture = layer_picture((theta[start:] > 0.5).astype(np.uint8), layout.shapes[1])
    counts = np.histogram(theta, BINS, (-0.05, 1.05))[0]
    bits = base64.b64encode(np.packbits(picture).tobytes()).decode()
    return {"theta": counts.tolist(), "rows": picture.shape[0], "columns": picture.shape[1], "mask": bits}


def write_details(runs: Sequence[Run], file: Path) -> None:
    """`details` of the runs of their first seed, read from their folders, as JSON by λ.

    Raises:
        DataError: a run folder holds no checkpoint.
    """
    first = min(r.experiment.seed for r in runs)
    kept: dict[str, Any] = {}
    for done in runs:
        if done.experiment.seed != first:
            continue
        checkpoint = RunFolder(done.experiment).load()
        if checkpoint is None:
            raise DataError(f"{done.folder} holds no checkpoint: do the run again")
        federation = Federation(done.experiment)
        federation.restore(checkpoint)
        kept.setdefault("source", federation.source)
        kept.setdefault("layer", list(federation.network.layout.shapes[1]))
        kept[f"{done.experiment.lam:g}"] = details(federation)
    file.write_text(json.dumps(kept, separators=(",", ":"), ensure_ascii=False).replace('},"', '},\n"') + "\n")


def load(name: str = "lambda-digits", folder: str | Path = "data/results", data_root: str = "data") -> Sweep:
    """A kept sweep: `<folder>/<name>.csv` and `<name>.json`.

    Raises:
        DataError: a file is missing, or the two do not belong together.
    """
    import pandas

    table, kept = Path(folder) / f"{name}.csv", Path(folder) / f"{name}.json"
    for file in (table, kept):
        if not file.exists():
            raise DataError(f"there is no {file}: python -m fedsparse study {name} makes it")
    rows = pandas.read_csv(table)
    more = json.loads(kept.read_text())
    experiment = _shared_settings(rows, data_root)
    last = rows[rows["round"] == experiment.rounds]
    try:
        points = tuple(_kept_point(lam, at, more[f"{lam:g}"]) for lam, at in last.groupby("lam"))
    except (KeyError, ValueError) as error:
        raise DataError(f"{table} and {kept} do not belong together ({error})") from None
    seeds = sorted(last["seed"].unique())
    made_from = (
        f"{more['source']}; {experiment.model} at width {experiment.width:g}, {experiment.clients} clients, "
        f"{experiment.rounds} rounds, seeds {[int(s) for s in seeds]}"
    )
    return Sweep(name, points, made_from, experiment, _shown(more["layer"]))


def train(lam: float, sweep: Sweep, progress: Callable[[int, int], None] = lambda done, rounds: None) -> Point:
    """A λ that the sweep does not have, at the sweep's own settings and its first seed: some ten seconds on digits.

    Args:
        progress: called before the first round and after each, with the rounds that are done and all of them.

    Raises:
        FedsparseError: λ is out of range, or the run cannot be done.
    """
    federation = Federation(sweep.experiment.replace(lam=lam, evaluate_every=sweep.experiment.rounds))
    rounds = sweep.experiment.rounds
    for done in range(rounds):
        progress(done, rounds)
        federation.round()
    federation.check_frozen()
    progress(rounds, rounds)
    row, more = federation.history.last, details(federation)
    rates = {name: float(row[name]) for name in RATES}
    return Point(lam, (row["accuracy_expected"],), row["density"], rates, tuple(more["theta"]), _picture(more))


def _kept_point(lam: Any, rows: "pandas.DataFrame", more: dict[str, Any]) -> Point:
    rates = {name: float(rows[name].mean()) for name in RATES}
    accuracies = tuple(float(a) for a in rows["accuracy_expected"])
    return Point(float(lam), accuracies, float(rows["density"].mean()), rates, tuple(more["theta"]), _picture(more))


def _picture(more: dict[str, Any]) -> np.ndarray:
    rows, columns = more["rows"], more["columns"]
    bits = np.frombuffer(base64.b64decode(more["mask"]), np.uint8)
    return np.unpackbits(bits, count=rows * columns).reshape(rows, columns)


def _shared_settings(rows: "pandas.DataFrame", data_root: str) -> Experiment:
    """The settings that a study's CSV names, of its first seed."""
    first = rows.sort_values("seed").iloc[0]
    named = {n: first[n] for n in rows.columns if n in SETTINGS and n != "cohort"}
    plain = {n: v.item() if hasattr(v, "item") else v for n, v in named.items()}
    return Experiment.of(plain | {"lam": 0.0, "data_root": data_root})


def _shown(shape: Sequence[int]) -> str:
    if len(shape) == 2:
        return f"second layer, {shape[0]} × {shape[1]} weights: a row an output, a column an input"
    out, inputs, k, _ = shape
    return f"second layer, {out} × {inputs} kernels of {k} × {k} weights: a row an output, a column an input"
