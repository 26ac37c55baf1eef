"""θ, masks and networks to bytes and back: everything that crosses the network, or lies in a file, is made here.

A message is a header and a payload:

    magic "FSP1" | kind | codec | round | n | layout | reference | payload length | checksum     34 bytes
    payload

`layout` is a hash of the layers' shapes. `reference` is the checksum of the broadcast that a mask was coded against,
0 otherwise. The checksum (CRC-32) covers all the rest. Two codecs:

- `packed`: bits as they are, 8 a byte; what "1 bit per parameter" means.
- `context`: a range coder (constriction) with one distribution a context. A context is a number that both ends derive
  from what they both hold: for a mask, the level of θ there; for θ and for a network file, the layer. Its distribution
  is counted by the encoder and travels in the payload, quantized to 16 bits.

θ itself is a small whole number a parameter: level/top, kept in [clip, 1 − clip].

A decoder accepts exactly what an encoder makes: it checks the header before it allocates, and having decoded it encodes
again and compares.
"""

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from fedsparse.coding import pack_bits, pack_levels, range_decode, range_encode, unpack_bits, unpack_levels
from fedsparse.errors import MessageError
from fedsparse.models import Layout

MAGIC = b"FSP1"  # the last character is the version
HEADER = struct.Struct("<4sBBII8sII")
CHECKSUM = struct.Struct("<I")
HEADER_BYTES = HEADER.size + CHECKSUM.size
CODECS = ("packed", "context")
MOST_LEVELS = 255
MOST_CONTEXTS = 16


class Kind(IntEnum):
    """What a message holds."""

    THETA = 1
    MASK = 2
    NETWORK = 3
    WEIGHTS = 16  # from here on those of weight_codec.py
    VOTES = 17
    UPDATE = 18
    SIGNS = 19
    QSGD = 20
    EDEN = 21
    WEIGHT_NETWORK = 22


@dataclass(frozen=True)
class Theta:
    """The probability mask as it is sent: θⱼ = levels[j] / top, kept in [clip, 1 − clip]."""

    levels: np.ndarray
    """(n,) uint8, each at most `top`."""
    top: int
    """1 … 255: with K equal clients, K, and a level is how many of them said yes."""
    clip: float

    def probabilities(self) -> np.ndarray:
        """θ, shape (n,), float32."""
        table = np.clip(np.arange(self.top + 1) / self.top, self.clip, 1 - self.clip)
        return table.astype(np.float32)[self.levels]


@dataclass(frozen=True)
class Broadcast:
    """A θ that both ends hold: the server having sent these bytes, the client having decoded them."""

    theta: Theta
    round: int
    layout: Layout
    checksum: int

    def contexts(self) -> np.ndarray:
        """(n,) integers: the level of θ, in 16 bins where there are more levels.

        Layers are not told apart: given the level they hardly differ, and their tables would cost more than they save.
        """
        bins = min(self.theta.top + 1, MOST_CONTEXTS)
        return self.theta.levels.astype(np.intp) * bins // (self.theta.top + 1)


@dataclass(frozen=True)
class Report:
    """What a client says beside its mask; 16 bytes on the wire."""

    client: int
    samples: int
    """Training images it holds: its weight if aggregation is weighted."""
    loss: float
    """Mean cross-entropy over its local steps, regularizer not included."""
    kl: float
    """KL(σ(s) ‖ θ) in bits per parameter."""


REPORT = struct.Struct("<IIff")
THETA = struct.Struct("<Bf")


def encode_theta(theta: Theta, round: int, layout: Layout, codec: str = "context") -> bytes:
    """A broadcast: the probability mask of the round that is about to begin."""
    if len(theta.levels) != layout.n or not 1 <= theta.top <= MOST_LEVELS or theta.levels.max() > theta.top:
        raise MessageError(f"θ needs {layout.n} levels of at most top, and top of at most {MOST_LEVELS}")
    payload = THETA.pack(theta.top, theta.clip)
    if codec == "packed":
        payload += pack_levels(theta.levels, theta.top)
    else:
        payload += range_encode(theta.levels, _theta_contexts(layout, theta.top), theta.top + 1)
    return _message(Kind.THETA, codec, round, layout, 0, payload)


def decode_theta(message: bytes, layout: Layout) -> Broadcast:
    """The broadcast in a message of `encode_theta`, for a network of this layout.

    Raises:
        MessageError: anything that `encode_theta` would not have made.
    """
    header, payload = _open(message, Kind.THETA, layout)
    top, clip = _unpack(THETA, payload)
    if top < 1 or not 0 <= clip < 0.5:
        raise MessageError(f"θ with {top} as its highest level and a clip of {clip}")
    body = payload[THETA.size :]
    if header.codec == "packed":
        levels = unpack_levels(body, layout.n, top)
    else:
        levels = range_decode(body, _theta_contexts(layout, top), top + 1).astype(np.uint8)
    theta = Theta(levels, top, clip)
    _same(message, encode_theta(theta, header.round, layout, header.codec))
    return Broadcast(theta, header.round, layout, header.checksum)


def encode_mask(mask: np.ndarray, report: Report, broadcast: Broadcast, codec: str = "context") -> bytes:
    """An update: one sampled mask, shape (n,) of 0 and 1, coded against the broadcast that it answers."""
    payload = REPORT.pack(report.client, report.samples, report.loss, report.kl)
    payload += pack_bits(mask) if codec == "packed" else range_encode(mask, broadcast.contexts(), 2)
    return _message(Kind.MASK, codec, broadcast.round, broadcast.layout, broadcast.checksum, payload)


