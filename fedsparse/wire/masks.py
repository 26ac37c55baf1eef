"""θ, masks and masked networks to bytes and back.

A message is a header (`frame.py`) and a payload, in one of three codecs:

- `packed`: bits as they are, 8 per byte; what "1 bit per parameter" means.
- `shared`: for masks alone, candidates that both ends draw (`shared_randomness.py`).
- `context`: a range coder (constriction) with one distribution per context. A context is a number that both ends derive
  from what they both hold: for a mask, the level of θ there; for θ and for a network file, the layer. Its distribution
  is counted by the encoder and travels in the payload, quantized to 16 bits.

θ itself is a small whole number per parameter: level/max_level, kept in [clip, 1 − clip].

A decoder accepts exactly what an encoder makes: it checks the header before it allocates, and having decoded it encodes
again and compares. For range-coded masks, which a server decodes for every client, that would be too slow: it checks
their frequencies, and leaves the end of the coded words open, the last one and one more.
"""

import struct
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch

from fedsparse.errors import MessageError
from fedsparse.models import Layout
from fedsparse.theta import MAX_LEVELS, Theta
from fedsparse.wire import shared_randomness
from fedsparse.wire.frame import HEADER_BYTES, Kind, check_same, header_of, message_of, open_message, unpack
from fedsparse.wire.range_coder import (
    Contexts,
    pack_bits,
    pack_levels,
    range_decode,
    range_encode,
    unpack_bits,
    unpack_levels,
)

MAX_CONTEXTS = 16


