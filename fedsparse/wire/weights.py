"""Weights and their updates to bytes and back, for baselines that train weights instead of masks.

Messages have the header of `frame.py`, and are refused for the same reasons. The two codecs mean here:

- `packed`: 32 bits per number; symbols in as few whole bits as they need.
- `context`: floats deflated by zstd, their first bytes together, then their second, and so on, because exponents repeat
  and mantissas do not; symbols range coded with one distribution for all. zstd's own bytes differ between its versions,
  and a decoder accepts only those of the version that it has.

A client answers a `WeightBroadcast`: its message names the broadcast's checksum, and begins with a report of 12 bytes.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from fedsparse.errors import MessageError
from fedsparse.models import Layout
from fedsparse.theta import Weights
from fedsparse.wire.frame import Kind, check_same, message_of, open_message, unpack
from fedsparse.wire.masks import Report, network_description
from fedsparse.wire.range_coder import Contexts, pack_levels, range_decode, range_encode, unpack_levels

MAX_ABS = 1024.0
"""No weight or update is larger: beyond it, training has diverged."""
MAX_VOTES = 2047
"""Largest sum of votes that is range coded: a 16-bit distribution has no room for many more symbols."""
MAX_SCALARS = 2**24
"""The largest number of scalars in one message: what its reader may be asked to allocate for them is 64 MB."""
REPORT = struct.Struct("<IIf")
VOTES = COUNT = struct.Struct("<I")


@dataclass(frozen=True)
class WeightBroadcast:
    """What all clients of a round begin from; the server having sent these bytes, the client having decoded them.

    Two are equal if round, layout and checksum are.
    """

    values: np.ndarray = field(compare=False)
    """(n,): weights, float32, or sums of votes, int32."""
    round: int
    layout: Layout
    checksum: int

    @cached_property
    def packed(self) -> dict[str, Any]:
        """Numbers and a tensor that a client's memory, and so a checkpoint, can hold."""
        return {"round": self.round, "checksum": self.checksum, "values": torch.from_numpy(self.values)}

    @classmethod
    def unpack(cls, packed: dict[str, Any], layout: Layout) -> "WeightBroadcast":
        """The inverse of `packed`."""
        return cls(packed["values"].numpy(), packed["round"], layout, packed["checksum"])


def encode_weights(values: np.ndarray, round: int, layout: Layout, codec: str) -> bytes:
    """A broadcast: (n,) float32 weights, for the round that is about to begin."""
    return message_of(Kind.WEIGHTS, codec, round, layout, 0, _floats(values, codec))


def decode_weights(message: bytes, layout: Layout) -> WeightBroadcast:
    """The weights in a message of `encode_weights`. Raises `MessageError` for anything else."""
    header, payload = open_message(message, Kind.WEIGHTS, layout)
    values = _numbers(payload, layout.n, header.codec)
    check_same(message, encode_weights(values, header.round, layout, header.codec))
    return WeightBroadcast(values, header.round, layout, header.checksum)


def encode_votes(sums: np.ndarray, round: int, layout: Layout, codec: str) -> bytes:
    """A broadcast: the sum of the votes −1, 0 or 1 of all rounds before this one, (n,) whole numbers.

    Raises:
        MessageError: more votes than there were rounds.
    """
    top = int(np.abs(sums.astype(np.int64)).max())
    if top > max(0, round - 1):
        raise MessageError(f"a sum of {top} votes before round {round}")
    if top > MAX_VOTES or codec == "packed":
        return message_of(Kind.VOTES, "packed", round, layout, 0, VOTES.pack(top) + sums.astype(_width(top)).tobytes())
    coded = range_encode(sums + top, Contexts.one(layout.n), 2 * top + 1) if top else b""
    return message_of(Kind.VOTES, codec, round, layout, 0, VOTES.pack(top) + coded)


def decode_votes(message: bytes, layout: Layout) -> WeightBroadcast:
    """The sums, int32, in a message of `encode_votes`. Raises `MessageError` for anything else."""
    header, payload = open_message(message, Kind.VOTES, layout)
    (top,) = unpack(VOTES, payload)
    body = payload[VOTES.size :]
    if header.codec == "packed":
        if len(body) != layout.n * _width(top).itemsize:
            raise MessageError(f"{len(body)} bytes of votes where {layout.n * _width(top).itemsize} were expected")
        sums = np.frombuffer(body, _width(top)).astype(np.int32)
    elif not 0 < top <= min(MAX_VOTES, max(0, header.round - 1)):
        sums = np.zeros(layout.n, np.int32)
    else:
        sums = range_decode(body, Contexts.one(layout.n), 2 * top + 1).astype(np.int32) - top
    check_same(message, encode_votes(sums, header.round, layout, header.codec))
    return WeightBroadcast(sums, header.round, layout, header.checksum)


