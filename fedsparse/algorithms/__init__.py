"""What is broadcast, what is sent, how it is aggregated: an algorithm is five functions over bytes (as in FedJAX).

    init() -> state
    broadcast(state, client) -> bytes            server to a client
    local_update(bytes, client) -> bytes         client to server
    aggregate(state, updates) -> Aggregated      updates: (client, bytes) pairs, read once as they arrive
    parameters(state) -> θ, or weights           what is evaluated

The in-process round loop and every other engine call the same five, so a run is the same bytes wherever it happens.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np

from fedsparse.aggregation import Aggregated
from fedsparse.algorithms.deterministic_masks import FedMask, TopMask
from fedsparse.algorithms.fedavg import FedAvg
from fedsparse.algorithms.fedpm import FedPM
from fedsparse.algorithms.quantized_fedavg import EDEN, QSGD
from fedsparse.algorithms.sign_sgd import SignSGD
from fedsparse.algorithms.zeroth_order import ZerothOrder
from fedsparse.client import Client
from fedsparse.errors import SettingError
from fedsparse.experiment import Experiment
from fedsparse.models import MaskedNetwork
from fedsparse.own.names import call, is_own
from fedsparse.theta import Weights


class Algorithm(Protocol):
    """The five functions. A state is an `algorithms.state.State`: immutable, and knows its `round`."""

    def init(self) -> Any:
        """The state before the first round."""

    def broadcast(self, state: Any, client: int | None = None) -> bytes:
        """The message for a client of the coming round; without one, for a client that has never received anything."""

    def local_update(self, message: bytes, client: Client) -> bytes:
        """What one client makes of it, from its own data: the only thing it sends."""

    def aggregate(self, state: Any, updates: Iterable[tuple[int, bytes]], min_updates: int = 0) -> Aggregated:
        """The next state; with fewer usable updates than `min_updates`, θ or the weights stay as they are."""

    def parameters(self, state: Any) -> np.ndarray | Weights:
        """θ, (n,) float32, the probability of each weight; or the weights, where weights are trained."""


FUNCTIONS = ("init", "broadcast", "local_update", "aggregate", "parameters")
ALGORITHMS: dict[str, Callable[[Experiment, MaskedNetwork], Algorithm]] = {
    "fedpm": FedPM,
    "fedavg": FedAvg,
    "sign_sgd": SignSGD,
    "top_mask": TopMask,
    "fed_mask": FedMask,
    "qsgd": QSGD,
    "eden": EDEN,
    "zeroth_order": ZerothOrder,
}


def make(experiment: Experiment, network: MaskedNetwork) -> Algorithm:
    """The algorithm that an experiment names: one of `ALGORITHMS`, or of the user's own, made of the same two.

    Raises:
        SettingError: one of the user's own that cannot be found, fails, or lacks one of the five.
    """
    name = experiment.algorithm
    if not is_own(name):
        return ALGORITHMS[name](experiment, network)
    found = call("algorithm", name, experiment, network)
    if missing := [function for function in FUNCTIONS if not callable(getattr(found, function, None))]:
        raise SettingError(f"algorithm={name} gives {type(found).__name__}, which has no {', '.join(missing)}")
    return found
