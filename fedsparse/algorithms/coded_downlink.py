"""The way down in steps of a model that server and clients share: for methods that train weights.

There is a public model v, which clients can know to the bit: it begins at values that follow from the seed, and after
each round both ends add the same step. A client that answered in round r holds the v of round r. It is sent all steps
since, or v whole if that is smaller; a client that has never received anything holds the v of round 1::

    of each step: length | body

The header's reference is the checksum of the v that this amounts to, however it was sent.

What a step is, the method says (`Coding`). SignSGD's are its votes (`sign_sgd.py`). With `down_bits` a step is
quantized: the server keeps its weights w in float32 beside v, which begins at w's own first values::

    step = Q(w − v)      v ← v + step

What Q loses is still in w − v, and is a part of what the next step is made of: error feedback, as on the server's side
of DoubleSqueeze (Tang et al., ICML 2019). Artemis (Philippenko & Dieuleveut, arXiv 2006.14591) has such compression in
both directions for federated learning. Q is EDEN's quantizer with the scale of least error, under signs keyed by the
round; a body is its scales, and the coded numbers of its centroids. Clients train from v, and v is what is evaluated.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from fedsparse.algorithms.quantizers import eden, eden_inverse, eden_shape
from fedsparse.client import Client
from fedsparse.errors import MessageError
from fedsparse.experiment import Experiment
from fedsparse.models import Layout
from fedsparse.randomness import raw_bits
from fedsparse.wire.frame import HEADER_BYTES, Kind, check_same, kind_of, message_of, open_message, unpack
from fedsparse.wire.relay import latest_records, records_for_client
from fedsparse.wire.weights import (
    MAX_ABS,
    WeightBroadcast,
    decode_weights,
    encode_weights,
    symbols_from_bytes,
    symbols_to_bytes,
)

LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Step:
    """What took the public model from one round to the next."""

    clients: tuple[int, ...]
    """Those that answered in the round that it begins from."""
    body: bytes
    """As the method codes it."""

    def pack(self) -> bytes:
        """As it is sent: without the clients."""
        return LENGTH.pack(len(self.body)) + self.body


@dataclass(frozen=True, eq=False)
class PublicModel:
    """What clients can know of the server's state."""

    round: int
    """The round whose clients train from it."""
    values: np.ndarray
    """v, (n,): weights, float32, or sums of votes, int32."""
    steps: tuple[Step, ...] = ()
    """The latest ones, up to the one that led to `values`, as many as are smaller than `values` whole."""

    def pack(self) -> dict[str, Any]:
        """Arrays by name, for a checkpoint."""
        bodies = np.frombuffer(b"".join(step.pack() for step in self.steps), np.uint8).copy()
        holders = [(i, client) for i, step in enumerate(self.steps) for client in step.clients]
        return {"public": self.values, "steps": bodies, "holders": np.array(holders, np.int64).reshape(-1, 2)}

    @classmethod
    def unpack(cls, packed: dict[str, Any], round: int) -> "PublicModel":
        """The inverse of `pack`."""
        index, client = packed["holders"].T
        bodies = enumerate(_split(packed["steps"].tobytes()))
        steps = (Step(tuple(client[index == i].tolist()), body) for i, body in bodies)
        return cls(round, packed["public"], tuple(steps))


class Coding(Protocol):
    """What a method's public model and its steps are as bytes."""

    def first(self) -> np.ndarray:
        """The v of round 1, which follows from the seed."""

    def add(self, values: np.ndarray, body: bytes, round: int) -> np.ndarray:
        """v after the step of a round. Raises `MessageError` if the body is none."""

    def encode(self, public: PublicModel) -> bytes:
        """v whole, as a message."""

    def decode(self, message: bytes) -> WeightBroadcast:
        """The inverse of `encode`. Raises `MessageError` for anything else."""