def encode_update(update: np.ndarray, report: Report, broadcast: WeightBroadcast, codec: str) -> bytes:
    """An update as it is: (n,) float32, or a scalar for each direction that the weights moved along."""
    return _answer(Kind.UPDATE, _floats(update, codec), report, broadcast, codec)


def decode_update(message: bytes, broadcast: WeightBroadcast, count: int | None = None) -> tuple[np.ndarray, Report]:
    """The update and the report in a message of `encode_update`; `count` scalars instead of n numbers, if it is given.

    Raises:
        MessageError: anything else.
    """
    codec, report, body = _answered(message, Kind.UPDATE, broadcast)
    update = _numbers(body, broadcast.layout.n if count is None else _check_scalars(count), codec)
    check_same(message, encode_update(update, report, broadcast, codec))
    return update, report


def encode_scalars(rounds: Sequence[np.ndarray], round: int, layout: Layout, checksum: int, codec: str) -> bytes:
    """A broadcast that says how the weights came about: of each of the latest rounds its scalars, (·,) float32.

    Args:
        rounds: from the one whose weights the receiver holds to the one before the coming one.
        checksum: of the weights that they lead to.

    Raises:
        MessageError: more than `MAX_SCALARS`.
    """
    counts = [len(scalars) for scalars in rounds]
    _check_scalars(sum(counts))
    scalars = _floats(np.concatenate([np.zeros(0, np.float32), *rounds]), codec)
    payload = np.array([len(rounds), *counts], "<u4").tobytes() + scalars
    return message_of(Kind.SCALARS, codec, round, layout, checksum, payload)


def decode_scalars(message: bytes, layout: Layout) -> tuple[list[np.ndarray], int, int]:
    """The scalars of each round in a message of `encode_scalars`, the coming round, and the checksum of its weights.

    Raises:
        MessageError: anything else.
    """
    header, payload = open_message(message, Kind.SCALARS, layout)
    (count,) = unpack(COUNT, payload)
    if len(payload) < 4 * (1 + count) or count >= header.round:
        raise MessageError(f"{len(payload)} bytes with scalars of {count} rounds before round {header.round}")
    ends = np.cumsum(np.frombuffer(payload, "<u4", count, offset=4), dtype=np.int64)
    total = _check_scalars(int(ends[-1]) if count else 0)
    scalars = _numbers(payload[4 * (1 + count) :], total, header.codec)
    rounds = np.split(scalars, ends)[:-1]
    check_same(message, encode_scalars(rounds, header.round, layout, header.reference, header.codec))
    return rounds, header.round, header.reference


def encode_symbols(
    kind: Kind,
    symbols: np.ndarray,
    top: int,
    scales: np.ndarray,
    report: Report,
    broadcast: WeightBroadcast,
    codec: str,
) -> bytes:
    """A quantized update: float32 scales, then whole numbers 0 … top, at most 255."""
    return _answer(kind, symbols_to_bytes(symbols, top, scales, codec), report, broadcast, codec)


def decode_symbols(
    message: bytes, kind: Kind, count: int, top: int, scales: int, broadcast: WeightBroadcast
) -> tuple[np.ndarray, np.ndarray, Report]:
    """Symbols, (count,) int64, scales, (scales,) float32, and the report in a message of `encode_symbols`.

    Raises:
        MessageError: anything that `encode_symbols` would not have made of so many symbols and scales.
    """
    codec, report, body = _answered(message, kind, broadcast)
    symbols, lengths = symbols_from_bytes(body, count, top, scales, codec)
    return symbols, lengths, report


def symbols_to_bytes(symbols: np.ndarray, top: int, scales: np.ndarray, codec: str) -> bytes:
    """Float32 scales, then whole numbers 0 … top, at most 255."""
    coded = (
        pack_levels(symbols.astype(np.uint8), top)
        if codec == "packed"
        else range_encode(symbols, Contexts.one(len(symbols)), top + 1)
    )
    return scales.astype("<f4").tobytes() + coded


