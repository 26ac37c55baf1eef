"""FedAvg (McMahan et al., AISTATS 2017): weights are trained and averaged. Baselines that train weights build on it.

The server sends the weights as float32, each client its update Δ = w' − w, and w ← w + Σ pₖ Δₖ. With `codec=packed`
both are 32 bits per weight; with `codec=context` both are deflated by zstd, without loss. With `down_bits` the downlink
is quantized (`coded_downlink.py`).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch

from fedsparse.aggregation import Aggregated, check_sender, collect, means
from fedsparse.algorithms.coded_downlink import CodedDownlink, PublicModel, QuantizedSteps
from fedsparse.algorithms.state import State
from fedsparse.client import Client, train_locally
from fedsparse.errors import MessageError
from fedsparse.experiment import Experiment
from fedsparse.models import Layout, MaskedNetwork
from fedsparse.randomness import uniforms
from fedsparse.theta import Weights
from fedsparse.wire.masks import Report
from fedsparse.wire.weights import (
    MAX_ABS,
    WeightBroadcast,
    decode_update,
    decode_weights,
    encode_update,
    encode_weights,
)

Decode = Callable[[bytes, WeightBroadcast], tuple[np.ndarray, Report]]


def first_weights(layout: Layout, seed: int, fan_in: Sequence[int] = ()) -> np.ndarray:
    """Weights uniform in ±√(6/fan_in) (He et al., ICCV 2015), biases zero: (n,) float32, the same on every machine.

    Args:
        fan_in: of each layer; by default the inputs that its shape, (out, in, …), says.
    """
    parts = []
    inputs = fan_in or [math.prod(shape[1:]) for shape in layout.shapes]
    for index, (fan, size, biases) in enumerate(zip(inputs, layout.sizes, layout.bias_counts, strict=True)):
        layer = (2 * uniforms(size, seed, "dense", index) - 1) * math.sqrt(6 / fan)
        layer[size - biases :] = 0
        parts.append(layer)
    return np.concatenate(parts).astype(np.float32)


class UpdateSum:
    """Updates of one round, added as they arrive; memory O(n) whatever their number.

    Each is rounded to whole multiples of 2⁻³⁰, so the sum is exact and free of the order of arrival.

    Args:
        broadcast: the weights that the updates answer.
        weighted: count each client by its number of samples instead of once.
        decode: from a message and the broadcast to an update, (n,) within ±1,024, and the client's report.
    """

    UNIT = 2.0**-30
    MAX_WEIGHT = 2**22
    """Largest sum of the clients' weights: times 1,024, the largest update, it still fits 64 bits."""

    def __init__(self, broadcast: WeightBroadcast, weighted: bool, decode: Decode) -> None:
        self.broadcast, self.weighted, self.decode = broadcast, weighted, decode
        self.total = np.zeros(broadcast.layout.n, np.int64)
        self.weights: dict[int, int] = {}
        self.measures: dict[int, dict[str, float]] = {}

    def add(self, client: int, message: bytes) -> None:
        """Add one client's update.

        Raises:
            MessageError: the bytes are not an update for this round's weights, or say that they are another client's,
                or this client has been counted already, or the samples exceed four million. The sum is then as it was
                before.
        """
        update, report = self.decode(message, self.broadcast)
        check_sender(report, client, self.weights, self.broadcast.round)
        self.count(update, report)

    def count(self, update: np.ndarray, report: Report) -> None:
        """Add an update that is decoded. Raises `MessageError` if the samples exceed four million."""
        weight = report.samples if self.weighted else 1
        if sum(self.weights.values()) + weight > self.MAX_WEIGHT:
            raise MessageError(f"{report.samples} samples at client {report.client}: {self.MAX_WEIGHT} in all at most")
        self.weights[report.client] = weight
        self._add(weight * np.rint(update / self.UNIT).astype(np.int64))
        self.measures[report.client] = {"loss": report.loss}

    def _add(self, counted: np.ndarray) -> None:
        self.total += counted

    def mean(self) -> np.ndarray:
        """Σ pₖ Δₖ, (n,) float64; zero if no update arrived."""
        return self.total * (self.UNIT / max(1, sum(self.weights.values())))


