"""Zeroth-order SGD in which only scalars cross the network, as in DeComFL (Li et al., ICLR 2025, arXiv 2405.15861).

All sides draw the same directions z ∈ {−1, 1}ⁿ, keyed by seed, round and number. A client measures the slope of its
loss along each by two forward passes and no backward pass, and moves along it; `perturbations` directions make a local
step::

    g = (L(w + μ z) − L(w − μ z)) / 2μ          w ← w − weight_lr / perturbations · Σ g z

It sends the slopes g. The server sends their means over the clients to everyone, who repeats the steps: the weights
that the means make are the mean of the clients' weights. A client remembers its weights, so that it is sent the
scalars of the rounds since; one that has missed rounds is sent all of these, and a newcomer those of all rounds, with
which it begins from the seed. The message names the checksum of the weights that have to come of it.

DeComFL draws normal directions. Signs have the same covariance, and are equal to the bit on every machine.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch.nn import functional as F

from fedsparse.aggregation import Aggregated, collect, means
from fedsparse.algorithms.fedavg import UpdateSum, first_weights
from fedsparse.algorithms.state import State
from fedsparse.client import Client, batches, mean_loss
from fedsparse.errors import MessageError
from fedsparse.experiment import Experiment
from fedsparse.models import MaskedNetwork, scaled
from fedsparse.randomness import philox
from fedsparse.theta import Weights
from fedsparse.wire.frame import claim_of
from fedsparse.wire.masks import Report
from fedsparse.wire.weights import (
    WeightBroadcast,
    decode_scalars,
    decode_update,
    encode_scalars,
    encode_update,
)

MU = 2.0**-10
"""μ, near the 0.001 of DeComFL's code: the error of the slope grows with μ², that of float32's losses with 1/μ. A power
of two, so that multiplying by it and dividing by it are exact."""


class ScalarSum(UpdateSum):
    """Scalars of one round. A client with fewer images takes fewer steps, and moves by 0 along what is left."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.total = np.zeros(0, np.int64)

    def _add(self, counted: np.ndarray) -> None:
        longer, shorter = sorted((self.total, counted), key=len, reverse=True)
        self.total = longer + np.pad(shorter, (0, len(longer) - len(shorter)))


@dataclass(frozen=True, eq=False)
class ScalarsState(State):
    """What the server knows between rounds."""

    weights: np.ndarray
    """(n,) float32, what the scalars have made of the first weights."""
    scalars: np.ndarray
    """(·,) float32: the mean slopes of all rounds, one after the other."""
    counts: np.ndarray
    """(rounds,) int64: how many scalars each round has."""
    answered: np.ndarray
    """(clients,) int64: the last round that each client answered in, and so holds the weights of; 0 for none."""