def symbols_from_bytes(body: bytes, count: int, top: int, scales: int, codec: str) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of `symbols_to_bytes`: symbols, (count,) int64, and scales, (scales,) float32.

    Raises:
        MessageError: anything that `symbols_to_bytes` would not have made of so many symbols and scales.
    """
    if len(body) < 4 * scales:
        raise MessageError("the scales are cut off")
    lengths = np.frombuffer(body[: 4 * scales], "<f4").astype(np.float32)
    if not np.all(np.isfinite(lengths)) or np.signbit(lengths).any():
        raise MessageError("a scale that is negative or no finite number")
    if codec == "packed":
        symbols = unpack_levels(body[4 * scales :], count, top)
    else:
        symbols = range_decode(body[4 * scales :], Contexts.one(count), top + 1)
    check_same(body, symbols_to_bytes(symbols, top, lengths, codec))
    return symbols.astype(np.int64), lengths


def encode_weight_network(weights: Weights, layout: Layout, description: bytes) -> bytes:
    """A network as a file: its description, and its weights as plain float32."""
    payload = struct.pack("<H", len(description)) + description + _floats(weights.values, "packed")
    return message_of(Kind.WEIGHT_NETWORK, "packed", 0, layout, 0, payload)


def decode_weight_network(message: bytes, layout: Layout) -> Weights:
    """The weights in a message of `encode_weight_network`. Raises `MessageError` for anything else."""
    _, payload = open_message(message, Kind.WEIGHT_NETWORK, layout)
    description = network_description(message, Kind.WEIGHT_NETWORK)
    weights = Weights(_numbers(payload[2 + len(description) :], layout.n, "packed"))
    check_same(message, encode_weight_network(weights, layout, description))
    return weights


def _answer(kind: Kind, body: bytes, report: Report, broadcast: WeightBroadcast, codec: str) -> bytes:
    head = REPORT.pack(report.client, report.samples, report.loss)
    return message_of(kind, codec, broadcast.round, broadcast.layout, broadcast.checksum, head + body)


def _answered(message: bytes, kind: Kind, broadcast: WeightBroadcast) -> tuple[str, Report, bytes]:
    header, payload = open_message(message, kind, broadcast.layout)
    if (header.round, header.reference) != (broadcast.round, broadcast.checksum):
        raise MessageError(
            f"an update of round {header.round} that answers another broadcast than round {broadcast.round}'s"
        )
    client, samples, loss = unpack(REPORT, payload)
    report = Report(client, samples, loss, kl=0.0)
    if not 0 <= report.loss < np.inf or report.samples < 1:
        raise MessageError(f"an update with an impossible report: {report}")
    return header.codec, report, payload[REPORT.size :]


def _check_scalars(count: int) -> int:
    """The same count. Raises `MessageError` if there are more than `MAX_SCALARS`."""
    if count > MAX_SCALARS:
        raise MessageError(f"{count} scalars in one message, where {MAX_SCALARS} is the most")
    return count


def _floats(values: np.ndarray, codec: str) -> bytes:
    if not np.all(np.abs(values) <= MAX_ABS):
        raise MessageError(
            f"weights and updates are finite and at most {MAX_ABS:g}: training has diverged, lower weight_lr"
        )
    raw = np.ascontiguousarray(values, "<f4")
    if codec == "packed":
        return raw.tobytes()
    import zstandard

    return zstandard.ZstdCompressor().compress(raw.view(np.uint8).reshape(-1, 4).T.tobytes())


def _numbers(body: bytes, n: int, codec: str) -> np.ndarray:
    """The inverse of `_floats`: (n,) float32."""
    if codec == "context":
        body = _inflated(body, 4 * n)
    if len(body) != 4 * n:
        raise MessageError(f"{len(body)} bytes of float32 where {4 * n} were expected")
    if codec == "context":
        body = np.frombuffer(body, np.uint8).reshape(4, n).T.tobytes()
    return np.frombuffer(body, "<f4").astype(np.float32)


def _inflated(body: bytes, size: int) -> bytes:
    """zstd's content, once its own header has announced the right size."""
    import zstandard

    try:
        if zstandard.frame_content_size(body) != size:
            raise MessageError(f"a zstd frame of another size than {size} bytes")
        return zstandard.ZstdDecompressor().decompress(body, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise MessageError(f"not a zstd frame ({error})") from None


def _width(top: int) -> np.dtype:
    """The narrowest signed whole number that holds −top … top."""
    return np.dtype("<i1" if top < 2**7 else "<i2" if top < 2**15 else "<i4")