@dataclass(frozen=True, eq=False)
class WeightsState(State):
    """What the server knows between rounds."""

    weights: np.ndarray
    """(n,) float32."""
    public: PublicModel | None = None
    """With `down_bits`: what clients can know of them."""

    def pack(self) -> dict[str, Any]:
        known = self.public.pack() if self.public else {}
        return {"round": self.round, "weights": self.weights, **known}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> "WeightsState":
        public = PublicModel.unpack(packed, packed["round"] + 1) if "public" in packed else None
        return cls(packed["round"], packed["weights"], public)


def train_weights(
    network: MaskedNetwork, experiment: Experiment, weights: np.ndarray, client: Client, round: int
) -> tuple[np.ndarray, Report]:
    """The update Δ = w' − w, (n,) float32, of a client that begins a round from weights w, and its report.

    Raises:
        RunError: the loss or the weights are no longer finite numbers.
    """
    before = torch.from_numpy(weights).to(client.images.device)

    def logits(values: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        return network.forward_with_weights(images, values)

    after, loss = train_locally(before, logits, client, experiment, round, experiment.weight_lr)
    return (after - before).cpu().numpy(), Report(client.index, len(client.labels), loss, kl=0.0)


class FedAvg:
    """The five functions of FedAvg. Others send the update in other words: `compress` and `decompress`."""

    def __init__(self, experiment: Experiment, network: MaskedNetwork) -> None:
        self.experiment, self.network, self.layout = experiment, network, network.layout
        self.steps = QuantizedSteps(
            experiment, self.layout, partial(first_weights, self.layout, experiment.seed, network.fan_in)
        )
        self.downlink = CodedDownlink(experiment.codec, self.layout, self.steps)
        self.encoded = lru_cache(maxsize=1)(self._encode)  # once a round for all clients: states compare by identity

    def init(self) -> WeightsState:
        """Kaiming's random weights, keyed by the seed."""
        first = self.downlink.first()
        return WeightsState(0, first.values, first if self.experiment.down_bits else None)

    def broadcast(self, state: WeightsState, client: int | None = None) -> bytes:
        """The weights, for round `state.round` + 1; with `down_bits`, what this client lacks of the public model."""
        if state.public:
            return self.downlink.broadcast(state.public, client)
        return self.encoded(state)

    def local_update(self, message: bytes, client: Client) -> bytes:
        """Train the weights; what is sent is how far they went."""
        coded = self.experiment.down_bits
        broadcast = self.downlink.receive(message, client) if coded else decode_weights(message, self.layout)
        update, report = train_weights(self.network, self.experiment, broadcast.values, client, broadcast.round)
        return self.compress(update, report, broadcast)

    def aggregate(self, state: WeightsState, updates: Iterable[tuple[int, bytes]], min_updates: int = 0) -> Aggregated:
        """w + the mean of the updates; with `aggregation=weighted`, weighted by samples, as McMahan et al. do."""
        empty = partial(UpdateSum, self._start(state), self.experiment.aggregation == "weighted", self.decompress)
        total, uplink, rejected = collect(updates, empty, min_updates)
        weights = np.clip(state.weights + total.mean(), -MAX_ABS, MAX_ABS)  # beyond, no message could carry them
        weights = weights.astype(np.float32)
        public = state.public
        if public:
            public = self.downlink.advance(public, self.steps.step(public, weights), uplink)
        after = WeightsState(state.round + 1, weights, public)
        return Aggregated(after, means(total.measures), uplink, rejected, total.measures)

    def parameters(self, state: WeightsState) -> Weights:
        """The weights themselves; with `down_bits`, as the clients would find them."""
        return Weights(state.public.values if state.public else state.weights)

    def _encode(self, state: WeightsState) -> bytes:
        return encode_weights(state.weights, state.round + 1, self.layout, self.experiment.codec)

    def _start(self, state: WeightsState) -> WeightBroadcast:
        """What this round's clients began from."""
        if state.public:
            return self.downlink.as_broadcast(state.public)
        return decode_weights(self.broadcast(state), self.layout)

    def compress(self, update: np.ndarray, report: Report, broadcast: WeightBroadcast) -> bytes:
        """The update as float32."""
        return encode_update(update, report, broadcast, self.experiment.codec)

    def decompress(self, message: bytes, broadcast: WeightBroadcast) -> tuple[np.ndarray, Report]:
        """The update, (n,), and the report in a client's message."""
        return decode_update(message, broadcast)
