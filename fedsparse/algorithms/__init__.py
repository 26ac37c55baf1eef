"""What is broadcast, what is sent, how it is aggregated: an algorithm is five functions over bytes (as in FedJAX).

    init() -> state
    broadcast(state, client) -> bytes                 server to a client
    local_update(bytes, client) -> bytes              client to server
    aggregate(state, updates, refuse) -> state, measures   updates is an iterable, read once as they arrive
    network(state) -> θ, or weights                   what is evaluated

The in-process round loop and every other engine call the same five, so a run is the same bytes wherever it happens.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np

from fedsparse.algorithms.arrivals import Refuse, raised
from fedsparse.algorithms.fedavg import FedAvg
from fedsparse.algorithms.fedpm import FedPM
from fedsparse.algorithms.quantized import EDEN, QSGD
from fedsparse.algorithms.sign_sgd import SignSGD
from fedsparse.algorithms.thresholded import FedMask, TopMask
from fedsparse.client import Client
from fedsparse.experiment import Experiment
from fedsparse.models import MaskedNetwork
from fedsparse.weight_codec import Weights


class Algorithm(Protocol):
    """The five functions. A state is a frozen dataclass of arrays and numbers, and knows its `round`."""

    def init(self) -> Any:
        """The state before the first round."""

    def broadcast(self, state: Any, client: int | None = None) -> bytes:
        """What a client of the round receives; without one, what a client that has never been there would."""

    def local_update(self, message: bytes, client: Client) -> bytes:
        """What one client makes of it, from its own data: the only thing it sends."""

    def aggregate(self, state: Any, updates: Iterable[bytes], refuse: Refuse = raised) -> tuple[Any, dict[str, float]]:
        """The next state, and the means of what was measured on the updates; one that is no update goes to `refuse`."""

    def network(self, state: Any) -> np.ndarray | Weights:
        """θ, (n,) float32, the probability that each weight is there; or the weights, if they are what is trained."""


ALGORITHMS: dict[str, Callable[[Experiment, MaskedNetwork], Algorithm]] = {
    "fedpm": FedPM,
    "fedavg": FedAvg,
    "sign_sgd": SignSGD,
    "top_mask": TopMask,
    "fed_mask": FedMask,
    "qsgd": QSGD,
    "eden": EDEN,
}


def make(experiment: Experiment, network: MaskedNetwork) -> Algorithm:
    """The algorithm that an experiment names."""
    return ALGORITHMS[experiment.algorithm](experiment, network)