@dataclass(frozen=True)
class MaskBroadcast:
    """A θ that both ends hold: the server sent these bytes, and the client decoded them.

    Two are equal if round, layout and checksum are.
    """

    theta: Theta = field(compare=False)
    round: int
    layout: Layout
    checksum: int

    @cached_property
    def contexts(self) -> Contexts:
        """Contexts of every mask that answers: the level of θ, in 16 bins where there are more levels.

        Layers are not told apart: given the level they hardly differ, and their tables would cost more than they save.
        """
        bins = min(self.theta.max_level + 1, MAX_CONTEXTS)
        return Contexts(self.theta.levels.astype(np.intp) * bins // (self.theta.max_level + 1))

    @cached_property
    def packed(self) -> dict[str, Any]:
        """Numbers and tensors that a client's memory, and so a checkpoint, can hold."""
        theta = {
            "levels": torch.from_numpy(self.theta.levels),
            "top": self.theta.max_level,  # as in the checkpoints that are there
            "clip": self.theta.clip,
            "lam": self.theta.lam,
        }
        return {"round": self.round, "checksum": self.checksum, "theta": theta}

    @classmethod
    def unpack(cls, packed: dict[str, Any], layout: Layout) -> "MaskBroadcast":
        """The inverse of `packed`."""
        held = packed["theta"]
        theta = Theta(held["levels"].numpy(), held["top"], held["clip"], held["lam"])
        return cls(theta, packed["round"], layout, packed["checksum"])


@dataclass(frozen=True)
class Report:
    """What a client reports beside its mask; 16 bytes on the wire."""

    client: int
    samples: int
    """Training images it holds: its weight if aggregation is weighted."""
    loss: float
    """Mean cross-entropy over its local steps, regularizer not included."""
    kl: float
    """KL(σ(s) ‖ θ) in bits per parameter."""


REPORT = struct.Struct("<IIff")
THETA = struct.Struct("<Bff")


def encode_theta(theta: Theta, round: int, layout: Layout, codec: str = "context") -> bytes:
    """A broadcast: the probability mask of the round that is about to begin."""
    if len(theta.levels) != layout.n or not 1 <= theta.max_level <= MAX_LEVELS or theta.levels.max() > theta.max_level:
        raise MessageError(f"θ needs {layout.n} levels of at most max_level, and max_level of at most {MAX_LEVELS}")
    payload = THETA.pack(theta.max_level, theta.clip, theta.lam)
    if codec == "packed":
        payload += pack_levels(theta.levels, theta.max_level)
    else:
        payload += range_encode(theta.levels, _theta_contexts(layout, theta.max_level), theta.max_level + 1)
    return message_of(Kind.THETA, codec, round, layout, 0, payload)


@lru_cache(maxsize=1)
def decode_theta(message: bytes, layout: Layout) -> MaskBroadcast:
    """The broadcast in a message of `encode_theta`, for a network of this layout.

    Clients in one process share the result: nobody may change its arrays.

    Raises:
        MessageError: anything that `encode_theta` would not have made.
    """
    header, payload = open_message(message, Kind.THETA, layout)
    max_level, clip, lam = unpack(THETA, payload)
    if max_level < 1 or not 0 <= clip < 0.5 or not 0 <= lam < np.inf:
        raise MessageError(f"θ with {max_level} as its highest level, a clip of {clip} and a λ of {lam}")
    body = payload[THETA.size :]
    if header.codec == "packed":
        levels = unpack_levels(body, layout.n, max_level)
    else:
        levels = range_decode(body, _theta_contexts(layout, max_level), max_level + 1)
    theta = Theta(levels, max_level, clip, lam)
    check_same(message, encode_theta(theta, header.round, layout, header.codec))
    return MaskBroadcast(theta, header.round, layout, header.checksum)


def encode_mask(mask: np.ndarray, report: Report, broadcast: MaskBroadcast, codec: str = "context") -> bytes:
    """An update: one sampled mask, shape (n,) of 0 and 1, coded against the broadcast that it answers."""
    payload = REPORT.pack(report.client, report.samples, report.loss, report.kl)
    payload += pack_bits(mask) if codec == "packed" else range_encode(mask, broadcast.contexts, 2)
    return message_of(Kind.MASK, codec, broadcast.round, broadcast.layout, broadcast.checksum, payload)


def encode_sample(q: np.ndarray, report: Report, broadcast: MaskBroadcast, seed: int) -> bytes:
    """An update: one mask of about the law Bernoulli(q), q = σ(s) of shape (n,), coded with shared randomness."""
    key = shared_randomness.Key(seed, broadcast.round, report.client)
    payload = REPORT.pack(report.client, report.samples, report.loss, report.kl)
    payload += shared_randomness.encode(q, broadcast.theta.probabilities(), key)
    return message_of(Kind.MASK, "shared", broadcast.round, broadcast.layout, broadcast.checksum, payload)


def mask_body(message: bytes) -> bytes:
    """What of an update's message, once decoded, the mask alone takes: neither header nor report."""
    return message[HEADER_BYTES + REPORT.size :]


def decode_mask(message: bytes, broadcast: MaskBroadcast, seed: int | None = None) -> tuple[np.ndarray, Report]:
    """The mask, uint8 of shape (n,), and the report in a message of `encode_mask`; of `encode_sample`, given its seed.

    Raises:
        MessageError: anything that these would not have made for this very broadcast, the end of range-coded words
            apart (`range_decode`).
    """
    header, payload = open_message(message, Kind.MASK, broadcast.layout)
    if header.round != broadcast.round:
        raise MessageError(f"a mask of round {header.round}; this is round {broadcast.round}")
    if header.reference != broadcast.checksum:
        raise MessageError("a mask coded against another θ than this round's broadcast")
    report = Report(*unpack(REPORT, payload))
    if not (0 <= report.loss < np.inf and 0 <= report.kl < np.inf and report.samples >= 1):
        raise MessageError(f"a mask with an impossible report: {report}")
    body = payload[REPORT.size :]
    if (header.codec == "shared") != (seed is not None):
        expected = "otherwise" if seed is None else "by shared randomness"
        raise MessageError(f"a mask with codec={header.codec}, where masks are coded {expected}")
    if seed is not None:  # shared_randomness.decode checks its bytes as strictly
        key = shared_randomness.Key(seed, broadcast.round, report.client)
        return shared_randomness.decode(body, broadcast.theta.probabilities(), key), report
    if header.codec == "packed":
        mask = unpack_bits(body, broadcast.layout.n)
        check_same(message, encode_mask(mask, report, broadcast, header.codec))
    else:  # not encoded again, which would take two thirds more of a server's time; see `range_decode`
        mask = range_decode(body, broadcast.contexts, 2)
    return mask, report


def encode_network(mask: np.ndarray, layout: Layout, description: bytes) -> bytes:
    """A network as a file: its description, and its mask coded with one context per layer."""
    payload = struct.pack("<H", len(description)) + description + range_encode(mask, _layers(layout), 2)
    return message_of(Kind.NETWORK, "context", 0, layout, 0, payload)


def network_description(message: bytes, kind: Kind = Kind.NETWORK) -> bytes:
    """The description in a message of `encode_network`, or of another such kind, read before the layout is known.

    Raises:
        MessageError: the message is too short for the description that it announces, or of another kind.
    """
    header_of(message, kind)
    start = HEADER_BYTES + 2
    (length,) = unpack(struct.Struct("<H"), message[HEADER_BYTES:])
    if len(message) < start + length:
        raise MessageError("the description is cut off")
    return message[start : start + length]


def decode_network(message: bytes, layout: Layout) -> np.ndarray:
    """The mask, uint8 of shape (n,), in a message of `encode_network` for this layout.

    Raises:
        MessageError: anything that `encode_network` would not have made.
    """
    _, payload = open_message(message, Kind.NETWORK, layout)
    description = network_description(message)
    mask = range_decode(payload[2 + len(description) :], _layers(layout), 2)
    check_same(message, encode_network(mask, layout, description))
    return mask


@lru_cache(maxsize=2)
def _layers(layout: Layout) -> Contexts:
    return Contexts(np.repeat(np.arange(len(layout.sizes)), layout.sizes))


def _theta_contexts(layout: Layout, max_level: int) -> Contexts:
    """The layer; one context for all where θ has so many levels that a table per layer would not pay."""
    return _layers(layout) if max_level < MAX_CONTEXTS else Contexts.one(layout.n)