def decode_mask(message: bytes, broadcast: Broadcast) -> tuple[np.ndarray, Report]:
    """The mask, uint8 of shape (n,), and the report in a message of `encode_mask`.

    Raises:
        MessageError: anything that `encode_mask` would not have made for this very broadcast.
    """
    header, payload = _open(message, Kind.MASK, broadcast.layout)
    if header.round != broadcast.round:
        raise MessageError(f"a mask of round {header.round}; this is round {broadcast.round}")
    if header.reference != broadcast.checksum:
        raise MessageError("a mask coded against another θ than this round's broadcast")
    report = Report(*_unpack(REPORT, payload))
    if not (np.isfinite(report.loss) and report.kl >= 0 and report.samples >= 1):
        raise MessageError(f"a mask with an impossible report: {report}")
    body = payload[REPORT.size :]
    if header.codec == "packed":
        mask = unpack_bits(body, broadcast.layout.n)
    else:
        mask = range_decode(body, broadcast.contexts(), 2).astype(np.uint8)
    _same(message, encode_mask(mask, report, broadcast, header.codec))
    return mask, report


def encode_network(mask: np.ndarray, layout: Layout, description: bytes) -> bytes:
    """A network as a file: its description, and its mask coded with one context a layer."""
    payload = struct.pack("<H", len(description)) + description + range_encode(mask, _layer_index(layout), 2)
    return _message(Kind.NETWORK, "context", 0, layout, 0, payload)


def network_description(message: bytes, kind: Kind = Kind.NETWORK) -> bytes:
    """The description in a message of `encode_network`, or of another such kind, read before the layout is known.

    Raises:
        MessageError: the message is too short for the description that it announces, or of another kind.
    """
    _header(message, kind)
    start = HEADER_BYTES + 2
    (length,) = _unpack(struct.Struct("<H"), message[HEADER_BYTES:])
    if len(message) < start + length:
        raise MessageError("the description is cut off")
    return message[start : start + length]


def decode_network(message: bytes, layout: Layout) -> np.ndarray:
    """The mask, uint8 of shape (n,), in a message of `encode_network` for this layout.

    Raises:
        MessageError: anything that `encode_network` would not have made.
    """
    _, payload = _open(message, Kind.NETWORK, layout)
    description = network_description(message)
    mask = range_decode(payload[2 + len(description) :], _layer_index(layout), 2).astype(np.uint8)
    _same(message, encode_network(mask, layout, description))
    return mask


# --- header ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Header:
    kind: int
    codec: str
    round: int
    n: int
    layout: bytes
    reference: int
    checksum: int


def _message(kind: Kind, codec: str, round: int, layout: Layout, reference: int, payload: bytes) -> bytes:
    head = HEADER.pack(MAGIC, kind, CODECS.index(codec), round, layout.n, layout.digest, reference, len(payload))
    return head + CHECKSUM.pack(zlib.crc32(payload, zlib.crc32(head))) + payload


def _header(message: bytes, kind: Kind) -> _Header:
    """The header, its own fields checked, and the checksum over all."""
    if len(message) < HEADER_BYTES:
        raise MessageError(f"{len(message)} bytes are too short for a message: a header alone has {HEADER_BYTES}")
    magic, got, codec, round, n, layout, reference, length = HEADER.unpack_from(message)
    (checksum,) = CHECKSUM.unpack_from(message, HEADER.size)
    if magic != MAGIC:
        what = f"version {magic[3:]!r}" if magic[:3] == MAGIC[:3] else f"magic {magic!r}"
        raise MessageError(f"not a message of this version of fedsparse: {what} instead of {MAGIC!r}")
    if length != len(message) - HEADER_BYTES:
        raise MessageError(f"a payload of {len(message) - HEADER_BYTES} bytes where the header announces {length}")
    if checksum != zlib.crc32(memoryview(message)[HEADER_BYTES:], zlib.crc32(message[: HEADER.size])):
        raise MessageError("damaged: the checksum does not fit")
    if got != kind or codec >= len(CODECS):
        raise MessageError(f"a message of kind {got}, codec {codec}, where a {kind.name.lower()} was expected")
    return _Header(got, CODECS[codec], round, n, layout, reference, checksum)


def _open(message: bytes, kind: Kind, layout: Layout) -> tuple[_Header, bytes]:
    header = _header(message, kind)
    if (header.n, header.layout) != (layout.n, layout.digest):
        raise MessageError(f"for a network of {header.n} parameters in another layout; this one has {layout.n}")
    return header, message[HEADER_BYTES:]


def _unpack(fields: struct.Struct, payload: bytes) -> tuple:
    if len(payload) < fields.size:
        raise MessageError("the payload is cut off")
    return fields.unpack_from(payload)


def _same(message: bytes, again: bytes) -> None:
    if message != again:
        raise MessageError("bytes that no encoder makes: what they decode to is encoded differently")


def _layer_index(layout: Layout) -> np.ndarray:
    return np.repeat(np.arange(len(layout.sizes)), layout.sizes)


def _theta_contexts(layout: Layout, top: int) -> np.ndarray:
    """The layer; one context for all where θ has so many levels that a table a layer would not pay."""
    return _layer_index(layout) if top < MOST_CONTEXTS else np.zeros(layout.n, np.intp)
