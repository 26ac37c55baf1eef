"""FedAvg (McMahan et al., AISTATS 2017): weights are trained and averaged; what every rival that trains weights shares.

Down go the weights as float32, up comes each client's update Δ = w' − w, and w ← w + Σ pₖ Δₖ. With `codec=packed` both
are 32 bits a weight; with `codec=context` both are deflated by zstd, without loss.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from fedsparse.algorithms.arrivals import Refuse, raised, take
from fedsparse.client import Client, descend
from fedsparse.codec import Report
from fedsparse.errors import MessageError
from fedsparse.experiment import Experiment
from fedsparse.models import Layout, MaskedNetwork
from fedsparse.randomness import uniforms
from fedsparse.weight_codec import LARGEST, Start, Weights, decode_update, decode_weights, encode_update, encode_weights


def first_weights(layout: Layout, seed: int) -> np.ndarray:
    """Weights uniform in ±√(6/fan_in) (He et al., ICCV 2015), biases zero: (n,) float32, the same on every machine."""
    parts = []
    for index, (shape, size) in enumerate(zip(layout.shapes, layout.sizes, strict=True)):
        bound = math.sqrt(6 / math.prod(shape[1:]))
        layer = (2 * uniforms(size, seed, "dense", index) - 1) * bound
        layer[-shape[0] :] = 0
        parts.append(layer)
    return np.concatenate(parts).astype(np.float32)


class Sum:
    """Updates of one round, added as they arrive; memory O(n) whatever their number.

    Each is rounded to whole multiples of 2⁻³⁰, so the sum is exact and free of the order of arrival.

    Args:
        start: the broadcast that the updates answer.
        weighted: count each client by its samples, not once.
    """

    UNIT = 2.0**-30
    MOST = 2**22
    """Largest sum of the clients' weights: times 1,024, the largest update, it still fits 64 bits."""

    def __init__(self, start: Start, weighted: bool) -> None:
        self.start = start
        self.weighted = weighted
        self.total = np.zeros(start.layout.n, np.int64)
        self.weights: dict[int, int] = {}
        self.losses: list[float] = []

    def add(self, update: np.ndarray, report: Report) -> None:
        """Add one client's update, (n,) within ±1,024.

        Raises:
            MessageError: this client has been counted already, or the samples exceed four million. The sum is then as
                it was before.
        """
        if report.client in self.weights:
            raise MessageError(f"client {report.client} has already answered in round {self.start.round}")
        weight = report.samples if self.weighted else 1
        if sum(self.weights.values()) + weight > self.MOST:
            raise MessageError(
                f"{report.samples} samples at client {report.client}: all clients have {self.MOST} at most"
            )
        self.weights[report.client] = weight
        self.total += weight * np.rint(update / self.UNIT).astype(np.int64)
        self.losses.append(report.loss)

    def mean(self) -> np.ndarray:
        """Σ pₖ Δₖ, (n,) float64; zero if no update arrived."""
        return self.total * (self.UNIT / max(1, sum(self.weights.values())))

    def measures(self) -> dict[str, float]:
        """The mean loss, if an update arrived."""
        return {"loss": math.fsum(self.losses) / len(self.losses)} if self.losses else {}


@dataclass(frozen=True)
class WeightsState:
    """What the server knows between rounds."""

    round: int
    """Rounds that are done."""
    weights: np.ndarray
    """(n,) float32."""


class FedAvg:
    """The five functions of FedAvg. Others send the update in other words: `compress` and `decompress`."""

    def __init__(self, experiment: Experiment, network: MaskedNetwork) -> None:
        self.experiment = experiment
        self.dense = network
        self.layout = network.layout

    def init(self) -> WeightsState:
        """Kaiming's random weights, keyed by the seed."""
        return WeightsState(0, first_weights(self.layout, self.experiment.seed))

    def broadcast(self, state: WeightsState, client: int | None = None) -> bytes:
        """The weights, for round `state.round` + 1."""
        return encode_weights(state.weights, state.round + 1, self.layout, self.experiment.codec)

    def local_update(self, message: bytes, client: Client) -> bytes:
        """Train the weights; what is sent is how far they went."""
        start = decode_weights(message, self.layout)
        update, report = self.train(start.values, client, start.round)
        return self.compress(update, report, start)

    def train(self, weights: np.ndarray, client: Client, round: int) -> tuple[np.ndarray, Report]:
        """The update Δ, (n,) float32, of a client that begins from these weights."""
        before = torch.from_numpy(weights).to(client.images.device)
        after, loss = descend(
            before, lambda w, x: self.dense.dense(x, w), client, self.experiment, round, self.experiment.weight_lr
        )
        return (after - before).cpu().numpy(), Report(client.index, len(client.labels), loss, kl=0.0)

    def aggregate(
        self, state: WeightsState, updates: Iterable[bytes], refuse: Refuse = raised
    ) -> tuple[WeightsState, dict[str, float]]:
        """w + the mean of the updates; with `aggregation=weighted`, weighted by samples, as McMahan et al. do."""
        start = decode_weights(self.broadcast(state), self.layout)
        total = Sum(start, self.experiment.aggregation == "weighted")
        take(updates, lambda update: total.add(*self.decompress(update, start)), refuse)
        weights = np.clip(state.weights + total.mean(), -LARGEST, LARGEST)  # beyond, no message could carry them
        return WeightsState(state.round + 1, weights.astype(np.float32)), total.measures()

    def network(self, state: WeightsState) -> Weights:
        """The weights themselves."""
        return Weights(state.weights)

    def compress(self, update: np.ndarray, report: Report, start: Start) -> bytes:
        """The update as float32."""
        return encode_update(update, report, start, self.experiment.codec)

    def decompress(self, message: bytes, start: Start) -> tuple[np.ndarray, Report]:
        """The update, (n,), and the report in a client's message."""
        return decode_update(message, start)
