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

import constriction
import numpy as np

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
        payload += _pack_levels(theta.levels, theta.top)
    else:
        payload += _code(theta.levels, _theta_contexts(layout, theta.top), theta.top + 1)
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
        levels = _unpack_levels(body, layout.n, top)
    else:
        levels = _decode(body, _theta_contexts(layout, top), top + 1).astype(np.uint8)
    theta = Theta(levels, top, clip)
    _same(message, encode_theta(theta, header.round, layout, header.codec))
    return Broadcast(theta, header.round, layout, header.checksum)


def encode_mask(mask: np.ndarray, report: Report, broadcast: Broadcast, codec: str = "context") -> bytes:
    """An update: one sampled mask, shape (n,) of 0 and 1, coded against the broadcast that it answers."""
    payload = REPORT.pack(report.client, report.samples, report.loss, report.kl)
    payload += np.packbits(mask).tobytes() if codec == "packed" else _code(mask, broadcast.contexts(), 2)
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
        mask = _unpack_bits(body, broadcast.layout.n)
    else:
        mask = _decode(body, broadcast.contexts(), 2).astype(np.uint8)
    _same(message, encode_mask(mask, report, broadcast, header.codec))
    return mask, report


def encode_network(mask: np.ndarray, layout: Layout, description: bytes) -> bytes:
    """A network as a file: its description, and its mask coded with one context a layer."""
    payload = struct.pack("<H", len(description)) + description + _code(mask, _layer_index(layout), 2)
    return _message(Kind.NETWORK, "context", 0, layout, 0, payload)


def network_description(message: bytes) -> bytes:
    """The description in a message of `encode_network`, read before the layout is known.

    Raises:
        MessageError: the message is too short for the description that it announces, or of another kind.
    """
    _header(message, Kind.NETWORK)
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
    mask = _decode(payload[2 + len(description) :], _layer_index(layout), 2).astype(np.uint8)
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


# --- packed ----------------------------------------------------------------------------------------------------------


def _unpack_bits(body: bytes, count: int) -> np.ndarray:
    if len(body) != -(-count // 8):
        raise MessageError(f"{len(body)} bytes of packed bits where {-(-count // 8)} were expected")
    return np.unpackbits(np.frombuffer(body, np.uint8), count=count)


def _pack_levels(levels: np.ndarray, top: int) -> bytes:
    return np.packbits(np.unpackbits(levels[:, None], axis=1)[:, -top.bit_length() :]).tobytes()


def _unpack_levels(body: bytes, n: int, top: int) -> np.ndarray:
    width = top.bit_length()
    bits = np.zeros((n, 8), np.uint8)
    bits[:, -width:] = _unpack_bits(body, n * width).reshape(n, width)
    levels = np.packbits(bits, axis=1)[:, 0]
    if levels.max() > top:
        raise MessageError(f"a level of θ above the highest, {top}")
    return levels


# --- context coding --------------------------------------------------------------------------------------------------


def _layer_index(layout: Layout) -> np.ndarray:
    return np.repeat(np.arange(len(layout.sizes)), layout.sizes)


def _theta_contexts(layout: Layout, top: int) -> np.ndarray:
    """The layer; one context for all where θ has so many levels that a table a layer would not pay."""
    return _layer_index(layout) if top < MOST_CONTEXTS else np.zeros(layout.n, np.intp)


def _grouped(contexts: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """The order that brings equal contexts together, and how many there are of each that occurs."""
    order = np.argsort(contexts.astype(np.uint16), kind="stable")  # 16 bits: a radix sort
    counts = np.bincount(contexts)
    return order, counts[counts > 0].tolist()


def _models(tables: np.ndarray) -> list:
    """One distribution a row of cumulative 16-bit frequencies."""
    rows = np.diff(tables.astype(np.int64), axis=1, prepend=0, append=65535)
    return [constriction.stream.model.Categorical(row / 65535, perfect=False) for row in rows]


def _code(symbols: np.ndarray, contexts: np.ndarray, alphabet: int) -> bytes:
    """Frequencies of the symbols 0 … alphabet−1 in each context that occurs, then the range-coded symbols."""
    order, counts = _grouped(contexts)
    grouped = np.split(symbols[order].astype(np.int32), np.cumsum(counts)[:-1])
    histograms = np.stack([np.bincount(group, minlength=alphabet) for group in grouped])
    cumulative = np.cumsum(histograms, axis=1)[:, :-1] * 65535 / np.asarray(counts)[:, None]
    tables = np.rint(cumulative).astype("<u2")
    encoder = constriction.stream.queue.RangeEncoder()
    for group, model in zip(grouped, _models(tables), strict=True):
        encoder.encode(group, model)
    return tables.tobytes() + encoder.get_compressed().astype("<u4").tobytes()


def _decode(body: bytes, contexts: np.ndarray, alphabet: int) -> np.ndarray:
    order, counts = _grouped(contexts)
    size = len(counts) * (alphabet - 1) * 2
    if len(body) < size or (len(body) - size) % 4:
        raise MessageError("the coded symbols are cut off")
    tables = np.frombuffer(body[:size], "<u2").reshape(len(counts), alphabet - 1)
    if np.any(np.diff(tables.astype(np.int64), axis=1) < 0):
        raise MessageError("frequencies that decrease")
    decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(body[size:], "<u4").astype(np.uint32))
    symbols = np.empty(len(contexts), np.int32)
    try:
        parts = [decoder.decode(model, count) for model, count in zip(_models(tables), counts, strict=True)]
    except AssertionError as error:
        raise MessageError("coded symbols that do not fit their frequencies") from error
    symbols[order] = np.concatenate(parts)
    return symbols
