"""What a training costs in all: both directions, all clients, all rounds; memory; and what a target accuracy costs."""

import gc
import math
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

from fedsparse.analysis.studies import STUDIES, labelled
from fedsparse.analysis.sweeps import interval
from fedsparse.errors import DataError
from fedsparse.federation import Federation
from fedsparse.models import Layout
from fedsparse.population import Population
from fedsparse.wire.frame import HEADER_BYTES
from fedsparse.wire.masks import REPORT, THETA
from fedsparse.wire.weights import REPORT as WEIGHTS_REPORT

if TYPE_CHECKING:
    import pandas


def kept(name: str, folder: str | Path = "data/results") -> "pandas.DataFrame":
    """The table of a kept comparison, a row a round and run, with `line` and `panel` as its study labels them.

    Raises:
        DataError: the file is not there, or holds other runs than the study.
    """
    import pandas

    file = Path(folder) / f"{name}.csv"
    if not file.exists():
        raise DataError(f"no {file.name} in {file.parent.name}/: python -m fedsparse study {name} makes it")
    table = pandas.read_csv(file)
    labels = [labels for labels, _ in STUDIES[name].members()]
    runs = int((table["round"].isna() | (table["round"] == 1)).sum())
    if runs != len(labels):
        raise DataError(f"{file.name} holds {runs} runs, its study {len(labels)}: make it again")
    return labelled(table, labels)


def bill(table: "pandas.DataFrame") -> "pandas.DataFrame":
    """One row a `line`, means over seeds: `accuracy` of the last round and its `±`; megabytes `up`, `down` and `all`.

    Args:
        table: a row a round and run, with `line`, `seed`, and the columns of `grid.collect`.
    """
    import pandas

    last = table.groupby(["line", "seed"], sort=False).tail(1)
    rows = {}
    for line, runs in last.groupby("line", sort=False):
        accuracy, half = interval(runs["accuracy_expected"])
        up, down = runs["megabytes_up"].mean(), runs["megabytes_down"].mean()
        rows[line] = {"accuracy": accuracy, "±": half, "up": up, "down": down, "all": up + down}
    return pandas.DataFrame.from_dict(rows, orient="index")


def to_target(table: "pandas.DataFrame", target: float) -> "pandas.DataFrame":
    """One row a `line`: `rounds` and megabytes, `up`, `down` and `all`, until the expected network first reached it.

    Means over seeds; NaN unless every seed got there. An evaluation has to have shown it: rounds between are unknown.
    """
    import pandas

    rows = {}
    for line, runs in table.groupby("line", sort=False):
        reached = [run[run["accuracy_expected"] >= target].head(1) for _, run in runs.groupby("seed")]
        first = pandas.concat(reached) if all(map(len, reached)) else pandas.DataFrame(columns=table.columns)
        up, down = first["megabytes_up"].mean(), first["megabytes_down"].mean()
        rows[line] = {"rounds": first["round"].mean(), "up": up, "down": down, "all": up + down}
    return pandas.DataFrame.from_dict(rows, orient="index").astype(float)


def break_even(first: Sequence[float], second: Sequence[float]) -> float:
    """The first round, from 1, from which on the second has cost less in all than the first; NaN if there is none.

    Args:
        first, second: bytes of each round.
    """
    cheaper = np.cumsum(second) < np.cumsum(first)
    if not len(cheaper) or not cheaper[-1]:
        return math.nan
    dearer = np.flatnonzero(~cheaper)
    return float(dearer[-1] + 2 if len(dearer) else 1)


def packed_bytes(layout: Layout, cohort: int, rounds: int) -> dict[str, tuple[int, int]]:
    """Bytes up and down of a whole training with `codec=packed`, whose messages have sizes known beforehand.

    FedPM from its second round on, when θ has `cohort` + 1 levels (at most 255): a bit a weight up. FedAvg: float32.
    """
    n, messages = layout.n, cohort * rounds
    mask = HEADER_BYTES + REPORT.size + -(-n // 8)
    theta = HEADER_BYTES + THETA.size + -(-n * min(cohort, 255).bit_length() // 8)
    update, weights = HEADER_BYTES + WEIGHTS_REPORT.size + 4 * n, HEADER_BYTES + 4 * n
    return {"fedpm": (messages * mask, messages * theta), "fedavg": (messages * update, messages * weights)}


def tensor_bytes() -> int:
    """Bytes of all tensors that are alive, each storage counted once."""
    tensors = [o for o in gc.get_objects() if issubclass(type(o), Tensor)]
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}.values())


def client_bytes(federation: Federation) -> int:
    """Tensors that a client holds in a local step, measured at its end: the network's own, and what training adds.

    Activations are gone by then, and images are not counted. `federation` is one with engine=plain: the step is that of
    `client.py`.
    """
    assert isinstance(federation.clients, Population), "in one process"
    frozen = sum(layer.frozen.untyped_storage().nbytes() for layer in federation.network.layers())
    message = federation.algorithm.broadcast(federation.state)
    before = tensor_bytes()
    seen: list[int] = []
    hook = register_optimizer_step_post_hook(lambda *_: seen.append(tensor_bytes()) if len(seen) < 2 else None)
    try:
        federation.algorithm.local_update(message, federation.clients[0])
    finally:
        hook.remove()
    return max(seen) - before + frozen


def server_bytes(federation: Federation, updates: Sequence[bytes]) -> int:
    """Peak of NumPy's memory while these updates are aggregated, one after the other, beside the state itself."""
    state = sum(v.nbytes for v in federation.state.pack().values() if isinstance(v, np.ndarray))
    federation.algorithm.broadcast(federation.state)
    tracemalloc.start()
    try:
        federation.algorithm.aggregate(federation.state, enumerate(updates))
        return state + tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