class ZerothOrder:
    """The five functions of federated zeroth-order SGD."""

    def __init__(self, experiment: Experiment, network: MaskedNetwork) -> None:
        self.experiment, self.network, self.layout = experiment, network, network.layout
        self.step = np.float32(experiment.weight_lr / experiment.perturbations)
        self.first_weights = partial(first_weights, network.layout, experiment.seed, network.fan_in)

    def init(self) -> ScalarsState:
        """Kaiming's random weights, keyed by the seed, and no scalars."""
        e, none = self.experiment, np.zeros(0, np.int64)
        scalars, answered = np.zeros(0, np.float32), np.zeros(e.clients, np.int64)
        return ScalarsState(0, self.first_weights(), scalars, none, answered)

    def broadcast(self, state: ScalarsState, client: int | None = None) -> bytes:
        """The scalars of every round since the one that the client last answered in; of all rounds if there is none."""
        held = 0 if client is None else max(0, int(state.answered[client]) - 1)
        rounds = np.split(state.scalars, np.cumsum(state.counts))[held:-1]
        start = self._start(state.weights, state.round + 1)
        return encode_scalars(rounds, start.round, self.layout, start.checksum, self.experiment.codec)

    def local_update(self, message: bytes, client: Client) -> bytes:
        """Catch up with the weights, take the local steps, and send the slopes that were measured."""
        e, start = self.experiment, self._receive(message, client)
        images, weights, directions = scaled(client.images), start.values, self.directions(start.round)
        slopes, losses = list[np.float32](), list[torch.Tensor]()
        for batch in batches(client, e, start.round):
            after, examples = weights, (images[batch], client.labels[batch])
            for z in islice(directions, e.perturbations):
                there, back = self.loss(weights + MU * z, *examples), self.loss(weights - MU * z, *examples)
                slopes.append(np.float32(((there - back) / (2 * MU)).item()))
                after = self.moved(after, slopes[-1], z)
                losses.append((there + back) / 2)
            weights = after
        sent = np.array(slopes)
        loss = mean_loss(losses, torch.from_numpy(sent), client, start.round, e.weight_lr, False)
        return encode_update(sent, Report(client.index, len(client.labels), loss, kl=0.0), start, e.codec)

    @torch.no_grad()
    def loss(self, weights: np.ndarray, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean cross-entropy of a batch, float32, under weights (n,)."""
        on_device = torch.from_numpy(weights).to(images.device)
        return F.cross_entropy(self.network.forward_with_weights(images, on_device), labels)

    def directions(self, round: int) -> Iterator[np.ndarray]:
        """z, (n,) float32 of −1 and 1, one after the other: the same at all clients and at the server."""
        stream, n = philox(self.experiment.seed, "directions", round), self.layout.n
        while True:
            words = stream.random_raw(-(-n // 64)).astype("<u8")
            yield 2 * np.unpackbits(words.view(np.uint8), count=n, bitorder="little").astype(np.float32) - 1

    def moved(self, weights: np.ndarray, slope: np.float32, z: np.ndarray) -> np.ndarray:
        """w − weight_lr / perturbations · g z, (n,) float32."""
        return weights - self.step * slope * z

    def repeated(self, weights: np.ndarray, slopes: np.ndarray, round: int) -> np.ndarray:
        """The weights after a round with these slopes, (n,) float32: moved along one direction after the other."""
        for slope, z in zip(slopes, self.directions(round), strict=False):
            weights = self.moved(weights, slope, z)
        return weights

    def aggregate(self, state: ScalarsState, updates: Iterable[tuple[int, bytes]], min_updates: int = 0) -> Aggregated:
        """The mean of the slopes, direction by direction; with `aggregation=weighted`, weighted by samples."""
        start = self._start(state.weights, state.round + 1)
        empty = partial(ScalarSum, start, self.experiment.aggregation == "weighted", self._decode)
        total, uplink, rejected = collect(updates, empty, min_updates)
        slopes = total.mean().astype(np.float32)
        answered = state.answered.copy()
        answered[list(uplink)] = start.round
        after = ScalarsState(
            start.round,
            self.repeated(state.weights, slopes, start.round),
            np.append(state.scalars, slopes),
            np.append(state.counts, len(slopes)),
            answered,
        )
        return Aggregated(after, means(total.measures), uplink, rejected, total.measures)

    def parameters(self, state: ScalarsState) -> Weights:
        """The weights themselves."""
        return Weights(state.weights)

    def _start(self, weights: np.ndarray, round: int) -> WeightBroadcast:
        return WeightBroadcast(weights, round, self.layout, zlib.crc32(weights.tobytes()))

    def _decode(self, message: bytes, start: WeightBroadcast) -> tuple[np.ndarray, Report]:
        """The slopes in a client's message: as many as its images make local steps and these have perturbations."""
        e, (_, samples) = self.experiment, claim_of(message)
        return decode_update(message, start, e.local_epochs * -(-samples // e.batch_size) * e.perturbations)

    def _receive(self, message: bytes, client: Client) -> WeightBroadcast:
        """The weights of the coming round, repeated from those that the client holds; it remembers them.

        Raises:
            MessageError: damaged; later rounds than this client can go on from; another seed or learning rate.
        """
        rounds, coming, checksum = decode_scalars(message, self.layout)
        held, first = client.memory.get("round", 1), coming - len(rounds)
        if not first <= held <= coming:
            raise MessageError(f"scalars of rounds {first} to {coming - 1} for a client at the start of round {held}")
        known = client.memory.get("weights")
        weights = self.first_weights() if known is None else known.numpy()
        for round in range(held, coming):
            weights = self.repeated(weights, rounds[round - first], round)
        start = self._start(weights, coming)
        if start.checksum != checksum:
            raise MessageError("scalars that do not lead to the server's weights: another seed or learning rate")
        client.memory.update(round=coming, weights=torch.from_numpy(weights))
        return start