class CodedDownlink:
    """What the server sends, and what clients make of it."""

    def __init__(self, codec: str, layout: Layout, coding: Coding) -> None:
        self.codec, self.layout, self.coding = codec, layout, coding
        self.whole = lru_cache(maxsize=1)(coding.encode)  # once a round for all clients: models compare by identity
        self.follow = lru_cache(maxsize=8)(self._follow)  # clients in one process that hold the same v share the next

    def first(self) -> PublicModel:
        """The public model of round 1."""
        return PublicModel(1, self.coding.first())

    def advance(self, public: PublicModel, body: bytes, clients: Iterable[int]) -> PublicModel:
        """The public model of the next round, one step on; `clients` answered in this one."""
        after = PublicModel(public.round + 1, self.coding.add(public.values, body, public.round))
        steps = [*public.steps, Step(tuple(sorted(clients)), body)]
        return replace(after, steps=tuple(latest_records(steps, len(self.coding.encode(after)) - HEADER_BYTES)))

    def broadcast(self, public: PublicModel, client: int | None) -> bytes:
        """The steps that a client lacks; the public model whole if these would be more, and so have been dropped."""
        steps = records_for_client(public.steps, client)
        complete = len(public.steps) == public.round - 1
        if steps or complete:  # the first weights are known to all
            return self._steps(public, steps or public.steps)
        return self.whole(public)

    def receive(self, message: bytes, client: Client) -> WeightBroadcast:
        """The public model that a message leads to; the client remembers it.

        Raises:
            MessageError: damaged, or steps that this client cannot follow.
        """
        if kind_of(message) != Kind.STEPS:
            whole = self.coding.decode(message)
            broadcast = self.as_broadcast(PublicModel(whole.round, whole.values))
        elif "broadcast" in client.memory:
            broadcast = self.follow(message, WeightBroadcast.unpack(client.memory["broadcast"], self.layout))
        else:
            broadcast = self.follow(message, self.as_broadcast(self.first()))
        client.memory["broadcast"] = broadcast.packed
        return broadcast

    def as_broadcast(self, public: PublicModel) -> WeightBroadcast:
        """The public model as client and server refer to it, however it was sent."""
        checksum = zlib.crc32(public.values.astype(public.values.dtype.newbyteorder("<")).tobytes())
        return WeightBroadcast(public.values, public.round, self.layout, checksum)

    def _steps(self, public: PublicModel, steps: Sequence[Step]) -> bytes:
        payload = b"".join(step.pack() for step in steps)
        reference = self.as_broadcast(public).checksum
        return message_of(Kind.STEPS, self.codec, public.round, self.layout, reference, payload)

    def _follow(self, message: bytes, held: WeightBroadcast) -> WeightBroadcast:
        header, payload = open_message(message, Kind.STEPS, self.layout)
        bodies = list(_split(payload))
        first = header.round - len(bodies)
        if not 1 <= first <= held.round <= header.round:
            raise MessageError(f"steps from round {first} to {header.round} for a client that holds round {held.round}")
        values = held.values
        for round in range(held.round, header.round):
            values = self.coding.add(values, bodies[round - first], round)
        public = PublicModel(header.round, values)
        broadcast = self.as_broadcast(public)
        if broadcast.checksum != header.reference:
            raise MessageError("steps that do not add up to the server's public model")
        check_same(message, self._steps(public, [Step((), body) for body in bodies]))
        return broadcast


class QuantizedSteps:
    """The coding with `down_bits`.

    Args:
        first: makes the weights that training begins with, (n,) float32, from the seed.
    """

    def __init__(self, experiment: Experiment, layout: Layout, first: Callable[[], np.ndarray]) -> None:
        self.experiment, self.layout, self.first = experiment, layout, first

    def step(self, public: PublicModel, weights: np.ndarray) -> bytes:
        """Q(w − v), for the server's weights w, (n,)."""
        e = self.experiment
        rest = weights.astype(np.float64) - public.values
        nearest, scales = eden(rest, e.down_bits, self._flips(public.round), unbiased=False)
        return symbols_to_bytes(nearest, 2**e.down_bits - 1, scales, e.codec)

    def add(self, values: np.ndarray, body: bytes, round: int) -> np.ndarray:
        """v + step: every operation is one of IEEE arithmetic in a fixed order, so all machines agree to the bit."""
        e, n = self.experiment, self.layout.n
        blocks, d = eden_shape(n)
        nearest, scales = symbols_from_bytes(body, blocks * d, 2**e.down_bits - 1, blocks, e.codec)
        step = eden_inverse(nearest, scales, e.down_bits, self._flips(round), n)
        return np.clip(values + step, -MAX_ABS, MAX_ABS).astype(np.float32)

    def encode(self, public: PublicModel) -> bytes:
        """The weights in float32."""
        return encode_weights(public.values, public.round, self.layout, self.experiment.codec)

    def decode(self, message: bytes) -> WeightBroadcast:
        """As `decode_weights`."""
        return decode_weights(message, self.layout)

    def _flips(self, round: int) -> np.ndarray:
        blocks, d = eden_shape(self.layout.n)
        return raw_bits(blocks * d, self.experiment.seed, "down", round)


def _split(payload: bytes) -> Iterable[bytes]:
    """The bodies of the steps in a payload. Raises `MessageError` if it is cut off."""
    at = 0
    while at < len(payload):
        (length,) = unpack(LENGTH, payload[at:])
        at += LENGTH.size + length
        if at > len(payload):
            raise MessageError("the steps are cut off")
        yield payload[at - length : at]
