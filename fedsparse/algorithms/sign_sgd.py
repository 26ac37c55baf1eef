"""SignSGD with majority vote (Bernstein et al., ICML 2018; Bernstein et al., ICLR 2019): one bit per weight up.

A client sends the sign of its local update Δ = w' − w; with one local step of SGD that is the sign of its negative
gradient, as in the paper, and with several it is where the local steps went. The server takes the sign v that most
clients sent, and w ← w + server_lr · v.

Down goes Σ v over all rounds so far: with the seed of the first weights, all that a client needs. Clients here remember
nothing, so a client that missed rounds costs no more than another; one that was there each time would do with the last
vote, 1 bit a weight.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from fedsparse.aggregation import Aggregated, collect, means
from fedsparse.algorithms.fedavg import FedAvg, UpdateSum, first_weights
from fedsparse.algorithms.state import State
from fedsparse.client import Client
from fedsparse.experiment import Experiment
from fedsparse.models import MaskedNetwork
from fedsparse.randomness import raw_bits
from fedsparse.theta import Weights
from fedsparse.wire.frame import Kind
from fedsparse.wire.masks import Report
from fedsparse.wire.weights import WeightBroadcast, decode_symbols, decode_votes, encode_symbols, encode_votes


@dataclass(frozen=True, eq=False)
class VotesState(State):
    """What the server knows between rounds."""

    sums: np.ndarray
    """(n,) int32: Σ of the majority's votes −1, 0 or 1."""


class SignSGD:
    """The five functions of SignSGD with majority vote. A tie is a vote of 0: that weight stays."""

    def __init__(self, experiment: Experiment, network: MaskedNetwork) -> None:
        self.experiment = experiment
        self.layout = network.layout
        self.fedavg = FedAvg(experiment, network)
        self.first = first_weights(self.layout, experiment.seed)

    def init(self) -> VotesState:
        """No votes yet."""
        return VotesState(0, np.zeros(self.layout.n, np.int32))

    def broadcast(self, state: VotesState, client: int | None = None) -> bytes:
        """The sums of votes, for round `state.round` + 1."""
        return encode_votes(state.sums, state.round + 1, self.layout, self.experiment.codec)

    def local_update(self, message: bytes, client: Client) -> bytes:
        """Train the weights; one bit for each says which way it went."""
        broadcast = decode_votes(message, self.layout)
        update, report = self.fedavg.train(self._weights(broadcast.values), client, broadcast.round)
        return self.vote(update, report, broadcast)

    def vote(self, update: np.ndarray, report: Report, broadcast: WeightBroadcast) -> bytes:
        """The signs of an update: 1 for up, 0 for down; of a weight that did not move, a keyed coin."""
        coins = raw_bits(len(update), self.experiment.seed, "coins", broadcast.round, report.client)
        signs = np.where(update == 0, coins, update > 0).astype(np.uint8)
        return encode_symbols(Kind.SIGNS, signs, 1, np.empty(0), report, broadcast, self.experiment.codec)

    def aggregate(self, state: VotesState, updates: Iterable[tuple[int, bytes]], min_updates: int = 0) -> Aggregated:
        """The sign of the sum of signs; with `aggregation=weighted` a client has as many votes as samples."""
        broadcast, weighted = (
            decode_votes(self.broadcast(state), self.layout),
            self.experiment.aggregation == "weighted",
        )
        total, uplink, rejected = collect(updates, partial(UpdateSum, broadcast, weighted, _signs), min_updates)
        after = VotesState(state.round + 1, state.sums + np.sign(total.total).astype(np.int32))
        return Aggregated(after, means(total.measures), uplink, rejected, total.measures)

    def parameters(self, state: VotesState) -> Weights:
        """The weights, as the clients would find them."""
        return Weights(self._weights(state.sums))

    def _weights(self, sums: np.ndarray) -> np.ndarray:
        return (self.first + self.experiment.server_lr * sums).astype(np.float32)


def _signs(message: bytes, broadcast: WeightBroadcast) -> tuple[np.ndarray, Report]:
    signs, _, report = decode_symbols(message, Kind.SIGNS, broadcast.layout.n, 1, 0, broadcast)
    return 2 * signs - 1, report
