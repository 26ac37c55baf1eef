"""SignSGD with majority vote (Bernstein et al., ICML 2018; Bernstein et al., ICLR 2019): one bit per weight up.

A client sends the sign of its local update Δ = w' − w; with one local step of SGD that is the sign of its negative
gradient, as in the paper, and with several it is where the local steps went. The server takes the sign v that most
clients sent, and w ← w + server_lr · v.

Down go the votes v of the rounds since the client last answered, range coded: from Σ v, which a client remembers, and
the seed of the first weights it knows all weights. A client that has missed so many rounds that Σ v over all of them is
smaller is sent that (`coded_downlink.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fedsparse.aggregation import Aggregated, collect, means
from fedsparse.algorithms.coded_downlink import CodedDownlink, PublicModel
from fedsparse.algorithms.fedavg import UpdateSum, first_weights, train_weights
from fedsparse.algorithms.state import State
from fedsparse.client import Client
from fedsparse.experiment import Experiment
from fedsparse.models import Layout, MaskedNetwork
from fedsparse.randomness import raw_bits
from fedsparse.theta import Weights
from fedsparse.wire.frame import Kind
from fedsparse.wire.masks import Report
from fedsparse.wire.weights import (
    WeightBroadcast,
    decode_symbols,
    decode_votes,
    encode_symbols,
    encode_votes,
    symbols_from_bytes,
    symbols_to_bytes,
)


@dataclass(frozen=True, eq=False)
class VotesState(State):
    """What the server knows between rounds."""

    public: PublicModel
    """Its values, (n,) int32, are Σ v: the sums of the majority's votes −1, 0 or 1."""

    def pack(self) -> dict[str, Any]:
        return {"round": self.round, **self.public.pack()}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> "VotesState":
        return cls(packed["round"], PublicModel.unpack(packed, packed["round"] + 1))


class VoteSteps:
    """The coding of Σ v: a step is one round's votes."""

    def __init__(self, codec: str, layout: Layout) -> None:
        self.codec, self.layout = codec, layout

    def first(self) -> np.ndarray:
        """No votes yet."""
        return np.zeros(self.layout.n, np.int32)

    def step(self, votes: np.ndarray) -> bytes:
        """Votes −1, 0 or 1, (n,), as three symbols."""
        return symbols_to_bytes(votes + 1, 2, np.empty(0), self.codec)

    def add(self, values: np.ndarray, body: bytes, round: int) -> np.ndarray:
        """Σ v with one more round's votes."""
        symbols, _ = symbols_from_bytes(body, self.layout.n, 2, 0, self.codec)
        return (values + symbols - 1).astype(np.int32)

    def encode(self, public: PublicModel) -> bytes:
        """The sums."""
        return encode_votes(public.values, public.round, self.layout, self.codec)

    def decode(self, message: bytes) -> WeightBroadcast:
        """As `decode_votes`."""
        return decode_votes(message, self.layout)


class SignSGD:
    """The five functions of SignSGD with majority vote. A tie is a vote of 0: that weight stays."""

    def __init__(self, experiment: Experiment, network: MaskedNetwork) -> None:
        self.experiment, self.network = experiment, network
        self.first_weights = first_weights(network.layout, experiment.seed, network.fan_in)
        self.steps = VoteSteps(experiment.codec, network.layout)
        self.downlink = CodedDownlink(experiment.codec, network.layout, self.steps)

    def init(self) -> VotesState:
        """No votes yet."""
        return VotesState(0, self.downlink.first())

    def broadcast(self, state: VotesState, client: int | None = None) -> bytes:
        """The votes that a client lacks, or their sums, for round `state.round` + 1."""
        return self.downlink.broadcast(state.public, client)

    def local_update(self, message: bytes, client: Client) -> bytes:
        """Train the weights; one bit for each says which way it went."""
        broadcast = self.downlink.receive(message, client)
        weights = self._weights(broadcast.values)
        update, report = train_weights(self.network, self.experiment, weights, client, broadcast.round)
        return self.vote(update, report, broadcast)

    def vote(self, update: np.ndarray, report: Report, broadcast: WeightBroadcast) -> bytes:
        """The signs of an update: 1 for up, 0 for down; of a weight that did not move, a keyed coin."""
        coins = raw_bits(len(update), self.experiment.seed, "coins", broadcast.round, report.client)
        signs = np.where(update == 0, coins, update > 0).astype(np.uint8)
        return encode_symbols(Kind.SIGNS, signs, 1, np.empty(0), report, broadcast, self.experiment.codec)

    def aggregate(self, state: VotesState, updates: Iterable[tuple[int, bytes]], min_updates: int = 0) -> Aggregated:
        """The sign of the sum of signs; with `aggregation=weighted` a client has as many votes as samples."""
        start, weighted = self.downlink.as_broadcast(state.public), self.experiment.aggregation == "weighted"
        total, uplink, rejected = collect(updates, partial(UpdateSum, start, weighted, _signs), min_updates)
        public = self.downlink.advance(state.public, self.steps.step(np.sign(total.total)), uplink)
        after = VotesState(state.round + 1, public)
        return Aggregated(after, means(total.measures), uplink, rejected, total.measures)

    def parameters(self, state: VotesState) -> Weights:
        """The weights, as the clients would find them."""
        return Weights(self._weights(state.public.values))

    def _weights(self, sums: np.ndarray) -> np.ndarray:
        return (self.first_weights + self.experiment.server_lr * sums).astype(np.float32)


def _signs(message: bytes, broadcast: WeightBroadcast) -> tuple[np.ndarray, Report]:
    signs, _, report = decode_symbols(message, Kind.SIGNS, broadcast.layout.n, 1, 0, broadcast)
    return 2 * signs - 1, report
