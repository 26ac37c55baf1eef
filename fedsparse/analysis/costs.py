"""Communication cost of a whole training, in both directions; cost to a target accuracy; memory."""

import gc
import math
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim.optimizer import register_optimizer_step_post_hook

from fedsparse.analysis.studies import STUDIES, labelled
from fedsparse.analysis.tables import accuracies
from fedsparse.errors import DataError
from fedsparse.federation import Federation
from fedsparse.history import COLUMNS
from fedsparse.models import Layout
from fedsparse.population import Population
from fedsparse.wire.frame import HEADER_BYTES
from fedsparse.wire.masks import REPORT, THETA
from fedsparse.wire.weights import REPORT as WEIGHTS_REPORT

if TYPE_CHECKING:
    import pandas


def study_table(name: str, folder: str | Path = "data/results") -> "pandas.DataFrame":
    """The results of a study, one row per round and run, with `line` and `panel` as the study labels them.

    Raises:
        DataError: the file is not there, or holds other runs than the study.
    """
    import pandas

    file = Path(folder) / f"{name}.csv"
    if not file.exists():
        raise DataError(f"no {file.name} in {file.parent.name}/: python -m fedsparse study {name} makes it")
    table = pandas.read_csv(file)
    members = list(STUDIES[name].members())
    runs = table[table["round"].isna() | (table["round"] == 1)]
    again = f"python -m fedsparse study {name} makes it again"
    if len(runs) != len(members):
        raise DataError(f"{file.name} holds {len(runs)} runs, but its study has {len(members)}: {again}")
    for (labels, settings), (_, row) in zip(members, runs.iterrows(), strict=True):
        if any(row[n] != value for n, value in settings.items() if n in row and n not in COLUMNS):
            raise DataError(f"{file.name} holds another run where its study has {', '.join(labels)}: {again}")
    return labelled(table, [labels for labels, _ in members])


def communication_cost(table: "pandas.DataFrame") -> "pandas.DataFrame":
    """One row per `line`: `tables.accuracies` in the last round; megabytes `up`, `down` and `all`, means over seeds.

    Args:
        table: one row per round and run, with `line`, `seed`, and the columns of `sweeps.collect`.
    """
    import pandas

    rows = {}
    for line, runs in table.groupby(["line", "seed"], sort=False).tail(1).groupby("line", sort=False):
        rows[line] = {**accuracies(runs), **_megabytes(runs)}
    return pandas.DataFrame.from_dict(rows, orient="index")


def cost_to_target(
    table: "pandas.DataFrame", target: float, accuracy: str = "accuracy_threshold"
) -> "pandas.DataFrame":
    """One row per `line`: `rounds` and megabytes, `up`, `down` and `all`, until `target` is first reached.

    Means over seeds; NaN unless every seed reaches it. Only evaluated rounds count: what lies between is unknown.

    Args:
        accuracy: the column of `table` that has to reach it; by default that of the network which is shipped.
    """
    import pandas

    rows = {}
    for line, runs in table.groupby("line", sort=False):
        reached = [run[run[accuracy] >= target].head(1) for _, run in runs.groupby("seed")]
        first = pandas.concat(reached) if all(map(len, reached)) else pandas.DataFrame(columns=table.columns)
        rows[line] = {"rounds": first["round"].mean(), **_megabytes(first)}
    return pandas.DataFrame.from_dict(rows, orient="index").astype(float)


def _megabytes(runs: "pandas.DataFrame") -> dict[str, float]:
    up, down = runs["megabytes_up"].mean(), runs["megabytes_down"].mean()
    return {"up": up, "down": down, "all": up + down}


def break_even(first: Sequence[float], second: Sequence[float]) -> float:
    """The round, from 1, from which on the second has cost less in all than the first; NaN if there is none.

    Args:
        first, second: bytes of each round.
    """
    cheaper = np.cumsum(second) < np.cumsum(first)
    if not len(cheaper) or not cheaper[-1]:
        return math.nan
    not_cheaper = np.flatnonzero(~cheaper)
    return float(not_cheaper[-1] + 2 if len(not_cheaper) else 1)


def packed_bytes(layout: Layout, cohort: int, rounds: int) -> dict[str, tuple[int, int]]:
    """Bytes up and down of a whole training with `codec=packed`, whose messages have sizes known beforehand.

    FedPM, from its second round on, when θ has `cohort` + 1 levels (at most 255): a bit per weight up. FedAvg: float32.
    """
    n, messages = layout.n, cohort * rounds
    mask = HEADER_BYTES + REPORT.size + -(-n // 8)
    theta = HEADER_BYTES + THETA.size + -(-n * min(cohort, 255).bit_length() // 8)
    update, weights = HEADER_BYTES + WEIGHTS_REPORT.size + 4 * n, HEADER_BYTES + 4 * n
    return {"fedpm": (messages * mask, messages * theta), "fedavg": (messages * update, messages * weights)}


def tensor_bytes() -> int:
    """Bytes of all tensors that are alive, each storage counted once."""
    gc.collect()  # tensors in unreachable cycles are not alive: freed later, they would be missing from a difference
    tensors = [o for o in gc.get_objects() if type(o) in (Tensor, Parameter) and o.layout == torch.strided]
    storages = [t.untyped_storage() for t in tensors if not t.is_meta]  # others, as those that are traced, have none
    return sum({s.data_ptr(): s.nbytes() for s in storages}.values())


def client_bytes(federation: Federation) -> int:
    """Bytes of the tensors that a client holds at the end of a local step: the network's own, and what training adds.

    Activations are gone by then, and images are not counted. The federation needs engine=plain.
    """
    assert isinstance(federation.clients, Population), "clients in this process"
    frozen = 4 * federation.network.layout.n  # float32
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
    """Bytes of the state, and NumPy's peak memory while these updates are aggregated one after the other."""
    state = sum(v.nbytes for v in federation.state.pack().values() if isinstance(v, np.ndarray))
    federation.algorithm.broadcast(federation.state)
    tracemalloc.start()
    try:
        rejected = federation.algorithm.aggregate(federation.state, enumerate(updates)).rejected
        assert not rejected, rejected
        return state + tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
